// Runs the seeded comparisons with the models for as long as asked, each of them:
//   npm run soak [-- --ops 100000000] [--seed 1]
// Reports operations, seeds and divergences. A divergence prints its seed and the command that
// replays it.

import { spawnSync } from "node:child_process";
import { dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

const root = dirname(dirname(fileURLToPath(import.meta.url)));

const COMPARISONS = [
  ...["interval-tree", "iotlb", "pinned-pages", "notifiers", "vfio"].map(
    (part) => `test/${part}/differential.test.ts`,
  ),
  // Steps of random programs about subscriptions, at most 20 million of them.
  "test/subscribers/invariants.test.ts",
];

function option(name, otherwise) {
  const at = process.argv.indexOf(`--${name}`);
  const value = at < 0 ? otherwise : process.argv[at + 1];
  if (!/^[0-9]{1,15}$/.test(value ?? "")) {
    console.error(`soak: --${name} wants a whole number`);
    process.exit(2);
  }
  return value;
}

const env = {
  ...process.env,
  SHOOTDOWN_SOAK_OPS: option("ops", "100000000"),
  SHOOTDOWN_SOAK_SEED: option("seed", "1"),
};
const build = spawnSync(process.execPath, [join(root, "scripts/build.mjs")], { stdio: "inherit" });
if (build.status !== 0) process.exit(build.status ?? 1);
const vitest = join(root, "node_modules/vitest/vitest.mjs");
const { status } = spawnSync(
  process.execPath,
  [vitest, "run", ...COMPARISONS, "--disable-console-intercept"],
  { cwd: root, stdio: "inherit", env },
);
process.exit(status ?? 1);
