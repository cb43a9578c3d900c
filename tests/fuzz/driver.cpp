// SPDX-License-Identifier: Apache-2.0
// Runs a fuzz target where libFuzzer is absent: `target SECONDS SEED FILES...` mutates the files, one
// execution after the other, and prints how many there were. The same seed tries the same inputs.
// `target 0 0 FILES...` runs the files as they are, such as one that was left by a crash.
//
// Built with -fsanitize-coverage=trace-pc, inputs that reach new code join the corpus.
#include <algorithm>
#include <chrono>
#include <csignal>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <random>
#include <string>
#include <vector>

extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* data, std::size_t size);
extern "C" __attribute__((weak)) void __sanitizer_set_death_callback(void (*callback)());

namespace {

using Bytes = std::vector<std::uint8_t>;
constexpr std::size_t MOST_BYTES = 1 << 16;

bool reached[1 << 16];  // by hashed address
std::size_t places = 0;

// The input being run, for the file it is left in when it crashes.
Bytes current;

void keep_current() {
    if (std::FILE* file = std::fopen("fuzz-crash", "wb")) {
        std::fwrite(current.data(), 1, current.size(), file);
        std::fclose(file);
        std::fputs("the input is in fuzz-crash\n", stderr);
    }
}

void run(Bytes bytes) {
    current = std::move(bytes);
    LLVMFuzzerTestOneInput(current.data(), current.size());
}

Bytes read_file(const char* name) {
    Bytes bytes;
    if (std::FILE* file = std::fopen(name, "rb")) {
        std::uint8_t part[4096];
        for (std::size_t n; (n = std::fread(part, 1, sizeof part, file)) > 0;) {
            bytes.insert(bytes.end(), part, part + n);
        }
        std::fclose(file);
    } else {
        std::fprintf(stderr, "cannot read %s\n", name);
        std::exit(2);
    }
    return bytes;
}

Bytes mutated(const std::vector<Bytes>& corpus, std::minstd_rand& random) {
    const auto below = [&random](std::size_t n) { return n ? random() % n : 0; };
    Bytes bytes = corpus[below(corpus.size())];
    for (std::size_t times = 1 + below(6); times-- > 0;) {
        if (bytes.empty()) bytes.push_back(0);
        const std::size_t at = below(bytes.size());
        switch (below(8)) {
            case 0: bytes[at] ^= static_cast<std::uint8_t>(1u << below(8)); break;
            case 1: bytes[at] = static_cast<std::uint8_t>(below(256)); break;
            case 2: bytes[at] = below(2) ? 0xFF : 0; break;
            case 3: bytes.insert(bytes.begin() + at, static_cast<std::uint8_t>(below(256))); break;
            case 4: bytes.erase(bytes.begin() + at); break;
            case 5: bytes.resize(at + 1); break;
            case 6: {  // the head of one, the tail of another
                const Bytes& other = corpus[below(corpus.size())];
                const std::size_t from = below(other.size());
                bytes.resize(at);
                bytes.insert(bytes.end(), other.begin() + from, other.end());
                break;
            }
            default: {  // noise over a stretch
                const std::size_t end = std::min(bytes.size(), at + 1 + below(32));
                for (std::size_t k = at; k < end; ++k) bytes[k] = static_cast<std::uint8_t>(random());
            }
        }
    }
    if (bytes.size() > MOST_BYTES) bytes.resize(MOST_BYTES);
    return bytes;
}

}  // namespace

extern "C" __attribute__((no_sanitize("address", "undefined"))) void __sanitizer_cov_trace_pc() {
    const auto pc = reinterpret_cast<std::uintptr_t>(__builtin_return_address(0));
    bool& seen = reached[(pc ^ pc >> 16) & 0xFFFF];
    places += !seen;
    seen = true;
}

int main(int count, char** arguments) {
    if (count < 4) {
        std::fprintf(stderr, "usage: %s SECONDS SEED FILES...\n", arguments[0]);
        return 2;
    }
    if (__sanitizer_set_death_callback != nullptr) __sanitizer_set_death_callback(keep_current);
    std::signal(SIGABRT, [](int) { keep_current(); });
    const std::chrono::duration<double> limit(std::atof(arguments[1]));
    std::minstd_rand random(static_cast<unsigned>(std::atoi(arguments[2])) + 1);
    std::vector<Bytes> corpus;
    for (int k = 3; k < count; ++k) {
        corpus.push_back(read_file(arguments[k]));
        run(corpus.back());
    }
    const std::size_t seeds = corpus.size();
    const auto start = std::chrono::steady_clock::now();
    unsigned long long executions = 0;
    while (std::chrono::steady_clock::now() - start < limit) {
        for (int k = 0; k < 64; ++k, ++executions) {
            const std::size_t before = places;
            run(mutated(corpus, random));
            if (places > before) corpus.push_back(current);
        }
    }
    std::printf("%llu executions, %zu seeds, %zu inputs kept, %zu places reached\n", executions, seeds,
                corpus.size() - seeds, places);
    return 0;
}
