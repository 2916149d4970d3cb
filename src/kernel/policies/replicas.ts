import * as abi from "../../core/abi.js";
import type { FlushPolicy } from "../policy.js";
import { drainFlushThenAck, flushLocal, send, wait } from "./parts.js";

/**
 * P20: every node has its own copies of the page tables it uses, made by its faults, and only nodes
 * with a copy of a table are told of its changes. What it defers: nothing; it leaves CPUs out. Safe
 * if whoever may cache a translation has its node tracked first. Nodes are the profile's sockets;
 * without them every CPU is one.
 */
export const replicas: FlushPolicy = {
  name: "replicas",
  title: "as concurrent; page tables are copied node by node, and only nodes with a copy are told",
  source: "shootdown.md P20; Gao et al., numaPTE; Hydra",
  mutant: false,
  completes: { data: "G3", tables: "G4" },
  shootdown: [send, flushLocal, wait],
  handler: drainFlushThenAck,
  copies: "tracked",
  options: abi.OPT_REPLICAS,
};

/** The set of nodes that are told is not a superset of those that may walk. */
export const replicasLate: FlushPolicy = {
  ...replicas,
  name: "replicas-late",
  title: "as replicas, but a node is tracked some time after it has copied",
  source: "shootdown.md P20: replica set is a superset of cachers",
  mutant: true,
  completes: { data: "G0", tables: "G0" },
  copies: "late",
};
