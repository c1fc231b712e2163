// How long each system was well, as spans of time that were really watched: the
// ground of the 90-day bars, of availability, and of whatever is paid back for it.
//
// A span is only as long as somebody looked.  While the collector was not there, or
// the clock was not to be trusted, there is no span, and that time is unknown: neither
// up nor down.
//
// Sans-I/O; belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"
#include "platform/clock.h"

namespace mailvane {

// [from, until), in whole seconds; never empty, and no two of one system overlap.
struct HealthSpan {
  std::string system;
  int64_t from = 0;  // seconds since 1970, UTC
  int64_t until = 0;
  // Never kUnknown.
  Health health = Health::kOperational;
};

class HealthLedger {
 public:
  struct Options {
    // Between two looks; a longer pause was not watched.
    absl::Duration longest_look = absl::Seconds(30);
    // So much may the wall clock go apart from the monotonic one between two looks.
    absl::Duration clock_slack = absl::Seconds(2);
    // What is older is forgotten.
    absl::Duration kept = absl::Hours(24 * 400);
    // Of one system; then the oldest are forgotten.  At a change every ten minutes,
    // half a year.
    size_t most_spans = 25'000;
  };

  explicit HealthLedger(const Options& options) : options_(options) {}

  // From the store, in the order of time; before anything else.  A span that overlaps
  // one before it, or is empty, is ignored and counted.
  void Restore(HealthSpan span);

  // What a system's health is now; to be called about once a second.
  void Observe(Instant now, absl::string_view system, Health health);

  // The spans that grew or began since this was asked last: each replaces the one with
  // the same system and `from`.
  std::vector<HealthSpan> TakeChanged();
  // Nothing before this is known any more; for the store.
  int64_t ForgottenUntil(absl::Time now) const;

  // Each of `days` days, the last of them today; oldest first.
  std::vector<DayShares> Days(absl::string_view system, int days, absl::Time now) const;
  // Those that have a part in [from, until), cut to it; oldest first.
  std::vector<HealthSpan> Spans(absl::string_view system, absl::Time from,
                                absl::Time until) const;

  // Spans given up at the bound, or ignored when restored.
  uint64_t dropped() const { return dropped_; }

 private:
  struct Watched {
    std::deque<HealthSpan> spans;
    // Whether the last span still grows, and when it was looked at.
    bool open = false;
    Instant looked_at;
    // From here on the last span has changed since TakeChanged.
    bool changed = false;
    // Those before the last that have: a change of health within one second's turn.
    std::vector<HealthSpan> closed_changed;
  };

  bool WatchedSince(const Watched& watched, Instant now) const;

  const Options options_;
  std::map<std::string, Watched, std::less<>> systems_;
  uint64_t dropped_ = 0;
};

}  // namespace mailvane
