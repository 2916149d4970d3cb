/** Where a policy gives less than an operation needs: known before anything runs. */
import type { Catalogue } from "./catalogue.js";
import type { Completion, Completions } from "./completion.js";
import type { ScriptStep } from "./image.js";
import type { Operation } from "./operation.js";
import type { FlushPolicy } from "./policy.js";

/** An operation that needs more than a policy gives. */
export interface CompletionGap {
  readonly operation: string;
  readonly policy: string;
  /** Of data pages, or of requests that free page-table pages. */
  readonly of: keyof Completions;
  readonly needs: Completion;
  readonly gives: Completion;
}

/** Where `policy` gives less than `operation` needs; empty: the contract holds. */
export function completionGaps(operation: Operation, policy: FlushPolicy): CompletionGap[] {
  const { needs } = operation;
  if (needs === undefined) return [];
  return (["data", "tables"] as const).flatMap((of) => {
    const wanted = needs[of];
    const gives = policy.completes[of];
    if (wanted === undefined || wanted <= gives) return [];
    return [{ operation: operation.name, policy: policy.name, of, needs: wanted, gives }];
  });
}

function addCalls(steps: readonly ScriptStep[], calls: Set<string>): void {
  for (const step of steps) {
    if ("steps" in step) addCalls(step.steps, calls);
    else if ("call" in step) calls.add(step.call);
  }
}

/** Gaps between the operations that scripts call, each once, and `policy`. */
export function scriptGaps(
  scripts: readonly { readonly steps: readonly ScriptStep[] }[],
  policy: FlushPolicy,
  catalogue: Catalogue,
): CompletionGap[] {
  const calls = new Set<string>();
  for (const { steps } of scripts) addCalls(steps, calls);
  return [...calls].flatMap((call) => completionGaps(catalogue.operation(call), policy));
}

/** One line for each shortfall of a policy, with all operations that suffer from it. */
export function formatGaps(gaps: readonly CompletionGap[]): string[] {
  const lines = new Map<string, { start: string; end: string; operations: string[] }>();
  for (const { operation, policy, of, needs, gives } of gaps) {
    const start = `completion: ${policy} gives ${gives} for ${of}`;
    const line = lines.get(start + needs) ?? { start, end: needs, operations: [] };
    line.operations.push(operation);
    lines.set(start + needs, line);
  }
  return [...lines.values()].map(({ start, end, operations }) => {
    const verb = operations.length === 1 ? "needs" : "need";
    return `${start}, ${operations.join(", ")} ${verb} ${end}`;
  });
}
