// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"

#define SC_DECLARE(LEVEL)                             \
    namespace sc::LEVEL {                             \
    extern const MotionKernels motion_kernels;        \
    extern const BlockKernels blocks_kernels;         \
    extern const PictureKernels pictures_kernels;     \
    extern const PriorKernels prior_kernels;          \
    extern const ConvKernels conv_kernels;            \
    }
// Blocks may be of another level, where theirs would be no faster.
#define SC_TABLE(LEVEL, BLOCKS, NAME)                                                      \
    sc::Kernels {                                                                          \
        NAME, &sc::LEVEL::motion_kernels, &sc::BLOCKS::blocks_kernels,                     \
            &sc::LEVEL::pictures_kernels, &sc::LEVEL::prior_kernels,                       \
            &sc::LEVEL::conv_kernels                                                       \
    }

SC_DECLARE(plain)
#ifdef SC_X86
SC_DECLARE(v3)
SC_DECLARE(v4)
SC_DECLARE(vnni)
#endif

namespace sc {
namespace {

bool has(const char* level) {
#ifdef SC_X86
    __builtin_cpu_init();
    const bool v3 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi") && __builtin_cpu_supports("bmi2");
    const bool v4 = v3 && __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
                    __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
                    __builtin_cpu_supports("avx512vl");
    if (std::strcmp(level, "v3") == 0) return v3;
    if (std::strcmp(level, "v4") == 0) return v4;
    if (std::strcmp(level, "vnni") == 0) return v4 && __builtin_cpu_supports("avx512vnni");
#endif
    return std::strcmp(level, "plain") == 0;
}

const Kernels ALL[] = {
    SC_TABLE(plain, plain, "plain"),
#ifdef SC_X86
    SC_TABLE(v3, v3, "v3"),
    SC_TABLE(v4, v4, "v4"),
    SC_TABLE(vnni, v4, "vnni"),
#endif
};

const Kernels* find(const char* name) {
    for (const auto& one : ALL) {
        if (std::strcmp(one.level, name) == 0 && has(name)) return &one;
    }
    std::string message = "no level of instructions is called '" + std::string(name) +
                          "' on this machine; it has:";
    const Levels known = levels();
    for (int i = 0; i < known.count; ++i) message += std::string(" ") + known.names[i];
    throw std::invalid_argument(message);
}

const Kernels* first_choice() {
    const char* cap = std::getenv("STREAMCODEC_LEVEL");
    if (cap != nullptr && *cap != '\0') return find(cap);
    const Levels known = levels();
    return find(known.names[known.count - 1]);
}

const Kernels*& chosen() {
    static const Kernels* table = first_choice();
    return table;
}

}  // namespace

const Kernels& kernels() { return *chosen(); }

void choose_level(const char* name) { chosen() = find(name); }

Levels levels() {
    Levels known{};
    for (const auto& one : ALL) {
        if (has(one.level)) known.names[known.count++] = one.level;
    }
    return known;
}

}  // namespace sc
