/**
 * The standard call-function handler, executed without decoding it.
 *
 * Most handlers are this program, instruction by instruction:
 *
 *   0 csq.take · 1 jf 6 · 2 csd.run · 3 csd.unlock · 4 jf 6 · 5 jmp 2 · 6 end
 *
 * The host recognises it when the machine is created (H_STANDARD_DRAIN). The timed driver then
 * runs it here: same micro-ops, same order, same costs, same places to stop at. Any other handler
 * is interpreted. Where two actors stand at the same time, their order may differ between the two.
 */
import * as abi from "../src/core/abi";
import { csdRun, csdUnlock, csqTake } from "./call-queue";
import { LOG_SLACK } from "./log";
import { Plain } from "./atomics";
import { clockAt, hdr, setHdr } from "./machine";
import { Ctx } from "./rows";

const RUN: u32 = 2;
const UNLOCK: u32 = 3;
const END: u32 = 6;

/** As runAhead, for a context that is somewhere inside the standard handler. */
export function runDrain(m: usize, actor: u32, ctx: Ctx, horizon: u64): i32 {
  const base = hdr(m, abi.H_HANDLER_PC);
  const costs = m + hdr(m, abi.H_OFF_COST);
  const clock = clockAt(m, actor);
  const room = hdr(m, abi.H_LOG_CAP) - LOG_SLACK;
  let left = hdr(m, abi.H_BUDGET);
  let at: u32 = ctx.pc - base;
  while (at != END) {
    if (left == 0 || hdr(m, abi.H_LOG_LEN) > room) break;
    left--;
    if (at == RUN) {
      clock.charge = load<u32>(costs + (abi.OP_CSD_RUN << 2));
      csdRun<Plain>(m, actor, ctx);
      at = UNLOCK;
    } else if (at == UNLOCK) {
      clock.charge = load<u32>(costs + (abi.OP_CSD_UNLOCK << 2));
      csdUnlock<Plain>(m, actor, ctx);
      at = ctx.flag != 0 ? RUN : END;
    } else {
      clock.charge = load<u32>(costs + (abi.OP_CSQ_TAKE << 2));
      csqTake<Plain>(m, actor, ctx);
      at = ctx.flag != 0 ? RUN : END;
    }
    clock.now += clock.charge;
    clock.charge = 0;
    if (at != END && clock.now >= horizon) break;
  }
  setHdr(m, abi.H_BUDGET, left);
  if (at != END) {
    ctx.pc = <u16>(base + at);
    return abi.ST_OK;
  }
  v128.store(changetype<usize>(ctx), i64x2.splat(0));
  v128.store(changetype<usize>(ctx), i64x2.splat(0), 16);
  return abi.ST_OK;
}
