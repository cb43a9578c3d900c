// SPDX-License-Identifier: Apache-2.0
#include "conv/correction.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>

#include "blocks/transform.hpp"
#include "kernels.hpp"

namespace sc {
namespace {

constexpr int DEVIATION_BITS = 20;
constexpr int DIFFERENCE_BITS = 16;

// How a plane's samples lie in a cell's inputs and corrections.
struct Part {
    int side;  // of the samples of a cell
    int deviations, mean, differences;
    int corrections;
};
constexpr Part PARTS[3] = {{4, 0, 24, PICTURE_INPUTS, 0},
                           {2, 16, 25, PICTURE_INPUTS + 16, 16},
                           {2, 20, 26, PICTURE_INPUTS + 20, 20}};

// What a sum of `samples` differences is multiplied by. Rounded to the nearest, halves to even.
int factor(int samples, int step_q3, int bits) {
    return static_cast<int>(std::lrint(static_cast<double>(i64{64} << bits) /
                                       (static_cast<double>(samples) * step_q3)));
}

// Sums of samples by cell.
std::vector<i32> sums_of(Grid<const u8> plane, int side) {
    const int down = plane.rows / side, across = plane.columns / side;
    std::vector<i32> sums(static_cast<std::size_t>(down) * across);
    for (int y = 0; y < plane.rows; ++y) {
        const u8* samples = plane.row(y);
        i32* to = &sums[static_cast<std::size_t>(y / side) * across];
        for (int j = 0; j < across; ++j)
            for (int k = 0; k < side; ++k) to[j] += samples[side * j + k];
    }
    return sums;
}

// Rows of one plane's inputs, cell by cell.
class Inputs {
  public:
    Inputs(const ConvNetwork& network, ConvWorkspace& at, const Part& part, Grid<const u8> plane,
           Grid<const u8> predicted, int step_q3)
        : network_(network), at_(at), part_(part), plane_(plane), predicted_(predicted),
          sums_(sums_of(plane, part.side)), times_(9 * part.side * part.side),
          deviation_(factor(times_, step_q3, DEVIATION_BITS)),
          difference_(factor(1, step_q3, DIFFERENCE_BITS)) {}

    void row(int i) const {
        const int side = part_.side, across = at_.cells_across, width = plane_.columns;
        std::vector<i32> less(width);
        std::vector<u8> bytes(width);
        around(i, less.data());
        u8* cells = network_.inputs_at(at_, i, 0);
        for (int k = 0; k < side; ++k) {
            const u8* samples = plane_.row(side * i + k);
            kernels().conv->scaled(samples, less.data(), times_, width, deviation_, DEVIATION_BITS,
                                   bytes.data());
            scatter(bytes.data(), cells + part_.deviations + side * k);
        }
        for (int j = 0; j < across; ++j)
            cells[j * network_.cell_bytes() + part_.mean] =
                static_cast<u8>(sums_[static_cast<std::size_t>(i) * across + j] >> (side == 4 ? 5 : 3));
        if (predicted_.data == nullptr) return;
        for (int k = 0; k < side; ++k) {
            const u8* guess = predicted_.row(side * i + k);
            for (int x = 0; x < width; ++x) less[x] = guess[x];
            kernels().conv->scaled(plane_.row(side * i + k), less.data(), 1, width, difference_,
                                   DIFFERENCE_BITS, bytes.data());
            scatter(bytes.data(), cells + part_.differences + side * k);
        }
    }

  private:
    // Sums of the 3x3 cells around each sample's own; beyond the edge the last ones again.
    void around(int i, i32* to) const {
        const int across = at_.cells_across, side = part_.side;
        const i32* rows[3];
        for (int k = 0; k < 3; ++k)
            rows[k] = &sums_[static_cast<std::size_t>(std::clamp(i + k - 1, 0, at_.cells_down - 1)) *
                             across];
        const auto down = [&](int j) {
            j = std::clamp(j, 0, across - 1);
            return rows[0][j] + rows[1][j] + rows[2][j];
        };
        for (int j = 0; j < across; ++j) {
            const i32 sum = down(j - 1) + down(j) + down(j + 1);
            for (int k = 0; k < side; ++k) to[side * j + k] = sum;
        }
    }
    void scatter(const u8* bytes, u8* cells) const {
        const int across = at_.cells_across, pitch = network_.cell_bytes();
        if (part_.side == 4) {
            for (int j = 0; j < across; ++j) std::memcpy(cells + j * pitch, bytes + 4 * j, 4);
        } else {
            for (int j = 0; j < across; ++j) std::memcpy(cells + j * pitch, bytes + 2 * j, 2);
        }
    }

    const ConvNetwork& network_;
    ConvWorkspace& at_;
    const Part& part_;
    const Grid<const u8> plane_, predicted_;
    const std::vector<i32> sums_;
    const int times_, deviation_, difference_;
};

void put_maps(ConvWorkspace& at, const Blocks& blocks) {
    const int across = at.cells_across / 2;
    for (int i = 0; i < at.cells_down / 2; ++i) {
        for (int j = 0; j < across; ++j) {
            const int split = blocks.splits(i / 2, j / 2);
            const int kind = split ? 1 + transform_of(split, 2 * (i % 2) + j % 2) : 0;
            const u8 maps[MAPS] = {static_cast<u8>(16 * blocks.counts(i / 2, j / 2)),
                                   static_cast<u8>(21 * blocks.modes(i / 2, j / 2)),
                                   static_cast<u8>(21 * kind), static_cast<u8>(63 * (i % 2)),
                                   static_cast<u8>(63 * (j % 2))};
            std::memcpy(&at.maps[(static_cast<std::size_t>(i) * across + j) * MAPS_BYTES], maps, MAPS);
        }
    }
}

// A row of cells of one plane, from the outputs of the last layer.
void take_row(const ConvWorkspace& at, const Part& part, int i, int step_q3, Grid<i16> to) {
    const int across = at.cells_across, side = part.side;
    const i8* cells = &at.last[static_cast<std::size_t>(i) * across * CONV_OUTPUTS] + part.corrections;
    std::vector<i8> values(to.columns);
    for (int k = 0; k < side; ++k) {
        for (int j = 0; j < across; ++j)
            for (int x = 0; x < side; ++x)
                values[side * j + x] = cells[j * CONV_OUTPUTS + side * k + x];
        kernels().conv->sixteenths(values.data(), to.columns, step_q3, to.row(side * i + k));
    }
}

}  // namespace

void find_correction(const ConvNetwork& network, ConvWorkspace& at, ConstPlanes picture,
                     const ConstPlanes* predicted, const Blocks& blocks, int quality, PlaneSteps steps,
                     PlanesOf<i16> added, Pool* pool) {
    if (network.predicted() != (predicted != nullptr))
        throw std::invalid_argument("a network sees a prediction, or it does not");
    network.start(at, 4 * blocks.rows(), 4 * blocks.columns());
    put_maps(at, blocks);
    const Grid<const u8> own[3] = {picture.y, picture.u, picture.v};
    Grid<const u8> guess[3];
    if (predicted != nullptr) guess[0] = predicted->y, guess[1] = predicted->u, guess[2] = predicted->v;
    const int step_q3[3] = {steps.luma, steps.chroma, steps.chroma};
    const Inputs inputs[3] = {{network, at, PARTS[0], own[0], guess[0], step_q3[0]},
                              {network, at, PARTS[1], own[1], guess[1], step_q3[1]},
                              {network, at, PARTS[2], own[2], guess[2], step_q3[2]}};
    run_jobs(pool, blocks.rows(), [&](int row) {
        for (int i = 4 * row; i < 4 * row + 4; ++i)
            for (const Inputs& one : inputs) one.row(i);
    });
    network.run(at, quality, pool);
    const Grid<i16> to[3] = {added.y, added.u, added.v};
    run_jobs(pool, blocks.rows(), [&](int row) {
        for (int i = 4 * row; i < 4 * row + 4; ++i)
            for (int k = 0; k < 3; ++k) take_row(at, PARTS[k], i, step_q3[k], to[k]);
    });
}

}  // namespace sc
