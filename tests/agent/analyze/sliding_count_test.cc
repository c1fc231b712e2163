#include "agent/analyze/sliding_count.h"

#include <gtest/gtest.h>

namespace mailvane {
namespace {

absl::Time At(int minute) { return absl::FromUnixSeconds(1'700'000'400 + 60 * minute); }

TEST(SlidingCount, ForgetsWhatLeavesTheWindow) {
  SlidingCount count(absl::Minutes(12));
  count.Add(At(0), 5);
  count.Add(At(6), 2);
  EXPECT_EQ(count.Sum(At(11)), 7u);
  EXPECT_EQ(count.Sum(At(12)), 2u);
  EXPECT_EQ(count.Sum(At(18)), 0u);
}

TEST(SlidingCount, ALineFromThePastCountsWithTheOldest) {
  SlidingCount count(absl::Minutes(12));
  count.Add(At(20), 1);
  count.Add(At(0), 5);
  EXPECT_EQ(count.Sum(At(20)), 6u);
  EXPECT_EQ(count.Sum(At(21)), 1u);
}

TEST(SlidingCount, AClockThatWasAheadHoldsNothing) {
  SlidingCount count(absl::Minutes(12));
  count.Add(At(60 * 24 * 365), 1);
  count.Add(At(0), 1);
  count.Add(At(20), 1);
  EXPECT_EQ(count.Sum(At(20)), 1u);
}

}  // namespace
}  // namespace mailvane
