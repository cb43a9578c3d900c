// SPDX-License-Identifier: Apache-2.0
// Views of memory that carry their size: planes of samples, grids of blocks, fields of vectors.
//
// `operator()` is for indices that follow from loops over the grid's own size; it is checked in
// builds with SC_CHECKED (the sanitizers'). `at` is for indices that come from a packet or from
// arithmetic on vectors: checked in every build, throws Outside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <stdexcept>
#include <type_traits>

namespace sc {

using u8 = std::uint8_t;
using u16 = std::uint16_t;
using u32 = std::uint32_t;
using u64 = std::uint64_t;
using i8 = std::int8_t;
using i16 = std::int16_t;
using i32 = std::int32_t;
using i64 = std::int64_t;

// An index lies outside its grid: our own mistake, or a packet that was let through.
struct Outside : std::out_of_range {
    Outside() : std::out_of_range("an index lies outside its grid") {}
};

template <class T>
struct Grid {
    T* data = nullptr;
    int rows = 0;
    int columns = 0;
    std::ptrdiff_t pitch = 0;  // elements from one row to the next

    Grid() = default;
    Grid(T* first, int row_count, int column_count)
        : Grid(first, row_count, column_count, column_count) {}
    Grid(T* first, int row_count, int column_count, std::ptrdiff_t row_pitch)
        : data(first), rows(row_count), columns(column_count), pitch(row_pitch) {}
    template <class U>
        requires(!std::is_const_v<U> && std::is_same_v<const U, T>)
    Grid(const Grid<U>& other) : Grid(other.data, other.rows, other.columns, other.pitch) {}

    [[nodiscard]] bool has(int row, int column) const {
        return row >= 0 && column >= 0 && row < rows && column < columns;
    }
    T& operator()(int row, int column) const {
#ifdef SC_CHECKED
        return at(row, column);
#else
        return data[row * pitch + column];
#endif
    }
    T& at(int row, int column) const {
        if (!has(row, column)) throw Outside();
        return data[row * pitch + column];
    }
    [[nodiscard]] T* row(int index) const {
#ifdef SC_CHECKED
        if (index < 0 || index >= rows) throw Outside();
#endif
        return data + index * pitch;
    }
    // Rows [first, last) as a grid of their own.
    [[nodiscard]] Grid band(int first, int last) const {
        if (first < 0 || last < first || last > rows) throw Outside();
        return Grid(data + first * pitch, last - first, columns, pitch);
    }
};

// A motion vector in quarter samples.
struct Vector {
    i16 dy = 0;
    i16 dx = 0;
    bool operator==(const Vector&) const = default;
};
static_assert(sizeof(Vector) == 4);

// Y, U and V of a picture.
template <class T>
struct PlanesOf {
    Grid<T> y, u, v;

    PlanesOf() = default;
    PlanesOf(Grid<T> luma, Grid<T> first, Grid<T> second) : y(luma), u(first), v(second) {}
    template <class U>
        requires(!std::is_const_v<U> && std::is_same_v<const U, T>)
    PlanesOf(const PlanesOf<U>& other) : y(other.y), u(other.u), v(other.v) {}
};
using Planes = PlanesOf<u8>;
using ConstPlanes = PlanesOf<const u8>;

// Block modes; vectors and intra modes live on a grid of 8x8 blocks.
enum Mode : u8 { INTER16 = 0, INTER8 = 1, INTRA16 = 2, INTRA8 = 3 };

// Side information of each 16x16 block.
struct Blocks {
    Grid<u8> modes;         // (rows, columns), Mode
    Grid<Vector> field;     // (2 rows, 2 columns)
    Grid<i8> intra_modes;   // (2 rows, 2 columns), -1 in inter blocks
    Grid<u8> counts;        // (rows, columns), coded symbol groups 0 to 4
    Grid<u8> splits;        // (rows, columns), how luma is transformed (transform.hpp)

    [[nodiscard]] int rows() const { return modes.rows; }
    [[nodiscard]] int columns() const { return modes.columns; }
    [[nodiscard]] Blocks band(int first, int last) const {
        return {modes.band(first, last), field.band(2 * first, 2 * last),
                intra_modes.band(2 * first, 2 * last), counts.band(first, last),
                splits.band(first, last)};
    }
};

inline constexpr int BLOCK_PX = 16;
inline constexpr int CHANNELS = 384;  // of a block: 256 of luma, 2 x 64 of chroma
inline constexpr int GROUPS = 4;
inline constexpr int GROUP_STARTS[GROUPS + 1] = {0, 6, 24, 96, 384};

}  // namespace sc
