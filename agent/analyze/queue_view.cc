#include "agent/analyze/queue_view.h"

#include <algorithm>
#include <iterator>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "agent/reputation/provider.h"
#include "agent/reputation/reply_class.h"

namespace mailvane {
namespace {

constexpr struct {
  absl::string_view name;
  absl::Duration below;
} kAges[] = {
    {"under_10m", absl::Minutes(10)}, {"under_1h", absl::Hours(1)},
    {"under_4h", absl::Hours(4)},     {"under_1d", absl::Hours(24)},
    {"under_3d", absl::Hours(72)},    {"older", absl::InfiniteDuration()},
};
constexpr size_t kAgeCount = std::size(kAges);

size_t AgeNumber(absl::Duration age) {
  size_t number = 0;
  while (age >= kAges[number].below && number + 1 < kAgeCount) ++number;
  return number;
}

// Behind the classes of replies.
enum : uint8_t {
  kNotTried = kReplyClasses,
  kHeld,
  kUnknownReason,
  kReasonCount,
};
absl::string_view ReasonName(size_t reason) {
  switch (reason) {
    case kNotTried:
      return "not_tried";
    case kHeld:
      return "held";
    case kUnknownReason:
      return "unknown";
    default:
      return ReplyClassName(static_cast<ReplyClass>(reason));
  }
}

constexpr absl::Duration kSoon = absl::Hours(6);

bool Waits(v1::Queue queue) {
  return queue != v1::QUEUE_HOLD && queue != v1::QUEUE_FROZEN &&
         queue != v1::QUEUE_CORRUPT;
}

}  // namespace

absl::string_view QueueAgeName(absl::Duration age) { return kAges[AgeNumber(age)].name; }

QueueView::QueueView(const Options& options)
    : options_(options),
      providers_(Providers()),
      unknown_(NumberOf("unknown")),
      cells_(providers_.size() * kAgeCount * kReasonCount) {}

uint8_t QueueView::NumberOf(absl::string_view provider) const {
  const auto found = std::lower_bound(providers_.begin(), providers_.end(), provider);
  return found != providers_.end() && *found == provider
             ? static_cast<uint8_t>(found - providers_.begin())
             : unknown_;
}

void QueueView::TakeLine(const MailLine& line) {
  switch (line.kind) {
    case MailKind::kDelivery:
      if (line.status == DeliveryStatus::kDeferred) return TakeDeferral(line);
      break;
    case MailKind::kInterimFailure:
      return TakeDeferral(line);
    case MailKind::kRemoved: {
      // One that a reading has met is found to have left by the next.
      const auto known = known_.find(QueueIdKey(line.queue_id));
      if (known != known_.end() && known->second.seen == 0) known_.erase(known);
      return;
    }
    default:
      return;
  }
  if (line.relay_host.empty()) return;
  const absl::string_view domain = DomainOf(line.to);
  if (domain.empty()) return;
  if (domains_.size() >= options_.most_domains) domains_.clear();
  domains_[absl::AsciiStrToLower(domain)] = NumberOf(ProviderOf(line.relay_host));
}

void QueueView::TakeDeferral(const MailLine& line) {
  heard_log_ = true;
  // What was said before still holds.
  if (line.queue_id.empty() || line.own_pause) return;
  Known* const known = Note(QueueIdKey(line.queue_id));
  if (known == nullptr) return;
  const ReplyVerdict verdict =
      classifier_.Classify({line.relay_host, line.reply, line.dsn});
  // "Connection refused" alone: the line before has named the server.
  if (!verdict.provider.empty() && verdict.provider != "unknown") {
    known->provider = NumberOf(verdict.provider);
  }
  known->reason = static_cast<uint8_t>(verdict.reply_class);
  known->has_cause = true;
  const absl::string_view to = DomainOf(line.to);
  const absl::string_view before = DomainOf(line.orig_to);
  if (!to.empty() && !before.empty() && !absl::EqualsIgnoreCase(to, before)) {
    known->forwarded = true;
  }
  if (to.empty() || known->provider == unknown_) return;
  if (domains_.size() >= options_.most_domains) domains_.clear();
  domains_[absl::AsciiStrToLower(to)] = known->provider;
}

QueueView::Known* QueueView::Note(uint64_t key) {
  const auto known = known_.find(key);
  if (known == known_.end() && known_.size() >= options_.most_messages) {
    ++forgotten_;
    return nullptr;
  }
  Known& one =
      known == known_.end() ? known_[key] = {unknown_, kUnknownReason} : known->second;
  one.noted = readings_;
  return &one;
}

void QueueView::Begin(Instant now) {
  ++readings_;
  now_ = now.wall;
  std::fill(cells_.begin(), cells_.end(), Sum());
  expiring_ = forwarded_ = 0;
  lifetime_unknown_ = forwards_told_ = false;
}

void QueueView::Take(const QueuedMessage& message) {
  Known* known = nullptr;
  const auto found = known_.find(message.key);
  if (found != known_.end()) {
    known = &found->second;
  } else {
    known = Note(message.key);
  }
  if (known != nullptr) {
    if (known->seen == 0) ++arrived_;
    known->seen = readings_;
    if (!message.reason.empty()) {
      const ReplyVerdict verdict =
          classifier_.Classify({message.relay_host, message.reason, ""});
      known->provider = NumberOf(verdict.provider);
      known->reason = static_cast<uint8_t>(verdict.reply_class);
      known->has_cause = true;
    }
  }
  const absl::Duration age =
      std::max(absl::ZeroDuration(), now_ - absl::FromUnixSeconds(message.arrived));
  const Cause cause = CauseOf(message, known);
  Sum& sum = Cell(cause.provider, AgeNumber(age), cause.reason);
  ++sum.messages;
  sum.bytes += message.bytes;

  if (message.forwarded) forwards_told_ = true;
  if (message.forwarded.value_or(false) || (known != nullptr && known->forwarded)) {
    ++forwarded_;
  }
  if (!Waits(message.queue)) return;
  const std::optional<absl::Duration> lifetime = LifetimeOf(message);
  if (!lifetime) lifetime_unknown_ = true;
  if (lifetime && age + kSoon >= *lifetime) ++expiring_;
}

QueueView::Cause QueueView::CauseOf(const QueuedMessage& message,
                                    const Known* known) const {
  Cause cause = {unknown_, kUnknownReason};
  if (known != nullptr && known->has_cause) cause = {known->provider, known->reason};
  if (cause.provider == unknown_ && !message.to_domain.empty()) {
    const auto domain = domains_.find(message.to_domain);
    if (domain != domains_.end()) cause.provider = domain->second;
  }
  if (!Waits(message.queue)) {
    cause.reason = kHeld;
  } else if (cause.reason == kUnknownReason && message.queue != v1::QUEUE_DEFERRED) {
    cause.reason = kNotTried;
  }
  return cause;
}

std::optional<absl::Duration> QueueView::LifetimeOf(const QueuedMessage& message) const {
  return message.is_notice ? options_.notice_lifetime : options_.lifetime;
}

QueueView::Sum& QueueView::Cell(size_t provider, size_t age, size_t reason) {
  return cells_[(provider * kAgeCount + age) * kReasonCount + reason];
}

void QueueView::Finish(Instant now, v1::QueueReading* reading) {
  AddCauses(reading);
  if (!lifetime_unknown_) reading->set_expiring(expiring_);
  if (heard_log_ || forwards_told_) reading->set_forwarded(forwarded_);
  AddFlow(now, reading);
}

void QueueView::AddCauses(v1::QueueReading* reading) {
  struct Row {
    size_t provider, age, reason;
    Sum sum;
  };
  std::vector<Row> rows;
  for (size_t i = 0; i < cells_.size(); ++i) {
    if (cells_[i].messages == 0) continue;
    rows.push_back({i / kReasonCount / kAgeCount, i / kReasonCount % kAgeCount,
                    i % kReasonCount, cells_[i]});
  }
  std::sort(rows.begin(), rows.end(), [](const Row& a, const Row& b) {
    return std::make_tuple(b.sum.messages, a.provider, a.age, a.reason) <
           std::make_tuple(a.sum.messages, b.provider, b.age, b.reason);
  });
  const auto add = [&](absl::string_view provider, size_t age, absl::string_view reason,
                       const Sum& sum) {
    v1::QueueCause& cause = *reading->add_causes();
    cause.set_provider(std::string(provider));
    cause.set_age(std::string(kAges[age].name));
    cause.set_reason(std::string(reason));
    cause.set_messages(sum.messages);
    cause.set_bytes(sum.bytes);
  };
  Sum rest[kAgeCount];
  for (size_t i = 0; i < rows.size(); ++i) {
    const Row& row = rows[i];
    if (i < options_.most_causes) {
      add(providers_[row.provider], row.age, ReasonName(row.reason), row.sum);
    } else {
      rest[row.age].messages += row.sum.messages;
      rest[row.age].bytes += row.sum.bytes;
    }
  }
  for (size_t age = 0; age < kAgeCount; ++age) {
    if (rest[age].messages > 0) add("other", age, "other", rest[age]);
  }
}

void QueueView::AddFlow(Instant now, v1::QueueReading* reading) {
  uint64_t left = 0;
  absl::erase_if(known_, [&](const auto& one) {
    const Known& known = one.second;
    if (known.seen == readings_) return false;
    if (known.seen != 0) ++left;
    // The log can be ahead of the reading, and of the next one if that was under way.
    return known.seen != 0 || known.noted + 2 < readings_;
  });
  // What stood there at the first reading has not just come.
  const uint64_t arrived = std::exchange(arrived_, 0);
  flow_.push_back({now.mono, has_base_ ? arrived : 0, left});
  has_base_ = true;
  while (flow_.size() > 2 && now.mono - flow_[1].at >= options_.rate_window) {
    flow_.pop_front();
  }
  if (flow_.size() < 2) return;
  uint64_t sum_arrived = 0;
  uint64_t sum_left = 0;
  // The first is only where the time begins.
  for (size_t i = 1; i < flow_.size(); ++i) {
    sum_arrived += flow_[i].arrived;
    sum_left += flow_[i].left;
  }
  reading->set_arrived(sum_arrived);
  reading->set_left(sum_left);
  reading->set_counted_over_seconds(
      absl::ToInt64Seconds(flow_.back().at - flow_.front().at));
}

}  // namespace mailvane
