// Has Stryker break the built facades of the structures, and run the tests of each.
//   npm run mutants:facade [-- interval-tree|iotlb|pinned-pages ...]

import { spawnSync } from "node:child_process";

const ALL = ["interval-tree", "iotlb", "pinned-pages"];
const asked = process.argv.slice(2);
const unknown = asked.filter((name) => !ALL.includes(name));
if (unknown.length > 0) {
  console.error(`mutants:facade: ${unknown.join(", ")}? One of ${ALL.join(", ")}`);
  process.exit(2);
}

let failed = false;
for (const facade of asked.length > 0 ? asked : ALL) {
  const env = { ...process.env, FACADE: facade };
  const { status } = spawnSync("npx", ["stryker", "run"], { stdio: "inherit", env });
  failed ||= status !== 0;
}
process.exitCode = failed ? 1 : 0;
