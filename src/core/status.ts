/** Negative statuses of the core become typed errors here, and nowhere else. */
import { CapacityError, ProgramError, type ShootdownError } from "../errors.js";
import * as abi from "./abi.js";

/** The error a negative status stands for. Nothing was changed by the call that returned it. */
export function errorOf(
  status: number,
  geometry: Readonly<Record<string, unknown>>,
): ShootdownError {
  const full = (what: string, field: string): CapacityError =>
    new CapacityError(
      "E_NOMEM",
      `out of ${what}: geometry.${field} is ${String(geometry[field])}`,
      {
        argument: field,
        limit: geometry[field],
      },
    );
  switch (status) {
    case abi.ST_NO_FRAMES:
      return full("frames", "frames");
    case abi.ST_NO_TABLES:
      return full("page-table pages", "tables");
    case abi.ST_NO_VMAS:
      return full("VMA rows", "vmas");
    case abi.ST_NO_MMS:
      return full("address spaces", "mms");
    default:
      return new ProgramError("E_PROGRAM", "a program met a state it may not reach", { status });
  }
}
