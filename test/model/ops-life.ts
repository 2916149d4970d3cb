/** Self-invalidating TLB entries (shootdown P10): ticks of a CPU's own, and what waits for them. */
import * as abi from "../../src/core/abi.js";
import { retire } from "./ops-latr.js";
import type { Cache, Cached, Cpu, Model } from "./state.js";

/** Each entry of a cache becomes what `change` makes of it. */
function mapEntries(cache: Cache, change: (entry: Cached) => Cached | null): boolean {
  let any = false;
  for (const set of cache.sets) {
    set.forEach((entry, way) => {
      if (entry === null) return;
      const after = change(entry);
      any ||= after !== entry;
      set[way] = after;
    });
  }
  return any;
}

/** A mutant: who is used begins to live anew. */
export function renew(model: Model, cpu: Cpu, used: Cached): Cached {
  if (model.lifetimes?.renews !== true) return used;
  const young = { ...used, old: false };
  mapEntries(cpu.tlb, (entry) => (entry === used ? young : entry));
  return young;
}

/** Young entries are old afterwards, old ones are gone; who was to see it has seen it. */
export function tick(model: Model, actor: number): number {
  const cpu = model.cpus[actor];
  const { lifetimes } = model;
  if (!cpu || !lifetimes) return abi.ST_IDLE;
  let any = mapEntries(cpu.tlb, (e) => (e.old === true ? null : { ...e, old: true }));
  for (const owner of model.cpus) {
    const { latr } = owner;
    if (!latr?.left.has(actor)) continue;
    any = true;
    if (lifetimes.ticks > 1 && !latr.seen.has(actor)) {
      latr.seen.add(actor);
      continue;
    }
    latr.left.delete(actor);
    if (latr.left.size === 0) retire(model, actor, owner);
  }
  return any ? abi.ST_OK : abi.ST_IDLE;
}
