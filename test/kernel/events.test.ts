/** Names of events go by their place in one list: it is the order of the ABI's numbers. */
import { expect, test } from "vitest";
import * as abi from "../../src/core/abi.js";
import { EVENT_NAMES } from "../../src/program/events.js";

test("every event stands where its number says", () => {
  const numbers = Object.entries(abi).filter(([name]) => name.startsWith("EVENT_"));
  expect(Object.fromEntries(EVENT_NAMES.map((name, i) => [`EVENT_${name}`, i]))).toEqual(
    Object.fromEntries(numbers),
  );
});
