/** Entry of the worker threads that the parallel driver starts itself. */
import { serveWorker } from "./worker-loop.js";

serveWorker();
