/** The peer in C++: bench/native/iotlb.cpp. */
import { hasCompiler, measureNative } from "../native.js";
import { type Outsider, queriesOf } from "./contender.js";
import { type Input, type Queries } from "./inputs.js";
import { cutAfter } from "./model.js";
import { type What, WHATS } from "./whats.js";

const NONE: Queries = { asids: new Uint32Array(), pages: new Float64Array() };

/** What `what` needs, in the form that the program describes. */
function partsOf(input: Input, what: What): (Float64Array | Uint32Array)[] {
  const { asids, starts, lasts, addrs } = input.pool();
  const queries = what === "translate" || what === "miss" ? queriesOf(what, input) : NONE;
  const probes = input.probes(cutAfter(what, input));
  const removals = what === "delete" ? input.removals() : new Uint32Array();
  const lengths = [queries.pages, probes.pages, removals].map(({ length }) => length);
  const head = Float64Array.of(input.n, input.cuts, input.spaces, ...lengths);
  const doubles = [head, starts, lasts, addrs, queries.pages, probes.pages];
  return [...doubles, asids, queries.asids, probes.asids, removals];
}

/** None without a compiler. */
export function natives(): readonly Outsider[] {
  if (!hasCompiler()) return [];
  return [
    {
      name: "C++ AVL trees",
      can: WHATS,
      measure: (input, what, quick) => {
        return measureNative("iotlb", "avl", what, partsOf(input, what), quick);
      },
    },
  ];
}
