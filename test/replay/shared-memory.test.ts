import { expect, it } from "vitest";
import { Recording } from "./helpers.js";

const SHARED = 0x21;
const PAGE = 0x7f0000000;

it("a read of shared memory brings back those neighbours that were touched before", async () => {
  const { flushes } = await new Recording(1)
    .process(0, 400)
    .mmap(0, 400, PAGE, 64, 3, SHARED)
    .write(0, 400, PAGE, PAGE + 5, PAGE + 40)
    .madvise(0, 400, PAGE, 64)
    .later(100)
    .fault(0, 400, PAGE + 1, 4)
    .mark()
    .madvise(0, 400, PAGE, 64)
    .predict();
  // Pages 0, 1 and 5 are there: 40 is not among the sixteen around the fault.
  expect(flushes).toEqual(["local 6"]);
});
