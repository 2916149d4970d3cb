/** Broken ways of unmapping what is pinned, for random schedules to notice. */
import { shippedScenario } from "../../src/scenario-files/index.js";
import type { Row } from "./broken-rows.js";

const LOCKS = /^NoDeadlock$/;
const UNMAPPED = /^(LedgersAddUp|NodesInMapping|DevicesUsePinned|DmaIsPinned|NoUseAfterFree)$/;
const TRANSLATED = /^(TranslationsArePinned|DmaIsPinned|NoUseAfterFree)$/;
const BUDGET = /^DriversUnpinInTime$/;

/** A part, a scenario with it, what random schedules break, and the same with a sound part. */
const ROWS = [
  ["consumers", "vgpu-stubborn", "pin-s4-stubborn", BUDGET, "pin-s4-stubborn-iommufd"],
  ["consumers", "vgpu-repins", "pin-repins", BUDGET, "pin-repins-iommufd"],
  ["consumers", "vgpu-unpins-first", "pin-unpins-late", UNMAPPED, "pin-s1"],
  ["operations", "dma.register.listed", "pin-h1-register", LOCKS, "pin-h1-ordered"],
  ["operations", "dma.unregister.listed", "pin-h1-unregister", LOCKS, "pin-h1-ordered"],
  ["operations", "dma.unmap.listed", "pin-h1-two-unmaps", LOCKS, "pin-h1-ordered"],
  ["operations", "dma.unmap.reread", "pin-h2-reread", /^NoUseAfterFree$/, "pin-h2-copied"],
  ["operations", "dma.unmap.keep-lock", "pin-s1-keep-lock", LOCKS, "pin-s1"],
  ["operations", "dma.unmap.remove-first", "pin-s2-remove-first", UNMAPPED, "pin-s1"],
  ["operations", "dma.unmap.detach-first", "pin-s2-detach-first", UNMAPPED, "pin-s1"],
  ["operations", "dma.unmap.unpin-first", "pin-domain-unpin-first", TRANSLATED, "pin-domain"],
  ["operations", "dma.unmap.unflushed", "pin-domain-unflushed", TRANSLATED, "pin-domain"],
  ["operations", "pin.unlocked", "pin-in-window-unlocked", BUDGET, "pin-in-window"],
  ["operations", "vdpa.invalidate", "pin-v1-unpin-first", TRANSLATED, "pin-v1-unmap-first"],
] as const;

const named = async (name: string) => (await shippedScenario(name))!;

export const PIN_MUTANTS: readonly Row[] = await Promise.all(
  ROWS.map(async ([kind, name, scenario, names, sound]): Promise<Row> => ({
    kind,
    name,
    scenario: await named(scenario),
    options: {},
    names,
    mended: { scenario: await named(sound) },
  })),
);
