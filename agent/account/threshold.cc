#include "agent/account/threshold.h"

#include <algorithm>
#include <cmath>

namespace mailvane {
namespace {

// Where one false hold in a thousand accounts' months was found on the traces named
// beside the population's priors, with simulated networks and bounces.
constexpr float kMeasured = 13;
// Nats for each factor of e in the budget: the tail's own slope there.
constexpr float kSlope = 1.2f;
// How far what is learned may take it, and in a day.
constexpr float kDown = 1;
constexpr float kUp = 4;
constexpr float kStep = 0.1f;
// Days above a level from which on its share says something.
constexpr float kEnough = 25;
// Levels below the threshold that the tail is fitted to, if enough days reached them.
constexpr int kTailSteps = 6;
// So many account-days, then half is forgotten: 2,000 accounts in three months.
constexpr double kMemory = 180000;
constexpr double kAccountDays = 30000;  // of a thousand accounts in a month

}  // namespace

AlarmThreshold::AlarmThreshold(double budget)
    : budget_(std::clamp(budget, 1e-3, 1e3)),
      start_(kMeasured - kSlope * static_cast<float>(std::log(budget_))),
      value_(start_) {
  state_.value = value_;
}

void AlarmThreshold::LearnDay(float highest) {
  for (size_t n = 0; n < state_.above.size(); ++n) {
    if (highest < kLowest + static_cast<float>(n)) break;
    ++state_.above[n];
  }
}

// A share of the account-days; negative: unknown.
//
// Days with an alarm are not among those that were learned (it may have been a thief's),
// so the tail is cut off at the threshold: what is fitted is a geometric distribution of
// the whole steps above the lowest level, truncated there.
double AlarmThreshold::TailAt(float level) const {
  const int last = std::min(static_cast<int>(value_ - kLowest),
                            static_cast<int>(state_.above.size()) - 1);
  int first = std::max(0, last - kTailSteps);
  while (first > 0 && state_.above[first] - state_.above[last] < kEnough) --first;
  const int steps = last - first;
  if (steps < 2) return -1;
  const double days = state_.above[first] - state_.above[last];
  if (days < kEnough || state_.account_days <= 0) return -1;
  double sum = 0;
  for (int n = first + 1; n < last; ++n) sum += state_.above[n] - state_.above[last];
  const double mean = sum / days;
  // The ratio from one step to the next whose truncated mean this is: it rises with it.
  double low = 1e-3;
  double high = 0.95;
  for (int i = 0; i < 40; ++i) {
    const double ratio = (low + high) / 2;
    const double whole = std::pow(ratio, steps);
    const double expected = ratio / (1 - ratio) - steps * whole / (1 - whole);
    (expected < mean ? low : high) = ratio;
  }
  const double all = days / (1 - std::pow(low, steps));
  return all / state_.account_days *
         std::pow(low, level - (kLowest + static_cast<float>(first)));
}

double AlarmThreshold::expected() const {
  const double tail = TailAt(value_);
  return tail < 0 ? -1 : tail * kAccountDays;
}

void AlarmThreshold::PassDay(size_t accounts) {
  state_.account_days += static_cast<double>(accounts);
  if (state_.account_days > kMemory) {
    state_.account_days /= 2;
    for (float& above : state_.above) above /= 2;
  }
  // A month of thirty accounts before it moves at all.
  if (state_.account_days < 900) return;
  const double expected = this->expected();
  if (expected < 0) return;
  const float step = std::clamp(
      kSlope * static_cast<float>(std::log(std::max(expected, 1e-6) / budget_)), -kStep,
      kStep);
  value_ = std::clamp(value_ + step, start_ - kDown, start_ + kUp);
  state_.value = value_;
}

bool AlarmThreshold::Restore(const State& state) {
  if (!std::isfinite(state.value) || !std::isfinite(state.account_days) ||
      state.account_days < 0 ||
      !std::all_of(state.above.begin(), state.above.end(),
                   [](float above) { return std::isfinite(above) && above >= 0; })) {
    return false;
  }
  state_ = state;
  value_ = state_.value = std::clamp(state.value, start_ - kDown, start_ + kUp);
  return true;
}

}  // namespace mailvane
