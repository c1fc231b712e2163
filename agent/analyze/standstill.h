// Mail that does not move for a reason of this host's own: nothing is tried any more, or
// nothing gets anywhere (`queue_stuck`), or names are not found (`dns_failure`).
//
// Pure; belongs to one thread.  Not kept over a restart: a standstill that goes on is
// seen again after its window.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzer.h"
#include "agent/analyze/few_distinct.h"
#include "agent/analyze/sliding_count.h"
#include "agent/reputation/reply_classifier.h"

namespace mailvane {

class StandstillAnalyzer final : public Analyzer {
 public:
  struct Options {
    // Messages that came in while nothing at all was tried, and for how long.  Two queue
    // runs of an Exim that delivers only in those (Debian's: 30 min).
    uint64_t untried = 20;
    absl::Duration untried_for = absl::Hours(1);
    // Messages put off for the first time, to so many domains, while no other server took
    // one.  Old mail that waits for dead hosts was put off long before.
    uint64_t put_off = 20;
    int put_off_domains = 5;
    absl::Duration put_off_for = absl::Minutes(30);
    // Recipients of so many domains whose names could not be looked up within the window,
    // and their share of all that was tried elsewhere.  One domain is its own fault.
    uint64_t dns_failures = 20;
    int dns_domains = 8;
    double dns_share = 0.5;
    absl::Duration dns_window = absl::Minutes(10);
    // "No such domain", of one that everybody knows: the resolver lies.
    uint64_t dns_lies = 5;
    absl::Duration again_after = absl::Hours(1);
  };

  explicit StandstillAnalyzer(const Options& options);

  absl::string_view name() const override { return "standstill"; }
  void Accept(const MailMessage& message) override;
  void Settle(const RecipientFate& fate) override;
  void Pass(absl::Time now) override;

 private:
  void Untried(absl::Time now);
  void PutOff(const RecipientFate& fate);
  void Unresolved(const RecipientFate& fate);

  const Options options_;
  // Made for the first reply that needs it: its rules take a while to compile.
  std::unique_ptr<ReplyClassifier> classifier_;

  // Accepted since anything was tried.
  uint64_t untried_ = 0;
  absl::Time untried_since_;
  absl::Time untried_raised_ = absl::InfinitePast();

  // Put off for the first time since another server took one.
  uint64_t put_off_ = 0;
  absl::Time put_off_since_;
  FewDistinct<16> put_off_domains_;
  std::string put_off_reply_;
  absl::Time put_off_raised_ = absl::InfinitePast();

  SlidingCount tried_;
  SlidingCount unresolved_;
  SlidingCount lies_;
  FewDistinct<32> unresolved_domains_;
  absl::Time unresolved_since_;
  absl::Time dns_raised_ = absl::InfinitePast();
};

}  // namespace mailvane
