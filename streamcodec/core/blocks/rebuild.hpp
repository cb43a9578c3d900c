// SPDX-License-Identifier: Apache-2.0
// The decoder's loop: prediction plus residual, block after block.
#pragma once

#include "grid.hpp"

namespace sc {

class Pool;

// Add the residual of every coded block to `planes`, which hold the inter prediction; intra blocks
// are predicted here. A row of `symbols` is one block's 384; `steps_q3` has 384.
//
// Inter blocks come first, in bands: nothing of them depends on another block. Then intra blocks in
// raster order: one looks only at samples to its left, above left, above and above right, which
// raster order would have finished before it, too; so the picture is the same.
void rebuild(const Blocks& blocks, Grid<const i16> symbols, const i32* steps_q3,
             const Planes& planes, Pool* pool);

}  // namespace sc
