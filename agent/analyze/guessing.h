// Strangers who try passwords (`bruteforce`) or names (`harvest`).
//
// By network, not by address: /24, or /48 of IPv6.  What a person does wrong is one
// account, or few, and some of it works; what a list does wrong is many names, and none.
//
// Pure; belongs to one thread.  Not kept over a restart: whoever goes on is seen again
// within minutes.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzer.h"
#include "agent/analyze/few_distinct.h"
#include "agent/analyze/sliding_count.h"

namespace mailvane {

class GuessingAnalyzer final : public Analyzer {
 public:
  struct Options {
    absl::Duration window = absl::Minutes(10);
    // Failures from one network within the window.  A mail program with an old password
    // tries about once a minute, each of a person's devices; no office has so many.
    uint64_t failures = 30;
    // Different names among them.  Where the log has no names (Postfix before 3.9), so
    // many more failures are needed, since one broken device may be all there is.
    int names = 5;
    uint64_t nameless_failures = 100;
    // Different names from one network that never lets an hour pass, however slowly,
    // while nobody gets in from there: in an office somebody has the right password.
    int slow_names = 24;
    // From all networks together within an hour, and from how many.  The background of
    // the Internet is some dozens an hour.
    uint64_t spread_failures = 200;
    int spread_networks = 30;
    // Unknown recipients from one network within an hour, and how many times that of what
    // it got accepted.  A newsletter with old addresses has most of its mail taken.
    uint64_t unknown = 20;
    double unknown_to_accepted = 4;
    // Of the same network, or of all: after so long it is news again.
    absl::Duration again_after = absl::Hours(6);
    // Networks remembered; at the limit those that have been quiet for an hour go, or the
    // newcomer is not looked at.
    size_t most_networks = 8192;
  };

  explicit GuessingAnalyzer(const Options& options) : options_(options) {}

  absl::string_view name() const override { return "guessing"; }
  void Accept(const MailMessage& message) override;
  void Try(const ClientAttempt& attempt) override;
  void Pass(absl::Time now) override;

 private:
  struct Network {
    explicit Network(absl::Duration window)
        : failures(window), unknown(absl::Hours(1)), accepted(absl::Hours(1)) {}
    SlidingCount failures;
    SlidingCount unknown;
    SlidingCount accepted;
    FewDistinct<32> names;
    FewDistinct<32> recipients;
    uint64_t successes = 0;
    absl::Time first;
    absl::Time last;
    absl::Time bruteforce_raised = absl::InfinitePast();
    absl::Time harvest_raised = absl::InfinitePast();
  };

  // Null: there is no room.
  Network* Find(absl::string_view ip, absl::Time time, std::string* name);
  void Failed(const ClientAttempt& attempt);
  void Refused(const ClientAttempt& attempt);

  const Options options_;
  absl::flat_hash_map<std::string, Network> networks_;
  // Of all networks.
  SlidingCount failures_{absl::Hours(1)};
  FewDistinct<256> failing_;
  absl::Time failing_since_ = absl::InfinitePast();
  absl::Time spread_raised_ = absl::InfinitePast();
};

// "192.0.2.7" → "192.0.2.0/24", "2001:db8:1:2::3" → "2001:db8:1::/48"; as it is when it
// is no address.
std::string SubnetOf(absl::string_view ip);

}  // namespace mailvane
