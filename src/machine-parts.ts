/** What a machine is put together from: its options, resolved; its programs; its memory. */
import * as abi from "./core/abi.js";
import { Core } from "./core/core.js";
import { checkGeometry, type Geometry, TIMED_GEOMETRY } from "./core/geometry.js";
import { codeWithBulk } from "./kernel/bulk.js";
import { Catalogue } from "./kernel/catalogue.js";
import type { Era } from "./kernel/era.js";
import { deviceRows } from "./kernel/device-rows.js";
import { buildImage, entryOf } from "./kernel/image.js";
import { optionsOf, rowsOfCode, shortcutsOf } from "./kernel/image-options.js";
import { rowsOf, writeOwnWords } from "./kernel/own-rows.js";
import type { FlushPolicy } from "./kernel/policy.js";
import { type CostProfile, costTable } from "./kernel/profile.js";
import type { MachineOptions } from "./machine-options.js";
import type { Image } from "./program/assembler.js";

/** See the file comment. */
export interface MachineParts {
  readonly core: Core;
  readonly image: Image;
  readonly catalogue: Catalogue;
  readonly era: Era;
  readonly policy: FlushPolicy;
  readonly profile: CostProfile;
  readonly geometry: Geometry;
}

/**
 * Memory is allocated once, here.
 * @throws ArgumentError for a bad geometry or an unknown name; ShootdownError E_NOMEM.
 */
export async function createParts(options: MachineOptions): Promise<MachineParts> {
  const catalogue = options.catalogue ?? Catalogue.standard;
  const era =
    typeof options.era === "object" ? options.era : catalogue.era(options.era ?? "coupled");
  const policy =
    typeof options.policy === "object"
      ? options.policy
      : catalogue.policy(options.policy ?? "concurrent");
  const profile =
    typeof options.profile === "object"
      ? options.profile
      : catalogue.profile(options.profile ?? "haswell-2019");
  const named = options.consumers ?? ["sharing", "mirroring"];
  const consumers = named.map((c) => (typeof c === "object" ? c : catalogue.consumer(c)));
  const geometry = checkGeometry(
    { ...(policy.ceiling === undefined ? {} : { ceiling: policy.ceiling }), ...options.geometry },
    options.baseGeometry ?? TIMED_GEOMETRY,
  );
  const parts = {
    catalogue,
    era,
    policy,
    consumers,
    scripts: options.scripts ?? [],
    scriptsOnly: options.scriptsOnly ?? false,
    hosts: options.hostDevices ?? false,
    ...(options.faults === undefined ? {} : { faults: options.faults }),
  };
  const image = buildImage(parts);
  const core = await Core.create({
    geometry,
    options: (options.options ?? abi.OPT_LAZY_SKIP) | (policy.options ?? 0) | optionsOf(image),
    rows: rowsOf(policy) | rowsOfCode(image) | deviceRows(parts, image),
    code: codeWithBulk(image),
    handlerPc: image.entries.get(entryOf.handler) ?? 0,
    costs: costTable(profile, policy.consolidates === true),
    extraBytes: options.extraBytes ?? 0,
    ...(options.wasm === undefined ? {} : { wasm: options.wasm }),
  });
  const socket = profile.cpusPerSocket ?? 0;
  core.header[abi.H_SOCKET_CPUS] = socket;
  writeOwnWords(core.header, policy);
  core.header[abi.H_DIR_SILENT] = policy.directory === "silent" ? 1 : 0;
  core.header[abi.H_NODE_CPUS] = socket === 0 ? (policy.nodeCpus ?? 1) : socket;
  // The shortcuts know one price for all CPUs: with sockets every micro-op is decoded.
  const shortcuts = socket === 0 ? shortcutsOf(image, core.header) : 0;
  core.header[abi.H_SHORTCUTS] = shortcuts;
  core.header[abi.H_LOG_MASK] = (options.record ?? []).reduce(
    (mask, kind) => mask | (1 << kind),
    0,
  );
  return { core, image, catalogue, era, policy, profile, geometry };
}
