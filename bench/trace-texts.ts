/** A recording of ftrace, as other programs would have printed it. */

const LINE = /^\s*(.+)-(\d+)\s+\[(\d+)\]\s+\S+\s+(\d+\.\d+): ([a-z_0-9]+)(.*)$/;
const SUBSYSTEMS: Readonly<Record<string, string>> = {
  tlb: "tlb",
  csd: "csd",
  ipi: "ipi",
  page: "exceptions",
  sched: "sched",
};

/** The lines `perf script` prints for the same events. */
export function perfText(lines: readonly string[]): string[] {
  return lines.flatMap((line) => {
    const parts = LINE.exec(line);
    if (parts === null) return [];
    const [, comm, tid, cpu, time, name, rest] = parts;
    const head = `${comm.padStart(16)} ${tid.padStart(7)} [${cpu}] ${time}000: `;
    if (!name.startsWith("sys_")) {
      return [`${head}${SUBSYSTEMS[name.split("_")[0]]}:${name}${rest}`];
    }
    const call = name.slice(4);
    return rest.startsWith(" -> ")
      ? [`${head}syscalls:sys_exit_${call}: ${rest.slice(4)}`]
      : [`${head}syscalls:sys_enter_${call}: ${rest.slice(1, -1)}`];
  });
}

/** Arguments that strace prints in decimal. */
const LENGTHS = new Set(["len", "len_in", "old_len", "new_len"]);
const FLAGS: Readonly<Record<string, readonly string[]>> = {
  prot: ["PROT_READ", "PROT_WRITE", "PROT_EXEC"],
};

function argument(text: string): string {
  const [name, value] = text.split(": ");
  if (name === "fd") return value === "0xffffffff" ? "-1" : String(parseInt(value, 16));
  if (LENGTHS.has(name)) return String(parseInt(value, 16));
  const number = parseInt(value, 16);
  const names = FLAGS[name]?.filter((_, bit) => (number >> bit) & 1);
  if (names !== undefined) return names.join("|") || "PROT_NONE";
  return number === 0 && name === "addr" ? "NULL" : value;
}

/** The lines `strace -f -ttt -T` prints for the same memory calls; `round` sets the clock. */
export function straceText(lines: readonly string[], round: number): string[] {
  const calls = lines.flatMap((line) => {
    const parts = LINE.exec(line);
    if (parts === null || !/^sys_(mmap|munmap|mprotect|madvise|brk)$/.test(parts[5])) return [];
    return [parts];
  });
  let open: string | null = null;
  return calls.flatMap(([, , tid, , time, name, rest], i) => {
    const head = `${tid} 17952${round}${time.padStart(11, "0")} `;
    const call = name.slice(4);
    const next = calls[i + 1];
    if (!rest.startsWith(" -> ")) {
      const text = `${call}(${rest.slice(1, -1).split(", ").map(argument).join(", ")}`;
      if (next?.[2] !== tid) return [`${head}${text} <unfinished ...>`];
      open = `${head}${text}`;
      return [];
    }
    const value = rest.slice(4);
    const isError = /^0xf{13}/.test(value);
    const result = isError ? "-1 EINVAL (Invalid argument)" : value === "0x0" ? "0" : value;
    const begin: string = open ?? `${head}<... ${call} resumed>`;
    open = null;
    return [`${begin}) = ${result} <0.000026>`];
  });
}
