// Two drivers share an I/O address space of iommufd. Both are told when it is unmapped, neither may
// pin meanwhile. One never lets go: the kernel gives up, where type1 would take the host down.
import { HostFrames, Iommufd, UserAccount, UserMm } from "shootdown";

const PAGE = 4096;

function run(lateDriverUnpins) {
  const mm = new UserMm(new HostFrames(), { name: "qemu", rlimitMemlock: 64 });
  mm.map({ at: 0x7f00, pages: 16 });
  const user = new UserAccount();
  const fd = new Iommufd({ task: { mm, user } });
  const ioas = fd.ioasAlloc().value;
  ioas.map({ va: 0x7f00 * PAGE, length: 16 * PAGE, iova: 0x10000 });

  const told = { prompt: 0, late: 0 };
  const refused = new Set();
  const prompt = fd.accessCreate({
    name: "prompt",
    unmap: () => {
      told.prompt++;
      const again = prompt.pin(0x14000, PAGE); // nobody may pin while the area is being unmapped
      if (!again.ok) refused.add(again.errno);
      if (told.prompt === 1) prompt.unpin(0x10000, 2 * PAGE); // the interval that was pinned
    },
  }).value;
  const late = fd.accessCreate({
    name: "late",
    unmap: () => {
      told.late++;
      if (lateDriverUnpins && told.late === 3) late.unpin(0x11000, PAGE);
    },
  }).value;
  for (const access of [prompt, late]) access.attach(ioas);

  const frames = prompt.pin(0x10000, 2 * PAGE).value;
  const [shared] = late.pin(0x11000, PAGE).value; // another interval, the same frame
  const charged = user.lockedVm;
  const unmapped = ioas.unmap(0x10000, 16 * PAGE);
  return {
    isShared: shared === frames[1],
    charged,
    told,
    refused: [...refused],
    unmapped: unmapped.ok ? Number(unmapped.value) : unmapped.errno,
    held: mm.frames.held,
  };
}

console.log(JSON.stringify({ unpins: run(true), keeps: run(false) }));
