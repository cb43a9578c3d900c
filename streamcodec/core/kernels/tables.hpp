// SPDX-License-Identifier: Apache-2.0
// The tables of functions that each level provides. One table a room; docs at the fields.
#pragma once

#include "kernels/blocks.hpp"
#include "kernels/conv.hpp"
#include "kernels/motion.hpp"
#include "kernels/pictures.hpp"
#include "kernels/prior.hpp"
