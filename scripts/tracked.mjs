// Makes the tracked core: assembly/tracked.ts compiled without optimisation, so that functions have
// their names; then every load and store outside the search calls touchRead or touchWrite of
// assembly/reduce/track.ts first; then everything is optimised. The atomic forms are never run by a
// search and are left as they are.

import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Functions of the search itself: they move whole states, and what they read means nothing. */
const SILENT = /^assembly\/(explore|hash|reduce)\b/;
const FEATURES = ["Atomics", "SIMD128", "MutableGlobals", "SignExt", "NontrappingFPToInt"];

/** The two that are called, `{ reads, writes }`: address and size of every access. */
function hookUp(module, binaryen, { reads, writes }) {
  const { i32, i64, f32, f64, none } = binaryen;
  const hook = (name, callee) => {
    module.removeFunction(name);
    const at = module.i32.add(module.local.get(3, i32), module.local.get(2, i32));
    const call = module.call(callee, [module.local.get(1, i32), at], none);
    const body = module.block(null, [call, module.local.get(3, i32)], i32);
    module.addFunction(name, binaryen.createType([i32, i32, i32, i32]), i32, [], body);
  };
  hook("load_ptr", reads);
  hook("store_ptr", writes);
  for (const [suffix, type] of Object.entries({ i32, i64, f32, f64 })) {
    for (const name of [`load_val_${suffix}`, `store_val_${suffix}`]) {
      module.removeFunction(name);
      const body = module.local.get(1, type);
      module.addFunction(name, binaryen.createType([i32, type]), type, [], body);
    }
  }
  if (module.getFunction("memory_grow_pre") !== 0) {
    // Nothing in the core grows memory.
    for (const name of ["memory_grow_pre", "memory_grow_post"]) module.removeFunction(name);
  }
}

function functionNames(module, binaryen) {
  const names = [];
  for (let i = 0; i < module.getNumFunctions(); i++) {
    names.push(binaryen.getFunctionInfo(module.getFunctionByIndex(i)).name);
  }
  return names;
}

/**
 * Writes the tracked core to `outFile`.
 * @throws Error if asc fails or the result is not valid.
 */
export async function buildTracked(outFile) {
  const { default: asc } = await import("assemblyscript/asc");
  const { default: binaryen } = await import("assemblyscript/binaryen");
  mkdirSync(dirname(outFile), { recursive: true });
  const plainFile = outFile.replace(/\.wasm$/, ".plain.wasm");
  const { error } = await asc.main(
    [
      ...["assembly/tracked.ts", "--outFile", plainFile, "--config", "scripts/tracked.json"],
      ...["--optimizeLevel", "0", "--shrinkLevel", "0", "--debug"],
    ],
    { stdout: process.stdout, stderr: process.stderr },
  );
  if (error) throw error;
  const bytes = readFileSync(plainFile);
  const heard = binaryen.readBinary(bytes);
  const silent = binaryen.readBinary(bytes);
  const features = FEATURES.reduce((set, name) => set | binaryen.Features[name], 0);
  for (const module of [heard, silent]) module.setFeatures(features);
  const names = functionNames(heard, binaryen);
  const named = (end) => {
    const found = names.filter((name) => name.endsWith(end));
    if (found.length !== 1) throw new Error(`tracked core: ${found.length} functions are ${end}`);
    return found[0];
  };
  heard.runPasses(["instrument-memory"]);
  for (const name of names.filter((each) => SILENT.test(each))) {
    const body = binaryen.getFunctionInfo(silent.getFunction(name)).body;
    binaryen.Function.setBody(heard.getFunction(name), heard.copyExpression(body));
  }
  hookUp(heard, binaryen, {
    reads: named("/track/touchRead"),
    writes: named("/track/touchWrite"),
  });
  binaryen.setOptimizeLevel(3);
  binaryen.setShrinkLevel(0);
  binaryen.setDebugInfo(false);
  heard.optimize();
  if (!heard.validate()) throw new Error("tracked core: not valid");
  writeFileSync(outFile, heard.emitBinary());
  for (const end of [".wasm", ".js", ".d.ts"]) {
    rmSync(plainFile.replace(/\.wasm$/, end), { force: true });
  }
}
