/** What drivers do, as operations with random operands: for programs that are drawn. */
import * as abi from "../../src/core/abi.js";
import { type Operation, operation } from "../../src/kernel/operation.js";
import { letGo } from "../../src/kernel/subscriber-steps.js";
import { synchronize } from "../../src/kernel/subscribers.js";
import { again, op, type Program, repeat, unless, when } from "../../src/program/notation.js";

const about = { summary: "for tests only", source: "for tests only", settles: "none" } as const;
const release = op("itree.release");

function ofDevice(device: number): Operation[] {
  const pick = op("sub.pick", { imm: device + 1 });
  const named = (name: string): string => `test-${name}-${device}`;
  const life = (name: string, body: Program): Operation =>
    operation(named(name), [], about, () => [pick, body]);
  const unlink = (imm: number) => op("sub.unlink", { imm });
  const inserting = (imm: number): Operation =>
    operation(named(`insert${imm}`), ["start", "end"], about, (_kit, { start, end }) => {
      const insert = op("itree.insert", { a: start, b: end, imm });
      const enable = [op("mmap.write.lock"), op("itree.enable"), op("mmap.write.unlock")];
      return [pick, unless(insert, [enable, insert])];
    });
  const updating = (imm: number): Operation =>
    operation(named(`update${imm}`), ["start", "end"], about, (_kit, { start, end }) => [
      pick,
      op("itree.update", { a: start, b: start, c: end, imm }),
    ]);
  const punching = (imm: number): Operation =>
    operation(named(`punch${imm}`), ["start", "end"], about, (_kit, { start, end }) => [
      pick,
      op("itree.punch", { a: start, b: end, imm }),
      release,
    ]);
  const finding = (imm: number): Operation =>
    operation(named(`find${imm}`), ["vpn"], about, (kit, { vpn }) =>
      kit.regs.scope(["handle"], (handle) => [
        pick,
        when(op("itree.find", { a: vpn, b: handle, imm }), [op("sub.use", { a: handle })]),
      ]),
    );
  return [
    ...[inserting(0), inserting(1), updating(0), updating(1), finding(0), finding(1)],
    ...[punching(1), punching(2), punching(3), punching(9)],
    operation(named("remove"), ["vpn"], about, (_kit, { vpn }) => [
      pick,
      unless(op("itree.remove", { a: vpn }), [op("seq.wait")]),
    ]),
    operation(named("remove-deferred"), ["vpn"], about, (_kit, { vpn }) => [
      pick,
      op("itree.remove", { a: vpn, imm: abi.REMOVE_DEFERRED }),
      release,
    ]),
    operation(named("claim"), ["vpn"], about, (kit, { vpn }) =>
      kit.regs.scope(["next", "patience"], (next, patience) => [
        op("addi", { a: next, b: vpn, imm: 1 }),
        kit.set(patience, 3),
        op("mmap.read.lock"),
        repeat([
          pick,
          op("read.begin", { a: vpn }),
          op("seq.wait"),
          kit.range({ name: "test", row: 0, clearFlush: false }, "EXCLUSIVE", vpn, next, [], {
            owner: device,
          }),
          pick,
          op("dev.lock"),
          when(op("read.retry", { a: patience, imm: 1 }), [op("dev.unlock"), again]),
          op("dev.unlock"),
        ]),
        op("mmap.read.unlock"),
      ]),
    ),
    life("register", [op("mmap.write.lock"), op("sub.link"), op("mmap.write.unlock")]),
    life("get", [
      op("mmap.write.lock"),
      unless(op("sub.link", { imm: abi.LINK_GET }), [op("sub.link")]),
      op("mmap.write.unlock"),
    ]),
    life("unregister", [
      when(op("hook.ask", { imm: abi.ASK_LINKED }), [
        op("srcu.lock"),
        letGo,
        op("srcu.unlock"),
        unlink(abi.UNLINK_ONE),
      ]),
      synchronize,
      unlink(abi.UNLINK_FREE),
    ]),
    life("nested", [...[op("srcu.lock"), op("srcu.lock"), op("srcu.unlock"), op("srcu.unlock")]]),
    life("put", [letGo, unlink(abi.UNLINK_PUT), op("srcu.sync", { imm: abi.SYNC_FREED })]),
    life("put-now", [unlink(abi.UNLINK_PUT_NOW)]),
  ];
}

/** By device: operations of both. */
export const SUBSCRIBER_OPERATIONS: readonly (readonly Operation[])[] = [0, 1].map(ofDevice);
