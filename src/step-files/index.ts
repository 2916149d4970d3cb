/** Step files: scenarios about pins and device mappings (docs/step-files.md). */
export { type Amount, amountOf, hex, narrow, plain, resolve } from "./amounts.js";
export {
  type BehaviourText,
  behaviourShape,
  type Call,
  callsShape,
  makeCall,
  type OnUnmapText,
} from "./calls.js";
export { type Mismatch, mismatches } from "./match.js";
export {
  type AnySystem,
  anySystem,
  type Cell,
  type Shape,
  type StepSystem,
  type Verb,
  verb,
} from "./system.js";
export {
  given,
  type ProcessText,
  processShape,
  type VmaText,
  vmaOf,
  vmaShape,
  wholePages,
} from "./processes.js";
export { loadSteps, type Step, type StepFile } from "./load.js";
export { type CellResult, runSteps, type StepFileResult, type StepResult } from "./run.js";
export { cellText, formatSteps, gotText } from "./report.js";
export { stepFileSchema } from "./schema.js";
export { shippedStepFile, shippedStepFiles, shippedStepNames } from "./shipped.js";
