/** What is true of machines with one ASID space for all CPUs: assembly/asid.ts. */
import * as abi from "../core/abi.js";
import { CPU, MM } from "../core/layout.js";
import type { Invariant, View } from "./view.js";

const HEAD_BYTES = 16;

/** An mm's ASID; `current`: it was given away in this generation. */
export interface OwnedAsid {
  readonly number: number;
  readonly current: boolean;
}

/** Has the machine such a space? */
export function hasAsids(view: View): boolean {
  return (view.header(abi.H_ROWS) & abi.ROW_ASIDS) !== 0;
}

/** The ASID of an mm; null: it has had none. */
export function asidOf(view: View, mm: number): OwnedAsid | null {
  const head = view.core.at(abi.H_OFF_ASIDS);
  const id = view.core.u32[(head + HEAD_BYTES + mm * 8) >> 2];
  if (id === 0) return null;
  const numbers = 2 ** (32 - Math.clz32(view.header(abi.H_ASID_SPACE)));
  const generation = Math.floor(id / numbers);
  return { number: id % numbers, current: generation === view.core.u32[head >> 2] };
}

/** The mm that a CPU has loaded, lazily or not. */
function loadedOn(view: View, cpu: number): number | null {
  const loaded = view.core.read(CPU, view.core.cpu(cpu), "loadedMm");
  return loaded === abi.LOADED_INIT || loaded === abi.LOADED_SWITCHING ? null : loaded - 1;
}

/** mm of each slot whose entries a CPU would use as they are. */
export function trustedAsids(view: View, cpu: number): Map<number, number> {
  const trusted = new Map<number, number>();
  const running = loadedOn(view, cpu);
  if (running !== null) trusted.set(view.core.read(CPU, view.core.cpu(cpu), "asid"), running);
  const pending = view.core.at(abi.H_OFF_ASIDS) + HEAD_BYTES + (view.mms + view.cpus) * 8;
  const word = view.core.u32[(pending >> 2) + (cpu >> 5)];
  // Everything goes before another mm is switched to.
  if (((word >>> (cpu & 31)) & 1) === 1) return trusted;
  for (let mm = 0; mm < view.mms; mm++) {
    const asid = asidOf(view, mm);
    if (asid?.current !== true) continue;
    const slot = (asid.number - 1) % view.header(abi.H_ASIDS);
    if (view.slot(cpu, slot).ctxId === asid.number) trusted.set(slot, mm);
  }
  return trusted;
}

const oneOwnerPerAsid: Invariant = {
  name: "OneOwnerPerAsid",
  says: "No two mms have one ASID in a generation, and a CPU runs an mm under the ASID it has.",
  atRest: false,
  check(view, report) {
    if (!hasAsids(view)) return;
    const owners = new Map<number, number>();
    for (let mm = 0; mm < view.mms; mm++) {
      const asid = asidOf(view, mm);
      if (asid?.current !== true || view.core.read(MM, view.core.mm(mm), "ctxId") === 0) continue;
      const other = owners.get(asid.number);
      if (other !== undefined) report(`mm ${other} and mm ${mm} have ASID ${asid.number}`);
      owners.set(asid.number, mm);
    }
    for (let cpu = 0; cpu < view.cpus; cpu++) {
      const mm = loadedOn(view, cpu);
      if (mm === null) continue;
      const { ctxId } = view.slot(cpu, view.core.read(CPU, view.core.cpu(cpu), "asid"));
      const number = asidOf(view, mm)?.number ?? 0;
      if (ctxId !== number) {
        report(`CPU ${cpu} runs mm ${mm} under ASID ${ctxId}, and the mm has ${number}`);
      }
    }
  },
};

export const ASID_INVARIANTS: readonly Invariant[] = [oneOwnerPerAsid];
