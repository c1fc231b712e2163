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

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzer.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

class DeliveryAnalyzer final : public Analyzer {
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

  absl::string_view name() const override { return "delivery"; }
  void Settle(const RecipientFate& fate) override;
  void Report(v1::Snapshot* snapshot) const override;
  void Save(StateWriter* writer) override;
  bool Restore(absl::string_view piece, absl::string_view state) override;

 private:
  struct Minute {
    int64_t at = 0;  // minutes since 1970, log time
    uint64_t sent = 0;
    uint64_t bounced = 0;
  };

  Minute& MinuteOf(absl::Time time);
  void NoteReason(const RecipientFate& fate);
  v1::Finding MakeFinding(const RecipientFate& fate, uint64_t sent,
                          uint64_t bounced) const;
  std::string State() const;

  const Options options_;
  std::map<std::pair<std::string, v1::DeliveryStatus>, uint64_t> counts_;
  // Ascending; at most as many as the window has minutes.
  std::deque<Minute> minutes_;
  absl::Time first_bounce_ = absl::InfiniteFuture();
  // dsn and reply, redacted → bounces; at most kMostReasons, then "other".
  std::map<std::string, uint64_t> reasons_;
  std::optional<absl::Time> raised_at_;
  std::string saved_;
};

}  // namespace mailvane
