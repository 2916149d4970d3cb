/** The world of a step file: a container, the processes and the devices around it. */
import { bytesOf, pageOf } from "../addresses.js";
import { VfioContainer, type VfioStorage } from "../container.js";
import type { VfioDevice } from "../device.js";
import type { VfioEra } from "../eras.js";
import type { VfioGroupOptions } from "../groups.js";
import { validateVfio } from "../validate.js";
import { ArgumentError } from "../../errors.js";
import { HostFrames } from "../../mm/frames.js";
import { UserMm } from "../../mm/user-mm.js";
import {
  type Amount,
  type BehaviourText,
  type Call,
  type Cell,
  given,
  type ProcessText,
  vmaOf,
} from "../../step-files/index.js";
import type { Outcome } from "../../uapi/outcome.js";
import type { DeviceText, GroupText, MapText, SetupText } from "./shapes.js";

/** One call that a callback made. */
export interface CallbackCall {
  readonly device: string;
  readonly call: string;
  readonly result: unknown;
}

/** See the file comment. */
export interface World {
  readonly container: VfioContainer;
  readonly processes: Map<string, UserMm>;
  readonly devices: Map<string, VfioDevice>;
  /** What callbacks gave, in their order. */
  readonly callbacks: CallbackCall[];
  /** How often each device was told of an unmap. */
  readonly told: Map<string, number>;
  /** Runs a call of a callback. */
  readonly run: (world: World, call: Readonly<Record<string, unknown>>) => unknown;
}

const MEMORY_PAGES = 2 ** 39;
const REQUEST_MOST = 512;

function unknown(what: string, name: string, names: Iterable<string>): never {
  const message = `${name} is no ${what}: there are ${[...names].join(", ")}`;
  throw new ArgumentError("E_NOENT", message, { argument: what });
}

export function deviceOf({ devices }: World, name: string): VfioDevice {
  return devices.get(name) ?? unknown("device", name, devices.keys());
}

/** A process; the first if none is named. */
export function processOf({ processes }: World, name?: string): UserMm {
  if (name === undefined) return [...processes.values()][0];
  return processes.get(name) ?? unknown("process", name, processes.keys());
}

export function groupOf(text: GroupText): VfioGroupOptions {
  const { pageSize, ...rest } = text;
  return {
    ...given(rest),
    ...(pageSize === undefined ? {} : { pageSize: Number(pageSize) }),
  };
}

function makeProcess(frames: HostFrames, name: string, text: ProcessText): UserMm {
  const mm = new UserMm(frames, {
    name,
    ...(text.limit === undefined ? {} : { rlimitMemlock: Number(text.limit) }),
    ...(text.capIpcLock === undefined ? {} : { capIpcLock: text.capIpcLock }),
  });
  if (text.memory === undefined) mm.map({ at: 0, pages: MEMORY_PAGES });
  for (const vma of text.memory ?? []) mm.map(vmaOf(vma));
  return mm;
}

/** MAP_DMA as a step says it. */
export function mapIn(world: World, text: MapText): Outcome<number> {
  const { process, unknownFlags, argsz, vaddr, ...rest } = text;
  return world.container.map({
    ...(given(rest) as { iova: Amount; size: Amount }),
    vaddr: vaddr ?? text.iova,
    mm: processOf(world, process),
    ...(unknownFlags === undefined ? {} : { unknownFlags: Number(unknownFlags) }),
    ...(argsz === undefined ? {} : { argsz: Number(argsz) }),
  });
}

/** Gives back all that a device has pinned in a range, in requests as large as may be. */
export function unpinAll(container: VfioContainer, device: VfioDevice, iova: bigint, size: bigint) {
  const first = pageOf(iova);
  const last = pageOf(iova + size - 1n);
  for (;;) {
    const pages = Array.from(device.ledger?.walk(first, last) ?? [], ({ page }) => page);
    if (pages.length === 0) return;
    for (let i = 0; i < pages.length;) {
      let n = 1;
      while (n < REQUEST_MOST && i + n < pages.length && pages[i + n] === pages[i] + n) n++;
      const before = device.pins;
      container.unpinPages(device, bytesOf(pages[i]), n);
      // Nothing came of it: the mapping is gone, say.
      if (device.pins === before) return;
      i += n;
    }
  }
}

function runAll(world: World, name: string, calls: readonly Call[] | undefined): void {
  for (const call of calls ?? []) {
    const result = world.run(world, call);
    world.callbacks.push({ device: name, call: JSON.stringify(call), result });
  }
}

function behave(world: World, name: string, behaviour: Exclude<BehaviourText, "none">) {
  const says = typeof behaviour === "string" ? { unpin: behaviour === "unpin" } : behaviour;
  return (iova: bigint, size: bigint): void => {
    const call = (world.told.get(name) ?? 0) + 1;
    world.told.set(name, call);
    runAll(world, name, says.before);
    if (says.unpin !== false && call >= Number(says.from ?? 1)) {
      unpinAll(world.container, deviceOf(world, name), iova, size);
    }
    runAll(world, name, says.after);
  };
}

/** Opens a device as a step says it. */
export async function openIn(world: World, name: string, text: DeviceText): Promise<unknown> {
  const { onUnmap = "unpin", listens, onClose } = text;
  const group = text.group ?? world.container.state().groups[0]?.name ?? "";
  const outcome = await world.container.openDevice({
    name,
    group,
    ...(onUnmap === "none" ? {} : { dmaUnmap: behave(world, name, onUnmap) }),
    ...(listens === undefined ? {} : { listens }),
    ...(onClose === undefined
      ? {}
      : {
          onClose: () => {
            runAll(world, name, onClose);
          },
        }),
  });
  if (!outcome.ok) return outcome;
  world.devices.set(name, outcome.value);
  return { ok: true, value: name };
}

function mustWork(what: string, outcome: unknown): void {
  const { ok, errno, message } = outcome as { ok: boolean; errno?: string; message?: string };
  if (ok) return;
  throw new ArgumentError("E_TYPE", `setup, ${what}: ${String(errno)}, ${String(message)}`, {
    argument: "setup",
  });
}

/** What is there before the first step. */
export async function openWorld(setup: SetupText, cell: Cell, run: World["run"]): Promise<World> {
  const frames = new HostFrames();
  for (const [first, last] of setup.reservedFrames ?? []) {
    frames.reserve(Number(first), Number(last));
  }
  const processes = new Map(
    Object.entries(setup.processes ?? { qemu: {} }).map(([name, text]) => [
      name,
      makeProcess(frames, name, text),
    ]),
  );
  // Not there before the container is, which may call them back.
  const later: { world?: World } = {};
  const container = await VfioContainer.create({
    mm: [...processes.values()][0],
    era: cell["era"] as VfioEra,
    storage: cell["storage"] as VfioStorage,
    knobs: given(setup.knobs ?? {}),
    driver: setup.driver ?? "type1v2",
    wordBits: setup.wordBits ?? 64,
    ...(setup.maxNodes === undefined ? {} : { maxNodes: Number(setup.maxNodes) }),
    onSleep: () => {
      if (later.world !== undefined) runAll(later.world, "", setup.onSleep);
    },
  });
  const world: World = {
    container,
    processes,
    devices: new Map(),
    callbacks: [],
    told: new Map(),
    run,
  };
  later.world = world;
  if (setup.driver === "none") return world;
  for (const group of setup.groups ?? [{ name: "mdev", kind: "emulated" }]) {
    mustWork(`group ${group.name}`, container.attachGroup(groupOf(group)));
  }
  const hasGroup = setup.groups === undefined || setup.groups.length > 0;
  for (const [name, text] of Object.entries(setup.devices ?? (hasGroup ? { A: {} } : {}))) {
    mustWork(`device ${name}`, await openIn(world, name, text));
  }
  for (const map of setup.mappings ?? []) mustWork("mapping", mapIn(world, map));
  return world;
}

function byIova<T>(rows: readonly T[], key: (row: T) => bigint, value: (row: T) => number) {
  return Object.fromEntries(rows.map((row) => [`0x${key(row).toString(16)}`, value(row)]));
}

/** Everything that can be expected. */
export function stateOf(world: World): Record<string, unknown> {
  const { container, processes } = world;
  const state = container.state();
  const { leaks } = state;
  const sum = (of: (leak: (typeof leaks)[number]) => number): number =>
    leaks.reduce((total, leak) => total + of(leak), 0);
  const isReserved = (pfn: number): boolean => container.frames.isReserved(pfn);
  return {
    ...state,
    pinned: state.pins.length,
    counts: byIova(
      state.pins,
      ({ iova }) => iova,
      ({ count }) => count,
    ),
    pfns: byIova(
      state.pins,
      ({ iova }) => iova,
      ({ pfn }) => pfn,
    ),
    pageRefs: Object.fromEntries(state.frames.map(({ pfn, refs }) => [pfn, refs])),
    lockedVm: Object.fromEntries([...processes].map(([name, mm]) => [name, mm.lockedVm])),
    warned: state.warnings.map(({ word }) => word),
    told: Object.fromEntries(world.told),
    culprits: state.violations.map(({ culprit }) => culprit),
    leaked: {
      pins: sum(({ kind }) => (kind === "pin" ? 1 : 0)),
      refs: sum(({ pfn, pages }) => (isReserved(pfn) ? 0 : pages)),
      charged: sum(({ charged }) => charged),
    },
    callbacks: world.callbacks,
    invariants: [...new Set(validateVfio(container).map(({ invariant }) => invariant))],
    lockOrder: container.lockOrder,
    allocations: container.allocations.asked,
  };
}

/** How it ended. */
export function verdictOf({ container }: World): string {
  if (container.verdict !== "OK") return container.verdict;
  if (container.records.violations.length > 0) return "VIOLATION";
  return container.records.leaks.length > 0 ? "LEAK" : "SAFE";
}
