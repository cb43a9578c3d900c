// SPDX-License-Identifier: Apache-2.0
#include "blocks/code.hpp"

#include <algorithm>
#include <cstring>

#include "blocks/intra_walk.hpp"
#include "blocks/open_loop.hpp"
#include "blocks/places.hpp"
#include "blocks/residual.hpp"
#include "kernels.hpp"

namespace sc {
namespace {

// Price of the flags between "no skip" and the count of a merged block.
constexpr int MERGING_Q8 = 256;

class Coder {
  public:
    Coder(BlocksWorkspace& workspace, const CodeParams& params, const CodeInput& input,
          const Blocks& blocks, Grid<i16> symbols, const Planes& planes)
        : params_(params),
          in_(input),
          blocks_(blocks),
          symbols_(symbols),
          planes_(planes),
          prices_(workspace.prices),
          skips_(BlocksWorkspace::grid_in(workspace.skips, blocks.rows(), blocks.columns())),
          steps_(input.steps_q3),
          known_{{}, input.reference_counts, params.trend},
          run_(*kernels().blocks) {
        workspace.prices.set(input.costs_q8, params.mu);
    }

    void block(int row, int column) {
        at_ = {row, column};
        const int index = row * blocks_.columns() + column;
        levels_ = in_.coefficients.row(index);
        tables_ = in_.tables.row(index);
        symbols_here_ = symbols_.row(index);
        most_ = blocks_.counts(row, column);
        fetch_after(index);
        if (most_ > GROUPS) throw Outside();
        std::fill_n(symbols_here_, CHANNELS, i16{0});
        const u8 mode = blocks_.modes(row, column);
        if (mode >= INTRA16) predict();
        const u8 free = in_.free(row, column);
        if (most_ == 0) {
            skips_(row, column) = free;
            return;
        }
        int count = 0;
        if (mode == INTRA8) {
            count = finish_quarters();
        } else {
            if (mode == INTRA16) {
                differences(in_.source, planes_, row, column, samples_);
                add_block(in_.added, row, column, samples_);
                forward(samples_, 0, own_);
                levels_ = own_;
            }
            count = choose_groups();
        }
        blocks_.counts(row, column) = static_cast<u8>(count);
        if (count == 0) {
            if (free) skips_(row, column) = 1;
            return;
        }
        rebuild(mode);
    }

  private:
    struct At {
        int row;
        int column;
    };

    // Ask for the next block's coefficients and tables: few lines of a long row each, which no
    // processor foresees.
    void fetch_after(int index) const {
        if (index + 1 >= in_.tables.rows) return;
        const int columns = blocks_.columns();
        const int next = blocks_.counts((index + 1) / columns, (index + 1) % columns);
        if (next == 0 || next > GROUPS) return;
        const float* levels = in_.coefficients.row(index + 1);
        for (int c = 0; c < GROUP_STARTS[next]; c += 16) __builtin_prefetch(levels + c);
        const u8* tables = in_.tables.row(index + 1);
        for (int c = 0; c < GROUP_STARTS[next]; c += 64) __builtin_prefetch(tables + c);
    }

    // Predict an intra block; quarters are coded as well, since each looks at those before it.
    void predict() {
        const auto [row, column] = at_;
        walk_luma(blocks_, row, column, true, [&](const LumaSquare& one) {
            u8* at = predict_in(planes_.y, one.square, one.mode);
            if (most_ && one.square.size < 16) code_square(one, at);
        });
        predict_chroma(blocks_, row, column, planes_);
    }

    // Code an 8x8 quarter or one of its 4x4 squares against the prediction, which is at `at`.
    void code_square(const LumaSquare& one, u8* at) {
        const auto& [square, mode, quarter, part, kind] = one;
        const Grid<const u8> source = in_.source.y;
        const u8* from = source.row(square.y) + square.x;
        if (kind == EIGHT) {
            run_.subtract(from, source.pitch, at, planes_.y.pitch, 8, samples_, 8);
            add_square(in_.added.y, square.y, square.x, 8, samples_, 8);
            run_.forward8(samples_, 8, own_);
            choose_apart(64 * quarter, 64, EIGHT_CHANNELS, steps_.inverse_eight);
            residual_.add_quarter(at, planes_.y.pitch, quarter);
            return;
        }
        float* out = kind == FOUR ? samples_ : own_;
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
                out[4 * i + j] =
                    static_cast<float>(from[i * source.pitch + j] - at[i * planes_.y.pitch + j]);
            }
        }
        add_square(in_.added.y, square.y, square.x, 4, out, 4);
        if (kind == FOUR) run_.forward4(samples_, own_);
        choose_apart(64 * quarter + 16 * part, 16, FOUR_CHANNELS, steps_.inverse_four);
        residual_.add_sixteenth(at, planes_.y.pitch, quarter, part, kind);
    }

    // Choose each level by itself, for those of the `count` places from `first` on that the first
    // pass coded, and put it in the residual. `own_` holds the coefficients.
    void choose_apart(int first, int count, const Places& channels, const float* inverse) {
        u16 found[CHANNELS], chosen[CHANNELS];
        const int large = run_.large(own_, inverse + first, count, found);
        const int limit = GROUP_STARTS[most_];
        int levels = 0;
        for (int k = 0; k < large; ++k) {
            const int place = first + found[k], c = channels[place];
            if (c >= limit) continue;
            const Choice choice =
                choose(own_[found[k]] * inverse[place], prices_.of[tables_[c] & 63]);
            symbols_here_[c] = static_cast<i16>(choice.level);
            chosen[levels] = static_cast<u16>(c);
            levels += choice.level != 0;
        }
        residual_.put(symbols_here_, chosen, levels, in_.steps_q3,
                      split_of(blocks_, at_.row, at_.column));
    }

    // Luma is done; weigh chroma alone. Returns the groups needed.
    int finish_quarters() {
        const auto [row, column] = at_;
        for (int plane = 0; plane < 2; ++plane) {
            const Grid<const u8> source = plane ? in_.source.v : in_.source.u;
            const Grid<u8> here = plane ? planes_.v : planes_.u;
            run_.subtract(source.row(8 * row) + 8 * column, source.pitch,
                          here.row(8 * row) + 8 * column, here.pitch, 8, samples_, 8);
            add_square(plane ? in_.added.v : in_.added.u, 8 * row, 8 * column, 8, samples_, 8);
            run_.forward8(samples_, 8, own_ + 64 * plane);
        }
        choose_apart(256, 128, EIGHT_CHANNELS, steps_.inverse_eight);
        int needed = 0;
        for (int g = 0; g < GROUPS; ++g) {
            if (any(GROUP_STARTS[g], GROUP_STARTS[g + 1])) needed = g + 1;
        }
        return needed;
    }

    [[nodiscard]] bool any(int first, int last) const {
        return std::any_of(symbols_here_ + first, symbols_here_ + last, [](i16 s) { return s; });
    }

    // Choose levels group by group, and how many groups pay; returns how many are coded.
    int choose_groups() {
        u16 channels[CHANNELS];
        const int count = run_.large(levels_, steps_.inverse, GROUP_STARTS[most_], channels);
        float gains[GROUPS];  // of coding up to this group, but for the price of saying so
        int chosen[GROUPS];   // levels up to this group that are not zero
        float gain = 0;
        int levels = 0, next = 0;
        for (int g = 0; g < most_; ++g) {
            const int first = GROUP_STARTS[g], end = GROUP_STARTS[g + 1];
            const int zeros_q8 = run_.sum_prices(tables_ + first, end - first, prices_.zero_q8);
            gain -= prices_.per_q8 * static_cast<float>(zeros_q8);
            for (; next < count && channels[next] < end; ++next) {
                const int c = channels[next];
                const Choice choice =
                    choose(levels_[c] * steps_.inverse[c], prices_.of[tables_[c] & 63]);
                symbols_here_[c] = static_cast<i16>(choice.level);
                gain += choice.gain;
                chosen_[levels] = static_cast<u16>(c);
                levels += choice.level != 0;
            }
            gains[g] = gain;
            chosen[g] = levels;
        }
        if (levels == 0) return 0;
        const int best = best_count(gains);
        chosen_count_ = best ? chosen[best - 1] : 0;
        for (int k = chosen_count_; k < levels; ++k) symbols_here_[chosen_[k]] = 0;
        return chosen_count_ ? group_of(chosen_[chosen_count_ - 1]) + 1 : 0;
    }

    static int group_of(int channel) {
        int group = 0;
        while (channel >= GROUP_STARTS[group + 1]) ++group;
        return group;
    }

    [[nodiscard]] int best_count(const float* gains) const {
        const auto [row, column] = at_;
        const auto free = static_cast<Free>(in_.free(row, column));
        i32 prices[GROUPS + 1];
        count_prices(in_.contexts, blocks_.counts, known_, row, column, kind(free), prices);
        int none = prices[0], signalling = 0;
        if (free == Free::TAKEN) {
            const YesNo skip = skip_prices(in_.contexts, skips_, known_, row, column);
            signalling = skip.no_q8 + MERGING_Q8;
            none = skip.yes_q8;
        }
        const double per_q8 = params_.mu / 256;
        float best = static_cast<float>(per_q8 * 256 * in_.hurdle(row, column));
        int count = 0;
        for (int g = 0; g < most_; ++g) {
            const int price = prices[g + 1] + signalling - none;
            const float net = gains[g] - static_cast<float>(per_q8 * price);
            if (net > best) {
                best = net;
                count = g + 1;
            }
        }
        return count;
    }

    [[nodiscard]] int kind(Free free) const {
        const u8 mode = blocks_.modes(at_.row, at_.column);
        if (mode >= INTRA16) return WITHIN;
        if (mode == INTER8) return QUARTERS;
        if (free == Free::JOINED) return JOINED;
        return free == Free::TAKEN ? TAKEN : WHOLE;
    }

    void rebuild(u8 mode) {
        const auto [row, column] = at_;
        if (mode != INTRA8) {
            const int split = blocks_.splits(row, column);
            residual_.put(symbols_here_, chosen_, chosen_count_, in_.steps_q3, split);
            residual_.add_luma(planes_.y.row(16 * row) + 16 * column, planes_.y.pitch, split);
        }
        residual_.add_chroma(planes_.u.row(8 * row) + 8 * column, planes_.u.pitch, 0);
        residual_.add_chroma(planes_.v.row(8 * row) + 8 * column, planes_.v.pitch, 1);
    }

    const CodeParams& params_;
    const CodeInput& in_;
    const Blocks& blocks_;
    Grid<i16> symbols_;
    const Planes& planes_;
    const LevelPrices& prices_;
    Grid<u8> skips_;
    const Steps steps_;
    const Known known_;
    const BlockKernels& run_;
    Residual residual_;
    alignas(32) float samples_[CHANNELS];
    alignas(32) float own_[CHANNELS];

    // The block at hand.
    At at_{};
    const float* levels_ = nullptr;
    const u8* tables_ = nullptr;
    i16* symbols_here_ = nullptr;
    int most_ = 0;           // groups that may be coded
    u16 chosen_[CHANNELS];   // channels with a level, unless it is coded square by square
    int chosen_count_ = 0;
};

}  // namespace

void code(BlocksWorkspace& workspace, const CodeParams& params, const CodeInput& input,
          const Blocks& blocks, Grid<i16> symbols, const Planes& planes) {
    Coder coder(workspace, params, input, blocks, symbols, planes);
    for (int row = 0; row < blocks.rows(); ++row) {
        for (int column = 0; column < blocks.columns(); ++column) coder.block(row, column);
    }
}

}  // namespace sc
