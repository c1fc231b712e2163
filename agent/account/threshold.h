// How much evidence it takes, from how many false alarms the operator is willing to see.
//
// It begins with a value measured elsewhere.  From then on it looks at the highest sum
// that each account reached on each day without an alarm: beyond a level these fall off
// like an exponential (peaks over threshold), and where that tail meets the budget is
// where the threshold belongs.  It moves slowly and within bounds, so neither a thief
// nor a quiet month takes it far.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

namespace mailvane {

class AlarmThreshold {
 public:
  // False holds in a thousand accounts' months.
  explicit AlarmThreshold(double budget);

  // One account's highest sum of one day, of those that could have been alarms.
  void LearnDay(float highest);
  // A day has passed for so many accounts.
  void PassDay(size_t accounts);

  float value() const { return value_; }
  // False holds in a thousand accounts' months at this threshold, by the tail.
  // Negative: too little was seen to say.
  double expected() const;

  struct State {
    std::array<float, 16> above = {};
    double account_days = 0;
    float value = 0;
  };
  const State& state() const { return state_; }
  bool Restore(const State& state);

 private:
  // above[n]: account-days that reached kLowest + n.
  static constexpr float kLowest = 3;

  double TailAt(float level) const;

  const double budget_;
  const float start_;
  State state_;
  float value_;
};

}  // namespace mailvane
