/** The peers in C++: bench/native/pinned-pages.cpp. */
import { hasCompiler, measureNative } from "../native.js";
import type { Outsider } from "./contender.js";
import { type Input, type Pins } from "./inputs.js";
import { cutAfter } from "./model.js";
import { type What, WHATS } from "./whats.js";

const NONE: Pins = { pages: new Float64Array(), frames: new Float64Array() };

/** What `what` needs, in the form that the program describes. */
function partsOf(input: Input, what: What): Float64Array[] {
  const { pages, frames } = input.pool();
  const leaving = what === "unpin" ? input.leaving() : new Float64Array();
  const queries = what === "lookup" || what === "repin" ? input.queries() : NONE;
  const probes = what === "walk" ? new Float64Array() : input.probes(cutAfter(what, input));
  const lengths = [leaving, queries.pages, probes].map(({ length }) => length);
  const head = Float64Array.of(input.n, input.cuts, ...lengths);
  return [head, pages, frames, leaving, queries.pages, queries.frames, probes];
}

function measurer(kind: string): Outsider["measure"] {
  return (input, what, quick) => {
    return measureNative("pinned-pages", kind, what, partsOf(input, what), quick);
  };
}

/** None without a compiler. */
export function natives(): readonly Outsider[] {
  if (!hasCompiler()) return [];
  const unordered = WHATS.filter((what) => what !== "walk");
  return [
    { name: "C++ red-black tree", can: WHATS, measure: measurer("rbtree") },
    { name: "C++ std::map", can: WHATS, measure: measurer("map") },
    { name: "C++ std::unordered_map", can: unordered, measure: measurer("unordered_map") },
  ];
}
