// npm run vdpa: writes docs/vdpa-tables.md, with a build that is there.
import { writeFileSync } from "node:fs";
import { format, resolveConfig } from "prettier";
import { downtimeCycles, downtimeOf } from "../dist/vdpa/downtime.js";
import { vdpaPage } from "../dist/vdpa/pages/page.js";
import { vdpaTruthTable } from "../dist/vdpa/truth-table.js";

const file = new URL("../docs/vdpa-tables.md", import.meta.url).pathname;
const cycles = await downtimeCycles();
const downtimes = ["thp", "small"].map((pages) => downtimeOf(cycles, pages));
const page = vdpaPage(await vdpaTruthTable(), downtimes);
writeFileSync(file, await format(page, { ...(await resolveConfig(file)), filepath: file }));
console.log(file);
