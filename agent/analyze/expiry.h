// Mail that was given up after days of trying, in such numbers that somebody has lost
// letters (`mass_expiry`).
//
// A newsletter's dead addresses expire together, too, five days later; they have one
// sender.  Bounces that nobody wants have none, and count for nothing.
//
// Pure; belongs to one thread.  Not kept over a restart: the rest of a wave that is cut
// in two is a wave as well.
#pragma once

#include <cstdint>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzer.h"
#include "agent/analyze/few_distinct.h"
#include "agent/analyze/sliding_count.h"

namespace mailvane {

class ExpiryAnalyzer final : public Analyzer {
 public:
  struct Options {
    // Recipients within the window, of so many senders.
    uint64_t recipients = 20;
    int senders = 3;
    absl::Duration window = absl::Hours(1);
    absl::Duration again_after = absl::Hours(6);
  };

  explicit ExpiryAnalyzer(const Options& options)
      : options_(options), expired_(options.window) {}

  absl::string_view name() const override { return "expiry"; }
  void Settle(const RecipientFate& fate) override;

 private:
  const Options options_;
  SlidingCount expired_;
  FewDistinct<16> senders_;
  absl::Time since_;
  absl::Time raised_ = absl::InfinitePast();
};

// What a person, or a list, sends as: without what a VERP sender has for each recipient
// ("news-ann=example.org@lists.example.net" → "news@lists.example.net").
std::string SenderFamily(absl::string_view from);

}  // namespace mailvane
