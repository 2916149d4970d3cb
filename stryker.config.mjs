// Of which structure: `npm run mutants:facade -- NAME` sets it.
const facade = process.env.FACADE ?? "interval-tree";

/** What users call, without the validators: those are tested with structures that are broken. */
const FACADES = {
  "interval-tree": ["dist/interval-tree.js", "dist/interval-tree-window.js"],
  iotlb: ["dist/iotlb.js", "dist/iotlb-arguments.js"],
  "pinned-pages": [
    "dist/pinned-pages.js",
    "dist/pinned-pages-tree.js",
    "dist/pin-store.js",
    "dist/pin-arguments.js",
  ],
};

export default {
  packageManager: "npm",
  testRunner: "vitest",
  plugins: ["@stryker-mutator/vitest-runner"],
  vitest: { configFile: "vitest.config.ts", related: false },
  mutate: FACADES[facade],
  coverageAnalysis: "perTest",
  ignorePatterns: [
    "/assembly",
    "/bench",
    "/build",
    "/docs",
    "/examples",
    "/scripts",
    "/traces",
    "/test/*",
    `!/test/${facade}`,
    "!/test/*.ts",
    "/test/tidy.test.ts",
  ],
  reporters: ["clear-text", "progress-append-only", "json"],
  jsonReporter: { fileName: `build/stryker/${facade}.json` },
  tempDirName: `build/stryker/${facade}`,
  concurrency: 2,
  timeoutMS: 5000,
  timeoutFactor: 1.25,
  allowEmpty: false,
  disableTypeChecks: false,
  mutator: { excludedMutations: ["StringLiteral"] },
};
