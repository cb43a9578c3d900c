// SPDX-License-Identifier: Apache-2.0
#include "syntax.hpp"

#include <stdexcept>

#include "blocks/intra.hpp"
#include "entropy/damaged.hpp"
#include "mixtures.hpp"

namespace sc {
namespace {

constexpr int MOST_PREFIX = 12;  // of a vector's difference: it is below 2**13

// The two coders that a traversal is handed: both are told each bit's value (a parser ignores it) and
// return what it is from now on.
struct Writer {
    static constexpr bool READS = false;
    Intervals& out;
    Contexts contexts;

    int mixed(const Mixture& by, int bit) {
        put_mixed(out, contexts, by, bit);
        return bit;
    }
    int single(int context, int bit) {
        put_bit(out, contexts[context], bit);
        return bit;
    }
    int raw(int bit) {
        out.put_raw(bit);
        return bit;
    }
};

struct Parser {
    static constexpr bool READS = true;
    RansState& stream;
    Contexts contexts;

    int mixed(const Mixture& by, int) { return get_mixed(stream, contexts, by); }
    int single(int context, int) { return get_bit(stream, contexts[context]); }
    int raw(int) { return get_raw(stream); }
};

// A vector in the making: may exceed what a Vector holds.
struct Wide {
    int dy, dx;
    [[nodiscard]] Vector narrow() const { return {static_cast<i16>(dy), static_cast<i16>(dx)}; }
};

// The three likeliest intra modes from the left and upper neighbours (H.265, 8.4.2).
struct Likely {
    int modes[3];

    Likely(Grid<const i8> intra_modes, int y, int x) {
        int left = x ? intra_modes(y, x - 1) : -1;
        int above = y ? intra_modes(y - 1, x) : -1;
        if (left < 0) left = MEAN;
        if (above < 0) above = MEAN;
        if (left != above) {
            modes[0] = left;
            modes[1] = above;
            if (left != PLANAR && above != PLANAR) {
                modes[2] = PLANAR;
            } else {
                modes[2] = left != MEAN && above != MEAN ? MEAN : VERTICAL;
            }
        } else if (left < 2) {
            modes[0] = PLANAR, modes[1] = MEAN, modes[2] = VERTICAL;
        } else {
            modes[0] = left, modes[1] = 2 + (left + 29) % 32, modes[2] = 2 + (left - 1) % 32;
        }
    }
    [[nodiscard]] int find(int mode) const {
        for (int k = 0; k < 3; ++k) {
            if (modes[k] == mode) return k;
        }
        return -1;
    }
    // The place of another mode among those that are not here, and back.
    [[nodiscard]] int rank(int mode) const {
        return mode - (modes[0] < mode) - (modes[1] < mode) - (modes[2] < mode);
    }
    [[nodiscard]] int unranked(int rank) const {
        const int low = std::min({modes[0], modes[1], modes[2]});
        const int high = std::max({modes[0], modes[1], modes[2]});
        const int middle = modes[0] + modes[1] + modes[2] - low - high;
        int mode = rank;
        mode += mode >= low;
        mode += mode >= middle;
        return mode + (mode >= high);
    }
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

    // Whether the block is part of a square with one vector; says so where one starts.
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
        const int told = which(candidates, own);
        const int merged = coder_.mixed(by_candidate_count(family::MERGE, so_far_.merges, known_,
                                                           row, column, blocks, candidates.count),
                                        told >= 0);
        fill(so_far_.merges, row, column, blocks, static_cast<u8>(merged));
        const Vector vector =
            merged ? candidates.at[taken(candidates, row, column, blocks, 0, told)]
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

    // A block that says itself where it comes from.
    Motion own_block(int row, int column, int mode, int count) {
        const int y = 2 * row, x = 2 * column;
        const Candidates candidates =
            candidates_of(blocks_.field, known_.reference_field, row, column, 1);
        const int told = mode == INTER16 ? which(candidates, blocks_.field(y, x)) : -1;
        const int skip =
            coder_.mixed(by_skip(so_far_.skips, known_, row, column), told >= 0 && count == 0);
        so_far_.skips(row, column) = static_cast<u8>(skip);
        if (skip) {
            so_far_.merges(row, column) = 1;
            take(candidates, row, column, 1, told);
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
                                        told >= 0);
        so_far_.merges(row, column) = static_cast<u8>(merged);
        if (merged) {
            take(candidates, row, column, 0, told);
            return {INTER16, TAKEN};
        }
        const Wide found = difference(0, candidates.at[0], y, x, 2);
        require_reach(row, column, found);
        set_block(blocks_.field, row, column, found.narrow());
        return {INTER16, WHOLE};
    }

    void take(const Candidates& candidates, int row, int column, int skip, int told) {
        const Vector vector = candidates.at[taken(candidates, row, column, 1, skip, told)];
        require_reach(row, column, {vector.dy, vector.dx});
        set_block(blocks_.field, row, column, vector);
    }

    // Which of the candidates is taken.
    int taken(const Candidates& candidates, int row, int column, int blocks, int skip, int told) {
        int which = 0;
        if (candidates.count > 1) {
            which = coder_.mixed(
                by_which(so_far_.candidate_index, blocks_.field, known_.reference_field, candidates,
                         row, column, blocks, skip),
                told > 0);
            if (which && candidates.count > 2) {
                which += coder_.mixed(
                    by_which_second(so_far_.candidate_index, blocks_.field, known_.reference_field,
                                    candidates, row, column, blocks),
                    told > 1);
            }
        }
        fill(so_far_.candidate_index, row, column, blocks, static_cast<u8>(which));
        return which;
    }

    // The vector of a square of `size` 8x8 blocks at (y, x), as a difference to `start`. `part` is 0
    // for whole blocks, 2 for quarters.
    Wide difference(int part, Vector start, int y, int x, int size) {
        const Vector told = blocks_.field(y, x);
        const Grid<const Vector> field = blocks_.field;
        const Grid<const Vector> reference = known_.reference_field;
        const Hint down = hint(field, reference, y, x, &Vector::dy, size, start.dy);
        const int dy = component(part, down, 3, told.dy - start.dy);
        const Hint across = hint(field, reference, y, x, &Vector::dx, size, start.dx);
        const int other = std::min(size_class(std::abs(dy)), 2);
        const int dx = component(part + 1, across, other, told.dx - start.dx);
        return {start.dy + dy, start.dx + dx};
    }

    int component(int part, const Hint& hint, int other, int told) {
        if (!coder_.mixed(by_length(part, hint, other, 0), told != 0)) return 0;
        const int negative = coder_.mixed(by_sides(part, hint), told < 0);
        const int size = std::abs(told);
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
        const int told = blocks_.intra_modes(y, x);
        const Likely likely(blocks_.intra_modes, y, x);
        const int found = likely.find(told);
        if (coder_.single(single::LIKELY, found >= 0)) {
            int which = coder_.single(single::LIKELY_WHICH, found > 0);
            if (which) which += coder_.single(single::LIKELY_WHICH + 1, found > 1);
            return static_cast<i8>(likely.modes[which]);
        }
        const int rank = likely.rank(told);
        if constexpr (!Coder::READS) {
            if (told < 0 || told >= INTRA_MODES) throw std::invalid_argument("no intra mode");
        }
        int node = 1;
        for (int shift = 4; shift >= 0; --shift) {
            node = node << 1 | coder_.single(single::MODE + node, rank >> shift & 1);
        }
        return static_cast<i8>(likely.unranked(node - 32));
    }

    // How the quarters of a block with its luma in quarters are transformed.
    void transforms(int row, int column, int within, int told) {
        u8& split = blocks_.splits(row, column);
        split = 1;
        for (int k = 0; k < 4; ++k) {
            const int wanted = transform_of(told, k);
            int kind =
                coder_.mixed(by_finer(blocks_.splits, row, column, k, within, 0), wanted > 0);
            if (kind) {
                kind +=
                    coder_.mixed(by_finer(blocks_.splits, row, column, k, within, 1), wanted > 1);
            }
            split = static_cast<u8>(with_transform(split, k, kind));
        }
    }

    // How many symbol groups are coded. One that took over a vector and is no skip has some.
    int groups(int row, int column, Kind kind, int told) {
        const Around around(blocks_.counts, row, column);
        const ReferenceCounts reference(known_.reference_counts, row, column);
        int count = kind == TAKEN ? 1 : 0;
        while (count < GROUPS &&
               coder_.mixed(by_count(around, reference, kind, count, known_.trend), told > count)) {
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

template <class T>
bool all_at_most(Grid<const T> grid, T limit) {
    for (int row = 0; row < grid.rows; ++row) {
        T highest = 0;
        for (int column = 0; column < grid.columns; ++column) {
            highest = std::max(highest, grid(row, column));
        }
        if (highest > limit) return false;
    }
    return true;
}

template <class T>
void set_all(Grid<T> grid, T value) {
    for (int row = 0; row < grid.rows; ++row) std::fill_n(grid.row(row), grid.columns, value);
}

// Mixtures compute rows from these without looking again.
void check(Contexts contexts, const Blocks& blocks, const Known& known) {
    const int rows = blocks.rows(), columns = blocks.columns();
    const auto fits = [](const auto& grid, int height, int width) {
        return grid.rows == height && grid.columns == width;
    };
    if (contexts.size() != CONTEXTS || !fits(blocks.counts, rows, columns) ||
        !fits(blocks.splits, rows, columns) || !fits(blocks.field, 2 * rows, 2 * columns) ||
        !fits(blocks.intra_modes, 2 * rows, 2 * columns) ||
        !fits(known.reference_field, 2 * rows, 2 * columns) ||
        !fits(known.reference_counts, rows, columns)) {
        throw std::invalid_argument("blocks, reference and contexts must be of one size");
    }
    if (known.trend < 0 || known.trend > 2 || !all_at_most<u8>(known.reference_counts, GROUPS)) {
        throw std::invalid_argument("a trend is 0 to 2, a block's count 0 to 4");
    }
}

}  // namespace

void KindsSoFar::start(int rows, int columns) {
    const std::size_t size = static_cast<std::size_t>(rows) * columns;
    cells_.assign(7 * size, 0);
    Grid<u8>* all[] = {&skips, &intras, &quarters, &candidate_index, &merges, &empties, &sides};
    for (int k = 0; k < 7; ++k) *all[k] = {cells_.data() + k * size, rows, columns};
    std::fill(sides.data, sides.data + size, u8{1});
}

void read_blocks(RansReader& reader, Contexts contexts, bool key, const Blocks& blocks,
                 const Known& known, KindsSoFar& so_far) {
    check(contexts, blocks, known);
    set_all(blocks.field, Vector{});
    set_all(blocks.intra_modes, i8{-1});
    set_all(blocks.counts, u8{0});
    Traversal<Parser> traversal({reader.state, contexts}, key, blocks, known, so_far);
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) traversal.block(row, column);
        if (reader.overrun()) throw Damaged("its blocks");
    }
}

void write_blocks(Intervals& out, Contexts contexts, bool key, const Blocks& blocks,
                  const Known& known, KindsSoFar& so_far) {
    check(contexts, blocks, known);
    if (!all_at_most<u8>(blocks.modes, INTRA8) || !all_at_most<u8>(blocks.counts, GROUPS) ||
        !all_at_most<u8>(blocks.splits, MAX_SPLIT)) {
        throw std::invalid_argument("modes are 0 to 3, counts 0 to 4, splits 0 to 81");
    }
    Traversal<Writer> traversal({out, contexts}, key, blocks, known, so_far);
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) traversal.block(row, column);
    }
}

void read_areas(RansReader& reader, Contexts contexts, std::span<u8> luma, std::span<u8> chroma) {
    if (contexts.size() != CONTEXTS) throw Outside();
    RansState stream = reader.state;
    for (u8& flag : luma) flag = static_cast<u8>(get_bit(stream, contexts[single::FILTER]));
    for (u8& flag : chroma) flag = static_cast<u8>(get_bit(stream, contexts[single::FILTER + 1]));
    reader.state = stream;
    if (stream.overrun) throw Damaged("its filtered areas");
}

void write_areas(Intervals& out, Contexts contexts, std::span<const u8> luma,
                 std::span<const u8> chroma) {
    if (contexts.size() != CONTEXTS) throw Outside();
    for (const u8 flag : luma) put_bit(out, contexts[single::FILTER], flag);
    for (const u8 flag : chroma) put_bit(out, contexts[single::FILTER + 1], flag);
}

}  // namespace sc
