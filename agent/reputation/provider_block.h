// Whether this server's mail gets through to each provider, from what the providers'
// servers answer.
//
// One reply proves nothing.  A verdict needs a rate: so many replies that are about us
// (our address, network or domain), of so many recipients and messages, within so much
// log time, and not many more deliveries beside them.  What is about one recipient (his
// own list, an unknown or full mailbox), one message (spam, a virus, a size) or one
// moment (greylisting, connections at once) never counts.
//
// A *road* is what one verdict is about: a provider, or a server of nobody we know by
// its domain.  Blocklists are counted beside, by the zone that replies name.
//
// Pure: log time comes with each fate.  Belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzer.h"
#include "agent/reputation/reply_classifier.h"

namespace mailvane {

class ProviderBlockAnalyzer final : public Analyzer {
 public:
  struct Options {
    // Of log time: replies that are further apart are no rate.  Long enough for the
    // retries of a server that sends little.
    absl::Duration window = absl::Hours(1);
    // Within it, for a block.  Two messages, so that one mail to a list is none; three
    // recipients, so that one correspondent's server is none.
    size_t least_refusals = 3;
    size_t least_recipients = 3;
    size_t least_messages = 2;
    // The same for a rate limit, which a provider also says in passing.
    size_t least_slowed = 6;
    size_t least_slowed_recipients = 3;
    // Refusals among all that the road answered in the window.
    double least_share = 0.5;
    // Deliveries since the last refusal that prove the road open again.
    uint64_t deliveries_to_open = 3;
    // Without a refusal for so long nobody knows any more.
    absl::Duration forgotten_after = absl::Hours(24);
    // A block that goes on is told again.
    absl::Duration again_after = absl::Hours(24);
  };

  explicit ProviderBlockAnalyzer(const Options& options);
  ~ProviderBlockAnalyzer() override;

  absl::string_view name() const override { return "provider_block"; }
  void Settle(const RecipientFate& fate) override;
  void Pass(absl::Time time) override;
  void Report(v1::Snapshot* snapshot) const override;
  void Save(StateWriter* writer) override;
  bool Restore(absl::string_view piece, absl::string_view state) override;

 private:
  struct Refusal {
    absl::Time time;
    uint64_t recipient = 0;
    uint64_t message = 0;
  };
  // What is known of one road, or of one blocklist.
  struct Track;
  struct Rate {
    size_t refusals = 0;
    size_t recipients = 0;
    size_t messages = 0;
    uint64_t deliveries = 0;
  };
  // What a road took: (tenth minute since 1970, recipients), ascending; as many as the
  // window has.
  struct Took {
    std::deque<std::pair<int64_t, uint64_t>> counts;
    bool changed = false;
  };

  Track& TrackOf(const std::string& key);
  void Refuse(Track* track, const RecipientFate& fate, const ReplyVerdict& verdict);
  void Deliver(const std::string& road, const RecipientFate& fate);
  void Judge(Track* track, const RecipientFate& fate);
  Rate RateOf(const Track& track, absl::Time now) const;
  uint64_t TookSince(const std::string& road, absl::Time begin) const;
  bool RestoreTook(const std::string& road, absl::string_view state);
  v1::Finding MakeFinding(const Track& track, const Rate& rate) const;

  const Options options_;
  // Made when there is first something to classify: most servers' mail is just taken.
  std::unique_ptr<ReplyClassifier> classifier_;
  // Key → track; at most kMostTracks, of which the one longest without a refusal goes.
  std::map<std::string, Track> tracks_;
  // Road → what it took; at most kMostRoads, of which the one longest without mail goes.
  std::map<std::string, Took> took_;
  // Keys whose tracks or roads have gone since the last Save.
  std::vector<std::string> gone_;
};

}  // namespace mailvane
