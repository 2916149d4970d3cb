/** Whole numbers below 2^52, in which pages, frames and handles cross the boundary. */

/** 2^52, and its bits. */
export const F64_UNIT: f64 = 4503599627370496.0;
export const F64_BITS: i64 = 0x4330000000000000;

/** Page x (below 2^52) as f64: x becomes the mantissa of 2^52 + x. Cheaper than a conversion. */
// @ts-ignore: decorator
@inline
export function toF64(x: i64): f64 {
  return reinterpret<f64>(x | F64_BITS) - F64_UNIT;
}

/** The mantissa of 2^52 + x. If that is not below 2^52, or not x again, x was no page. */
// @ts-ignore: decorator
@inline
export function fromF64(x: f64): i64 {
  return reinterpret<i64>(x + F64_UNIT) ^ F64_BITS;
}
