/** The peers in C++: bench/native/interval-tree.cpp. */
import { hasCompiler, LINUX, measureNative } from "../native.js";
import { type Outsider, stands, type What, WHATS } from "./contender.js";
import { CHURNED, type Input, type Intervals } from "./inputs.js";

const NONE: Intervals = { starts: new Float64Array(), lasts: new Float64Array() };

/** What `what` needs, in the form that the program describes. */
function partsOf(input: Input, what: What): (Float64Array | Uint32Array)[] {
  const entries = stands(what) ? input.entries() : NONE;
  const queries = input.queries();
  const pool = stands(what) ? NONE : input.pool();
  const fresh = what === "churn" ? input.fresh() : NONE;
  const picks = what === "churn" ? input.picks() : new Uint32Array();
  const removals = what === "remove" ? input.removals() : new Uint32Array();
  const lists = [entries, queries, pool, fresh];
  const lengths = [...lists.map(({ starts }) => starts.length), removals.length];
  const head = Float64Array.of(input.n, input.cuts, CHURNED, ...lengths);
  return [head, ...lists.flatMap(({ starts, lasts }) => [starts, lasts]), picks, removals];
}

function measurer(kind: string): Outsider["measure"] {
  return (input, what, quick) => {
    return measureNative("interval-tree", kind, what, partsOf(input, what), quick);
  };
}

/** None without a compiler. */
export function natives(): readonly Outsider[] {
  if (!hasCompiler()) return [];
  const linux = { name: "Linux", can: WHATS, measure: measurer("linux") };
  return [
    ...(LINUX === undefined ? [] : [linux]),
    {
      name: "C++ AVL tree",
      can: WHATS,
      measure: measurer("avl"),
    },
    {
      name: "C++ std::multimap",
      can: WHATS,
      shapes: ["disjoint"],
      most: 1_000_000,
      measure: measurer("multimap"),
    },
  ];
}
