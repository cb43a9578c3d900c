// SPDX-License-Identifier: Apache-2.0
// The entropy room for Python: one payload written or read, and what tests compare with its twins.
#include <nanobind/stl/tuple.h>

#include "bindings/arrays.hpp"
#include "bindings/block_arrays.hpp"
#include "bindings/payload.hpp"
#include "contexts.hpp"
#include "entropy/damaged.hpp"
#include "entropy/symbols.hpp"
#include "syntax.hpp"

namespace sc {
namespace {

using ContextArray = Array<u16, 2>;
using ConstContextArray = Array<const u16, 2>;

Contexts contexts_of(const ContextArray& array) {
    require(array.shape(0) == CONTEXTS && array.shape(1) == 2, "contexts are (CONTEXTS, 2)");
    return {reinterpret_cast<Context*>(array.data()), CONTEXTS};
}
ConstContexts contexts_of(const ConstContextArray& array) {
    require(array.shape(0) == CONTEXTS && array.shape(1) == 2, "contexts are (CONTEXTS, 2)");
    return {reinterpret_cast<const Context*>(array.data()), CONTEXTS};
}
int context_index(int index) {
    if (index < 0 || index >= CONTEXTS) throw Outside();
    return index;
}
Cumulative cumulative_of(const Array<const u16, 2>& array) {
    require(array.shape(0) == TABLES && array.shape(1) == MAGNITUDES + 1, "tables are (64, 17)");
    for (int table = 0; table < TABLES; ++table) {
        const u16* row = array.data() + (MAGNITUDES + 1) * table;
        bool rising = row[0] == 0 && row[MAGNITUDES] == TOTAL;
        for (int k = 0; k < MAGNITUDES; ++k) rising &= row[k] < row[k + 1];
        require(rising, "tables rise from 0 to 2**15");
    }
    return reinterpret_cast<Cumulative>(array.data());
}
Known known_of(const Array<const i16, 3>& reference_field, const Array<const u8, 2>& reference_counts,
               int trend) {
    require(trend >= 0 && trend <= 2, "a trend is 0, 1 or 2");
    return {vectors(reference_field), grid(reference_counts), trend};
}
// Loop filter's flags: (luma or chroma, down, across).
template <class T>
std::span<T> areas_of(const Array<T, 3>& flags, int plane) {
    require(flags.shape(0) == 2, "flags are of luma and chroma");
    const std::size_t size = flags.shape(1) * flags.shape(2);
    return {flags.data() + plane * size, size};
}

using Rows = std::tuple<int, int, int>;
Mixture mixture_by(const Rows& rows, int weights) {
    return {{std::get<0>(rows), std::get<1>(rows), std::get<2>(rows)}, weights};
}

template <class T>
auto numbers(const T* values, std::size_t count) {
    return nb::ndarray<nb::numpy, const T, nb::ndim<1>>(values, {count}, nb::handle());
}

}  // namespace

void bind_entropy(nb::module_& module) {
    using namespace nb::literals;
    using Unlocked = nb::call_guard<nb::gil_scoped_release>;
    nb::exception<Damaged>(module, "Damaged", PyExc_ValueError);

    nb::class_<PayloadWriter>(module, "Writer")
        .def(nb::init<>())
        .def("clear", [](PayloadWriter& self) { self.list.clear(); })
        .def("append", [](PayloadWriter& self, const PayloadWriter& other) { self.list.append(other.list); },
             "other"_a)
        .def_prop_ro("intervals", [](const PayloadWriter& self) { return self.list.size(); })
        .def("blocks",
             [](PayloadWriter& self, ContextArray contexts, bool key, BlockArrays& blocks,
                Array<const i16, 3> reference_field, Array<const u8, 2> reference_counts, int trend) {
                 write_blocks(self.list, contexts_of(contexts), key, blocks.view(),
                              known_of(reference_field, reference_counts, trend), self.so_far);
             },
             "contexts"_a, "key"_a, "blocks"_a, "reference_field"_a, "reference_counts"_a, "trend"_a,
             Unlocked())
        .def("areas",
             [](PayloadWriter& self, ContextArray contexts, Array<const u8, 3> flags) {
                 write_areas(self.list, contexts_of(contexts), areas_of(flags, 0),
                             areas_of(flags, 1));
             },
             "contexts"_a, "flags"_a, Unlocked())
        .def("mixed",
             [](PayloadWriter& self, ContextArray contexts, Rows rows, int weights, int bit) {
                 put_mixed(self.list, contexts_of(contexts), mixture_by(rows, weights), bit);
             },
             "contexts"_a, "rows"_a, "weights"_a, "bit"_a)
        .def("single",
             [](PayloadWriter& self, ContextArray contexts, int index, int bit) {
                 put_bit(self.list, contexts_of(contexts)[context_index(index)], bit);
             },
             "contexts"_a, "index"_a, "bit"_a)
        .def("raw", [](PayloadWriter& self, int bit) { self.list.put_raw(bit); }, "bit"_a)
        .def("interval",
             [](PayloadWriter& self, u32 start, u32 frequency) {
                 require(frequency > 0 && frequency <= TOTAL && start <= TOTAL - frequency,
                         "an interval lies within 0 to 2**15");
                 self.list.put(start, frequency);
             },
             "start"_a, "frequency"_a)
        .def("encode", [](PayloadWriter& self) {
            std::vector<u8> bytes;
            {
                nb::gil_scoped_release unlocked;
                bytes = self.list.encode();
            }
            return nb::bytes(bytes.data(), bytes.size());
        })
        .def("encode",
             [](PayloadWriter& self, Array<const u8, 2> counts, Array<const i16, 2> symbols,
                Array<const u8, 2> tables, Array<const u16, 2> cumulative) {
                 const std::size_t blocks = counts.shape(0) * counts.shape(1);
                 require(symbols.shape(0) == blocks && symbols.shape(1) == CHANNELS &&
                             tables.shape(0) == blocks && tables.shape(1) == CHANNELS,
                         "symbols and tables are (blocks, 384)");
                 std::vector<u8> bytes;
                 {
                     nb::gil_scoped_release unlocked;
                     Backwards out;
                     put_groups(out, grid(counts), symbols.data(), tables.data(),
                                cumulative_of(cumulative));
                     self.list.put_into(out);
                     bytes = out.finish();
                 }
                 return nb::bytes(bytes.data(), bytes.size());
             },
             "counts"_a, "symbols"_a, "tables"_a, "cumulative"_a);

    nb::class_<PayloadReader>(module, "Reader")
        .def(nb::init<nb::bytes>(), "payload"_a)
        .def("blocks",
             [](PayloadReader& self, ContextArray contexts, bool key, BlockArrays& blocks,
                Array<const i16, 3> reference_field, Array<const u8, 2> reference_counts, int trend) {
                 read_blocks(self.reader, contexts_of(contexts), key, blocks.view(),
                             known_of(reference_field, reference_counts, trend), self.so_far);
             },
             "contexts"_a, "key"_a, "blocks"_a, "reference_field"_a, "reference_counts"_a, "trend"_a,
             Unlocked())
        .def("areas",
             [](PayloadReader& self, ContextArray contexts, Array<u8, 3> flags) {
                 read_areas(self.reader, contexts_of(contexts), areas_of(flags, 0),
                            areas_of(flags, 1));
             },
             "contexts"_a, "flags"_a, Unlocked())
        .def("symbols",
             [](PayloadReader& self, Array<const u8, 1> tables, Array<const u16, 2> cumulative,
                Array<i16, 1> out) {
                 require(tables.shape(0) == out.shape(0), "one table a symbol");
                 get_symbols(self.reader, tables.data(), static_cast<int>(out.shape(0)),
                             cumulative_of(cumulative), out.data());
             },
             "tables"_a, "cumulative"_a, "out"_a, Unlocked())
        .def("mixed",
             [](PayloadReader& self, ContextArray contexts, Rows rows, int weights) {
                 return get_mixed(self.reader.state, contexts_of(contexts),
                                  mixture_by(rows, weights));
             },
             "contexts"_a, "rows"_a, "weights"_a)
        .def("single",
             [](PayloadReader& self, ContextArray contexts, int index) {
                 return get_bit(self.reader.state, contexts_of(contexts)[context_index(index)]);
             },
             "contexts"_a, "index"_a)
        .def("raw", [](PayloadReader& self) { return get_raw(self.reader.state); })
        .def("interval",
             [](PayloadReader& self, u32 start, u32 frequency) {
                 const bool inside = self.reader.state.peek() - start < frequency;
                 if (inside) self.reader.state.advance(start, frequency);
                 return inside;
             },
             "start"_a, "frequency"_a)
        .def("overrun", [](const PayloadReader& self) { return self.reader.overrun(); })
        .def("finished", [](const PayloadReader& self) { return self.reader.finished(); });

    module.attr("CONTEXTS") = CONTEXTS;
    module.def("entropy_tables", [] {
        return std::make_tuple(numbers(COST_Q8, 512), numbers(STRETCH, 4096),
                               numbers(SQUASH, 2 * LOGIT_LIMIT + 1));
    }, nb::rv_policy::copy);
    module.def("context_bases", [] {
        return nb::ndarray<nb::numpy, const int, nb::ndim<2>>(&BASES.first[0][0], {FAMILIES, 4},
                                                              nb::handle());
    }, nb::rv_policy::copy);
    module.def("vector_prices", [](ConstContextArray contexts) {
        VectorPrices prices;
        vector_prices(contexts_of(contexts), prices);
        return nb::ndarray<nb::numpy, i32, nb::ndim<2>>(&prices.bits_q8[0][0], {2, 1024}).cast();
    }, "contexts"_a);
    module.def("skip_prices", [](ConstContextArray contexts, Array<const u8, 2> skips,
                                 Array<const i16, 3> reference_field, Array<const u8, 2> reference_counts,
                                 int trend, int row, int column) {
        const YesNo prices = skip_prices(contexts_of(contexts), grid(skips),
                                         known_of(reference_field, reference_counts, trend), row, column);
        return std::make_tuple(prices.yes_q8, prices.no_q8);
    });
    module.def("united_prices", [](ConstContextArray contexts, Array<const u8, 2> sides,
                                   Array<const i16, 3> reference_field,
                                   Array<const u8, 2> reference_counts, int trend, int row, int column,
                                   int blocks) {
        const YesNo prices =
            united_prices(contexts_of(contexts), grid(sides),
                          known_of(reference_field, reference_counts, trend), row, column, blocks);
        return std::make_tuple(prices.yes_q8, prices.no_q8);
    });
    module.def("count_prices", [](ConstContextArray contexts, Array<const u8, 2> counts,
                                  Array<const i16, 3> reference_field,
                                  Array<const u8, 2> reference_counts, int trend, int row, int column,
                                  int kind) {
        i32 out[GROUPS + 1];
        count_prices(contexts_of(contexts), grid(counts),
                     known_of(reference_field, reference_counts, trend), row, column, kind, out);
        return std::make_tuple(out[0], out[1], out[2], out[3], out[4]);
    });
    module.def("which_prices", [](ConstContextArray contexts, Array<const u8, 2> candidate_index,
                                  Array<const i16, 3> field, Array<const i16, 3> before, int row,
                                  int column, int blocks, int skip) {
        i32 out[MOST_CANDIDATES];
        const Candidates candidates = candidates_of(vectors(field), vectors(before), row, column, blocks);
        which_prices(contexts_of(contexts), grid(candidate_index), vectors(field), vectors(before), candidates, row,
                     column, blocks, skip, out);
        return std::make_tuple(out[0], out[1], out[2]);
    });
    module.def("candidates", [](Array<const i16, 3> field, Array<const i16, 3> before, int row,
                                int column, int blocks) {
        const Candidates candidates = candidates_of(vectors(field), vectors(before), row, column, blocks);
        nb::list found;
        for (int k = 0; k < candidates.count; ++k) {
            found.append(std::make_tuple(int{candidates.at[k].dy}, int{candidates.at[k].dx}, int{candidates.source[k]}));
        }
        return found;
    });
    module.def("unite", [](Array<const u8, 2> modes, Array<const i16, 3> field, Array<u8, 2> sides) {
        unite(grid(modes), vectors(field), grid(sides));
    });
}

}  // namespace sc
