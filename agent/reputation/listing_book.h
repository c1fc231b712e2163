// What becomes of listings: one incident for a subject on a list, from suspicion
// to its end.  Pure.
//
//   listed ──▶ SUSPECTED ──listed again──▶ CONFIRMED ──clean──▶ CLEARING
//                  │ clean                  ▲      ▲              │ clean again
//                  ▼                        │      └──listed──────┤
//               forgotten                   └── within a day ── CLEARED
//
// "Again" counts only when the answer before is over: until then a resolver repeats
// it.  A list that is sick or silent changes nothing: its incidents stand still.
//
// Belongs to one thread.
#pragma once

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/reputation/list_checker.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/reputation.pb.h"
#include "platform/clock.h"

namespace mailvane {

class ListingBook {
 public:
  struct Options {
    // A new listing within this goes on with the old incident.
    absl::Duration same_incident = absl::Hours(24);
    // Past incidents are kept for this, and no more than `most_past`.
    absl::Duration history = absl::Hours(24 * 90);
    size_t most_past = 100;
    // Present ones; a host with more is told of no further.
    size_t most_present = 400;
  };

  // What a pass, or a witness, led to.
  struct Outcome {
    std::vector<v1::Finding> findings;
    // The list should be asked again at this time, on Instant.mono's scale.
    std::vector<std::pair<std::string, absl::Duration>> ask_again;
    // State() is another than before.
    bool changed = false;
  };

  ListingBook() : ListingBook(Options()) {}
  explicit ListingBook(const Options& options) : options_(options) {}

  Outcome TakePass(Instant now, const ListPass& pass, ResolverState resolver);
  // Somebody else asked, and saw the listing, too.
  Outcome TakeWitness(Instant now, absl::string_view subject, absl::string_view zone);
  // Told once when it lasts, and once when it is over.
  Outcome TakeResolver(Instant now, const ResolverHealth& health);
  // Forgets what is about nobody any more: an address that this host gave up a day
  // ago.
  void KeepOnly(Instant now, const std::vector<Subject>& subjects);

  // At most `most` incidents, present ones first.
  v1::BlocklistReading Reading(size_t most) const;

  std::string State() const;
  // False: of another version; nothing is remembered then.
  bool Restore(absl::string_view state);

 private:
  using Key = std::pair<std::string, std::string>;  // subject, zone

  void TakeListed(Instant now, const ListPass& pass, const Subject& subject,
                  const Judgement& judgement, Outcome* outcome);
  void TakeClean(Instant now, v1::Listing* listing, absl::Duration ttl, Outcome* outcome);
  void TakeCondition(Instant now, const ListPass& pass, ResolverState resolver,
                     Outcome* outcome);
  void Confirm(v1::Listing* listing, Outcome* outcome);
  void Forget(Instant now);

  // Constant after construction.
  Options options_;

  std::map<Key, v1::Listing> listings_;
  std::map<std::string, v1::ListCondition> conditions_;
  ResolverHealth resolver_;
  // Told as `resolver_told_`; another state has lasted since.
  ResolverState resolver_told_ = ResolverState::kUsable;
  absl::Duration resolver_since_ = absl::ZeroDuration();
  uint64_t forgotten_ = 0;
  uint32_t subjects_ = 0;
};

}  // namespace mailvane
