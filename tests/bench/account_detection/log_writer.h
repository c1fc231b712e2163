// Writes submissions as Postfix or Exim would log them.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "tests/bench/account_detection/dice.h"
#include "tests/bench/account_detection/submission.h"

namespace mailvane {

enum class MailServer { kPostfix, kExim };

class LogWriter {
 public:
  LogWriter(MailServer server, uint64_t seed) : server_(server), dice_(seed) {}

  // `jitter`: lines are up to so many seconds out of order.
  void set_jitter(double seconds) { jitter_ = seconds; }
  // A share of lines is lost.
  void set_loss(double share) { loss_ = share; }

  // Returns the queue id.
  std::string Write(const Submission& submission);
  void WriteFailedLogin(double time, absl::string_view account, absl::string_view ip);

  // Gives out, in their order, all lines up to `time`; the others wait.
  void Emit(double time, const std::function<void(absl::string_view)>& take);

 private:
  void Line(double time, std::string text);
  std::string QueueId();
  std::string MessageId(const Submission& submission, absl::string_view queue_id);
  void WritePostfix(const Submission& submission, const std::string& id);
  void WriteExim(const Submission& submission, const std::string& id);

  const MailServer server_;
  Dice dice_;
  double jitter_ = 0;
  double loss_ = 0;
  uint64_t made_ = 0;
  std::vector<std::pair<double, std::string>> lines_;
};

}  // namespace mailvane
