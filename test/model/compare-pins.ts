/** Rows of pinned pages: the core's against the model's (assembly/pins/rows.ts). */
import * as abi from "../../src/core/abi.js";
import type { Rows } from "./compare-rows.js";
import { id } from "./words.js";

const HEAD = 40;
const MAPPING = 32;
const PAGE = 24;
const LEDGER = 16;

export function pins(c: Rows): void {
  const { core, model } = c;
  const all = model.pins;
  if (!all) return;
  const head = core.at(abi.H_OFF_PINS);
  const words = (path: string, index: number, at: number, values: readonly number[]): void => {
    values.forEach((value, i) => c.word(`pins.${path}.${i}`, index, at + i * 4, value));
  };
  const chain = all.writer ? 0xffff_ffff : all.readers;
  const locks = [id(all.container), id(all.list), chain, id(all.listed[0])];
  words("head", 0, head, [all.pages, all.mappings.length, ...locks]);
  all.mappings.forEach((d, row) => {
    const flags = d
      ? abi.MAP_USED |
        (d.inTree ? abi.MAP_TREE : 0) |
        (d.inDomain ? abi.MAP_DOMAIN : 0) |
        (d.closed ? abi.MAP_CLOSED : 0)
      : 0;
    const fields = d ? [d.start, d.end, d.base, d.mm + 1, d.owner] : [0, 0, 0, 0, 0];
    words("mapping", row, head + HEAD + row * MAPPING, [...fields, flags, all.freed[row], 0]);
  });
  const pages = head + HEAD + all.mappings.length * MAPPING;
  for (let page = 0; page < all.pages; page++) {
    const node = all.nodes.get(page);
    const to = all.domain.get(page);
    const pin = [id(node?.pfn), node?.count ?? 0, id(all.held.get(page))];
    words("page", page, pages + page * PAGE, [...pin, id(to?.pfn), to?.gen ?? 0, 0]);
  }
  const stride = 8 + all.pages * LEDGER;
  const devices = pages + all.pages * PAGE;
  all.devices.forEach(({ callback, ledger }, device) => {
    const place = all.listed.indexOf(device);
    const row = devices + device * stride;
    const listed = place < 0 ? 0 : abi.PIN_LISTED;
    const behind = place < 0 ? 0 : id(all.listed[place + 1]);
    words("device", device, row, [callback | (listed << 16), behind]);
    for (let page = 0; page < all.pages; page++) {
      const own = ledger.get(page);
      const frame = [id(own?.frame?.pfn), own?.frame?.gen ?? 0, own?.count ?? 0, 0];
      words(`ledger[${device}]`, page, row + 8 + page * LEDGER, frame);
    }
  });
  const leaks = devices + all.devices.length * stride;
  model.frames.forEach((_, pfn) => {
    c.word("pins.leaks", pfn, leaks + pfn * 4, all.leaks.get(pfn) ?? 0);
  });
}
