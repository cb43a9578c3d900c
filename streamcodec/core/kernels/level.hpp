// SPDX-License-Identifier: Apache-2.0
// Which level this file is being compiled for, and small helpers that every kernel may use. All are
// inlined always, so that none is ever shared between levels.
#pragma once

#include <stddef.h>
#include <stdint.h>

#ifndef SC_LEVEL
#error "kernels are compiled with SC_LEVEL"
#endif

#define SC_INLINE static inline __attribute__((always_inline))

namespace sc::SC_LEVEL {

template <class T>
SC_INLINE T least(T a, T b) {
    return a < b ? a : b;
}
template <class T>
SC_INLINE T most(T a, T b) {
    return a > b ? a : b;
}
template <class T>
SC_INLINE T clip(T value, T low, T high) {
    return value < low ? low : (value > high ? high : value);
}

}  // namespace sc::SC_LEVEL
