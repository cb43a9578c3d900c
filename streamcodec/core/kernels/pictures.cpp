// SPDX-License-Identifier: Apache-2.0
// The table of this room's kernels at one level.
#include "kernels/pictures.hpp"

#include "kernels/level.hpp"

namespace sc::SC_LEVEL {

void luma(const uint8_t*, ptrdiff_t, int, int, int, int, uint8_t*, ptrdiff_t);
void chroma(const ChromaFrom&, int, int, int, int, const ChromaTo&);
void blend_luma(uint8_t*, ptrdiff_t, int, const uint8_t*, ptrdiff_t);
void blend_chroma(const ChromaTo&, int, const ChromaFrom&);
void edge_above(uint8_t*, ptrdiff_t, const EdgeLimits&, int);
void edges_left(uint8_t*, ptrdiff_t, const EdgeLimits&, int, int);
void filter(const FilterRun&, int16_t);
int32_t gain(const uint8_t*, const uint8_t*, const uint8_t*, int);

extern const PictureKernels pictures_kernels = {
    luma, chroma, blend_luma, blend_chroma, edge_above, edges_left, filter, gain,
};

}  // namespace sc::SC_LEVEL
