// SPDX-License-Identifier: Apache-2.0
// How many symbol tables there are, and how many magnitudes one tells apart (entropy/symbols.hpp).
#pragma once

namespace sc {

inline constexpr int TABLES = 64;
inline constexpr int MAGNITUDES = 16;  // 0 to 14, and 15 or more

}  // namespace sc
