// A simulator of your own in charge of time: two threads, a device, one munmap.
import { Machine } from "shootdown";

const machine = await Machine.create({ era: "deduplicated", policy: "concurrent" });
const mm = machine.newMm();
machine.mapNow(mm, 0x1000, 0x1010, 3);
machine.place(0, machine.newTask(mm));
machine.place(1, machine.newTask(mm));
const gpu = machine.attach("sharing", mm);

machine.submit(0, "write", { vpn: 0x1000 });
machine.submit(1, "read", { vpn: 0x1000 }, { at: 1_000 });
machine.advance();
machine.submitAccess(gpu, "sharing", 0x1000, false, machine.now(0));
machine.submit(0, "munmap", { start: 0x1000, end: 0x1010 }, { at: 5_000 });
for (let until = 1_000; machine.advance(until) !== "idle"; until += 1_000);

const { flushLocal, flushRemote, notifySecondary } = machine.counters();
console.log(JSON.stringify({ flushLocal, flushRemote, notifySecondary, hazard: machine.hazard }));
