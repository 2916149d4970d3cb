/** What can be named: eras, policies, operations, consumers, profiles. Extended, never changed. */
import { ArgumentError } from "../errors.js";
import type { Consumer } from "./consumer.js";
import { CONSUMERS } from "./consumers/index.js";
import type { Era } from "./era.js";
import { ERAS } from "./eras/index.js";
import type { Operation } from "./operation.js";
import { OPERATIONS } from "./operations/index.js";
import { POLICIES } from "./policies/index.js";
import type { FlushPolicy } from "./policy.js";
import type { CostProfile } from "./profile.js";
import { PROFILES } from "./profiles/index.js";

/** The parts a machine is put together from. */
export interface Parts {
  readonly eras: readonly Era[];
  readonly policies: readonly FlushPolicy[];
  readonly operations: readonly Operation[];
  readonly consumers: readonly Consumer[];
  readonly profiles: readonly CostProfile[];
}

function findIn<T extends { readonly name: string }>(
  kind: string,
  list: readonly T[],
  name: string,
): T {
  const found = list.find((item) => item.name === name);
  if (found) return found;
  const known = list.map((item) => item.name).join(", ");
  throw new ArgumentError("E_NOENT", `no ${kind} is called ${name}; there are ${known}`, {
    argument: kind,
    value: name,
  });
}

/** A set of named parts. */
export class Catalogue {
  private constructor(readonly parts: Parts) {}

  /** What comes with the library. */
  static readonly standard = new Catalogue({
    eras: ERAS,
    policies: POLICIES,
    operations: OPERATIONS,
    consumers: CONSUMERS,
    profiles: PROFILES,
  });

  /**
   * A catalogue with more in it.
   * @throws ArgumentError E_DUP when a name is taken.
   */
  with(more: Partial<Parts>): Catalogue {
    const merged = { ...this.parts } as Record<keyof Parts, readonly { readonly name: string }[]>;
    for (const [kind, list] of Object.entries(more) as [keyof Parts, Parts[keyof Parts]][]) {
      for (const item of list) {
        if (merged[kind].some((known) => known.name === item.name)) {
          throw new ArgumentError("E_DUP", `${kind} already has one called ${item.name}`, {
            argument: kind,
            value: item.name,
          });
        }
        merged[kind] = [...merged[kind], item];
      }
    }
    return new Catalogue(merged as unknown as Parts);
  }

  era(name: string): Era {
    return findIn("era", this.parts.eras, name);
  }

  policy(name: string): FlushPolicy {
    return findIn("policy", this.parts.policies, name);
  }

  operation(name: string): Operation {
    return findIn("operation", this.parts.operations, name);
  }

  consumer(name: string): Consumer {
    return findIn("consumer", this.parts.consumers, name);
  }

  profile(name: string): CostProfile {
    return findIn("profile", this.parts.profiles, name);
  }
}
