/** A device whose subscriptions come and go, in the core and in the model. */
import type { Core } from "../../src/core/core.js";
import { pagesOf } from "../../src/core/geometry.js";
import type { Consumer } from "../../src/kernel/consumer.js";
import { entryOf } from "../../src/kernel/image.js";
import type { Image } from "../../src/program/assembler.js";
import { attachSubscriber } from "../../src/subscribe.js";
import type { Model } from "./state.js";
import { setUp } from "./step.js";

interface Both {
  readonly core: Core;
  readonly model: Model;
  readonly image: Image;
}

interface Attached {
  readonly device: number;
  readonly mm: number;
  readonly consumer: Consumer;
  readonly kind: number;
  readonly hooks: number[];
  /** False: drivers' operations do it later. */
  readonly subscribed: boolean;
}

export function attachBoth({ core, model, image }: Both, attached: Attached): void {
  const { device, mm, consumer, kind, hooks, subscribed } = attached;
  attachSubscriber(core, image, consumer, { device, mm, subscribed });
  setUp.describe(model, device, kind, hooks);
  const isClassic = consumer.interval === undefined || Object.keys(consumer.hooks).length > 0;
  if (isClassic && subscribed) setUp.attach(model, device, kind, mm, hooks);
  const entries = ["invalidate", "finish", "release", "unlink"].map(
    (hook) => image.entries.get(entryOf.hook(consumer.name, hook)) ?? 0,
  );
  setUp.listen(model, device, mm, entries, subscribed ? pagesOf(core.geometry) : 0);
}
