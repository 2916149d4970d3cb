/** Areas into domains and out of them. A domain is unmapped before its pages are unpinned. */
import { failed, type Failed } from "../uapi/outcome.js";
import { hex, PAGE_BYTES } from "./addresses.js";
import { type Area } from "./area.js";
import { firstIndex, iovaOf, lastIndex, lengthOf } from "./slice.js";
import { type IommufdEnv, warn } from "./env.js";
import type { IommuDomain } from "./iommu-domain.js";
import type { IoptPages } from "./iopt-pages.js";
import { PfnReader, type PfnRun } from "./pfn-reader.js";

interface Mapped {
  readonly domain: IommuDomain;
  readonly iova: bigint;
  readonly size: bigint;
}

/**
 * Maps the frames of an area into domains, all or nothing.
 * @param small - page by page, so that it can be cut anywhere later
 */
export function fillDomains(
  env: IommufdEnv,
  area: Area,
  pages: IoptPages,
  domains: readonly IommuDomain[],
  small: boolean,
): Failed | undefined {
  const reader = PfnReader.open(env, pages, firstIndex(area), lastIndex(area));
  if (!(reader instanceof PfnReader)) return reader;
  const mapped: Mapped[] = [];
  const failure = fillAll(env, reader, area, domains, small, mapped) ?? pages.settle();
  if (failure === undefined) return undefined;
  for (const each of mapped) unmapFrom(env, each.domain, each.iova, each.size);
  reader.release();
  return failure;
}

function fillAll(
  env: IommufdEnv,
  reader: PfnReader,
  area: Area,
  domains: readonly IommuDomain[],
  small: boolean,
  mapped: Mapped[],
): Failed | undefined {
  for (let batch = reader.next(); batch !== undefined; batch = reader.next()) {
    if (!Array.isArray(batch)) return batch;
    for (const domain of domains) {
      for (const run of batch) {
        const failure = mapRun(env, area, domain, run, small, mapped);
        if (failure !== undefined) return failure;
      }
    }
  }
  return undefined;
}

/** Only the first and the last page of an area may be parts of pages. */
function mapRun(
  env: IommufdEnv,
  area: Area,
  domain: IommuDomain,
  run: PfnRun,
  small: boolean,
  mapped: Mapped[],
): Failed | undefined {
  const step = small ? 1 : run.count;
  for (let done = 0; done < run.count; done += step) {
    const index = run.index + done;
    const iova = iovaOf(area, index);
    const behind = iovaOf(area, index + step);
    const end = behind > area.last ? area.last + 1n : behind;
    const offset = (area.startByte + (iova - area.iova)) % PAGE_BYTES;
    if (!env.allocations.take("iommu_map")) {
      return failed("ENOMEM", "no-memory", `${domain.name} has no memory for ${hex(iova)}`);
    }
    const paddr = BigInt(run.pfn + done) * PAGE_BYTES + offset;
    domain.map({ iova, paddr, size: end - iova, write: area.prot.write });
    env.counters.domainMaps++;
    mapped.push({ domain, iova, size: end - iova });
  }
  return undefined;
}

function unmapFrom(env: IommufdEnv, domain: IommuDomain, iova: bigint, size: bigint): void {
  const cuts = domain.cutLeaves.length;
  domain.unmap(iova, size);
  env.counters.domainUnmaps++;
  if (domain.cutLeaves.length > cuts) {
    warn(env, "leaf-cut", `${domain.name}: ${hex(iova)}+${hex(size)} cuts a leaf`);
  }
}

/** Unmaps an area from a domain while another one keeps its frames. */
export function unmapArea(env: IommufdEnv, area: Area, domain: IommuDomain): void {
  unmapFrom(env, domain, area.iova, lengthOf(area));
}

/** Unmaps an area from all domains and gives back what nobody else wants. */
export function unfillDomains(
  env: IommufdEnv,
  area: Area,
  pages: IoptPages,
  domains: readonly IommuDomain[],
): void {
  if (area.storage === undefined) return;
  const free = pages.unstore(area);
  for (const domain of domains) if (domain !== area.storage) unmapArea(env, area, domain);
  unmapArea(env, area, area.storage);
  area.storage = undefined;
  for (const pfn of free.values()) pages.unpin(pfn);
  pages.settle();
}
