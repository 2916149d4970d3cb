import { op } from "../../program/notation.js";
import type { FlushPolicy } from "../policy.js";
import { concurrent } from "./concurrent.js";
import { send, wait } from "./parts.js";

/**
 * P16: after copy-on-write the initiator does not flush its own entry, which is read-only. It
 * writes to the page: the CPU walks again, and the new entry takes the old one's place. Others are
 * told as ever; pages that are executable, and CPUs that are behind, are flushed.
 */
export const cowWrite: FlushPolicy = {
  ...concurrent,
  name: "cow-write",
  title: "as concurrent; a write displaces the own entry after copy-on-write",
  source: "shootdown.md P16; EuroSys 2020 (recalled there)",
  copyOnWrite: {
    others: [send, wait],
    displace: (vpn) => [op("cow.displace", { a: vpn, note: "write through the new entry" })],
  },
};

/** Nobody writes: the own entry stays, and reads the page that was copied. */
export const cowUnwritten: FlushPolicy = {
  ...cowWrite,
  name: "cow-unwritten",
  title: "as cow-write, but nobody writes through the new entry",
  source: "shootdown.md P16: stale read",
  mutant: true,
  copyOnWrite: { others: [send, wait], displace: () => [] },
};
