// SPDX-License-Identifier: Apache-2.0
#pragma once

#include <vector>

#include "grid.hpp"

namespace sc {

// Owns the side information of each block; Python sees NumPy views of it.
class BlockArrays {
  public:
    BlockArrays(int rows, int columns)
        : rows_(rows),
          columns_(columns),
          modes_(checked(rows, columns)),
          field_(4 * modes_.size()),
          intra_modes_(4 * modes_.size(), -1),
          counts_(modes_.size()),
          splits_(modes_.size()) {}

    [[nodiscard]] int rows() const { return rows_; }
    [[nodiscard]] int columns() const { return columns_; }
    Blocks view() {
        return {{modes_.data(), rows_, columns_},
                {field_.data(), 2 * rows_, 2 * columns_},
                {intra_modes_.data(), 2 * rows_, 2 * columns_},
                {counts_.data(), rows_, columns_},
                {splits_.data(), rows_, columns_}};
    }

  private:
    static std::size_t checked(int rows, int columns) {
        if (rows < 1 || columns < 1 || rows > 1024 || columns > 1024) throw Outside();
        return static_cast<std::size_t>(rows) * columns;
    }

    int rows_;
    int columns_;
    std::vector<u8> modes_;
    std::vector<Vector> field_;
    std::vector<i8> intra_modes_;
    std::vector<u8> counts_;
    std::vector<u8> splits_;
};

}  // namespace sc
