// What mail servers use today, and what was published, to stand beside the detector.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "agent/analyze/mail_flow.h"

namespace mailvane {

inline constexpr int kBaselines = 9;
const char* BaselineName(int baseline);

class Baselines final : public FlowSink {
 public:
  // Of one account.
  struct State {
    struct Window {
      int64_t bucket = -1;
      int now = 0;
      int before = 0;
      // The sum over a window that slides by interpolation.
      double Add(int64_t second, int length, int count);
    };
    Window hour, day, minute, day_recipients, dead_hour;
    std::deque<std::pair<int64_t, std::string>> networks;
    std::array<double, 3> sprt = {};
    int64_t ewma_hour = -1;
    int ewma_count = 0;
    double mean = 0;
    double variance = 0;
    int hours = 0;
  };
  using Told = std::function<void(int baseline, absl::string_view account)>;
  // `label`: a message is spam, a newsletter, or neither, in truth; for the content
  // filters that SPOT stands behind.
  enum class Truth { kOrdinary, kBulk, kSpam };
  using Label =
      std::function<Truth(absl::string_view queue_id, absl::string_view account)>;

  Baselines(Told told, Label label) : told_(std::move(told)), label_(std::move(label)) {}

  void Accept(const MailMessage& message) override;
  void Settle(const RecipientFate& fate) override;

  State StateOf(const std::string& account) const;
  void SetState(const std::string& account, State state) {
    states_[account] = std::move(state);
  }

 private:
  static std::string NameOf(const MailMessage& message);

  const Told told_;
  const Label label_;
  std::map<std::string, State, std::less<>> states_;
};

}  // namespace mailvane
