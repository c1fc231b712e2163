#include "agent/reputation/provider_block.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/analyze/redact.h"
#include "agent/reputation/provider.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

using absl::string_view;

constexpr size_t kMostTracks = 256;
constexpr size_t kMostRefusals = 64;
constexpr size_t kMostEvidence = 3;
constexpr size_t kEvidenceBytes = 300;
constexpr size_t kMostLabel = 100;
// Providers, and the domains of servers that are nobody's.
constexpr size_t kMostRoads = 1024;
// Of the roads that a blocklist closed, those that are remembered.
constexpr size_t kMostClosed = 8;
// In a snapshot, which is to be small.
constexpr int kMostReported = 64;
constexpr char kStateVersion[] = "1";

enum class Weight { kNone, kSlowed, kRefused };

// What a reply says about us, whoever the recipient and whatever the message.
Weight WeightOf(const ReplyVerdict& verdict) {
  switch (verdict.scope) {
    case ReplyScope::kIp:
    case ReplyScope::kNetblock:
    case ReplyScope::kDomain:
      break;
    default:
      return Weight::kNone;
  }
  switch (verdict.reply_class) {
    case ReplyClass::kIpBlocked:
    case ReplyClass::kDnsblListed:
      return Weight::kRefused;
    case ReplyClass::kIpReputation:
    case ReplyClass::kDomainReputation:
      // "Come back later" is a brake; a refusal for good is none.
      return verdict.temporary == true ? Weight::kSlowed : Weight::kRefused;
    case ReplyClass::kRateLimited:
      return Weight::kSlowed;
    default:
      return Weight::kNone;
  }
}

// "mx1.mail.example.net" → "example.net"; "mx.example.co.uk" → "example.co.uk".
std::string DomainOf(string_view host) {
  const std::vector<string_view> labels = absl::StrSplit(host, '.', absl::SkipEmpty());
  size_t keep = 2;
  if (labels.size() >= 3 && labels.back().size() == 2 &&
      labels[labels.size() - 2].size() <= 3) {
    keep = 3;
  }
  if (labels.size() <= keep) return absl::AsciiStrToLower(host);
  std::string domain(labels[labels.size() - keep]);
  for (size_t i = labels.size() - keep + 1; i < labels.size(); ++i) {
    absl::StrAppend(&domain, ".", labels[i]);
  }
  return absl::AsciiStrToLower(domain);
}

// Names on disk and in memory; stable within a state's version only.
uint64_t Hash(string_view text) {
  uint64_t hash = 14695981039346656037u;  // FNV-1a
  for (const char c : text) hash = (hash ^ static_cast<uint8_t>(c)) * 1099511628211u;
  return hash;
}

int64_t TenthMinute(absl::Time time) { return absl::ToUnixSeconds(time) / 600; }

// A track's name within its piece of state, and in keys: no blank, no line end.
std::string Label(string_view text) {
  std::string label = absl::AsciiStrToLower(text.substr(0, kMostLabel));
  for (char& c : label) {
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '.' && c != '-')
      c = '_';
  }
  return label;
}

}  // namespace

struct ProviderBlockAnalyzer::Track {
  // Constant once made: "road google slow", "zone zen.spamhaus.org".
  bool is_zone = false;
  bool is_slow = false;
  // Of a road: the provider.  Of a zone: the one provider that named it; empty: several.
  std::string provider;
  // The domain of a server that is nobody's; the zone.  Empty: a provider's road.
  std::string subject;
  std::string scope;
  std::string delist_url;
  // Ascending but for the disorder of the log; at most kMostRefusals.
  std::deque<Refusal> refusals;
  // All refusals of this episode, and those that named a blocklist.
  uint64_t count = 0;
  uint64_t by_list = 0;
  absl::Time first;
  absl::Time last;
  // Deliveries since the last refusal.
  uint64_t since_last = 0;
  // In force, and told.
  bool closed = false;
  absl::Time told = absl::InfinitePast();
  // The roads that are closed: its own, or those that a list closed.
  std::set<std::string> roads;
  std::vector<std::string> evidence;
  bool changed = true;

  void Reopen() {
    closed = false;
    told = absl::InfinitePast();
    count = by_list = since_last = 0;
    refusals.clear();
    evidence.clear();
    changed = true;
  }
};

ProviderBlockAnalyzer::ProviderBlockAnalyzer(const Options& options)
    : options_(options) {}
ProviderBlockAnalyzer::~ProviderBlockAnalyzer() = default;

ProviderBlockAnalyzer::Track& ProviderBlockAnalyzer::TrackOf(const std::string& key) {
  const auto known = tracks_.find(key);
  if (known != tracks_.end()) return known->second;
  if (tracks_.size() >= kMostTracks) {
    const auto oldest = std::min_element(
        tracks_.begin(), tracks_.end(),
        [](const auto& a, const auto& b) { return a.second.last < b.second.last; });
    gone_.push_back(oldest->first);
    tracks_.erase(oldest);
  }
  return tracks_[key];
}

void ProviderBlockAnalyzer::Settle(const RecipientFate& fate) {
  if (fate.interim || fate.own_pause || fate.relay_host.empty()) return;
  const string_view provider = ProviderOf(fate.relay_host);
  if (provider == "local" || provider == "unknown") return;
  const std::string subject =
      provider == "other" ? Label(DomainOf(fate.relay_host)) : std::string();
  const std::string road = subject.empty() ? std::string(provider) : subject;
  if (fate.status == DeliveryStatus::kSent) return Deliver(road, fate);
  if (classifier_ == nullptr) classifier_ = std::make_unique<ReplyClassifier>();
  const ReplyVerdict verdict =
      classifier_->Classify({fate.relay_host, fate.reply, fate.dsn});
  const Weight weight = WeightOf(verdict);
  if (weight == Weight::kNone) return;

  const bool is_slow = weight == Weight::kSlowed;
  Track& track = TrackOf(absl::StrCat(is_slow ? "slow " : "road ", road));
  track.provider = std::string(provider);
  track.subject = subject;
  track.is_slow = is_slow;
  track.roads = {road};
  Refuse(&track, fate, verdict);
  Judge(&track, fate);
  if (verdict.zone.empty()) return;
  const std::string zone = Label(verdict.zone);
  Track& list = TrackOf("zone " + zone);
  list.provider = list.count == 0 || list.provider == provider ? std::string(provider)
                                                               : std::string();
  list.subject = zone;
  list.is_zone = true;
  if (list.roads.size() < kMostClosed) list.roads.insert(road);
  Refuse(&list, fate, verdict);
  Judge(&list, fate);
}

void ProviderBlockAnalyzer::Refuse(Track* track, const RecipientFate& fate,
                                   const ReplyVerdict& verdict) {
  if (track->count == 0) track->first = fate.time;
  track->last = std::max(track->last, fate.time);
  track->count += fate.recipients;
  track->since_last = 0;
  track->changed = true;
  if (verdict.reply_class == ReplyClass::kDnsblListed) track->by_list += fate.recipients;
  track->scope = std::string(ReplyScopeName(verdict.scope));
  if (!verdict.delist_url.empty()) track->delist_url = verdict.delist_url;
  track->refusals.push_back({fate.time, Hash(fate.to),
                             fate.message == nullptr ? 0 : Hash(fate.message->queue_id)});
  while (track->refusals.size() > kMostRefusals ||
         track->refusals.front().time < fate.time - options_.window) {
    track->refusals.pop_front();
  }
  if (track->evidence.size() < kMostEvidence) {
    track->evidence.push_back(absl::StrCat(
        absl::FormatTime("%Y-%m-%dT%H:%M:%SZ ", fate.time, absl::UTCTimeZone()),
        Redact(fate.reply, kEvidenceBytes)));
  }
}

ProviderBlockAnalyzer::Rate ProviderBlockAnalyzer::RateOf(const Track& track,
                                                          absl::Time now) const {
  uint64_t deliveries = 0;
  for (const std::string& road : track.roads) {
    deliveries += TookSince(road, now - options_.window);
  }
  std::set<uint64_t> recipients;
  std::set<uint64_t> messages;
  for (const Refusal& refusal : track.refusals) {
    recipients.insert(refusal.recipient);
    messages.insert(refusal.message);
  }
  return {track.refusals.size(), recipients.size(), messages.size(), deliveries};
}

void ProviderBlockAnalyzer::Judge(Track* track, const RecipientFate& fate) {
  const Rate rate = RateOf(*track, fate.time);
  const size_t least = track->is_slow ? options_.least_slowed : options_.least_refusals;
  const size_t least_recipients =
      track->is_slow ? options_.least_slowed_recipients : options_.least_recipients;
  if (rate.refusals < least || rate.recipients < least_recipients ||
      rate.messages < options_.least_messages) {
    return;
  }
  const double all = static_cast<double>(rate.refusals + rate.deliveries);
  if (static_cast<double>(rate.refusals) / all < options_.least_share) return;
  track->closed = true;
  // A list's own track speaks of it, once, and not for each provider that asks it.
  const bool is_the_lists = !track->is_zone && 2 * track->by_list > track->count;
  if (is_the_lists || fate.time - track->told < options_.again_after) return;
  track->told = fate.time;
  Raise(MakeFinding(*track, rate));
}

uint64_t ProviderBlockAnalyzer::TookSince(const std::string& road,
                                          absl::Time begin) const {
  const auto took = took_.find(road);
  uint64_t sum = 0;
  if (took == took_.end()) return sum;
  for (const auto& [at, count] : took->second.counts) {
    if (at >= TenthMinute(begin)) sum += count;
  }
  return sum;
}

void ProviderBlockAnalyzer::Deliver(const std::string& road, const RecipientFate& fate) {
  if (took_.size() >= kMostRoads && took_.count(road) == 0) {
    const auto oldest =
        std::min_element(took_.begin(), took_.end(), [](const auto& a, const auto& b) {
          return a.second.counts.back().first < b.second.counts.back().first;
        });
    gone_.push_back("took " + oldest->first);
    took_.erase(oldest);
  }
  Took& took = took_[road];
  const int64_t at = TenthMinute(fate.time);
  // What comes late counts with the last.
  if (took.counts.empty() || took.counts.back().first < at)
    took.counts.emplace_back(at, 0);
  took.counts.back().second += fate.recipients;
  while (took.counts.front().first <
         at - TenthMinute(absl::UnixEpoch() + options_.window)) {
    took.counts.pop_front();
  }
  took.changed = true;
  for (auto& [key, track] : tracks_) {
    if (track.count == 0 || track.roads.count(road) == 0 || fate.time < track.last)
      continue;
    track.since_last += fate.recipients;
    track.changed = true;
    if (track.closed && track.since_last >= options_.deliveries_to_open) track.Reopen();
  }
}

void ProviderBlockAnalyzer::Pass(absl::Time time) {
  for (auto at = tracks_.begin(); at != tracks_.end();) {
    if (time - at->second.last < options_.forgotten_after) {
      ++at;
      continue;
    }
    gone_.push_back(at->first);
    at = tracks_.erase(at);
  }
}

v1::Finding ProviderBlockAnalyzer::MakeFinding(const Track& track,
                                               const Rate& rate) const {
  v1::Finding finding;
  finding.set_type(track.is_zone   ? "dnsbl_rejection"
                   : track.is_slow ? "rate_limited"
                                   : "provider_block");
  finding.set_level(track.is_slow ? v1::LEVEL_WARNING : v1::LEVEL_CRITICAL);
  finding.set_provider(track.provider);
  finding.set_scope(track.scope);
  finding.set_subject(track.subject.empty() ? track.provider : track.subject);
  *finding.mutable_first_seen() = ToProto(track.first);
  *finding.mutable_last_seen() = ToProto(track.last);
  finding.set_messages(track.count);
  finding.add_evidence(absl::StrFormat(
      "%d replies about %d recipients of %d messages within %d min, beside %d deliveries",
      rate.refusals, rate.recipients, rate.messages,
      absl::ToInt64Minutes(options_.window), rate.deliveries));
  if (!track.delist_url.empty()) {
    finding.add_evidence(
        Redact(absl::StrCat("ask at ", track.delist_url), kEvidenceBytes));
  }
  for (const std::string& line : track.evidence) finding.add_evidence(line);
  return finding;
}

void ProviderBlockAnalyzer::Report(v1::Snapshot* snapshot) const {
  for (const auto& [key, track] : tracks_) {
    if (track.is_zone || snapshot->roads_size() >= kMostReported) continue;
    // Of a server that is nobody's only trouble is told.
    if (!track.closed && !track.subject.empty()) continue;
    v1::Road& road = *snapshot->add_roads();
    road.set_provider(track.provider);
    road.set_scope(track.scope);
    road.set_state(!track.closed   ? v1::Road::STATE_OPEN
                   : track.is_slow ? v1::Road::STATE_LIMITED
                                   : v1::Road::STATE_BLOCKED);
    if (!track.closed) continue;
    *road.mutable_since() = ToProto(track.first);
    *road.mutable_last_seen() = ToProto(track.last);
    road.set_refusals(track.count);
    road.set_delist_url(track.delist_url);
  }
}

// "VERSION closed told first last count by_list since_last is_zone is_slow provider
// subject scope", then lines that begin with "u" (URL), "r" (a refusal), "w" (a road) or
// "e" (evidence).  Times are seconds since 1970.  A piece "took ROAD" is "at,count;…".
void ProviderBlockAnalyzer::Save(StateWriter* writer) {
  for (const std::string& key : gone_) writer->Erase(key);
  gone_.clear();
  const auto seconds = [](absl::Time time) {
    return time == absl::InfinitePast() ? 0 : absl::ToUnixSeconds(time);
  };
  for (auto& [key, track] : tracks_) {
    if (!std::exchange(track.changed, false)) continue;
    const auto word = [](const std::string& text) { return text.empty() ? "-" : text; };
    std::string state = absl::StrCat(kStateVersion, " ", static_cast<int>(track.closed),
                                     " ", seconds(track.told), " ", seconds(track.first),
                                     " ", seconds(track.last), " ", track.count, " ",
                                     track.by_list, " ", track.since_last, " ");
    absl::StrAppend(&state, static_cast<int>(track.is_zone), " ",
                    static_cast<int>(track.is_slow), " ", word(track.provider), " ",
                    word(track.subject), " ", word(track.scope), "\nu", track.delist_url,
                    "\n");
    for (const Refusal& refusal : track.refusals) {
      absl::StrAppend(&state, "r", seconds(refusal.time), " ", refusal.recipient, " ",
                      refusal.message, "\n");
    }
    for (const std::string& road : track.roads) absl::StrAppend(&state, "w", road, "\n");
    for (const std::string& line : track.evidence)
      absl::StrAppend(&state, "e", line, "\n");
    writer->Put(key, state);
  }
  for (auto& [road, took] : took_) {
    if (!std::exchange(took.changed, false)) continue;
    std::string state;
    for (const auto& [at, count] : took.counts) {
      absl::StrAppend(&state, at, ",", count, ";");
    }
    writer->Put("took " + road, state);
  }
}

bool ProviderBlockAnalyzer::RestoreTook(const std::string& road, string_view state) {
  Took took;
  for (string_view part : absl::StrSplit(state, ';', absl::SkipEmpty())) {
    const std::pair<string_view, string_view> halves =
        absl::StrSplit(part, absl::MaxSplits(',', 1));
    int64_t at = 0;
    uint64_t count = 0;
    if (!absl::SimpleAtoi(halves.first, &at) ||
        !absl::SimpleAtoi(halves.second, &count)) {
      return false;
    }
    took.counts.emplace_back(at, count);
  }
  if (took.counts.empty() || took_.size() >= kMostRoads) return false;
  took_[road] = std::move(took);
  return true;
}

bool ProviderBlockAnalyzer::Restore(string_view piece, string_view state) {
  if (absl::ConsumePrefix(&piece, "took ")) return RestoreTook(std::string(piece), state);
  const std::vector<string_view> lines = absl::StrSplit(state, '\n', absl::SkipEmpty());
  if (lines.empty() || tracks_.size() >= kMostTracks) return false;
  const std::vector<string_view> head = absl::StrSplit(lines[0], ' ');
  if (head.size() != 13 || head[0] != kStateVersion) return false;
  Track track;
  int64_t told = 0;
  int64_t first = 0;
  int64_t last = 0;
  if (!absl::SimpleAtoi(head[2], &told) || !absl::SimpleAtoi(head[3], &first) ||
      !absl::SimpleAtoi(head[4], &last) || !absl::SimpleAtoi(head[5], &track.count) ||
      !absl::SimpleAtoi(head[6], &track.by_list) ||
      !absl::SimpleAtoi(head[7], &track.since_last)) {
    return false;
  }
  const auto word = [](string_view text) {
    return text == "-" ? std::string() : std::string(text);
  };
  track.closed = head[1] == "1";
  if (told != 0) track.told = absl::FromUnixSeconds(told);
  track.first = absl::FromUnixSeconds(first);
  track.last = absl::FromUnixSeconds(last);
  track.is_zone = head[8] == "1";
  track.is_slow = head[9] == "1";
  track.provider = word(head[10]);
  track.subject = word(head[11]);
  track.scope = word(head[12]);
  for (size_t i = 1; i < lines.size(); ++i) {
    const string_view rest = lines[i].substr(1);
    int64_t time = 0;
    Refusal refusal;
    const std::vector<string_view> fields = absl::StrSplit(rest, ' ');
    switch (lines[i][0]) {
      case 'u':
        track.delist_url = std::string(rest);
        break;
      case 'r':
        if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &time) ||
            !absl::SimpleAtoi(fields[1], &refusal.recipient) ||
            !absl::SimpleAtoi(fields[2], &refusal.message)) {
          return false;
        }
        refusal.time = absl::FromUnixSeconds(time);
        track.refusals.push_back(refusal);
        break;
      case 'w':
        track.roads.insert(std::string(rest));
        break;
      case 'e':
        track.evidence.push_back(std::string(rest));
        break;
      default:
        return false;
    }
  }
  track.changed = false;
  tracks_[std::string(piece)] = std::move(track);
  return true;
}

}  // namespace mailvane
