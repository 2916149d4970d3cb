// A device of your own in one file: what its driver does with a notified range is a parameter. The
// first one leaves its own cache out, and exploration finds it.
import { Catalogue, check, Machine, sharingConsumer } from "shootdown";

const nic = {
  source: "made up",
  granularity: "blocks",
  emptyMeans: "all",
  atc: true,
  price: "gpu",
};
const broken = sharingConsumer({
  ...nic,
  name: "nic-0",
  title: "a NIC, first try",
  tellsAtc: false,
});
const right = sharingConsumer({ ...nic, name: "nic", title: "a NIC with a cache of its own" });
const catalogue = Catalogue.standard.with({ consumers: [broken, right] });

for (const { name } of [broken, right]) {
  const { verdict } = await check("nested-gather", { catalogue, consumer: name });
  console.log(`${name}: ${verdict}`);
}

// The same consumer in simulated time.
const machine = await Machine.create({ catalogue, consumers: ["nic"] });
const mm = machine.newMm();
machine.mapNow(mm, 0x1000, 0x1010, 3);
machine.place(0, machine.newTask(mm));
const device = machine.attach("nic", mm);
machine.submit(0, "write", { vpn: 0x1000 });
machine.advance();
machine.submitAccess(device, "nic", 0x1000, true, machine.now(0));
machine.submit(0, "munmap", { start: 0x1000, end: 0x1010 }, { at: 10_000 });
machine.advance();
const { deviceHits, deviceNs, deviceZaps } = machine.counters();
console.log(JSON.stringify({ deviceHits, deviceZaps, deviceNs, hazard: machine.hazard }));
