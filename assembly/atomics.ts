/**
 * One source, two forms. Every function that touches state another CPU may touch takes a type
 * parameter `F`: `Plain` for drivers that own the whole machine on one thread, `Shared` for CPUs on
 * worker threads. The compiler picks the instruction; the plain form pays for no atomic.
 */

/** Form for single-threaded drivers. */
export type Plain = u32;
/** Form for worker threads over one shared memory. */
export type Shared = i32;

/** True while compiling the shared form. */
// @ts-ignore: decorator
@inline
export function isShared<F>(): bool {
  return isSigned<F>();
}

// @ts-ignore: decorator
@inline
export function get32<F>(p: usize): u32 {
  if (isSigned<F>()) return atomic.load<u32>(p);
  return load<u32>(p);
}

// @ts-ignore: decorator
@inline
export function put32<F>(p: usize, v: u32): void {
  if (isSigned<F>()) atomic.store<u32>(p, v);
  else store<u32>(p, v);
}

// @ts-ignore: decorator
@inline
export function get64<F>(p: usize): u64 {
  if (isSigned<F>()) return atomic.load<u64>(p);
  return load<u64>(p);
}

// @ts-ignore: decorator
@inline
export function put64<F>(p: usize, v: u64): void {
  if (isSigned<F>()) atomic.store<u64>(p, v);
  else store<u64>(p, v);
}

/** Adds and returns the value before. */
// @ts-ignore: decorator
@inline
export function add32<F>(p: usize, v: u32): u32 {
  if (isSigned<F>()) return atomic.add<u32>(p, v);
  const old = load<u32>(p);
  store<u32>(p, old + v);
  return old;
}

/** Subtracts and returns the value before. */
// @ts-ignore: decorator
@inline
export function sub32<F>(p: usize, v: u32): u32 {
  if (isSigned<F>()) return atomic.sub<u32>(p, v);
  const old = load<u32>(p);
  store<u32>(p, old - v);
  return old;
}

// @ts-ignore: decorator
@inline
export function or32<F>(p: usize, v: u32): void {
  if (isSigned<F>()) atomic.or<u32>(p, v);
  else store<u32>(p, load<u32>(p) | v);
}

// @ts-ignore: decorator
@inline
export function and32<F>(p: usize, v: u32): void {
  if (isSigned<F>()) atomic.and<u32>(p, v);
  else store<u32>(p, load<u32>(p) & v);
}

/** Stores and returns the value before. */
// @ts-ignore: decorator
@inline
export function swap32<F>(p: usize, v: u32): u32 {
  if (isSigned<F>()) return atomic.xchg<u32>(p, v);
  const old = load<u32>(p);
  store<u32>(p, v);
  return old;
}

// @ts-ignore: decorator
@inline
export function get16<F>(p: usize): u16 {
  if (isSigned<F>()) return atomic.load<u16>(p);
  return load<u16>(p);
}

// @ts-ignore: decorator
@inline
export function put16<F>(p: usize, v: u16): void {
  if (isSigned<F>()) atomic.store<u16>(p, v);
  else store<u16>(p, v);
}

/** Writes `to` if `p` holds `from`. */
// @ts-ignore: decorator
@inline
export function cas64<F>(p: usize, from: u64, to: u64): void {
  if (isSigned<F>()) atomic.cmpxchg<u64>(p, from, to);
  else if (load<u64>(p) == from) store<u64>(p, to);
}

/** True if `p` held `from` and now holds `to`. */
// @ts-ignore: decorator
@inline
export function cas32<F>(p: usize, from: u32, to: u32): bool {
  if (isSigned<F>()) return atomic.cmpxchg<u32>(p, from, to) == from;
  if (load<u32>(p) != from) return false;
  store<u32>(p, to);
  return true;
}
