import { execFileSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** Builds what is stale, once, before any test file is loaded. */
export default function setup(): void {
  const build = fileURLToPath(new URL("../scripts/build.mjs", import.meta.url));
  execFileSync(process.execPath, [build], { stdio: "inherit" });
}
