/**
 * `shootdown/scenario-files`: scenarios as YAML files, read and written. Apart from the main entry,
 * which needs no YAML.
 */
export { type LoadOptions, loadScenario } from "./load.js";
export { DEPTH_MOST, FILE_BYTES_MOST, VALUES_MOST } from "./read-yaml.js";
export { ACTORS_MOST, FILE_FORMAT, FILE_VERSION } from "./schema.js";
export { shippedNames, shippedScenario, shippedScenarios } from "./shipped.js";
export { writeScenario } from "./write.js";
