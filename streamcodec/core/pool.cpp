// SPDX-License-Identifier: Apache-2.0
#include "pool.hpp"

#include <time.h>

#include <algorithm>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

namespace sc {

struct Pool::Workers {
    std::mutex mutex;
    std::mutex callers;
    std::condition_variable wake;
    std::condition_variable done;
    std::vector<std::thread> threads;
    const Call<int>* job = nullptr;
    int next = 0;
    int count = 0;
    int running = 0;
    bool closing = false;
    std::exception_ptr error;
    bool watching = false;
    std::vector<std::vector<double>> seconds;  // of jobs, in the order of runs

    void work();
    void take(std::unique_lock<std::mutex>& lock);
    void close();
};

// Do jobs until none is left; the lock is held on entry and on return.
void Pool::Workers::take(std::unique_lock<std::mutex>& lock) {
    while (next < count) {
        const int index = next++;
        const Call<int>* const job_now = job;
        ++running;
        lock.unlock();
        std::exception_ptr thrown;
        try {
            (*job_now)(index);
        } catch (...) {
            thrown = std::current_exception();
        }
        lock.lock();
        --running;
        if (thrown && !error) error = thrown;
    }
    if (running == 0) done.notify_all();
}

void Pool::Workers::work() {
    std::unique_lock lock(mutex);
    while (true) {
        wake.wait(lock, [this] { return closing || next < count; });
        if (closing) return;
        take(lock);
    }
}

void Pool::Workers::close() {
    {
        std::lock_guard lock(mutex);
        closing = true;
    }
    wake.notify_all();
    for (auto& thread : threads) thread.join();
    threads.clear();
}

Pool::Pool(int threads) : threads_(std::max(threads, 1)), workers_(new Workers) {
    try {
        workers_->threads.reserve(threads_ - 1);
        for (int i = 1; i < threads_; ++i) {
            workers_->threads.emplace_back([workers = workers_] { workers->work(); });
        }
    } catch (...) {  // the system has no more threads
        workers_->close();
        delete workers_;
        throw;
    }
}

Pool::~Pool() {
    workers_->close();
    delete workers_;
}

void Pool::close() { workers_->close(); }

void Pool::run(int count, Call<int> job) {
    Workers& all = *workers_;
    std::unique_lock caller(all.callers, std::try_to_lock);
    if (!caller || threads_ == 1 || count < 2) {
        run_here(count, job);
        return;
    }
    std::unique_lock lock(all.mutex);
    all.job = &job;
    all.next = 0;
    all.count = count;
    all.error = nullptr;
    all.wake.notify_all();
    all.take(lock);
    all.done.wait(lock, [&all] { return all.next >= all.count && all.running == 0; });
    all.job = nullptr;
    all.count = 0;
    all.next = 0;
    if (all.error) std::rethrow_exception(all.error);
}

namespace {

// Of the processor, that this thread had: others on a busy machine do not count.
double own_seconds() {
    timespec now{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    return static_cast<double>(now.tv_sec) + 1e-9 * static_cast<double>(now.tv_nsec);
}

}  // namespace

void Pool::run_here(int count, Call<int> job) {
    const bool watching = threads_ == 1 && workers_->watching;
    if (watching) workers_->seconds.emplace_back();
    for (int i = 0; i < count; ++i) {
        const double start = watching ? own_seconds() : 0;
        job(i);
        if (watching) workers_->seconds.back().push_back(own_seconds() - start);
    }
}

void Pool::watch() {
    workers_->watching = true;
    workers_->seconds.clear();
}

std::vector<std::vector<double>> Pool::watched() { return workers_->seconds; }

void run_jobs(Pool* pool, int count, Call<int> job) {
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
