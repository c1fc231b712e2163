// Rounds of pings to a set of targets, and what the last ten say of each.  No
// I/O: the caller carries requests to a Pinger and results back.
//
//   PingRounds rounds(options);
//   rounds.SetTargets(targets);
//   … each time the loop turns:
//   std::vector<PingRequest> due = rounds.Step(now);
//   if (!due.empty()) pinger->Start(now, due, rounds.timeout());
//   rounds.Take(now, pinger->Poll(now));
//   … when a snapshot is made: rounds.Readings(now)
//
// Belongs to one thread.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"
#include "platform/pinger.h"

namespace mailvane {

class PingRounds {
 public:
  // More would not fit a snapshot's frame beside the rest.
  static constexpr size_t kMaxTargets = 200;
  // What PingReading's sent and received are counted over.
  static constexpr size_t kRounds = 10;

  struct Options {
    // From one round's start to the next, without jitter.
    absl::Duration interval = absl::Seconds(10);
    // At most the interval: no round reaches into the next.
    absl::Duration timeout = absl::Seconds(2);
  };

  PingRounds() : PingRounds(Options()) {}
  explicit PingRounds(const Options& options);

  // Replaces all targets.  One whose peer, address and port stay keeps what is
  // known of it; another address makes it a stranger.  The first of two with one
  // peer holds, and the first kMaxTargets; the rest are refused, and counted.
  void SetTargets(Instant now, const std::vector<PingRequest>& targets);

  // Whom to ask now; empty when no round is due.
  std::vector<PingRequest> Step(Instant now);
  void Take(Instant now, const std::vector<PingResult>& results);

  // One for each target, in the targets' order.  The verdict is the last
  // round's; rounds in which we could not ask are in neither count.
  std::vector<v1::PingReading> Readings(Instant now) const;

  // When Step must be called, on Instant.mono's scale; infinite without targets.
  absl::Duration NextDeadline() const;

  absl::Duration timeout() const { return options_.timeout; }
  // Targets that the last SetTargets did not take.
  size_t refused() const { return refused_; }
  // Results of no target that waits for one, since the start.
  uint64_t strays() const { return strays_; }

 private:
  struct Target {
    PingRequest request;
    // Newest last; at most kRounds.
    std::deque<PingResult> results;
    // Of the newest result; before there is one, when it became a target.
    absl::Duration since;
    bool asked = false;
    // An answer meant for the address that the peer had before is over by then.
    absl::Duration not_before = -absl::InfiniteDuration();
    absl::Duration asked_at;
  };

  Target* Find(const std::string& peer);
  static void Record(Target* target, Instant now, PingResult result);

  const Options options_;
  std::vector<Target> targets_;
  // Start of the next round; absent before the first.
  std::optional<absl::Duration> next_round_;
  size_t refused_ = 0;
  uint64_t strays_ = 0;
};

}  // namespace mailvane
