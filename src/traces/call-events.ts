/**
 * Entries and exits of system calls as events, from what a line says: one builder a call, for every
 * format. Literals, field by field: a spread costs more than the rest of the line.
 */
import type { SyscallEnter, SyscallExit, TracedCall } from "./events.js";
import type { Header } from "./ftrace-header.js";

const kind = "syscallEnter" as const;

/** `mmap(addr, len, prot, flags, fd, off)`; `pages` is the length, `filePage` the offset. */
export function mmapEnter(
  h: Header,
  vpn: number,
  offset: number,
  pages: number,
  prot: number,
  flags: number,
  fd: number,
  filePage: number,
): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "mmap",
    vpn,
    offset,
    pages,
    prot,
    flags,
    fd,
    filePage,
  };
}

/** `munmap(addr, len)`. */
export function munmapEnter(h: Header, vpn: number, offset: number, pages: number): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "munmap",
    vpn,
    offset,
    pages,
  };
}

/** `mprotect(start, len, prot)`. */
export function mprotectEnter(
  h: Header,
  vpn: number,
  offset: number,
  pages: number,
  prot: number,
): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "mprotect",
    vpn,
    offset,
    pages,
    prot,
  };
}

/** `madvise(start, len, behavior)`. */
export function madviseEnter(
  h: Header,
  vpn: number,
  offset: number,
  pages: number,
  advice: number,
): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "madvise",
    vpn,
    offset,
    pages,
    advice,
  };
}

/** `process_madvise(pidfd, vec, vlen, behavior, flags)`: what the vector names is not known. */
export function processMadviseEnter(h: Header, advice: number): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "process_madvise",
    advice,
  };
}

/** `mremap(addr, old_len, new_len, flags, new_addr)`. */
export function mremapEnter(
  h: Header,
  vpn: number,
  offset: number,
  oldPages: number,
  newPages: number,
  flags: number,
  newVpn: number,
): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "mremap",
    vpn,
    offset,
    oldPages,
    newPages,
    flags,
    newVpn,
  };
}

/** `brk(addr)`. */
export function brkEnter(h: Header, vpn: number, offset: number): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call: "brk",
    vpn,
    offset,
  };
}

/** `clone(flags, …)`, or clone3 where the flags are known. */
export function cloneEnter(h: Header, call: "clone" | "clone3", flags: number): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call,
    flags,
  };
}

/** Calls of which no argument is wanted, or none is known. */
export function plainEnter(
  h: Header,
  call: "clone3" | "fork" | "vfork" | "execve" | "execveat" | "exit" | "exit_group",
): SyscallEnter {
  return {
    kind,
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call,
  };
}

/** The end of a call: an errno of 1 to 4095, or 0 and the value as an address. */
export function exitOf(
  h: Header,
  call: TracedCall,
  errno: number,
  vpn: number,
  offset: number,
): SyscallExit {
  return {
    kind: "syscallExit",
    timeNs: h.timeNs,
    cpu: h.cpu,
    tid: h.tid,
    comm: h.comm,
    line: h.line,
    call,
    errno,
    value: vpn * 4096 + offset,
    vpn,
    offset,
  };
}
