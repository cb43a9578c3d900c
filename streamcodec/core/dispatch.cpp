// SPDX-License-Identifier: Apache-2.0
#include <cstdlib>
#include <cstring>
#include <stdexcept>
#include <string>

#include "kernels.hpp"

#ifdef SC_AMX
#include <cpuid.h>
#include <sys/syscall.h>
#include <unistd.h>
#endif

#define SC_DECLARE(LEVEL)                         \
    namespace sc::LEVEL {                         \
    extern const MotionKernels motion_kernels;    \
    extern const BlockKernels blocks_kernels;     \
    extern const PictureKernels pictures_kernels; \
    extern const PriorKernels prior_kernels;      \
    extern const ConvKernels conv_kernels;        \
    }
// Blocks, and products of bytes, may be of other levels than the rest.
#define SC_TABLE(LEVEL, BLOCKS, PRODUCTS, NAME)                                              \
    sc::Kernels {                                                                            \
        NAME, &sc::LEVEL::motion_kernels, &sc::BLOCKS::blocks_kernels,                       \
            &sc::LEVEL::pictures_kernels, &sc::PRODUCTS::prior_kernels,                      \
            &sc::PRODUCTS::conv_kernels                                                      \
    }

SC_DECLARE(plain)
#ifdef SC_X86
SC_DECLARE(v3)
SC_DECLARE(v4)
SC_DECLARE(vnni)
#endif
#ifdef SC_AMX
SC_DECLARE(amx)
#endif

namespace sc {
namespace {

#ifdef SC_AMX
// Tiles are there when the processor has them and the kernel lets this process use them.
bool has_tiles() {
    unsigned a = 0, b = 0, c = 0, d = 0;
    constexpr unsigned TILES = 1u << 24, BYTES = 1u << 25;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d) || (d & TILES) == 0 || (d & BYTES) == 0) {
        return false;
    }
    constexpr long REQUEST = 0x1023, TILE_DATA = 18;  // ARCH_REQ_XCOMP_PERM, XFEATURE_XTILEDATA
    static const bool granted = syscall(SYS_arch_prctl, REQUEST, TILE_DATA) == 0;
    return granted;
}
#endif

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
    const bool vnni = v4 && __builtin_cpu_supports("avx512vnni");
    if (std::strcmp(level, "vnni") == 0) return vnni;
#ifdef SC_AMX
    if (std::strcmp(level, "amx") == 0) return vnni && has_tiles();
#endif
#endif
    return std::strcmp(level, "plain") == 0;
}

const Kernels ALL[] = {
    SC_TABLE(plain, plain, plain, "plain"),
#ifdef SC_X86
    SC_TABLE(v3, v3, v3, "v3"),
    SC_TABLE(v4, v4, v4, "v4"),
    SC_TABLE(vnni, v4, vnni, "vnni"),
#endif
#ifdef SC_AMX
    SC_TABLE(vnni, v4, amx, "amx"),
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
