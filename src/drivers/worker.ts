/**
 * The same entry under the package's public name, `shootdown/worker`: for bundlers that do not
 * follow `new URL(…, import.meta.url)` and must be given the worker as an entry of its own.
 */
import { serveWorker } from "./worker-loop.js";

serveWorker();
