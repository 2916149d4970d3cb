/** Writes the JSON Schemas of the command line's documents into the folder given as argument. */
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { z } from "zod";
import { DOCUMENTS } from "./documents.js";

const folder = process.argv[2] ?? "dist/schemas";
mkdirSync(folder, { recursive: true });
for (const [name, schema] of Object.entries(DOCUMENTS)) {
  const json = { title: `shootdown ${name}`, ...z.toJSONSchema(schema) };
  writeFileSync(join(folder, `${name}.json`), `${JSON.stringify(json, null, 2)}\n`);
}
