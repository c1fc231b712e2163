#include "agent/analyze/delivery.h"

#include <algorithm>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "agent/analyze/redact.h"
#include "agent/reputation/provider.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr size_t kMostReasons = 32;
constexpr size_t kReasonBytes = 160;
constexpr int kReasonsShown = 3;
constexpr char kOtherReasons[] = "other reasons";

v1::DeliveryStatus ToWire(DeliveryStatus status) {
  switch (status) {
    case DeliveryStatus::kSent:
      return v1::DELIVERY_STATUS_SENT;
    case DeliveryStatus::kDeferred:
      return v1::DELIVERY_STATUS_DEFERRED;
    case DeliveryStatus::kBounced:
      return v1::DELIVERY_STATUS_BOUNCED;
    case DeliveryStatus::kExpired:
      return v1::DELIVERY_STATUS_EXPIRED;
    case DeliveryStatus::kNone:
      break;
  }
  return v1::DELIVERY_STATUS_UNSPECIFIED;
}

int64_t ToMinute(absl::Time time) { return absl::ToUnixSeconds(time) / 60; }

}  // namespace

DeliveryAnalyzer::Minute& DeliveryAnalyzer::MinuteOf(absl::Time time) {
  const int64_t window = absl::ToInt64Minutes(options_.window);
  // A line from the past counts with the oldest minute there is: log lines of
  // several processes are only roughly in order.
  int64_t at = ToMinute(time);
  if (minutes_.empty() || at > minutes_.back().at) minutes_.push_back({at, 0, 0});
  while (minutes_.front().at <= minutes_.back().at - window) minutes_.pop_front();
  at = std::max(at, minutes_.front().at);
  return *std::lower_bound(
      minutes_.begin(), minutes_.end(), at,
      [](const Minute& minute, int64_t wanted) { return minute.at < wanted; });
}

void DeliveryAnalyzer::NoteReason(const RecipientFate& fate) {
  std::string reason = Redact(absl::StrCat(fate.dsn, " ", fate.reply), kReasonBytes);
  if (reasons_.size() >= kMostReasons && reasons_.count(reason) == 0) {
    reason = kOtherReasons;
  }
  ++reasons_[reason];
}

void DeliveryAnalyzer::Settle(const RecipientFate& fate) {
  if (fate.interim || fate.own_pause) return;
  const bool is_sent = fate.status == DeliveryStatus::kSent;
  // Exim names no server where it delivered to a mailbox of its own.
  const absl::string_view provider =
      is_sent && fate.relay_host.empty() ? "local" : ProviderOf(fate.relay_host);
  counts_[{std::string(provider), ToWire(fate.status)}] += fate.recipients;
  const bool is_bounced = fate.status == DeliveryStatus::kBounced;
  // What stays here, or never got to a server, says nothing about how the world takes
  // our mail, and a deferral is not settled yet.
  if ((!is_sent && !is_bounced) || provider == "local" || provider == "unknown") return;
  Minute& minute = MinuteOf(fate.time);
  (is_sent ? minute.sent : minute.bounced) += fate.recipients;
  uint64_t sent = 0;
  uint64_t bounced = 0;
  for (const Minute& each : minutes_) {
    sent += each.sent;
    bounced += each.bounced;
  }
  const double share = static_cast<double>(bounced) / static_cast<double>(sent + bounced);
  if (is_sent && share < options_.over_share) {
    raised_at_.reset();
    reasons_.clear();
    first_bounce_ = absl::InfiniteFuture();
  }
  if (!is_bounced) return;
  first_bounce_ = std::min(first_bounce_, fate.time);
  NoteReason(fate);
  if (bounced < options_.least_bounces || share < options_.least_share) return;
  if (raised_at_ && fate.time - *raised_at_ < options_.again_after) return;
  raised_at_ = fate.time;
  Raise(MakeFinding(fate, sent, bounced));
}

v1::Finding DeliveryAnalyzer::MakeFinding(const RecipientFate& fate, uint64_t sent,
                                          uint64_t bounced) const {
  v1::Finding finding;
  finding.set_type("bounce_rate");
  finding.set_level(v1::LEVEL_WARNING);
  *finding.mutable_first_seen() =
      ToProto(std::max(first_bounce_, fate.time - options_.window));
  *finding.mutable_last_seen() = ToProto(fate.time);
  finding.set_messages(bounced);
  finding.add_evidence(absl::StrFormat(
      "%d of %d recipients were refused within %d min (%.0f %%)", bounced, sent + bounced,
      absl::ToInt64Minutes(options_.window),
      100.0 * static_cast<double>(bounced) / static_cast<double>(sent + bounced)));
  std::vector<std::pair<uint64_t, std::string>> ranked;
  for (const auto& [reason, count] : reasons_) ranked.emplace_back(count, reason);
  std::sort(ranked.rbegin(), ranked.rend());
  for (size_t i = 0; i < ranked.size() && i < kReasonsShown; ++i) {
    finding.add_evidence(absl::StrCat(ranked[i].first, " × ", ranked[i].second));
  }
  return finding;
}

void DeliveryAnalyzer::Report(v1::Snapshot* snapshot) const {
  for (const auto& [key, count] : counts_) {
    v1::DeliveryCount& one = *snapshot->add_deliveries();
    one.set_provider(key.first);
    one.set_status(key.second);
    one.set_count(count);
  }
}

void DeliveryAnalyzer::Save(StateWriter* writer) {
  std::string state = State();
  if (state == saved_) return;
  writer->Put("", state);
  saved_ = std::move(state);
}

// "1 RAISED FIRST|minute,sent,bounced;…": seconds since 1970, or "-".
std::string DeliveryAnalyzer::State() const {
  const auto seconds = [](absl::Time time) {
    return time == absl::InfiniteFuture() ? "-" : absl::StrCat(absl::ToUnixSeconds(time));
  };
  std::string state =
      absl::StrCat("1 ", seconds(raised_at_.value_or(absl::InfiniteFuture())), " ",
                   seconds(first_bounce_), "|");
  for (const Minute& minute : minutes_) {
    absl::StrAppend(&state, minute.at, ",", minute.sent, ",", minute.bounced, ";");
  }
  return state;
}

bool DeliveryAnalyzer::Restore(absl::string_view, absl::string_view state) {
  const std::pair<absl::string_view, absl::string_view> halves =
      absl::StrSplit(state, absl::MaxSplits('|', 1));
  const std::vector<absl::string_view> head = absl::StrSplit(halves.first, ' ');
  if (head.size() != 3 || head[0] != "1") return false;
  std::deque<Minute> minutes;
  for (absl::string_view text : absl::StrSplit(halves.second, ';', absl::SkipEmpty())) {
    const std::vector<absl::string_view> fields = absl::StrSplit(text, ',');
    Minute minute;
    if (fields.size() != 3 || !absl::SimpleAtoi(fields[0], &minute.at) ||
        !absl::SimpleAtoi(fields[1], &minute.sent) ||
        !absl::SimpleAtoi(fields[2], &minute.bounced) ||
        (!minutes.empty() && minute.at <= minutes.back().at)) {
      return false;
    }
    minutes.push_back(minute);
  }
  int64_t raised = 0;
  int64_t first = 0;
  if (head[1] != "-" && !absl::SimpleAtoi(head[1], &raised)) return false;
  if (head[2] != "-" && !absl::SimpleAtoi(head[2], &first)) return false;
  raised_at_.reset();
  if (head[1] != "-") raised_at_ = absl::FromUnixSeconds(raised);
  first_bounce_ = head[2] == "-" ? absl::InfiniteFuture() : absl::FromUnixSeconds(first);
  minutes_ = std::move(minutes);
  return true;
}

}  // namespace mailvane
