/** Races of a page that is written out and stays (shootdown.md I5). */
import { ANY, brokenAnyway, call, onCpu, onePage, range, write } from "./parts.js";
import type { Scenario } from "./scenario.js";

const writeBack: Scenario = {
  ...onePage,
  name: "write-back",
  title: "a page is cleaned and written out while another CPU may still write it",
  source: "shootdown.md I5: dirty collect",
  story: [
    "CPU1 has written A: cached, writable",
    "T0 makes A clean and read-only, flushes, takes its content",
    "CPU1 writes A: before, or it faults and A is dirty again; else the write is lost",
  ],
  threads: [0, 0],
  setup: [onCpu(1, "T1", write(0))],
  actors: [
    onCpu(0, "T0 writes A out", call("writeback", range(0))),
    onCpu(1, "T1 writes A", write(0)),
  ],
  assume: { dirty: true },
  expect: ANY,
  expectPolicy: { "*": "SAFE", ...brokenAnyway("LOSTW"), "latr-everything": "LOSTW" },
};

/**
 *   t  CPU0                                CPU1's queue: [X: writes user A] [F: flush A]
 *   1  clean A, queue F behind X
 *   2                                      interrupt; acknowledged at entry: all of them, now
 *   3  goes on: takes A's content
 *   4                                      X runs: stores to A, what nobody writes out any more
 */
const csdAheadStore: Scenario = {
  ...writeBack,
  name: "csd-ahead-store",
  title: "a call that writes user memory shares the queue with the flush of a page written out",
  source: "shootdown.md I5 and I3: a csd ahead that writes",
  story: [
    "CPU1 has written A: cached, writable",
    "CPU2 queues a call on CPU1 that writes A; T0 cleans A and queues its flush behind it",
    "CPU1's handler starts; acknowledged now, T0 goes on and takes the content of A",
    "the call runs and writes A through what has not been flushed",
  ],
  threads: [0, 0, null],
  actors: [
    onCpu(0, "T0 writes A out", call("writeback", range(0))),
    onCpu(2, "CPU2 calls CPU1", { interrupt: 1, access: "write", vpn: 0 }),
  ],
  expectPolicy: {
    "*": "SAFE",
    ...brokenAnyway("LOSTW"),
    "ack-first": "SAFE",
    "ack-at-entry": "LOSTW",
    "latr-everything": "LOSTW",
  },
};

export const WRITE_BACK_SCENARIOS: readonly Scenario[] = [writeBack, csdAheadStore];
