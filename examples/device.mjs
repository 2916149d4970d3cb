// A device model of your own in one file: a network card that maps buffers on demand, and is told
// by the machine's own operations when it must forget what it has.
import { HmmSpace, Machine, Mirror } from "shootdown";

/** All that it does otherwise than other mirrors: it stops its queue before entries go. */
class Card extends Mirror {
  stops = 0;

  *quiesce(_range) {
    this.stops++;
    yield 2_000; // ns until the queue has drained; the operation pays for it
  }
}

const [APP, DRIVER] = [0, 1];
const machine = await Machine.create({ hostDevices: true, geometry: { devices: 1 } });
const mm = machine.newMm();
machine.mapNow(mm, 0x1000, 0x1010, 3);
for (const cpu of [APP, DRIVER]) machine.place(cpu, machine.newTask(mm));

const space = await HmmSpace.attach(machine, mm);
const card = new Card(space, "card", DRIVER, { regionPolicy: "per-object", nonBlock: "refuse" });
card.addRegion(0x1000, 0x100f);

space.store(APP, 0x1000, 42);
const first = card.finish(card.read(0x1000, 0x1004));
const began = machine.now(APP);
machine.submit(APP, "madvise", { start: 0x1000, end: 0x1004 });
const again = card.read(0x1000, 0x1004, { at: began });
machine.advance();

console.log(
  JSON.stringify({
    first: first.data,
    again: again.result.data,
    stops: card.stops,
    rounds: card.counters.rounds,
    waitedNs: machine.now(APP) - began > 2_000,
    hazard: machine.hazard,
  }),
);
