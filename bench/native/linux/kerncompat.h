// The few words of the kernel's headers that its trees need, for a compiler of C++. The trees
// themselves are not part of this repository: see docs/benchmarks.md.

#pragma once

#include <cstddef>

#define typeof __typeof__
#define container_of(ptr, type, member) ((type *)((char *)(ptr)-offsetof(type, member)))
#define READ_ONCE(x) (*(volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value) (*(volatile __typeof__(x) *)&(x) = (value))
#define EXPORT_SYMBOL(name)
#define likely(x) __builtin_expect(!!(x), 1)
#define unlikely(x) __builtin_expect(!!(x), 0)
#ifndef __always_inline
#define __always_inline inline __attribute__((always_inline))
#endif
#define __attribute_const__ __attribute__((const))
#define __must_check
