/** Scenario files as values: what `schema.ts` lets through. */
import type { Faults } from "../kernel/subscribers.js";
import type { Verdict } from "../scenarios/scenario.js";
import type { PROT_WORDS } from "./schema.js";

/** A number, or the name of a page, also `NAME+1`. */
export type PageText = number | string;
/** Half-open. */
export type SpanText = readonly [PageText, PageText];
export type ProtText = number | readonly (keyof typeof PROT_WORDS)[];

/** A step: the name of an operation without parameters, or one key and what belongs to it. */
export type FileStep = string | Readonly<Record<string, unknown>>;

export interface FileProgram {
  readonly actor: string;
  readonly steps: readonly FileStep[];
}

export interface FileMapping {
  readonly pages: SpanText;
  readonly prot: ProtText;
  readonly present?: "read" | "write" | "huge";
}

export interface ScenarioFile {
  readonly format: string;
  readonly version: number;
  readonly name: string;
  readonly title: string;
  readonly source: string;
  readonly story?: string | readonly string[];
  readonly pages?: Readonly<Record<string, number>>;
  readonly geometry?: Readonly<Record<string, number>>;
  readonly mms: readonly { readonly name: string; readonly map: readonly FileMapping[] }[];
  readonly cpus: readonly { readonly name: string; readonly mm: string | null }[];
  readonly devices?: readonly {
    readonly name: string;
    readonly mm: string;
    readonly consumer?: string;
    readonly subscribed?: boolean;
  }[];
  readonly watch?: readonly { readonly mm: string; readonly page: PageText }[];
  readonly faults?: Faults;
  readonly setup?: readonly FileProgram[];
  readonly programs: readonly FileProgram[];
  readonly interleaving?: readonly (readonly [actor: string, to: string])[];
  readonly assume?: Readonly<Record<string, boolean>>;
  readonly expect: Verdict | Readonly<Record<string, Verdict | Readonly<Record<string, Verdict>>>>;
  readonly expectPolicy?: Readonly<Record<string, Verdict>>;
}
