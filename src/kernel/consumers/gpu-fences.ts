import { mirroringConsumer } from "./guest.js";

/** amdgpu's buffers: a callback returns when no work that uses the pages is left. */
export const gpuFences = mirroringConsumer({
  name: "gpu-fences",
  title: "a GPU whose callback waits for all open work, under the lock that submission takes",
  source: "notifiers.md 4.4, amdgpu gfx; S23",
  fences: "under-lock",
});

/** Work is announced before it can be refused. */
export const gpuFencesEarly = mirroringConsumer({
  name: "gpu-fences-early",
  title: "as gpu-fences, but the fence is raised before submission takes the lock",
  source: "notifiers.md S23, mutant: whom the callback waits for waits for its lock",
  mutant: true,
  fences: "before-lock",
});
