/** What parts of a machine's own are to the model. */
import { Catalogue } from "../../src/kernel/catalogue.js";
import type { Consumer } from "../../src/kernel/consumer.js";
import { deviceRows } from "../../src/kernel/device-rows.js";
import type { FlushPolicy } from "../../src/kernel/policy.js";
import type { Device, ModelOptions } from "./state.js";

const catalogue = Catalogue.standard;
const [era, policy] = [catalogue.era("coupled"), catalogue.policy("concurrent")];
const simple = new Set(
  catalogue.parts.consumers.filter(
    (consumer) => deviceRows({ catalogue, era, policy, consumers: [consumer] }) === 0,
  ),
);

/** Its devices have no more than a cache. */
export function isSimple(consumer: Consumer): boolean {
  return simple.has(consumer);
}

/** What is not said by its programs. */
export function giveTraits({ more }: Device, { traits }: Consumer): void {
  more.snoops = traits?.snoops === true;
  more.keepsRoot = traits?.keepsRoot === true;
}

/** What a policy's own rows are. */
export function ownOf({ lifetimes }: FlushPolicy): Pick<ModelOptions, "lifetimes"> {
  if (lifetimes === undefined) return {};
  const ticks = lifetimes === "cut-short" ? 1 : 2;
  return { lifetimes: { ticks, renews: lifetimes === "renewed" } };
}
