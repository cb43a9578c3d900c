// SPDX-License-Identifier: Apache-2.0
// One walk over the blocks for writing and reading: a coder that does either is handed in.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <stdexcept>

#include "entropy/damaged.hpp"
#include "mixtures.hpp"
#include "syntax.hpp"
#include "syntax/likely_modes.hpp"

namespace sc {

inline constexpr int MOST_PREFIX = 12;  // of a vector's difference: it is below 2**13

// A vector in the making: may exceed what a Vector holds.
struct Wide {
    int dy, dx;
    [[nodiscard]] Vector narrow() const { return {static_cast<i16>(dy), static_cast<i16>(dx)}; }
};

template <class Coder>
class Traversal {
  public:
    Traversal(Coder coder, bool key, const Blocks& blocks, const Known& known, KindsSoFar& so_far)
        : coder_(coder),
          key_(key),
          blocks_(blocks),
          known_(known),
          so_far_(so_far),
          rows_(blocks.rows()),
          columns_(blocks.columns()) {
        so_far.start(rows_, columns_);
    }

    void block(int row, int column) {
        // What is to be written. When reading, these mean nothing, and no coder looks at them.
        const int mode = blocks_.modes(row, column);
        const int count = blocks_.counts(row, column);
        const int split = blocks_.splits(row, column);
        blocks_.splits(row, column) = 0;
        Motion motion{INTRA16, WITHIN};
        if (!key_) motion = joined(row, column) ? square_block(row, column)
                                                : own_block(row, column, mode, count);
        if (motion.mode >= INTRA16) motion = intra_block(row, column, mode, split);
        blocks_.modes(row, column) = motion.mode;
        if (motion.empty) return;
        const int coded = groups(row, column, motion.kind, count);
        if (motion.kind == JOINED && coded == 0) so_far_.skips(row, column) = 1;
        if (motion.mode < INTRA16 && coded) {
            const int quarter = motion.kind == QUARTERS;
            if (coder_.mixed(by_transform(blocks_.splits, known_, row, column, coded, quarter),
                             split > 0)) {
                transforms(row, column, 0, split);
            }
        }
    }

  private:
    struct Motion {
        u8 mode;
        Kind kind;
        bool empty = false;  // nothing more is coded of the block
    };

    // Whether the block is part of a square with one vector; codes it where one may start.
    bool joined(int row, int column) {
        if (so_far_.sides(row, column) > 1) return true;
        for (const int blocks : REGIONS) {
            if (!may_unite(rows_, columns_, row, column, blocks)) continue;
            bool united = false;
            if constexpr (!Coder::READS) {
                united = is_united(blocks_.modes, blocks_.field, row, column, blocks);
            }
            if (!coder_.mixed(by_united(so_far_.sides, known_, row, column, blocks), united))
                continue;
            unite(row, column, blocks);
            return true;
        }
        return false;
    }

    void unite(int row, int column, int blocks) {
        fill(so_far_.sides, row, column, blocks, static_cast<u8>(blocks));
        const Candidates candidates =
            candidates_of(blocks_.field, known_.reference_field, row, column, blocks);
        const Vector own = blocks_.field(2 * row, 2 * column);
        const int chosen = which(candidates, own);
        const int merged = coder_.mixed(by_candidate_count(family::MERGE, so_far_.merges, known_,
                                                           row, column, blocks, candidates.count),
                                        chosen >= 0);
        fill(so_far_.merges, row, column, blocks, static_cast<u8>(merged));
        const Vector vector =
            merged ? candidates.at[candidate_of(candidates, row, column, blocks, 0, chosen)]
                   : difference(0, candidates.at[0], 2 * row, 2 * column, 2 * blocks).narrow();
        set_square(blocks_.field, row, column, blocks, vector);
        bool empty = true;
        if constexpr (!Coder::READS) {
            for (int i = row; i < std::min(row + blocks, rows_); ++i) {
                for (int j = column; j < std::min(column + blocks, columns_); ++j) {
                    empty &= blocks_.counts(i, j) == 0;
                }
            }
        }
        empty = coder_.mixed(by_empty(so_far_.skips, known_, row, column, blocks), empty);
        fill(so_far_.empties, row, column, blocks, static_cast<u8>(empty));
    }

    Motion square_block(int row, int column) {
        const Vector vector = blocks_.field(2 * row, 2 * column);
        require_reach(row, column, {vector.dy, vector.dx});
        const bool empty = so_far_.empties(row, column) != 0;
        if (empty) so_far_.skips(row, column) = 1;
        return {INTER16, JOINED, empty};
    }

    // A block with a motion of its own.
    Motion own_block(int row, int column, int mode, int count) {
        const int y = 2 * row, x = 2 * column;
        const Candidates candidates =
            candidates_of(blocks_.field, known_.reference_field, row, column, 1);
        const int chosen = mode == INTER16 ? which(candidates, blocks_.field(y, x)) : -1;
        const int skip =
            coder_.mixed(by_skip(so_far_.skips, known_, row, column), chosen >= 0 && count == 0);
        so_far_.skips(row, column) = static_cast<u8>(skip);
        if (skip) {
            so_far_.merges(row, column) = 1;
            copy_candidate(candidates, row, column, 1, chosen);
            return {INTER16, TAKEN, true};
        }
        const int intra =
            coder_.mixed(by_intra(so_far_.intras, known_, row, column), mode >= INTRA16);
        so_far_.intras(row, column) = static_cast<u8>(intra);
        if (intra) return {INTRA16, WITHIN};
        const int quarter = coder_.mixed(by_candidate_count(family::SPLIT, so_far_.quarters, known_,
                                                            row, column, 1, candidates.count),
                                         mode == INTER8);
        so_far_.quarters(row, column) = static_cast<u8>(quarter);
        if (quarter) {
            for (int k = 0; k < 4; ++k) {
                const int yy = y + (k >> 1), xx = x + (k & 1);
                const Wide found = difference(2, predictor(blocks_.field, yy, xx, 1), yy, xx, 1);
                require_reach(row, column, found);
                blocks_.field(yy, xx) = found.narrow();
            }
            return {INTER8, QUARTERS};
        }
        const int merged = coder_.mixed(by_candidate_count(family::MERGE, so_far_.merges, known_,
                                                           row, column, 1, candidates.count),
                                        chosen >= 0);
        so_far_.merges(row, column) = static_cast<u8>(merged);
        if (merged) {
            copy_candidate(candidates, row, column, 0, chosen);
            return {INTER16, TAKEN};
        }
        const Wide found = difference(0, candidates.at[0], y, x, 2);
        require_reach(row, column, found);
        set_block(blocks_.field, row, column, found.narrow());
        return {INTER16, WHOLE};
    }

    void copy_candidate(const Candidates& candidates, int row, int column, int skip, int chosen) {
        const Vector vector = candidates.at[candidate_of(candidates, row, column, 1, skip, chosen)];
        require_reach(row, column, {vector.dy, vector.dx});
        set_block(blocks_.field, row, column, vector);
    }

    // Codes which of the candidates it is.
    int candidate_of(const Candidates& candidates, int row, int column, int blocks, int skip, int chosen) {
        int which = 0;
        if (candidates.count > 1) {
            which = coder_.mixed(
                by_which(so_far_.candidate_index, blocks_.field, known_.reference_field, candidates,
                         row, column, blocks, skip),
                chosen > 0);
            if (which && candidates.count > 2) {
                which += coder_.mixed(
                    by_which_second(so_far_.candidate_index, blocks_.field, known_.reference_field,
                                    candidates, row, column, blocks),
                    chosen > 1);
            }
        }
        fill(so_far_.candidate_index, row, column, blocks, static_cast<u8>(which));
        return which;
    }

    // The vector of a square of `size` 8x8 blocks at (y, x), as a difference to `start`. `part` is 0
    // for whole blocks, 2 for quarters.
    Wide difference(int part, Vector start, int y, int x, int size) {
        const Vector chosen = blocks_.field(y, x);
        const Grid<const Vector> field = blocks_.field;
        const Grid<const Vector> reference = known_.reference_field;
        const Hint down = hint(field, reference, y, x, &Vector::dy, size, start.dy);
        const int dy = component(part, down, 3, chosen.dy - start.dy);
        const Hint across = hint(field, reference, y, x, &Vector::dx, size, start.dx);
        const int other = std::min(size_class(std::abs(dy)), 2);
        const int dx = component(part + 1, across, other, chosen.dx - start.dx);
        return {start.dy + dy, start.dx + dx};
    }

    int component(int part, const Hint& hint, int other, int chosen) {
        if (!coder_.mixed(by_length(part, hint, other, 0), chosen != 0)) return 0;
        const int negative = coder_.mixed(by_sides(part, hint), chosen < 0);
        const int size = std::abs(chosen);
        if constexpr (!Coder::READS) {
            if (size >> (MOST_PREFIX + 1)) throw std::invalid_argument("vectors too far apart");
        }
        int prefix = 0;
        while (prefix < MOST_PREFIX &&
               coder_.mixed(by_length(part, hint, other, 1 + std::min(prefix, PREFIX_CONTEXTS)),
                            size >> (prefix + 1) != 0)) {
            ++prefix;
        }
        int value = 1;
        for (int shift = prefix - 1; shift >= 0; --shift) {
            const int bit = size >> shift & 1;
            value = value << 1 |
                    (shift == prefix - 1
                         ? coder_.single(single::TOP + 4 * (part >> 1) + std::min(prefix, 4) - 1, bit)
                         : coder_.raw(bit));
        }
        return negative ? -value : value;
    }

    Motion intra_block(int row, int column, int mode, int split) {
        const int y = 2 * row, x = 2 * column;
        const int set_around = Around(so_far_.quarters, row, column).two(0);
        const int small = coder_.single(single::KEY_SPLIT + set_around, mode == INTRA8);
        so_far_.quarters(row, column) = static_cast<u8>(small);
        if (!small) {
            fill(blocks_.intra_modes, y, x, 2, intra_mode(y, x));
            return {INTRA16, WITHIN};
        }
        for (int k = 0; k < 4; ++k) {
            const int yy = y + (k >> 1), xx = x + (k & 1);
            blocks_.intra_modes(yy, xx) = intra_mode(yy, xx);
        }
        transforms(row, column, 1, split);
        return {INTRA8, WITHIN};
    }

    i8 intra_mode(int y, int x) {
        const int chosen = blocks_.intra_modes(y, x);
        const Likely likely(blocks_.intra_modes, y, x);
        const int found = likely.find(chosen);
        if (coder_.single(single::LIKELY, found >= 0)) {
            int which = coder_.single(single::LIKELY_WHICH, found > 0);
            if (which) which += coder_.single(single::LIKELY_WHICH + 1, found > 1);
            return static_cast<i8>(likely.modes[which]);
        }
        const int rank = likely.rank(chosen);
        if constexpr (!Coder::READS) {
            if (chosen < 0 || chosen >= INTRA_MODES) throw std::invalid_argument("no intra mode");
        }
        int node = 1;
        for (int shift = 4; shift >= 0; --shift) {
            node = node << 1 | coder_.single(single::MODE + node, rank >> shift & 1);
        }
        return static_cast<i8>(likely.unranked(node - 32));
    }

    // How the quarters of a block with its luma in quarters are transformed.
    void transforms(int row, int column, int within, int chosen) {
        u8& split = blocks_.splits(row, column);
        split = 1;
        for (int k = 0; k < 4; ++k) {
            const int wanted = transform_of(chosen, k);
            int kind =
                coder_.mixed(by_finer(blocks_.splits, row, column, k, within, 0), wanted > 0);
            if (kind) {
                kind +=
                    coder_.mixed(by_finer(blocks_.splits, row, column, k, within, 1), wanted > 1);
            }
            split = static_cast<u8>(with_transform(split, k, kind));
        }
    }

    // How many symbol groups are coded. A merged block that is no skip has some.
    int groups(int row, int column, Kind kind, int chosen) {
        const Around around(blocks_.counts, row, column);
        const ReferenceCounts reference(known_.reference_counts, row, column);
        int count = kind == TAKEN ? 1 : 0;
        while (count < GROUPS &&
               coder_.mixed(by_count(around, reference, kind, count, known_.trend), chosen > count)) {
            ++count;
        }
        blocks_.counts(row, column) = static_cast<u8>(count);
        return count;
    }

    void require_reach(int row, int column, Wide vector) const {
        if (!within_reach(BLOCK_PX * row, BLOCK_PX * column, vector.dy, vector.dx, BLOCK_PX * rows_,
                          BLOCK_PX * columns_)) {
            throw Damaged("its blocks");
        }
    }

    Coder coder_;
    const bool key_;
    const Blocks blocks_;
    const Known known_;
    KindsSoFar& so_far_;
    const int rows_;
    const int columns_;
};

}  // namespace sc
