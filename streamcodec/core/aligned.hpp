// SPDX-License-Identifier: Apache-2.0
// Memory that starts on a line of the cache: no row of 64 bytes in it lies on two.
#pragma once

#include <cstddef>
#include <new>
#include <vector>

namespace sc {

inline constexpr int LINE = 64;  // bytes

constexpr int whole_lines(int bytes) { return (bytes + LINE - 1) / LINE * LINE; }

template <class T>
struct OnLines {
    using value_type = T;

    OnLines() = default;
    template <class U>
    OnLines(const OnLines<U>&) {}
    T* allocate(std::size_t count) {
        return static_cast<T*>(::operator new(count * sizeof(T), std::align_val_t{LINE}));
    }
    void deallocate(T* at, std::size_t) { ::operator delete(at, std::align_val_t{LINE}); }
    template <class U>
    bool operator==(const OnLines<U>&) const {
        return true;
    }
};

template <class T>
using Aligned = std::vector<T, OnLines<T>>;

}  // namespace sc
