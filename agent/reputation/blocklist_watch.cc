#include "agent/reputation/blocklist_watch.h"

#include <iterator>
#include <utility>

namespace mailvane {
namespace {

// With its reason and links one takes up to 600 bytes of a snapshot's 32 KiB.
constexpr size_t kMostInSnapshot = 20;

}  // namespace

void BlocklistWatch::SetSubjects(Instant now, std::vector<Subject> subjects) {
  checker_.SetSubjects(now, std::move(subjects));
  book_.KeepOnly(now, checker_.subjects());
}

void BlocklistWatch::Take(Instant now, const std::vector<DnsReply>& replies) {
  for (const DnsReply& reply : replies) checker_.Take(now, reply);
  const std::vector<ListPass> passes = checker_.TakePasses();
  if (passes.empty()) return;
  const ResolverHealth resolver = checker_.resolver();
  Keep(book_.TakeResolver(now, resolver));
  for (const ListPass& pass : passes) Keep(book_.TakePass(now, pass, resolver.state));
}

void BlocklistWatch::Keep(ListingBook::Outcome outcome) {
  for (const auto& [zone, at] : outcome.ask_again) checker_.AskAgain(zone, at);
  findings_.insert(findings_.end(), std::make_move_iterator(outcome.findings.begin()),
                   std::make_move_iterator(outcome.findings.end()));
  changed_ = changed_ || outcome.changed;
}

std::vector<v1::Finding> BlocklistWatch::TakeFindings() {
  changed_ = false;
  return std::exchange(findings_, {});
}

v1::BlocklistReading BlocklistWatch::Reading() const {
  return book_.Reading(kMostInSnapshot);
}

}  // namespace mailvane
