/** Faults of a file's shape, in words: the schema says where, this finds out what was meant. */
import type { z } from "zod";
import type { ErrorCode } from "../errors.js";
import type { Path } from "./read-yaml.js";

type Issue = z.core.$ZodIssue;

/** A fault of shape. */
export interface ShapeFault {
  readonly path: Path;
  readonly says: string;
  readonly code: ErrorCode;
  readonly more: Record<string, unknown>;
  /** It is the key that is wrong, not its value. */
  readonly isKey?: true;
}

function firstKey(value: unknown): string | null {
  if (typeof value !== "object" || value === null || Array.isArray(value)) return null;
  return Object.keys(value)[0] ?? null;
}

function deepest(issues: readonly Issue[]): number {
  return Math.max(0, ...issues.map((issue) => issue.path.length));
}

/** Forms of a step that know its first key; the one that gets furthest comes first. */
function formsFor(forms: readonly (readonly Issue[])[], key: string): (readonly Issue[])[] {
  const fitting = forms.filter((issues) =>
    issues.every(
      (issue) =>
        issue.path.length > 0 ||
        (issue.code !== "invalid_type" &&
          issue.code !== "invalid_value" &&
          !(issue.code === "unrecognized_keys" && issue.keys.includes(key))),
    ),
  );
  return fitting.sort((a, b) => deepest(b) - deepest(a) || a.length - b.length);
}

function wholePath(before: Path, issue: Issue): (string | number)[] {
  return [...before, ...issue.path.map((key) => (typeof key === "number" ? key : String(key)))];
}

function valueAt(value: unknown, path: readonly PropertyKey[]): unknown {
  let inner = value;
  for (const key of path) inner = (inner as Record<PropertyKey, unknown> | undefined)?.[key];
  return inner;
}

/** What is wrong with `value`, at `before` in the file. */
export function shapeFault(issue: Issue, value: unknown, before: Path = []): ShapeFault {
  const path = wholePath(before, issue);
  const inner = valueAt(value, issue.path);
  const fault = (
    says: string,
    code: ErrorCode,
    more: Record<string, unknown> = {},
  ): ShapeFault => ({
    path,
    says,
    code,
    more,
  });
  if (issue.code === "unrecognized_keys") {
    const [key] = issue.keys;
    const unknown = fault(`unknown key ${key}`, "E_TYPE", { value: key });
    return { ...unknown, path: [...path, key], isKey: true };
  }
  if (issue.code === "too_big") {
    return fault(`${issue.message}`, "E_LIMIT", { limit: Number(issue.maximum) });
  }
  if (issue.code === "too_small") {
    return fault(`${issue.message}`, "E_LIMIT", { limit: Number(issue.minimum) });
  }
  if (inner === undefined) return fault("is missing", "E_TYPE");
  if (issue.code !== "invalid_union") return fault(issue.message, "E_TYPE");
  const where = String([...path].reverse().find((key) => typeof key === "string") ?? "");
  const isStep = typeof path.at(-1) === "number" && STEP_LISTS.has(where);
  const key = firstKey(inner);
  if (isStep && typeof inner === "string") {
    return fault(`no step is called ${inner}, or it has parameters`, "E_NOENT", { value: inner });
  }
  if (key === null || !isStep) {
    const [first] = [...issue.errors]
      .sort((a, b) => deepest(b) - deepest(a))
      .map((list) => list[0]);
    const isDeeper = first !== undefined && (first.path.length > 0 || key !== null);
    return isDeeper ? shapeFault(first, inner, path) : fault(operandText(inner), "E_TYPE");
  }
  const [best] = formsFor(issue.errors, key);
  if (best === undefined) {
    const unknown = fault(`no step is called ${key}`, "E_NOENT", { value: key });
    return { ...unknown, path: [...path, key], isKey: true };
  }
  return shapeFault(best[0], inner, path);
}

/** Lists whose items are steps. */
const STEP_LISTS = new Set(["steps", "kernel", "do", "gather"]);

function operandText(value: unknown): string {
  const shown = JSON.stringify(value) ?? "nothing";
  return `cannot be ${shown.length > 60 ? `${shown.slice(0, 59)}…` : shown}`;
}
