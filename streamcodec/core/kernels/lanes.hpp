// SPDX-License-Identifier: Apache-2.0
// Eight lanes of 16 bits (sixteen bytes, four lanes of 32): the few operations that the kernels of
// pictures and of the motion search are made of, as x86 instructions or in the compilers' own
// vectors. Sixteen and thirty-two lanes, where the processor has them, behave as groups of eight side
// by side: what puts lanes beside others stays within each group.
#pragma once

#include <string.h>

#include "kernels/level.hpp"

// SC_PORTABLE: take the path of other processors on x86, to test it.
#if defined(__SSE4_1__) && !defined(SC_PORTABLE)
#define SC_LANES_X86
#include <immintrin.h>
#endif

#ifdef SC_LANES_X86
#include "kernels/lanes_x86.hpp"
#else
#include "kernels/lanes_portable.hpp"
#endif
