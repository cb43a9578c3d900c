// SPDX-License-Identifier: Apache-2.0
// Inputs of the decoder network from a picture, and its corrections in grey levels.
#pragma once

#include "conv/network.hpp"

namespace sc {

// Of luma and chroma, in 1/8 grey level: what inputs and corrections are measured in.
struct PlaneSteps {
    int luma;
    int chroma;
};

// Run the network on a picture of whole blocks; `predicted` is null where the network sees none.
// Writes the correction of each sample in 1/16 grey level. Throws std::invalid_argument.
void find_correction(const ConvNetwork& network, ConvWorkspace& at, ConstPlanes picture,
                     const ConstPlanes* predicted, const Blocks& blocks, int quality, PlaneSteps steps,
                     PlanesOf<i16> added, Pool* pool);

}  // namespace sc
