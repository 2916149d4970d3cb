/** The library's public surface. */
export * from "./errors.js";
export { Catalogue, type Parts } from "./kernel/catalogue.js";
export type { Consumer, IntervalHooks } from "./kernel/consumer.js";
export {
  DEVICE_PRICES,
  type DevicePrice,
  sharingConsumer,
  type SharingParameters,
} from "./kernel/consumers/family.js";
export {
  mirroringConsumer,
  type MirroringParameters,
  type RetryCheck,
} from "./kernel/consumers/guest.js";
export type { Era, Site } from "./kernel/era.js";
export type { Script, ScriptStep } from "./kernel/image.js";
export type { KernelStep, Span, UnhookMode } from "./kernel/kernel-steps.js";
export type { SubscriberStep } from "./kernel/subscriber-steps.js";
export { type BracketFlags, type Faults, FAULTS } from "./kernel/subscribers.js";
export { Kit, type RangeEvent } from "./kernel/kit.js";
export { operation, type Operation } from "./kernel/operation.js";
export type { FlushPolicy, Isolation } from "./kernel/policy.js";
export type { Deferral, DeferralTrigger } from "./kernel/defers.js";
export { COMPLETION, type Completion, type Completions } from "./kernel/completion.js";
export { type CompletionGap, completionGaps, formatGaps } from "./kernel/completion-gaps.js";
export {
  transport,
  type TransportKnobs,
  type TransportPolicy,
} from "./kernel/policies/transport.js";
export { isolated, type IsolationKnobs } from "./kernel/policies/isolated.js";
export type { CostProfile, Price } from "./kernel/profile.js";
export { checkProfile } from "./kernel/profile-file.js";
export {
  calibrateTrace,
  type CalibrateCall,
  type CalibrateFigure,
  type CalibrateOptions,
  type CalibrateResult,
} from "./calibrate/calibrate.js";
export type { Estimate } from "./calibrate/sample.js";
export type { LineFit } from "./calibrate/line-fit.js";
export type { FittedPrice } from "./calibrate/prices.js";
export * from "./program/notation.js";
export { type Geometry, EXPLORED_GEOMETRY, TIMED_GEOMETRY } from "./core/geometry.js";
export { Machine, type AdvanceResult, type JobOptions, type MachineOptions } from "./machine.js";
export type { MachineEvent } from "./machine-events.js";
export type { Counters } from "./counters.js";
export { checkInvariants, INVARIANTS, type InvariantOptions } from "./invariants.js";
export type { Violation } from "./violation.js";
export { disassemble } from "./program/disassembler.js";
/** The package version. */
export const version = "0.1.0";
export { Random, canonicalSeed } from "./seed.js";
export {
  type Expectation,
  type Scenario,
  type ScenarioActor,
  TURN_ALIASES,
  type Turn,
  type Verdict,
  VERDICTS,
} from "./scenarios/scenario.js";
export { checkScenario } from "./scenarios/validate.js";
export { SCENARIOS } from "./scenarios/built-in.js";
export {
  check,
  type CheckOptions,
  type CheckResult,
  expectedVerdict,
  type Interleavings,
  INTERLEAVINGS,
  listScenarios,
  type Reduction,
  REDUCTIONS,
  scenarioNamed,
} from "./drivers/check.js";
export {
  checkMatrix,
  type MatrixCell,
  type MatrixOptions,
  type MatrixResult,
} from "./drivers/check-matrix.js";
export {
  PROPERTIES,
  sample,
  type SampleFinding,
  type SampleOptions,
  type SampleResult,
} from "./drivers/sample.js";
export type {
  ExploreOptions,
  ExploreResult,
  ReductionResult,
  ScheduleStep,
} from "./drivers/explore.js";
export {
  formatSchedule,
  makeReplayFile,
  parseSchedule,
  replay,
  type ReplayedStep,
  type ReplayFile,
  scenarioOf,
  stepsOf,
} from "./drivers/replay-file.js";
export { formatSteps, switchesOf } from "./drivers/step-table.js";
export {
  compareTrace,
  type CompareOptions,
  type CompareResult,
  type CompareRun,
  type HazardCount,
} from "./replay/compare.js";
export {
  tabulateCallSites,
  type CallSiteCell,
  type CallSiteRow,
  type CallSiteSaving,
  type CallSiteTable,
} from "./replay/site-table.js";
export {
  replayTrace,
  type FlushCounts,
  type IntentModel,
  type ReplayOptions,
  type ReplayResult,
  type TraceFacts,
} from "./replay/replay.js";
export { type Fidelity, fidelityOf, type Score } from "./replay/fidelity.js";
export { readTrace, TraceReader, type TraceOptions } from "./traces/read-trace.js";
export { TRACE_FORMATS, type TraceFormat } from "./traces/format.js";
export type * from "./traces/events.js";
export {
  ParallelDriver,
  type ParallelOptions,
  type ParallelRun,
  parallelBytes,
} from "./drivers/parallel.js";
export { simulate, type SimulateOptions, type SimulateResult } from "./simulate.js";
export { WORKLOADS, type Workload, type WorkloadRegion, workloadNamed } from "./workloads.js";
export {
  checkParameters,
  DEFAULTS as WORKLOAD_DEFAULTS,
  type ParameterFacts,
  PARAMETERS as WORKLOAD_PARAMETERS,
  type WorkloadCall,
  type WorkloadGenerator,
  type WorkloadParameters,
  type WorkloadThread,
} from "./workloads/generator.js";
export { GENERATORS, generatorNamed } from "./workloads/index.js";
export { WORKLOAD_SCENARIOS } from "./scenarios/workloads.js";
export { runWorkload, type WorkloadRun, type WorkloadRunOptions } from "./simulation/run.js";
export {
  type Interval,
  type IntervalHandle,
  IntervalTree,
  type IntervalTreeOptions,
} from "./interval-tree.js";
export type { Overlaps } from "./interval-tree-window.js";
export { type Numbers, PAGE_LIMIT } from "./pages.js";
export { INTERVAL_TREE_INVARIANTS, validateIntervalTree } from "./interval-tree-validator.js";
export {
  type PinnedList,
  PinnedPages,
  type PinnedPagesOptions,
  PIN_COUNT_MOST,
} from "./pinned-pages.js";
export {
  PinnedPagesTree,
  type PinnedPagesTreeOptions,
  PIN_NODE_BYTES,
} from "./pinned-pages-tree.js";
export type { Fault, Frames, PinnedPage, PinOptions, PinStore } from "./pin-store.js";
export { PINNED_PAGES_INVARIANTS, validatePinnedPages } from "./pinned-pages-validator.js";
export {
  Iotlb,
  type IotlbEntry,
  type IotlbHandle,
  type IotlbLookup,
  type IotlbOptions,
  type IotlbOrder,
  type IotlbRights,
} from "./iotlb.js";
export {
  type BracketOptions,
  MmuNotifiers,
  type MmuNotifiersOptions,
  type NotifierEra,
} from "./notifiers/mmu-notifiers.js";
export type { IntervalMemoryOptions } from "./notifiers/interval-memory.js";
export { NOTIFIER_INVARIANTS, validateNotifiers } from "./notifiers/validator.js";
export { PostedCalls } from "./notifiers/posted.js";
export {
  type Bracket,
  type CallbackSteps,
  type ClassicOps,
  type ClassicSubscriber,
  type IntervalOps,
  NOTIFIER_EVENTS,
  type NotifierCounters,
  type NotifierEvent,
  type NotifierFaults,
  type NotifierRange,
  type NotifierWarning,
  type SubscriberHandle,
} from "./notifiers/types.js";
export { IOTLB_INVARIANTS, validateIotlb } from "./iotlb-validator.js";
export {
  countSites,
  type CountSitesOptions,
  type SiteCounts,
  type SiteRow,
} from "./sites/count.js";
export { type AuditCell, type AuditOptions, type AuditRow, auditSites } from "./sites/audit.js";
export { DEADLINES, type Deadline } from "./sites/races.js";
export { auditPage } from "./sites/audit-page.js";
export { HostDevice, type DeviceAccess } from "./devices/device.js";
export { HostPort } from "./devices/port.js";
export {
  does as threadDoes,
  type HostThread,
  type ThreadDoes,
  type ThreadSelf,
  type ThreadStep,
  type ThreadSteps,
} from "./devices/thread.js";
export type { DeviceCall, DeviceCounters, DeviceOps } from "./devices/types.js";
export type { HostStep, Steps } from "./devices/wait.js";
export { DriverLock, WaitQueue } from "./devices/wait.js";
export {
  hmmRangeFault,
  hmmRangeFaultUnlocked,
  type HmmErrno,
  type HmmFound,
  type HmmNeed,
  type HmmPage,
  type HmmRange,
  type HmmUnlocked,
} from "./hmm/range-fault.js";
export { HmmSpace, type HmmSpaceOptions, type SpaceEntry } from "./hmm/space.js";
export {
  type CommandOptions,
  type DriverOptions,
  Mirror,
  type MirrorCounters,
  type MirrorEntry,
  type MirrorFault,
  type MirrorOptions,
  type MirrorResult,
  type RefusingOptions,
} from "./devices/mirror.js";
export { type SnapshotPage, TestHmm, type TestHmmOptions } from "./devices/test-hmm.js";
export { AmdgpuGfx } from "./devices/amdgpu-gfx.js";
export { AmdgpuHsa, type AmdgpuHsaOptions } from "./devices/amdgpu-hsa.js";
export { AmdgpuOld } from "./devices/amdgpu-old.js";
export { Mlx5Odp, type Mlx5OdpOptions } from "./devices/mlx5-odp.js";
export { Nouveau, type NouveauOptions } from "./devices/nouveau.js";
export { Xe, type XeOptions } from "./devices/xe.js";
export { Allocations } from "./uapi/allocations.js";
export { type Errno, ERRNOS } from "./uapi/errno.js";
export type { Done, Failed, Outcome } from "./uapi/outcome.js";
export { Iommufd, type HwptOptions, type IommufdOptions } from "./iommufd/iommufd.js";
export {
  type CopyOptions,
  Ioas,
  type IovaRanges,
  type MapFileOptions,
  type MapOptions,
  type MapProt,
  type PendingMap,
} from "./iommufd/ioas.js";
export {
  type AccessOptions,
  IommufdAccess,
  type LedgerEntry,
  type PinAccess,
  type UnmapCallback,
  type Unpinned,
} from "./iommufd/access.js";
export {
  type DeviceOptions,
  type DirtyBitmap,
  type DirtyOptions,
  Hwpt,
  IommufdDevice,
} from "./iommufd/device.js";
export {
  type DomainOptions,
  type DomainRun,
  IommuDomain,
  type IovaRange,
} from "./iommufd/iommu-domain.js";
export {
  type DmaInfo as CompatInfo,
  type DmaMap as CompatMap,
  type DmaUnmap as CompatUnmap,
  VfioCompat,
} from "./iommufd/vfio-compat.js";
export { type AccountMode, type Task, UserAccount } from "./iommufd/task.js";
export { IOMMUFD_WARNINGS, type IommufdCounters, type IommufdWarning } from "./iommufd/env.js";
export { IOMMUFD_ERAS, type IommufdEra, type IommufdPolicy } from "./iommufd/era.js";
export { FrameMemory } from "./iommufd/frame-memory.js";
export { SharedFile } from "./iommufd/source.js";
export type { RwOptions } from "./iommufd/rw.js";
export type { ReservedRange } from "./iommufd/iova-ranges.js";
export {
  type AreaState,
  describeIommufd,
  type IoasState,
  type IommufdState,
  type PagesState,
} from "./iommufd/describe.js";
export { HostFrames } from "./mm/frames.js";
export {
  UserMm,
  type UserMmOptions,
  type Vma,
  type VmaKind,
  type VmaOptions,
} from "./mm/user-mm.js";
export type { DmaAnswer, DmaRwOptions } from "./vfio/access.js";
export type { Bytes } from "./uapi/bytes.js";
export {
  VFIO_NOTIFY_DMA_UNMAP,
  VfioContainer,
  type VfioContainerOptions,
  type VfioDeviceOptions,
  type VfioStorage,
} from "./vfio/container.js";
export { type DmaUnmap, VfioDevice } from "./vfio/device.js";
export { dirtyIovas, type DirtyPages, type DirtyRequest } from "./vfio/dirty.js";
export { VFIO_ERAS, type VfioEra, type VfioKnobs, vfioKnobs, vfioKnobValues } from "./vfio/eras.js";
export type { VfioGroupOptions } from "./vfio/groups.js";
export type { VfioLockName, VfioLockOrder } from "./vfio/locks.js";
export type { VfioMapOptions, VfioProt } from "./vfio/map.js";
export type {
  VfioCounters,
  VfioHazard,
  VfioLeak,
  VfioMisuse,
  VfioNotification,
  VfioVerdict,
  VfioViolation,
  VfioWarning,
  VfioWarningWord,
} from "./vfio/records.js";
export type { VfioSnapshot } from "./vfio/snapshot.js";
export type { VfioMode } from "./vfio/state.js";
export type { VfioUnmapOptions, VfioUnmapped } from "./vfio/unmap.js";
export {
  validateVfio,
  VFIO_INVARIANTS,
  type VfioInvariant,
  type VfioInvariantViolation,
} from "./vfio/validate.js";
export { type UnmapOrder } from "./vdpa/core.js";
export { type VdpaConsistency } from "./vdpa/consistency.js";
export { countsSince as vdpaCountsSince, type VdpaCounts } from "./vdpa/counts.js";
export {
  type Downtime as VdpaDowntime,
  type DowntimeComparison as VdpaDowntimeComparison,
  type DowntimeMs as VdpaDowntimeMs,
  type DowntimeOptions as VdpaDowntimeOptions,
  type DowntimeRow as VdpaDowntimeRow,
  vdpaDowntime,
} from "./vdpa/downtime.js";
export { VDPA_ERAS, type VdpaEra, type VdpaEraName } from "./vdpa/eras.js";
export { isPersistentCapable } from "./vdpa/features.js";
export {
  bitsOf as vdpaFeatureBits,
  featureMask as vdpaFeatureMask,
  type FeatureSet as VdpaFeatureSet,
  VDPA_FEATURES,
  type VdpaFeature,
} from "./vdpa/feature-bits.js";
export { type Guest as VdpaGuest, type GuestOptions, makeGuest } from "./vdpa/guest.js";
export { type FailedRun, PIN_CHUNK } from "./vdpa/map-pages.js";
export { encodeMessage, VDPA_MESSAGES, type VdpaMessage } from "./vdpa/messages.js";
export {
  ModelParent,
  type ModelParentOptions,
  PARENT_OPS,
  type ParentOp,
} from "./vdpa/model-parent.js";
export {
  RESET_CLEAN_MAP,
  type VdpaEntry,
  type VdpaParent,
  type VdpaTable,
  type VdpaTranslations,
} from "./vdpa/parent.js";
export { parentPreset, type ParentPreset, VDPA_PARENTS } from "./vdpa/parents.js";
export {
  type Cost as VdpaCost,
  type PageKind,
  PUBLISHED_PROFILE,
  type VdpaProfile,
} from "./vdpa/profile.js";
export type { VdpaEvent, VdpaStep, VdpaViolation } from "./vdpa/trace.js";
export {
  type CycleRow,
  type FollowUpRow,
  type TruthRow,
  type TruthTable,
  vdpaTruthTable,
} from "./vdpa/truth-table.js";
export {
  VDPA_STRATEGIES,
  type VdpaRegion,
  type VdpaStrategy,
  vdpaStrategy,
  VdpaUserspace,
} from "./vdpa/userspace.js";
export type { DeviceAccessResult as VdpaAccess } from "./vdpa/access.js";
export type { VhostVdpaOptions } from "./vdpa/options.js";
export { DRIVER_OK, VhostVdpa } from "./vdpa/vhost-vdpa.js";
export { measurePins, type PinSetFigures, sendPins } from "./pin-profiles/measure.js";
export {
  PIN_PROFILES,
  type PinProfile,
  type PinRequest,
  pinTrace,
  type PinTrace,
  type PinTraceOptions,
} from "./pin-profiles/profiles.js";
