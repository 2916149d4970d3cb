import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { defineConfig } from "vitest/config";

const root = dirname(fileURLToPath(import.meta.url));

// Node loads dist/ by itself, except under --coverage, which sees only what vitest loads.
const measuresCoverage = process.argv.some((argument) => argument.startsWith("--coverage"));
const distFile = new RegExp(`^(file://)?${root.replace(/[^\w/]/g, "\\$&")}/dist/`);

// Stryker changes dist/ in a copy of the project: it must not be built anew there.
const hasMutants = process.env.STRYKER_MUTATOR_WORKER !== undefined;

/**
 * Tests import `../src/x.js` or `shootdown`, and run the built files of dist/: the same modules,
 * the same .wasm and the same worker file that users get, loaded by Node itself.
 */
const testsRunTheBuild = {
  name: "tests-run-the-build",
  enforce: "pre" as const,
  resolveId(source: string, importer: string | undefined) {
    if (source === "shootdown") return resolve(root, "dist/index.js");
    if (!source.startsWith(".") || !importer?.startsWith(resolve(root, "test"))) return undefined;
    const target = resolve(dirname(importer), source);
    const src = resolve(root, "src") + "/";
    if (!target.startsWith(src)) return undefined;
    return resolve(root, "dist", target.slice(src.length).replace(/\.ts$/, ".js"));
  },
};

export default defineConfig({
  plugins: [testsRunTheBuild],
  test: {
    include: ["test/**/*.test.ts"],
    globalSetup: hasMutants ? [] : ["test/global-setup.ts"],
    pool: "forks",
    maxWorkers: 2,
    testTimeout: 60_000,
    hookTimeout: 120_000,
    server: { deps: { external: measuresCoverage ? [] : [distFile] } },
    coverage: {
      provider: "v8",
      include: ["dist/**/*.js"],
      reporter: ["text", "html"],
    },
  },
});
