/** The world of a step file of `system: vdpa`: a device, its parent, and processes. */
import { HostFrames } from "../../mm/frames.js";
import { UserMm } from "../../mm/user-mm.js";
import { type Cell, vmaOf, type VmaText } from "../../step-files/index.js";
import { Allocations } from "../../uapi/allocations.js";
import { byteOf } from "../addresses.js";
import type { UnmapOrder } from "../core.js";
import type { VdpaEraName } from "../eras.js";
import { bitsOf, featureMask, VDPA_FEATURE_NAMES, VDPA_FEATURES } from "../feature-bits.js";
import { ModelParent, type ModelParentOptions } from "../model-parent.js";
import type { VdpaEntry } from "../parent.js";
import { parentPreset } from "../parents.js";
import type { VdpaUserspace } from "../userspace.js";
import { DRIVER_OK, VhostVdpa } from "../vhost-vdpa.js";
import {
  MEMORY_AT,
  MEMORY_SIZE,
  type OwnerText,
  type ParentText,
  type VdpaSetup,
} from "./setup.js";

/** See the file comment. */
export interface VdpaWorld {
  readonly device: VhostVdpa;
  readonly parent: ModelParent;
  readonly frames: HostFrames;
  readonly allocations: Allocations;
  readonly processes: Map<string, UserMm>;
  /** The program that runs the device, once there is one. */
  program: VdpaUserspace | undefined;
}

/** Maps memory of a process: of a shared file, if nothing is said. */
export function addVma(mm: UserMm, vma: VmaText): void {
  const kind = vma.kind ?? "file";
  mm.map({ ...vmaOf(vma), kind, shared: vma.shared ?? kind === "file" });
}

function makeProcess(frames: HostFrames, name: string, text: OwnerText): UserMm {
  const { limit, capIpcLock = false } = text;
  const most = limit === undefined ? {} : { rlimitMemlock: Number(limit) };
  const mm = new UserMm(frames, { name, capIpcLock, ...most });
  mm.pinnedVm = Number(text.pinnedVm ?? 0);
  const whole: VmaText = { at: MEMORY_AT, size: MEMORY_SIZE };
  for (const vma of text.memory ?? [whole]) addVma(mm, vma);
  return mm;
}

/** Properties of a parent, over those of its preset; set-map (S1) if nothing is said. */
function parentOptions(setup: VdpaSetup["parent"], cell: Cell): ModelParentOptions {
  const text: ParentText = typeof setup === "object" ? setup : { preset: setup };
  const { preset, range, features, ...own } = text;
  const named = cell["parent"] === "setup" ? preset : cell["parent"];
  const base = parentPreset(named ?? "S1")!;
  const given = Object.fromEntries(
    Object.entries(own)
      .filter(([, value]) => value !== undefined)
      .map(([key, value]) => [key, typeof value === "bigint" ? Number(value) : value]),
  );
  return {
    ...base,
    ...given,
    ...(range === undefined ? {} : { range: [BigInt(range[0]), BigInt(range[1])] as const }),
    ...(features === undefined ? {} : { backendFeatures: featureMask(features) }),
  };
}

/** @throws ArgumentError E_LIMIT: a parent that the kernel does not take */
export async function openWorld(setup: VdpaSetup, cell: Cell): Promise<VdpaWorld> {
  const frames = new HostFrames();
  const allocations = new Allocations();
  const processes = new Map<string, UserMm>();
  for (const [name, text] of Object.entries(setup.processes ?? { qemu: {} })) {
    processes.set(name, makeProcess(frames, name, text));
  }
  const parent = await ModelParent.create(parentOptions(setup.parent, cell));
  const { aperture } = setup;
  const device = await VhostVdpa.create({
    parent,
    frames,
    allocations,
    era: cell["era"] as VdpaEraName,
    order: cell["order"] as UnmapOrder,
    trace: true,
    failedRun: setup.failedRun ?? "unpinned",
    coherentIommu: setup.coherentIommu ?? true,
    ...(aperture === undefined ? {} : { aperture: [BigInt(aperture[0]), BigInt(aperture[1])] }),
  });
  const world = { device, parent, frames, allocations, processes, program: undefined };
  if (setup.opened !== false) begin(world, setup);
  return world;
}

function begin({ device, processes }: VdpaWorld, setup: VdpaSetup): void {
  device.open();
  const [first] = processes.values();
  if (first !== undefined) device.setOwner(first);
  const offered = device.getBackendFeatures();
  // Of what is wanted, what this parent and kernel have: the same file may run with many.
  const wanted = featureMask(setup.acks ?? []);
  if (offered.ok) device.setBackendFeatures(wanted & offered.value);
  if (setup.started === true) device.setStatus(DRIVER_OK);
  device.clearCounts();
  device.clearTrace();
}

const PERM_NAMES = ["", "ro", "wo", "rw"];

/** An entry with bytes. */
export function entryInBytes({ start, last, addr, perm }: VdpaEntry) {
  return {
    iova: byteOf(start),
    size: byteOf(last - start + 1),
    addr: byteOf(addr),
    perm: PERM_NAMES[perm],
  };
}

/** Names of features in a mask; bits without a name as numbers. */
export function featureNames(mask: bigint): (string | number)[] {
  return bitsOf(mask).map(
    (bit) => VDPA_FEATURE_NAMES.find((name) => VDPA_FEATURES[name] === bit) ?? bit,
  );
}

function viewOf(world: VdpaWorld, asid: number) {
  const found = world.device.translations(asid);
  return found === undefined || found === "identity" ? found : found.map(entryInBytes);
}

/** What a difference between both views looks like in a file. */
export function consistencyText(device: VhostVdpa) {
  const found = device.consistent();
  if (found.consistent) return { consistent: true };
  const { asid, iova, core, parent } = found;
  const bytes = (entry: VdpaEntry | "identity" | null) =>
    entry === null || entry === "identity" ? entry : entryInBytes(entry);
  return { consistent: false, asid, iova, core: bytes(core), device: bytes(parent) };
}

/** Everything that can be expected: see docs/vdpa.md. */
export function stateOf(world: VdpaWorld) {
  const { device, frames, processes, parent } = world;
  const asids = device.era.asids ? parent.addressSpaces : 1;
  const all = Array.from({ length: Math.min(asids, 16) }, (_, asid) => asid);
  const offered = device.getBackendFeatures();
  const { violations } = device;
  const difference = consistencyText(device);
  return {
    open: device.isOpen,
    owner: device.owner?.name ?? null,
    status: device.status,
    running: device.isRunning,
    suspended: device.suspended,
    offered: offered.ok ? featureNames(offered.value) : [],
    acked: featureNames(device.ackedFeatures),
    inBatch: device.inBatch,
    batchAsid: device.batchAsid,
    addressSpaces: device.addressSpaces(),
    entries: Object.fromEntries(all.map((asid) => [asid, device.table(asid).length])),
    core: Object.fromEntries(all.map((asid) => [asid, device.table(asid).map(entryInBytes)])),
    device: Object.fromEntries(all.map((asid) => [asid, viewOf(world, asid)])),
    consistent: difference.consistent,
    difference: difference.consistent ? null : difference,
    groups: Array.from({ length: parent.groups }, (_, group) => device.groupAsid(group)),
    pinnedVm: Object.fromEntries([...processes].map(([name, mm]) => [name, mm.pinnedVm])),
    held: frames.held,
    leaked: device.leakedPages(),
    exposed: device.exposedPages(),
    violations: violations.length,
    liveViolations: violations.filter(({ live }) => live).length,
    counts: device.counts(),
    underflows: frames.underflows.length,
  };
}

/** What a run can end in, by weight. */
export const VDPA_VERDICTS = ["SAFE", "EXPOSED", "LEAK", "INCONSISTENT"] as const;

/** See {@link VDPA_VERDICTS}. */
export function verdictOf({ device, frames }: VdpaWorld): (typeof VDPA_VERDICTS)[number] {
  if (device.violations.some(({ live }) => live)) return "EXPOSED";
  if (device.leakedPages() !== 0 || frames.underflows.length > 0) return "LEAK";
  return device.consistent().consistent ? "SAFE" : "INCONSISTENT";
}
