// SPDX-License-Identifier: Apache-2.0
// Which three contexts and which weights are mixed for a bit. Reading, writing and prices all ask
// here, so they always name the same ones. Grids may hold more than is known yet: only what is
// behind is read.
#pragma once

#include "blocks/transform.hpp"
#include "contexts.hpp"

namespace sc {

inline Mixture mixture(family::Name name, int a, int b, int c, int group) {
    const auto& first = BASES.first[name];
    return {{first[0] + a, first[1] + b, first[2] + c}, first[3] + INPUTS * group};
}

// The known neighbours of a block; 0 outside the picture, where every question asked of them
// ("more than?") is answered with no.
struct Around {
    int left, above, above_left, above_right;

    Around(Grid<const u8> grid, int row, int column)
        : left(column ? grid(row, column - 1) : 0),
          above(row ? grid(row - 1, column) : 0),
          above_left(row && column ? grid(row - 1, column - 1) : 0),
          above_right(row && column + 1 < grid.columns ? grid(row - 1, column + 1) : 0) {}

    // How many of left and above hold more than `limit`.
    [[nodiscard]] int two(int limit) const { return (left > limit) + (above > limit); }
    // Which of all four do, and how many.
    [[nodiscard]] int pattern(int limit) const {
        return (left > limit) | (above > limit) << 1 | (above_left > limit) << 2 |
               (above_right > limit) << 3;
    }
    [[nodiscard]] int four(int limit) const {
        return two(limit) + (above_left > limit) + (above_right > limit);
    }
};

// Counts of the reference, here and on all four sides; 0 outside.
struct ReferenceCounts {
    int own, left, above, right, below;

    ReferenceCounts(Grid<const u8> counts, int row, int column)
        : own(counts(row, column)),
          left(column ? counts(row, column - 1) : 0),
          above(row ? counts(row - 1, column) : 0),
          right(column + 1 < counts.columns ? counts(row, column + 1) : 0),
          below(row + 1 < counts.rows ? counts(row + 1, column) : 0) {}

    [[nodiscard]] int four(int limit) const {
        return (left > limit) + (above > limit) + (right > limit) + (below > limit);
    }
};

// How many of the vectors around, in this frame and in the reference, are this one; up to 4.
inline int votes(Grid<const Vector> field, Grid<const Vector> reference, int row, int column,
                 int blocks, Vector vector) {
    const int size = 2 * blocks, y = 2 * row, x = 2 * column;
    const bool right = x + size < field.columns;
    int found = reference(y, x) == vector;
    if (x) found += field(y, x - 1) == vector;
    if (y) {
        found += field(y - 1, x) == vector;
        if (x) found += field(y - 1, x - 1) == vector;
        if (right) found += field(y - 1, x + size) == vector;
    }
    if (right) found += reference(y, x + size) == vector;
    if (y + size < field.rows) found += reference(y + size, x) == vector;
    return std::min(found, 4);
}

// True when all vectors of a square are the same.
inline bool alike(Grid<const Vector> field, int row, int column, int blocks) {
    const Vector first = field(2 * row, 2 * column);
    const int bottom = std::min(2 * (row + blocks), field.rows);
    const int right = std::min(2 * (column + blocks), field.columns);
    for (int y = 2 * row; y < bottom; ++y) {
        for (int x = 2 * column; x < right; ++x) {
            if (!(field(y, x) == first)) return false;
        }
    }
    return true;
}

// 0 to 3: none, one, up to a quarter, or more blocks of a square had symbols before.
inline int coded_within(Grid<const u8> reference, int row, int column, int blocks) {
    const int bottom = std::min(row + blocks, reference.rows);
    const int right = std::min(column + blocks, reference.columns);
    int coded = 0;
    for (int i = row; i < bottom; ++i) {
        for (int j = column; j < right; ++j) coded += reference(i, j) > 0;
    }
    if (coded < 2) return coded;
    return 4 * coded <= blocks * blocks ? 2 : 3;
}

inline Mixture by_skip(Grid<const u8> skips, const Known& known, int row, int column) {
    const Around around(skips, row, column);
    const ReferenceCounts reference(known.reference_counts, row, column);
    // Groups that the reference coded here (up to two), and whether around.
    const int coded = 8 * std::min(reference.own, 2) + 4 * (reference.right > 0) +
                      2 * (reference.below > 0) + (reference.left > 0 || reference.above > 0);
    return mixture(family::SKIP, (reference.own == 0 ? 3 : 0) + around.two(0), around.pattern(0),
                   24 * known.trend + coded, known.trend);
}

inline Mixture by_which(Grid<const u8> candidate_index, Grid<const Vector> field,
                        Grid<const Vector> reference, const Candidates& candidates, int row,
                        int column, int blocks, int skip) {
    const int first = votes(field, reference, row, column, blocks, candidates.at[0]);
    const int second = votes(field, reference, row, column, blocks, candidates.at[1]);
    const int square = blocks > 1;
    const int use = square ? 1 + (blocks >> 1) : skip;
    const int three = candidates.count - 2;
    return mixture(family::WHICH,
                   6 * square + 3 * three + Around(candidate_index, row, column).two(0),
                   50 * square + 25 * three + 5 * first + second,
                   16 * use + 4 * candidates.source[1] + 2 * (candidates.at[0] == Vector{}) +
                       (candidates.at[1] == Vector{}),
                   2 * square + three);
}

inline Mixture by_which_second(Grid<const u8> candidate_index, Grid<const Vector> field,
                               Grid<const Vector> reference, const Candidates& candidates, int row,
                               int column, int blocks) {
    const int second = votes(field, reference, row, column, blocks, candidates.at[1]);
    const int third = votes(field, reference, row, column, blocks, candidates.at[2]);
    const int square = blocks > 1;
    return mixture(family::WHICH_SECOND, 3 * square + Around(candidate_index, row, column).two(1),
                   25 * square + 5 * second + third,
                   64 * square + 16 * candidates.source[1] + 4 * candidates.source[2] +
                       2 * (candidates.at[1] == Vector{}) + (candidates.at[2] == Vector{}),
                   square);
}

// `sides` are those of the squares known so far.
inline Mixture by_united(Grid<const u8> sides, const Known& known, int row, int column,
                         int blocks) {
    const int level = blocks >> 2;
    const Around around(sides, row, column);
    const Grid<const Vector> reference = known.reference_field;
    int beyond = 0;
    if (column + blocks < sides.columns) beyond += alike(reference, row, column + blocks, blocks);
    if (row + blocks < sides.rows) beyond += alike(reference, row + blocks, column, blocks);
    return mixture(family::UNITED, 3 * level + around.two(blocks - 1),
                   16 * level + around.pattern(blocks - 1),
                   54 * level + 18 * known.trend +
                       6 * std::min(coded_within(known.reference_counts, row, column, blocks), 2) +
                       3 * alike(reference, row, column, blocks) + beyond,
                   level);
}

inline Mixture by_empty(Grid<const u8> skips, const Known& known, int row, int column, int blocks) {
    const int level = blocks >> 2;
    const Around around(skips, row, column);
    return mixture(
        family::EMPTY, 3 * level + around.two(0), 16 * level + around.pattern(0),
        12 * level + 4 * known.trend + coded_within(known.reference_counts, row, column, blocks),
        level);
}

inline Mixture by_intra(Grid<const u8> intras, const Known& known, int row, int column) {
    const Around around(intras, row, column);
    return mixture(family::INTRA, around.two(0), around.pattern(0),
                   5 * known.trend + known.reference_counts(row, column), 0);
}

// For SPLIT and MERGE: where `grid` is set around, and how many candidates there are.
inline Mixture by_candidate_count(family::Name name, Grid<const u8> grid, const Known& known,
                                  int row, int column, int blocks, int candidate_count) {
    const int set_around = Around(grid, row, column).two(0);
    const int level = blocks >> 1;  // 0, 1 or 2
    return mixture(name, 3 * level + set_around, 9 * level + 3 * (candidate_count - 1) + set_around,
                   15 * level + 5 * known.trend + known.reference_counts(row, column), level);
}

inline Mixture by_count(const Around& counts, const ReferenceCounts& reference, int kind, int k,
                        int trend) {
    return mixture(family::COUNT, 24 * kind + 6 * k + 3 * (reference.own > k) + counts.two(k),
                   5 * (4 * kind + k) + counts.four(k),
                   25 * (3 * k + trend) + 5 * reference.own + reference.four(k), 4 * kind + k);
}

// Of an inter block that codes `count` groups, at least one.
inline Mixture by_transform(Grid<const u8> splits, const Known& known, int row, int column,
                            int count, int quarter) {
    const int set_around = Around(splits, row, column).two(0);
    const int coded = count - 1;
    const int reference = known.reference_counts(row, column);
    return mixture(family::TRANSFORM, 6 * quarter + (reference > 1 ? 3 : 0) + set_around,
                   3 * (4 * quarter + coded) + set_around, 5 * coded + reference, quarter);
}

// Of a quarter whose block's split holds the transforms of the quarters before it. `within` is 1 in
// intra blocks. `plain` 0 asks whether the kind is a finer one, 1 which.
inline Mixture by_finer(Grid<const u8> splits, int row, int column, int quarter, int within,
                        int plain) {
    const int own = splits(row, column);
    const Around around(splits, row, column);
    const int left =
        quarter & 1 ? transform_of(own, quarter - 1) : transform_of(around.left, quarter + 1);
    const int above =
        quarter >> 1 ? transform_of(own, quarter - 2) : transform_of(around.above, quarter + 2);
    int finer = 0;
    for (int k = 0; k < quarter; ++k) finer += transform_of(own, k) > plain;
    const int group = 2 * plain + within;
    return mixture(family::FINER, 3 * group + (left > plain) + (above > plain),
                   9 * group + 3 * left + above,
                   16 * group + 4 * finer + (around.left > 1) + 2 * (around.above > 1), group);
}

inline constexpr int PREFIX_CONTEXTS = 10;
// Contexts of a vector component in each family.
inline constexpr int LENGTHS = PREFIX_CONTEXTS + 2;

// 0 to 3: nothing, up to half a sample, up to two, more.
inline int size_class(int size) { return size == 0 ? 0 : (size <= 2 ? 1 : (size <= 8 ? 2 : 3)); }

// What is known of a component of a vector before it is coded as a difference to `start`.
struct Hint {
    int spread;  // 0 to 3: how far the left and the upper vector differ
    int apart;   // 0 to 3: how far the reference's own lies from the start
    // On which side of the start (0, 1, 2) the vectors lie: the reference's here, left, above,
    // above right, and the reference's further on.
    int own, left, above, above_right, further;
};
inline Hint hint(Grid<const Vector> field, Grid<const Vector> reference, int y, int x,
                 i16 Vector::* of, int size, int start) {
    const auto side = [](int value) { return 1 + (value > 0) - (value < 0); };
    const int own = reference(y, x).*of - start;
    Hint found{0, size_class(std::abs(own)), side(own), 1, 1, 1, 1};
    if (x) found.left = side(field(y, x - 1).*of - start);
    if (y) found.above = side(field(y - 1, x).*of - start);
    if (x && y) found.spread = size_class(std::abs(field(y, x - 1).*of - field(y - 1, x).*of));
    const bool right = x + size < field.columns;
    if (y && right && y % 2 == 0) found.above_right = side(field(y - 1, x + size).*of - start);
    int further = 0;
    if (right) further += reference(y, x + size).*of - start;
    if (y + size < field.rows) further += reference(y + size, x).*of - start;
    found.further = side(further);
    return found;
}

// `part` is 0 and 1 for dy and dx of whole blocks, 2 and 3 of quarters; `other` (0 to 3) what is
// known of the other component.
inline Mixture by_length(int part, const Hint& hint, int other, int length) {
    return mixture(
        family::VECTOR, part * LENGTHS + length, (4 * part + hint.spread) * LENGTHS + length,
        (16 * part + 4 * other + hint.apart) * LENGTHS + length, 2 * part + (length > 0));
}

inline Mixture by_sides(int part, const Hint& hint) {
    return mixture(family::SIGN, 3 * part + hint.own, 9 * part + 3 * hint.left + hint.above,
                   9 * part + 3 * hint.above_right + hint.further, part);
}

}  // namespace sc
