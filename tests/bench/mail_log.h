// A mail log as a busy Postfix writes it: submission and inbound mail, retries, bounces,
// refusals, password guessing; the same lines for the same seed.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

struct MailLogOptions {
  uint64_t lines = 2'000'000;
  uint64_t seed = 1;
  // Messages a second, of log time; how long a message is under way follows from it.
  int messages_per_second = 20;
};

// What is in it, counted while it was made.
struct MailLogTruth {
  uint64_t lines = 0;
  uint64_t received = 0;
  uint64_t delivered = 0;
  uint64_t deferred_messages = 0;
  uint64_t deferred_attempts = 0;
  uint64_t bounced = 0;
  uint64_t rejected = 0;
  uint64_t auth_failed = 0;
};

// `write` is given lines with their newlines, in the order of the log.
MailLogTruth MakeMailLog(const MailLogOptions& options,
                         const std::function<void(absl::string_view)>& write);

}  // namespace mailvane
