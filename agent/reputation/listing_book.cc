#include "agent/reputation/listing_book.h"

#include <algorithm>
#include <set>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// An answer without a TTL, or with a very short one, is not asked for at once.
constexpr absl::Duration kLeastWait = absl::Minutes(1);
// A list whose answers hold for longer is asked again before they are over; then
// the second sight comes from the next one.
constexpr absl::Duration kMostWait = absl::Hours(2);
// Two answers that it is gone, and one more each time that it came back.
constexpr uint32_t kCleanAnswers = 2;
constexpr uint32_t kMostCleanAnswers = 6;
// A list that is being reloaded is no news.
constexpr absl::Duration kSickLasts = absl::Minutes(5);
// A resolver that is being restarted is no news.
constexpr absl::Duration kResolverLasts = absl::Minutes(10);
constexpr size_t kMostWhyBytes = 200;

constexpr char kListed[] = "dnsbl_listed";
constexpr char kCleared[] = "dnsbl_cleared";
constexpr char kSick[] = "dnsbl_zone_sick";
constexpr char kResolver[] = "dnsbl_resolver";

v1::Level LevelOf(absl::string_view tier) {
  if (tier == TierName(Tier::kPage)) return v1::LEVEL_CRITICAL;
  if (tier == TierName(Tier::kWarn)) return v1::LEVEL_WARNING;
  return v1::LEVEL_INFO;
}

absl::Duration WaitFor(absl::Duration ttl) {
  return std::clamp(ttl, kLeastWait, kMostWait);
}

bool IsPresent(const v1::Listing& listing) {
  return listing.state() != v1::Listing::STATE_CLEARED;
}

std::string Said(const v1::Listing& listing) {
  std::string text = absl::StrCat("listed by ", listing.zone(), " (",
                                  absl::StrJoin(listing.codes(), ", "), ")");
  if (listing.meanings_size() > 0) {
    absl::StrAppend(&text, ": ", absl::StrJoin(listing.meanings(), "; "));
  }
  return text;
}

v1::Finding MakeFinding(const char* type, v1::Level level, const v1::Listing& listing) {
  v1::Finding finding;
  finding.set_type(type);
  finding.set_level(level);
  finding.set_subject(absl::StrCat(listing.subject(), " ", listing.zone()));
  *finding.mutable_first_seen() = listing.first_seen();
  *finding.mutable_last_seen() = listing.last_seen();
  return finding;
}

v1::Finding ListedFinding(const v1::Listing& listing) {
  v1::Finding finding = MakeFinding(kListed, LevelOf(listing.tier()), listing);
  finding.add_evidence(Said(listing));
  if (!listing.reason().empty()) {
    finding.add_evidence(absl::StrCat("the list says: ", listing.reason()));
  }
  finding.add_evidence(absl::StrCat("how it ends: ", listing.ends()));
  if (!listing.delist_url().empty()) {
    finding.add_evidence(absl::StrCat("where to look: ", listing.delist_url()));
  }
  return finding;
}

// The end that the list's own model allows; none once it has passed.
void PredictEnd(Instant now, const BlockList& list, v1::Listing* listing) {
  listing->clear_earliest_end();
  if (!list.ends_after) return;
  const absl::Time end = FromProto(listing->first_seen()) + *list.ends_after;
  if (end > now.wall) *listing->mutable_earliest_end() = ToProto(end);
}

v1::ListCondition::State ToWire(ZoneState state) {
  switch (state) {
    case ZoneState::kHealthy:
      return v1::ListCondition::STATE_HEALTHY;
    case ZoneState::kSick:
      return v1::ListCondition::STATE_SICK;
    case ZoneState::kUnknown:
      break;
  }
  return v1::ListCondition::STATE_UNKNOWN;
}

// The worst of its parts: a list whose IPv6 half has died is half a list.
ZoneHealth Worst(const ListPass& pass) {
  ZoneHealth worst = {ZoneState::kHealthy, ListCause::kNone, ""};
  for (const auto& [kind, health] : pass.health) {
    if (health.state == ZoneState::kSick ||
        (health.state == ZoneState::kUnknown && worst.state == ZoneState::kHealthy)) {
      worst = health;
    }
  }
  return worst;
}

}  // namespace

ListingBook::Outcome ListingBook::TakePass(Instant now, const ListPass& pass,
                                           ResolverState resolver) {
  Outcome outcome;
  TakeCondition(now, pass, resolver, &outcome);
  // A resolver that invents answers is believed in nothing.
  if (resolver == ResolverState::kInvents) return outcome;
  for (const auto& [subject, judgement] : pass.verdicts) {
    if (judgement.verdict == ListVerdict::kListed) {
      TakeListed(now, pass, subject, judgement, &outcome);
    } else if (judgement.verdict == ListVerdict::kClean) {
      const auto known = listings_.find({subject.text, pass.list->zone});
      if (known == listings_.end()) continue;
      if (known->second.state() == v1::Listing::STATE_SUSPECTED &&
          known->second.relistings() == 0) {
        listings_.erase(known);
        outcome.changed = true;
      } else if (IsPresent(known->second)) {
        TakeClean(now, &known->second, judgement.ttl.value_or(kLeastWait), &outcome);
      }
    }
  }
  Forget(now);
  return outcome;
}

void ListingBook::TakeListed(Instant now, const ListPass& pass, const Subject& subject,
                             const Judgement& judgement, Outcome* outcome) {
  const BlockList& list = *pass.list;
  auto known = listings_.find({subject.text, list.zone});
  if (known == listings_.end()) {
    const size_t present =
        std::count_if(listings_.begin(), listings_.end(),
                      [](const auto& entry) { return IsPresent(entry.second); });
    if (present >= options_.most_present) {
      ++forgotten_;
      return;
    }
    known = listings_.emplace(Key(subject.text, list.zone), v1::Listing()).first;
  }
  v1::Listing& listing = known->second;
  outcome->changed = true;
  const absl::Duration wait = WaitFor(judgement.ttl.value_or(kLeastWait));
  const bool fresh =
      listing.state() == v1::Listing::STATE_UNSPECIFIED ||
      (listing.state() == v1::Listing::STATE_CLEARED &&
       now.wall - FromProto(listing.cleared_at()) > options_.same_incident);
  const bool back = !fresh && listing.state() == v1::Listing::STATE_CLEARED;
  if (fresh) listing.Clear();
  if (fresh || back) {
    listing.set_state(v1::Listing::STATE_SUSPECTED);
    listing.set_subject(subject.text);
    listing.set_kind(std::string(SubjectKindName(subject.kind)));
    listing.set_zone(list.zone);
    *listing.mutable_confirm_after() = ToProto(now.wall + wait);
    listing.clear_cleared_at();
    if (fresh) *listing.mutable_first_seen() = ToProto(now.wall);
    if (back) listing.set_relistings(listing.relistings() + 1);
  }
  listing.set_clean_answers(0);
  *listing.mutable_last_seen() = ToProto(now.wall);
  v1::Listing said;
  for (const ListedCode& code : judgement.codes) {
    if (said.codes().empty() || said.codes().rbegin()->compare(code.code) != 0) {
      said.add_codes(code.code);
    }
    if (!code.means.empty()) said.add_meanings(code.means);
  }
  const bool other_codes =
      listing.codes_size() > 0 &&
      absl::StrJoin(listing.codes(), ",") != absl::StrJoin(said.codes(), ",");
  listing.mutable_codes()->Swap(said.mutable_codes());
  listing.mutable_meanings()->Swap(said.mutable_meanings());
  listing.set_tier(std::string(TierName(judgement.tier)));
  if (!judgement.reason.empty()) listing.set_reason(judgement.reason);
  listing.set_delist_url(DelistUrl(list, subject));
  listing.set_ends(list.expiry_words);
  PredictEnd(now, list, &listing);

  if (listing.state() == v1::Listing::STATE_CLEARING) {
    listing.set_state(v1::Listing::STATE_CONFIRMED);
  }
  if (listing.state() == v1::Listing::STATE_CONFIRMED) {
    // Worse or better: told again, under the same incident.
    if (other_codes) outcome->findings.push_back(ListedFinding(listing));
  } else if (now.wall >= FromProto(listing.confirm_after())) {
    Confirm(&listing, outcome);
  } else {
    outcome->ask_again.emplace_back(
        list.zone, now.mono + (FromProto(listing.confirm_after()) - now.wall));
  }
}

void ListingBook::Confirm(v1::Listing* listing, Outcome* outcome) {
  listing->set_state(v1::Listing::STATE_CONFIRMED);
  listing->set_told(true);
  outcome->findings.push_back(ListedFinding(*listing));
  outcome->changed = true;
}

void ListingBook::TakeClean(Instant now, v1::Listing* listing, absl::Duration ttl,
                            Outcome* outcome) {
  outcome->changed = true;
  listing->set_state(v1::Listing::STATE_CLEARING);
  listing->set_clean_answers(listing->clean_answers() + 1);
  const uint32_t needed =
      std::min(kCleanAnswers + listing->relistings(), kMostCleanAnswers);
  if (listing->clean_answers() < needed) {
    outcome->ask_again.emplace_back(listing->zone(), now.mono + WaitFor(ttl));
    return;
  }
  listing->set_state(v1::Listing::STATE_CLEARED);
  *listing->mutable_cleared_at() = ToProto(now.wall);
  listing->clear_earliest_end();
  if (!listing->told()) return;
  listing->set_told(false);
  v1::Finding finding = MakeFinding(kCleared, v1::LEVEL_INFO, *listing);
  finding.add_evidence(absl::StrCat("no longer ", Said(*listing)));
  outcome->findings.push_back(std::move(finding));
}

void ListingBook::TakeCondition(Instant now, const ListPass& pass, ResolverState resolver,
                                Outcome* outcome) {
  const ZoneHealth health = Worst(pass);
  const v1::ListCondition::State state = ToWire(health.state);
  v1::ListCondition& condition = conditions_[pass.list->zone];
  condition.set_zone(pass.list->zone);
  condition.clear_kinds();
  for (const auto& [kind, part] : pass.health) {
    condition.add_kinds(std::string(SubjectKindName(kind)));
  }
  if (state != condition.state()) {
    condition.set_state(state);
    *condition.mutable_since() = ToProto(now.wall);
    outcome->changed = true;
    // Shown at once, told when it lasts.
    if (state == v1::ListCondition::STATE_SICK) {
      outcome->ask_again.emplace_back(pass.list->zone, now.mono + kSickLasts);
    }
  }
  condition.set_why(health.why.substr(0, kMostWhyBytes));
  // What is wrong with all of them is said of the resolver.
  const bool sick = condition.state() == v1::ListCondition::STATE_SICK &&
                    resolver != ResolverState::kInvents &&
                    now.wall - FromProto(condition.since()) >= kSickLasts;
  const bool well = condition.state() == v1::ListCondition::STATE_HEALTHY;
  if (condition.told() ? !well : !sick) return;
  condition.set_told(!condition.told());
  outcome->changed = true;
  v1::Finding finding;
  finding.set_type(kSick);
  finding.set_level(v1::LEVEL_INFO);
  finding.set_subject(pass.list->zone);
  *finding.mutable_first_seen() = condition.since();
  *finding.mutable_last_seen() = ToProto(now.wall);
  finding.add_evidence(condition.told()
                           ? absl::StrCat(pass.list->zone, ": ", condition.why())
                           : absl::StrCat(pass.list->zone, ": is well again"));
  outcome->findings.push_back(std::move(finding));
}

ListingBook::Outcome ListingBook::TakeResolver(Instant now,
                                               const ResolverHealth& health) {
  Outcome outcome;
  if (health.state != resolver_.state) {
    resolver_since_ = now.mono;
    outcome.changed = true;
  }
  resolver_ = health;
  if (health.state == resolver_told_ || health.state == ResolverState::kUnknown ||
      now.mono - resolver_since_ < kResolverLasts) {
    return outcome;
  }
  resolver_told_ = health.state;
  outcome.changed = true;
  v1::Finding finding;
  finding.set_type(kResolver);
  const bool usable = health.state == ResolverState::kUsable;
  finding.set_level(usable ? v1::LEVEL_INFO : v1::LEVEL_WARNING);
  *finding.mutable_first_seen() = ToProto(now.wall - (now.mono - resolver_since_));
  *finding.mutable_last_seen() = ToProto(now.wall);
  finding.add_evidence(usable ? "lists can be asked again" : health.why);
  outcome.findings.push_back(std::move(finding));
  return outcome;
}

ListingBook::Outcome ListingBook::TakeWitness(Instant, absl::string_view subject,
                                              absl::string_view zone) {
  Outcome outcome;
  const auto known = listings_.find({std::string(subject), std::string(zone)});
  if (known != listings_.end() && known->second.state() == v1::Listing::STATE_SUSPECTED) {
    Confirm(&known->second, &outcome);
  }
  return outcome;
}

void ListingBook::KeepOnly(Instant now, const std::vector<Subject>& subjects) {
  std::set<absl::string_view> known;
  for (const Subject& subject : subjects) known.insert(subject.text);
  subjects_ = static_cast<uint32_t>(subjects.size());
  for (auto entry = listings_.begin(); entry != listings_.end();) {
    // An interface that is down for an hour ends no incident.
    const bool gone =
        IsPresent(entry->second) && known.count(entry->first.first) == 0 &&
        now.wall - FromProto(entry->second.last_seen()) > options_.same_incident;
    entry = gone ? listings_.erase(entry) : std::next(entry);
  }
}

void ListingBook::Forget(Instant now) {
  std::vector<std::pair<absl::Time, Key>> past;
  for (const auto& [key, listing] : listings_) {
    if (!IsPresent(listing)) past.emplace_back(FromProto(listing.cleared_at()), key);
  }
  std::sort(past.rbegin(), past.rend());
  for (size_t i = 0; i < past.size(); ++i) {
    const bool old = now.wall - past[i].first > options_.history;
    if (!old && i < options_.most_past) continue;
    if (!old) ++forgotten_;
    listings_.erase(past[i].second);
  }
}

v1::BlocklistReading ListingBook::Reading(size_t most) const {
  std::vector<const v1::Listing*> order;
  for (const auto& [key, listing] : listings_) order.push_back(&listing);
  std::stable_sort(order.begin(), order.end(),
                   [](const v1::Listing* a, const v1::Listing* b) {
                     if (IsPresent(*a) != IsPresent(*b)) return IsPresent(*a);
                     return FromProto(a->first_seen()) > FromProto(b->first_seen());
                   });
  v1::BlocklistReading reading;
  for (size_t i = 0; i < order.size() && i < most; ++i) {
    *reading.add_listings() = *order[i];
  }
  for (const auto& [zone, condition] : conditions_) *reading.add_lists() = condition;
  reading.set_resolver(std::string(ResolverStateName(resolver_.state)));
  reading.set_resolver_why(resolver_.why);
  reading.set_resolver_told(static_cast<uint32_t>(resolver_told_));
  reading.set_subjects(subjects_);
  reading.set_forgotten(forgotten_);
  return reading;
}

std::string ListingBook::State() const {
  return Reading(listings_.size()).SerializeAsString();
}

bool ListingBook::Restore(absl::string_view state) {
  v1::BlocklistReading reading;
  if (!reading.ParseFromArray(state.data(), static_cast<int>(state.size()))) return false;
  listings_.clear();
  conditions_.clear();
  for (const v1::Listing& listing : reading.listings()) {
    listings_[{listing.subject(), listing.zone()}] = listing;
  }
  for (const v1::ListCondition& condition : reading.lists()) {
    conditions_[condition.zone()] = condition;
  }
  forgotten_ = reading.forgotten();
  if (reading.resolver_told() <= static_cast<uint32_t>(ResolverState::kUnknown)) {
    resolver_told_ = static_cast<ResolverState>(reading.resolver_told());
  }
  return true;
}

}  // namespace mailvane
