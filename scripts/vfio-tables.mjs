// npm run vfio-tables: writes docs/vfio-tables.md, with a build that is there.
import { writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { vfioPage, vfioResults } from "../dist/vfio/pages/page.js";

const file = new URL("../docs/vfio-tables.md", import.meta.url).pathname;
const page = vfioPage(await vfioResults());
writeFileSync(file, await format(page, { ...(await resolveConfig(file)), filepath: file }));
console.log(file);
