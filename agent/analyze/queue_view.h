// The queue as an operator sees it: who would have to take the mail, how long it has
// waited, and why; what comes and what leaves; what is about to expire.
//
//   log lines ─ TakeLine ─┐
//   Begin, Take…, Finish ─┴─▶ v1::QueueReading, but for its depths
//
// The readers of the queue (agent/source) know the messages, the log knows the replies;
// they meet by the queue's ids.  Pure; time comes with the calls.  Belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/parse/mail_line.h"
#include "agent/reputation/reply_classifier.h"
#include "agent/source/queued_message.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

class QueueView {
 public:
  struct Options {
    // When the mail program gives up: ordinary mail, and mail with the null sender.
    // Absent: not known.
    std::optional<absl::Duration> lifetime;
    std::optional<absl::Duration> notice_lifetime;
    // Rows of causes, without those of reason "other", which are as many as ages.
    size_t most_causes = 12;
    // Messages whose cause is remembered, 32 bytes each.  Beyond, it is unknown.
    size_t most_messages = 1'000'000;
    // Domains whose server is remembered; at the limit all are forgotten.
    size_t most_domains = 20'000;
    // Over which arrivals and departures are counted.
    absl::Duration rate_window = absl::Minutes(10);
  };

  explicit QueueView(const Options& options);

  // A line of the log that can be read in one way: deferrals, deliveries, removals; all
  // others are passed over.
  void TakeLine(const MailLine& line);

  // One reading of the queue: Begin, each message, Finish.  A reading that failed needs
  // no Finish.
  void Begin(Instant now);
  void Take(const QueuedMessage& message);
  void Finish(Instant now, v1::QueueReading* reading);

  // Causes that were not remembered, since this was made.
  uint64_t forgotten() const { return forgotten_; }

 private:
  // What is known of one message.
  struct Known {
    uint8_t provider;
    uint8_t reason;
    bool has_cause = false;
    bool forwarded = false;
    uint32_t seen = 0;   // the last reading that met it; 0: none
    uint32_t noted = 0;  // the reading before the log named it
  };
  struct Cause {
    uint8_t provider;
    uint8_t reason;
  };
  struct Sum {
    uint64_t messages = 0;
    uint64_t bytes = 0;
  };
  struct Flow {
    absl::Duration at;
    uint64_t arrived = 0;
    uint64_t left = 0;
  };

  uint8_t NumberOf(absl::string_view provider) const;
  Known* Note(uint64_t key);
  void TakeDeferral(const MailLine& line);
  Cause CauseOf(const QueuedMessage& message, const Known* known) const;
  std::optional<absl::Duration> LifetimeOf(const QueuedMessage& message) const;
  Sum& Cell(size_t provider, size_t age, size_t reason);
  void AddCauses(v1::QueueReading* reading);
  void AddFlow(Instant now, v1::QueueReading* reading);

  const Options options_;
  const std::vector<absl::string_view> providers_;
  const uint8_t unknown_;  // its number
  ReplyClassifier classifier_;

  absl::flat_hash_map<uint64_t, Known> known_;
  // Domain → the provider of the server that was last talked to for it.
  absl::flat_hash_map<std::string, uint8_t> domains_;
  bool heard_log_ = false;
  uint64_t forgotten_ = 0;

  // The reading that is under way.
  uint32_t readings_ = 0;
  absl::Time now_;
  std::vector<Sum> cells_;
  uint64_t expiring_ = 0;
  bool lifetime_unknown_ = false;
  uint64_t forwarded_ = 0;
  bool forwards_told_ = false;

  // Since the last reading that was finished.
  uint64_t arrived_ = 0;
  bool has_base_ = false;
  std::deque<Flow> flow_;
};

// "under_10m", …, "older".
absl::string_view QueueAgeName(absl::Duration age);

}  // namespace mailvane
