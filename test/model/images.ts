/** The programs that random machines run: the library's, and those that only tests have. */
import { Catalogue } from "../../src/kernel/catalogue.js";
import { buildImage, usesSubscribers } from "../../src/kernel/image.js";
import { FAULTS } from "../../src/kernel/subscribers.js";
import type { Image } from "../../src/program/assembler.js";
import { CALL_OPERATIONS, EXTRA_OPERATIONS } from "./extra-operations.js";
import { EXTRA_POLICIES } from "./extra-policies.js";
import { SUBSCRIBER_OPERATIONS } from "./subscriber-operations.js";

/** What the library has, and what tests need besides. */
export const catalogue = Catalogue.standard.with({
  operations: EXTRA_OPERATIONS,
  policies: EXTRA_POLICIES,
});
/** With these, csd are wide under every policy. */
const withCalls = catalogue.with({ operations: CALL_OPERATIONS });
const images = new Map<string, Image>();

/** Those whose subscriptions stay as they are; or those that reach what is pinned. */
export const consumersOf = (subscribed: boolean, pinned = false) =>
  catalogue.parts.consumers.filter(
    (consumer) =>
      (consumer.kind === "pinning") === pinned &&
      (subscribed || !usesSubscribers({ consumers: [consumer] })),
  );

const withDrivers = catalogue.with({ operations: SUBSCRIBER_OPERATIONS.flat() });

/** What an image is besides: subscriptions come and go, devices are the host's. */
export interface ImageKind {
  readonly subscribed?: boolean | undefined;
  readonly hosts?: boolean | undefined;
  readonly pinned?: boolean | undefined;
}

/** Images are assembled once. */
export function imageOf(era: string, policy: string, calls: boolean, kind: ImageKind): Image {
  const { subscribed = false, hosts = false, pinned = false } = kind;
  const key = `${era}/${policy}/${calls}/${subscribed}/${hosts}/${pinned}`;
  let image = images.get(key);
  if (!image) {
    image = buildImage({
      catalogue: subscribed ? withDrivers : calls ? withCalls : catalogue,
      era: catalogue.era(era),
      policy: catalogue.policy(policy),
      consumers: consumersOf(subscribed, pinned),
      hosts,
      ...(subscribed ? { faults: FAULTS[key.length % FAULTS.length] } : {}),
    });
    images.set(key, image);
  }
  return image;
}
