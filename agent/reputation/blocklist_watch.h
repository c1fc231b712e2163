// DNS lists, watched for as long as the agent lives: asks, judges, and keeps the
// book of incidents.  No I/O, as its two parts.
//
// Belongs to one thread.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/reputation/list_checker.h"
#include "agent/reputation/listing_book.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/reputation.pb.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "platform/resolver.h"

namespace mailvane {

class BlocklistWatch {
 public:
  // `random` is not owned and must outlive this.
  BlocklistWatch(std::vector<ListToAsk> lists, const ListChecker::Options& options,
                 Random* random)
      : checker_(std::move(lists), options, random) {}

  // What it remembered in its life before; before anything else.  False: of another
  // version.
  bool Restore(absl::string_view state) { return book_.Restore(state); }

  // Whom to watch; the first call begins.
  void SetSubjects(Instant now, std::vector<Subject> subjects);

  std::vector<ListQuestion> Step(Instant now) { return checker_.Step(now); }
  void Take(Instant now, const std::vector<DnsReply>& replies);

  // Whether there is something to commit: findings, or another State.
  bool has_news() const { return changed_ || !findings_.empty(); }
  // Since the last call; has_news() is false then.
  std::vector<v1::Finding> TakeFindings();
  std::string State() const { return book_.State(); }
  // For a snapshot.
  v1::BlocklistReading Reading() const;

  absl::Duration NextDeadline() const { return checker_.NextDeadline(); }

 private:
  void Keep(ListingBook::Outcome outcome);

  ListChecker checker_;
  ListingBook book_;
  std::vector<v1::Finding> findings_;
  bool changed_ = false;
};

}  // namespace mailvane
