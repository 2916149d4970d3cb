/** The explorer's header: X_* words at `x`, behind the machine. */

// @ts-ignore: decorator
@inline
export function word(x: usize, i: i32): u32 {
  return load<u32>(x + ((<usize>i) << 2));
}

// @ts-ignore: decorator
@inline
export function setWord(x: usize, i: i32, value: u32): void {
  store<u32>(x + ((<usize>i) << 2), value);
}
