// What becomes of the mail that leaves: counts by provider and outcome, and the
// finding that says that too much of it is refused.
//
// Pure: log time comes with each delivery.  Belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

// One recipient's outcome, as one log line told it.  The views live for the
// call.
struct DeliverySeen {
  absl::Time time;
  v1::DeliveryStatus status = v1::DELIVERY_STATUS_UNSPECIFIED;
  // "mx.example.net", "local", "none".
  absl::string_view relay_host;
  absl::string_view dsn;
  absl::string_view reply;
  // Names the line: where it stands.
  absl::string_view line_key;
};

class DeliveryAnalyzer {
 public:
  struct Options {
    // Of log time.
    absl::Duration window = absl::Minutes(10);
    // Bounces within the window, and their share of what was settled (sent or
    // bounced), from which on it is a finding.  A list with some dead addresses
    // stays below; a server that is blocked somewhere does not.
    uint64_t least_bounces = 20;
    double least_share = 0.3;
    // Below this share, or after so long, the next crossing is news again.
    double over_share = 0.1;
    absl::Duration again_after = absl::Hours(1);
  };

  explicit DeliveryAnalyzer(const Options& options) : options_(options) {}

  // Nullopt as a rule.  The finding's event has no key yet: `line_key` of this
  // call is what it rests on.
  std::optional<v1::Finding> Consume(const DeliverySeen& seen);

  // Cumulative since this object was made.
  std::vector<v1::DeliveryCount> Counts() const;

  // What a restart must not forget.
  std::string State() const;
  // False: not ours; nothing was changed.
  bool Restore(absl::string_view state);

 private:
  struct Minute {
    int64_t at = 0;  // minutes since 1970, log time
    uint64_t sent = 0;
    uint64_t bounced = 0;
  };

  Minute& MinuteOf(absl::Time time);
  void NoteReason(const DeliverySeen& seen);
  v1::Finding MakeFinding(const DeliverySeen& seen, uint64_t sent,
                          uint64_t bounced) const;

  const Options options_;
  std::map<std::pair<std::string, v1::DeliveryStatus>, uint64_t> counts_;
  // Ascending; at most as many as the window has minutes.
  std::deque<Minute> minutes_;
  absl::Time first_bounce_ = absl::InfiniteFuture();
  // dsn and reply, redacted → bounces; at most kMostReasons, then "other".
  std::map<std::string, uint64_t> reasons_;
  std::optional<absl::Time> raised_at_;
};

// From the table of providers by the name of their servers: "microsoft",
// "google", "local", "other".
absl::string_view ProviderOf(absl::string_view relay_host);

}  // namespace mailvane
