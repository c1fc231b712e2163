#include "agent/account/threshold.h"

#include <gtest/gtest.h>

#include <cmath>
#include <limits>

namespace mailvane {
namespace {

// Days of a thousand accounts, of which a share of `beyond3` has a sum above 3, and of
// these each nat more is reached by 1 / e.
void Live(AlarmThreshold* threshold, int days, double beyond3) {
  double owed = 0;
  int n = 0;
  for (int day = 0; day < days; ++day) {
    owed += 1000 * beyond3;
    for (; owed >= 1; --owed) {
      // Quantiles of an exponential, in a fixed order.
      const double share = (n++ * 37 % 1009 + 0.5) / 1009;
      const float sum = static_cast<float>(3 - std::log(share));
      if (sum < threshold->value()) threshold->LearnDay(sum);
    }
    threshold->PassDay(1000);
  }
}

TEST(AlarmThreshold, StaysWhereItIsWhileItKnowsNothing) {
  AlarmThreshold threshold(1);
  const float begun = threshold.value();
  for (int day = 0; day < 1000; ++day) threshold.PassDay(10);
  EXPECT_EQ(threshold.value(), begun);
  EXPECT_LT(threshold.expected(), 0);
}

TEST(AlarmThreshold, ASmallerBudgetTakesMore) {
  EXPECT_GT(AlarmThreshold(0.1).value(), AlarmThreshold(1).value() + 1);
  EXPECT_LT(AlarmThreshold(10).value(), AlarmThreshold(1).value() - 1);
}

TEST(AlarmThreshold, GoesWhereTheTailMeetsTheBudget) {
  // 30,000 account-days a month, 1 in 200 above 3: 150 e^(3 - h) = 1 at h = 8, which is
  // further than it may go, so ask for less: 150 e^(3 - h) = 1 / 30 at h = 11.4.
  AlarmThreshold threshold(1.0 / 30);
  Live(&threshold, 200, 0.005);
  EXPECT_NEAR(threshold.expected(), 150 * std::exp(3 - threshold.value()), 0.01);
  AlarmThreshold noisy(1);
  Live(&noisy, 200, 0.8);
  // 24,000 e^(3 - h) = 1 at 13.1.
  EXPECT_NEAR(noisy.value(), 13.1, 0.7);
}

TEST(AlarmThreshold, MovesSlowlyAndWithinBounds) {
  AlarmThreshold threshold(1);
  const float begun = threshold.value();
  Live(&threshold, 3, 1);
  EXPECT_NEAR(threshold.value(), begun, 0.31);
  for (int i = 0; i < 200; ++i) Live(&threshold, 1, 1000);
  EXPECT_LE(threshold.value(), begun + 4);
  AlarmThreshold quiet(1);
  Live(&quiet, 400, 0.001);
  EXPECT_GE(quiet.value(), begun - 2);
}

TEST(AlarmThreshold, TakesNoNonsenseFromDisk) {
  AlarmThreshold threshold(1);
  AlarmThreshold::State state = threshold.state();
  state.value = std::numeric_limits<float>::quiet_NaN();
  EXPECT_FALSE(threshold.Restore(state));
  state.value = 1000;
  EXPECT_TRUE(threshold.Restore(state));
  EXPECT_LE(threshold.value(), AlarmThreshold(1).value() + 4);
}

}  // namespace
}  // namespace mailvane
