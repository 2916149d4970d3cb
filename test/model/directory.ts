/** The TLB directory (shootdown P21): explored machines have one set of two entries. */
import * as abi from "../../src/core/abi.js";
import { dropWhere } from "./caches.js";
import { pagesOf } from "./ops-flush.js";
import type { Cpu, Directory, Info, Model } from "./state.js";

type Named = NonNullable<Directory["ways"][number]>;

const first = (model: Model, vpn: bigint, huge: boolean): bigint =>
  huge ? (vpn >> model.bits) << model.bits : vpn;

/** An entry's translation goes from the TLBs it names. */
function invalidate(model: Model, gone: Named): void {
  for (const index of gone.holders) {
    const cpu = model.cpus[index];
    cpu.slots.forEach(({ ctxId }, asid) => {
      if (ctxId !== gone.ctxId) return;
      const hugePage = first(model, gone.vpn, true);
      dropWhere(cpu.tlb, (e) => e.asid === asid && e.vpn === (e.huge ? hugePage : gone.vpn));
    });
  }
}

/** A CPU is about to cache a page: known here before it is. */
export function fillDirectory(model: Model, cpu: Cpu, mm: number, vpn: bigint, huge: boolean) {
  if (!model.has(abi.OPT_DIRECTORY)) return;
  const { ways } = model.directory;
  const { ctxId } = model.mm(mm);
  const page = first(model, vpn, huge);
  let named = ways.find((e) => e?.ctxId === ctxId && e.vpn === page && e.huge === huge);
  if (!named) {
    named = { ctxId, vpn: page, huge, holders: new Set() };
    let way = ways.indexOf(null);
    if (way < 0) {
      way = model.directory.turn;
      model.directory.turn = (way + 1) % ways.length;
      if (!model.silent) invalidate(model, ways[way]!);
    }
    ways[way] = named;
  }
  named.holders.add(cpu.index);
}

/** Entries that a request is about. */
function entriesOf(model: Model, info: Readonly<Info>): Named[] {
  const { ctxId } = model.mm(info.mm as number);
  const isAll = (info.flags & abi.INFO_FULL) !== 0;
  const pages = isAll ? [] : pagesOf(model, info);
  const span = 1n << model.bits;
  return model.directory.ways.filter((e): e is Named => {
    if (e?.ctxId !== ctxId) return false;
    if (isAll) return true;
    return e.huge ? e.vpn < info.end && info.start < e.vpn + span : pages.includes(e.vpn);
  });
}

/** Whom the directory names. */
export function holdersOf(model: Model, info: Readonly<Info>): Set<number> {
  return new Set(entriesOf(model, info).flatMap(({ holders }) => [...holders]));
}

/** A CPU has applied a request. */
export function leaveDirectory(model: Model, cpu: Cpu, info: Readonly<Info>): void {
  if (!model.has(abi.OPT_DIRECTORY)) return;
  for (const named of entriesOf(model, info)) {
    named.holders.delete(cpu.index);
    const { ways } = model.directory;
    if (named.holders.size === 0) ways[ways.indexOf(named)] = null;
  }
}
