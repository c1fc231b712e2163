// The best of several runs: what the machine can do when nobody disturbs it.
#pragma once

#include <time.h>

#include <algorithm>
#include <limits>

namespace mailvane {

inline double Seconds(clockid_t clock) {
  timespec time;
  clock_gettime(clock, &time);
  return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_nsec) * 1e-9;
}

// CPU seconds of the calling thread.
template <typename Work>
double BestCpuSeconds(int runs, Work work) {
  double best = std::numeric_limits<double>::infinity();
  for (int i = 0; i < runs; ++i) {
    const double begun = Seconds(CLOCK_THREAD_CPUTIME_ID);
    work();
    best = std::min(best, Seconds(CLOCK_THREAD_CPUTIME_ID) - begun);
  }
  return best;
}

// What the work gives back must not be optimized away.
template <typename Value>
void Keep(const Value& value) {
  asm volatile("" : : "r,m"(value) : "memory");
}

}  // namespace mailvane
