/** The library's public surface. */
export * from "./errors.js";
export { Catalogue, type Parts } from "./kernel/catalogue.js";
export type { Consumer } from "./kernel/consumer.js";
export type { Era, Site } from "./kernel/era.js";
export type { Script, ScriptStep } from "./kernel/image.js";
export { Kit, type RangeEvent } from "./kernel/kit.js";
export { operation, type Operation } from "./kernel/operation.js";
export type { FlushPolicy } from "./kernel/policy.js";
export type { CostProfile, Price } from "./kernel/profile.js";
export * from "./program/notation.js";
export { type Geometry, EXPLORED_GEOMETRY, TIMED_GEOMETRY } from "./core/geometry.js";
export { Machine, type AdvanceResult, type JobOptions, type MachineOptions } from "./machine.js";
export type { MachineEvent } from "./machine-events.js";
export type { Counters } from "./counters.js";
export { checkInvariants, INVARIANTS, type Violation } from "./invariants.js";
export { disassemble } from "./program/disassembler.js";
/** The package's version. */
export const version = "0.1.0";
