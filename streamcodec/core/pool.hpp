// SPDX-License-Identifier: Apache-2.0
// A few threads that do independent jobs of one picture. Results never depend on how many there are.
#pragma once

#include <condition_variable>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

namespace sc {

class Pool {
  public:
    // `threads` counts the caller: 1 means that everything is done where it is asked for.
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Call job(0) to job(count - 1), in any order and at once; the first error is thrown when all
    // have ended. One caller at a time; a second one does its jobs itself.
    void run(int count, const std::function<void(int)>& job);
    void close();
    [[nodiscard]] int threads() const { return threads_; }

  private:
    void work();
    void take(std::unique_lock<std::mutex>& lock);

    int threads_;
    std::mutex mutex_;
    std::mutex callers_;
    std::condition_variable wake_;
    std::condition_variable done_;
    std::vector<std::thread> workers_;
    const std::function<void(int)>* job_ = nullptr;
    int next_ = 0;
    int count_ = 0;
    int running_ = 0;
    bool closing_ = false;
    std::exception_ptr error_;
};

// Jobs one after the other where there is no pool.
void run_jobs(Pool* pool, int count, const std::function<void(int)>& job);

// Rows [first, last) of band `index` of `bands`, each a multiple of `unit` rows but the last.
struct Band {
    int first;
    int last;
};
// How many bands a picture of so many block rows is cut into: follows from the picture alone, so
// that bytes do not depend on cores. Bands start at multiples of four block rows (the largest
// square that shares one vector).
int band_count(int rows);
Band band_of(int rows, int index);

}  // namespace sc
