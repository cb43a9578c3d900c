// SPDX-License-Identifier: Apache-2.0
#include "pool.hpp"

#include <algorithm>

namespace sc {

Pool::Pool(int threads) : threads_(std::max(threads, 1)) {
    workers_.reserve(threads_ - 1);
    for (int i = 1; i < threads_; ++i) workers_.emplace_back([this] { work(); });
}

Pool::~Pool() { close(); }

void Pool::close() {
    {
        std::lock_guard lock(mutex_);
        closing_ = true;
    }
    wake_.notify_all();
    for (auto& worker : workers_) worker.join();
    workers_.clear();
}

// Do jobs until none is left; the lock is held on entry and on return.
void Pool::take(std::unique_lock<std::mutex>& lock) {
    while (next_ < count_) {
        const int index = next_++;
        const auto* job = job_;
        ++running_;
        lock.unlock();
        std::exception_ptr error;
        try {
            (*job)(index);
        } catch (...) {
            error = std::current_exception();
        }
        lock.lock();
        --running_;
        if (error && !error_) error_ = error;
    }
    if (running_ == 0) done_.notify_all();
}

void Pool::work() {
    std::unique_lock lock(mutex_);
    while (true) {
        wake_.wait(lock, [this] { return closing_ || next_ < count_; });
        if (closing_) return;
        take(lock);
    }
}

void Pool::run(int count, const std::function<void(int)>& job) {
    std::unique_lock caller(callers_, std::try_to_lock);
    if (!caller || threads_ == 1 || count < 2) {
        for (int i = 0; i < count; ++i) job(i);
        return;
    }
    std::unique_lock lock(mutex_);
    job_ = &job;
    next_ = 0;
    count_ = count;
    error_ = nullptr;
    wake_.notify_all();
    take(lock);
    done_.wait(lock, [this] { return next_ >= count_ && running_ == 0; });
    job_ = nullptr;
    count_ = 0;
    next_ = 0;
    if (error_) std::rethrow_exception(error_);
}

void run_jobs(Pool* pool, int count, const std::function<void(int)>& job) {
    if (pool != nullptr) {
        pool->run(count, job);
        return;
    }
    for (int i = 0; i < count; ++i) job(i);
}

namespace {
constexpr int UNIT = 4;
constexpr int MOST_BANDS = 16;
}  // namespace

int band_count(int rows) { return std::clamp(rows / (2 * UNIT), 1, MOST_BANDS); }

Band band_of(int rows, int index) {
    const int bands = band_count(rows);
    const int units = (rows + UNIT - 1) / UNIT;
    const int first = units * index / bands * UNIT;
    const int last = index + 1 == bands ? rows : units * (index + 1) / bands * UNIT;
    return {first, last};
}

}  // namespace sc
