/** Pages of a list that do not follow each other: found group by group, counted once a group. */
import { fromF64 } from "../f64";
import { foundAt, pageAt, placeOf, slotAt } from "./group";
import { findWord } from "./leaf";
import { addPage, indexOf, isCharged, pfnOf, refsOf, unpinPage } from "./pins";
import {
  add64, at, COUNT_MOST, get32, NO_ROOM, OVER_LIMIT, P_CHARGED, P_LIMIT, P_PINNED, P_REFS,
  P_VERSION, SATURATED, set32,
} from "./rows";

/** Pins `n` pages whose slots were found, until one cannot be. How many were, results to `out`. */
export function pinGroup(t: usize, pages: usize, n: u32, pfns: usize, out: usize): u32 {
  const place = placeOf(t);
  const limit = load<f64>(t + P_LIMIT);
  let charged = load<f64>(t + P_CHARGED);
  let fresh: u32 = 0;
  let i: u32 = 0;
  for (; i < n; i++) {
    const page = pageAt(pages, i);
    const slot = slotAt(t, i, place, page);
    const found = findWord(t, slot, indexOf(page));
    if (found != 0) {
      const word = load<u64>(found);
      if (refsOf(word) == <u32>COUNT_MOST) {
        store<f64>(at(out, i), SATURATED);
        break;
      }
      store<u64>(found, word + 1);
      store<f64>(at(out, i), pfnOf(word));
      continue;
    }
    const given = load<f64>(at(pfns, i));
    const pfn = <u64>fromF64(given);
    const costs = isCharged(t, pfn);
    if (costs && charged >= limit) {
      store<f64>(at(out, i), OVER_LIMIT);
      break;
    }
    if (!addPage(t, slot, page, pfn)) {
      store<f64>(at(out, i), NO_ROOM);
      break;
    }
    if (costs) charged += 1;
    fresh++;
    store<f64>(at(out, i), given);
  }
  store<f64>(t + P_CHARGED, charged);
  add64(t, P_PINNED, <f64>fresh);
  add64(t, P_REFS, <f64>i);
  set32(t, P_VERSION, get32(t, P_VERSION) + i);
  return i;
}

/** Unpins `n` pages whose slots were found, once each. */
export function unpinGroup(t: usize, pages: usize, n: u32, out: usize): void {
  const place = placeOf(t);
  for (let i: u32 = 0; i < n; i++) {
    const page = pageAt(pages, i);
    store<f64>(at(out, i), <f64>unpinPage(t, slotAt(t, i, place, page), page));
  }
}

/** The pfns of `n` pages whose slots were found, or -1. */
export function lookupGroup(t: usize, pages: usize, n: u32, out: usize): void {
  for (let i: u32 = 0; i < n; i++) {
    const word = findWord(t, foundAt(t, i), indexOf(pageAt(pages, i)));
    store<f64>(at(out, i), word == 0 ? -1 : pfnOf(load<u64>(word)));
  }
}
