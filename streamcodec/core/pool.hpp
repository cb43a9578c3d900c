// SPDX-License-Identifier: Apache-2.0
// A few threads that do independent jobs of one picture. Results never depend on how many there are.
#pragma once

#include <vector>

#include "call.hpp"

namespace sc {

// Threads and locks are hidden in pool.cpp: their headers take long to compile.
class Pool {
  public:
    // `threads` counts the caller: 1 means that everything is done where it is asked for.
    explicit Pool(int threads);
    ~Pool();
    Pool(const Pool&) = delete;
    Pool& operator=(const Pool&) = delete;

    // Call job(0) to job(count - 1), in any order and at once; the first error is thrown when all
    // have ended. One caller at a time; a second one does its jobs itself.
    void run(int count, Call<int> job);
    void close();
    [[nodiscard]] int threads() const { return threads_; }

    // Time jobs from now on, in a pool of one thread: what more threads would take follows from that.
    void watch();
    // Processor seconds of each job of each `run` since.
    [[nodiscard]] std::vector<std::vector<double>> watched();

  private:
    struct Workers;

    void run_here(int count, Call<int> job);

    int threads_;
    Workers* workers_;  // owned
};

// Jobs one after the other where there is no pool.
void run_jobs(Pool* pool, int count, Call<int> job);

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
