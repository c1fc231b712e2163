// How much there was within a window of log time, to a twelfth of the window.
//
// A line from the past counts with the oldest slot there is: the lines of several
// daemons are only roughly in order.
#pragma once

#include <array>
#include <cstdint>

#include "absl/time/time.h"

namespace mailvane {

class SlidingCount {
 public:
  static constexpr int kSlots = 12;

  explicit SlidingCount(absl::Duration window)
      : slot_seconds_(absl::ToInt64Seconds(window) / kSlots) {}

  void Add(absl::Time time, uint64_t count) {
    MoveTo(time);
    const int64_t slot = absl::ToUnixSeconds(time) / slot_seconds_;
    const int64_t back = newest_ - slot;
    slots_[Index(back >= kSlots ? newest_ - kSlots + 1 : slot)] += count;
    sum_ += count;
  }
  uint64_t Sum(absl::Time now) {
    MoveTo(now);
    return sum_;
  }
  void Clear() {
    slots_.fill(0);
    sum_ = 0;
  }

 private:
  static constexpr int64_t kDay = 86'400;

  int Index(int64_t slot) const { return static_cast<int>(slot % kSlots); }
  void MoveTo(absl::Time time) {
    const int64_t slot = absl::ToUnixSeconds(time) / slot_seconds_;
    // A clock that was days ahead, as one may be before it is set, must not hold what
    // comes after for ever.
    if (slot - newest_ >= kSlots || newest_ - slot > kDay / slot_seconds_) {
      Clear();
      newest_ = slot;
    }
    while (newest_ < slot) {
      uint64_t& old = slots_[Index(++newest_)];
      sum_ -= old;
      old = 0;
    }
  }

  int64_t slot_seconds_;
  int64_t newest_ = 0;
  uint64_t sum_ = 0;
  std::array<uint64_t, kSlots> slots_ = {};
};

}  // namespace mailvane
