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

// Price of what stands between "no skip" and the count where a vector is taken over.
constexpr int TAKING_Q8 = 256;

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
          known_{{}, input.counts_before, params.pace},
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
        rebuild(mode, count);
    }

  private:
    struct At {
        int row;
        int column;
    };

    // Predict an intra block; quarters are coded as well, since each looks at those before it.
    void predict() {
        const auto [row, column] = at_;
        walk_luma(blocks_, row, column, true, [&](const LumaSquare& one) {
            u8* at = predict_in(planes_.y, one.square, one.mode);
            if (most_ && one.square.size < 16) code_square(one, at);
        });
        predict_chroma(blocks_, row, column, planes_);
    }

    // Code an 8x8 quarter or one of its 4x4 squares against the prediction that stands at `at`.
    void code_square(const LumaSquare& one, u8* at) {
        const auto& [square, mode, quarter, part, kind] = one;
        const u8* source = in_.source.y.row(square.y) + square.x;
        const auto split = split_of(blocks_, at_.row, at_.column);
        if (kind == EIGHT) {
            run_.subtract(source, in_.source.y.pitch, at, planes_.y.pitch, 8, samples_, 8);
            run_.forward8(samples_, 8, own_);
            choose_listed(LISTS.quarter[quarter], 64, EIGHT_PLACES, 63, split);
            residual_.add_quarter(at, planes_.y.pitch, quarter);
            return;
        }
        float* out = kind == FOUR ? samples_ : own_;
        for (int i = 0; i < 4; ++i) {
            for (int j = 0; j < 4; ++j) {
                out[4 * i + j] = static_cast<float>(source[i * in_.source.y.pitch + j] -
                                                    at[i * planes_.y.pitch + j]);
            }
        }
        if (kind == FOUR) run_.forward4(samples_, own_);
        choose_listed(LISTS.sixteenth[quarter][part], 16, FOUR_PLACES, 15, split);
        residual_.add_sixteenth(at, planes_.y.pitch, quarter, part, kind);
    }

    // Choose levels of the listed channels that the first pass coded, and put them in the residual.
    // `own_` holds their coefficients, at the last bits (`mask`) of their places.
    void choose_listed(const u16* channels, int count, const Places& places, int mask, int split) {
        const int limit = GROUP_STARTS[most_];
        for (int k = 0; k < count; ++k) {
            const int c = channels[k];
            if (c >= limit) return;
            const Choice choice =
                choose(own_[places[c] & mask] * steps_.inverse[c], prices_.of[tables_[c] & 63]);
            if (choice.level == 0) continue;
            symbols_here_[c] = static_cast<i16>(choice.level);
            residual_.put(c, choice.level, in_.steps_q3[c], split);
        }
    }

    // Luma is done; weigh chroma alone. Returns the groups needed.
    int finish_quarters() {
        const auto [row, column] = at_;
        for (int plane = 0; plane < 2; ++plane) {
            const Grid<const u8> source = plane ? in_.source.v : in_.source.u;
            const Grid<u8> here = plane ? planes_.v : planes_.u;
            run_.subtract(source.row(8 * row) + 8 * column, source.pitch,
                          here.row(8 * row) + 8 * column, here.pitch, 8, samples_, 8);
            run_.forward8(samples_, 8, own_ + 64 * plane);
        }
        choose_listed(LISTS.chroma, 128, WHOLE_PLACES, 127, 1);
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
        const int count =
            run_.large(levels_, steps_.inverse, GROUP_STARTS[most_], channels);
        float gains[GROUPS];  // of coding up to this group, but for the price of saying so
        int needed[GROUPS];   // the last group up to here with a level that is not zero
        float gain = 0;
        int last = 0, next = 0;
        for (int g = 0; g < most_; ++g) {
            const int first = GROUP_STARTS[g], end = GROUP_STARTS[g + 1];
            gain -= prices_.per_q8 *
                    static_cast<float>(run_.sum_prices(tables_ + first, end - first,
                                                       prices_.zero_q8));
            for (; next < count && channels[next] < end; ++next) {
                const int c = channels[next];
                const Choice choice =
                    choose(levels_[c] * steps_.inverse[c], prices_.of[tables_[c] & 63]);
                if (choice.level == 0) continue;
                symbols_here_[c] = static_cast<i16>(choice.level);
                gain += choice.gain;
                last = g + 1;
            }
            gains[g] = gain;
            needed[g] = last;
        }
        if (last == 0) return 0;
        const int best = best_count(gains);
        const int kept = best ? needed[best - 1] : 0;
        std::fill(symbols_here_ + GROUP_STARTS[kept], symbols_here_ + CHANNELS, i16{0});
        return kept;
    }

    [[nodiscard]] int best_count(const float* gains) const {
        const auto [row, column] = at_;
        const auto free = static_cast<Free>(in_.free(row, column));
        i32 prices[GROUPS + 1];
        count_prices(in_.contexts, blocks_.counts, known_, row, column, kind(free), prices);
        int none = prices[0], spoken = 0;
        if (free == Free::TAKEN) {
            const YesNo skip = skip_prices(in_.contexts, skips_, known_, row, column);
            spoken = skip.no_q8 + TAKING_Q8;
            none = skip.yes_q8;
        }
        const double per_q8 = params_.mu / 256;
        float best = static_cast<float>(per_q8 * 256 * in_.hurdle(row, column));
        int count = 0;
        for (int g = 0; g < most_; ++g) {
            const int price = prices[g + 1] + spoken - none;
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

    void rebuild(u8 mode, int count) {
        const auto [row, column] = at_;
        if (mode != INTRA8) {
            const int split = blocks_.splits(row, column);
            residual_.put(symbols_here_, GROUP_STARTS[count], in_.steps_q3, split);
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
    int most_ = 0;  // groups that may be coded
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
