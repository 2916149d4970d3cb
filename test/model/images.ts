/** The programs that random machines run: the library's, and those that only tests have. */
import { Catalogue } from "../../src/kernel/catalogue.js";
import { buildImage } from "../../src/kernel/image.js";
import type { Image } from "../../src/program/assembler.js";
import { CALL_OPERATIONS, EXTRA_OPERATIONS } from "./extra-operations.js";
import { EXTRA_POLICIES } from "./extra-policies.js";

export const catalogue = Catalogue.standard.with({
  operations: EXTRA_OPERATIONS,
  policies: EXTRA_POLICIES,
});
/** With these, csd are wide under every policy. */
const withCalls = catalogue.with({ operations: CALL_OPERATIONS });
const images = new Map<string, Image>();

/** Assembled once. */
export function imageOf(era: string, policy: string, calls: boolean, hosts: boolean): Image {
  const key = `${era}/${policy}/${calls}/${hosts}`;
  let image = images.get(key);
  if (!image) {
    image = buildImage({
      catalogue: calls ? withCalls : catalogue,
      era: catalogue.era(era),
      policy: catalogue.policy(policy),
      consumers: catalogue.parts.consumers,
      hosts,
    });
    images.set(key, image);
  }
  return image;
}
