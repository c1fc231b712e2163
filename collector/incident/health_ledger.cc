#include "collector/incident/health_ledger.h"

#include <algorithm>
#include <utility>

namespace mailvane {
namespace {

int64_t ToSecond(absl::Time time) { return absl::ToUnixSeconds(time); }

int64_t StartOf(absl::CivilDay day) {
  return ToSecond(absl::FromCivil(day, absl::UTCTimeZone()));
}

int* ShareOf(Health health, DayShares* shares) {
  switch (health) {
    case Health::kOperational:
    case Health::kDegraded:
      return &shares->up;
    case Health::kPartialOutage:
    case Health::kMajorOutage:
      return &shares->down;
    case Health::kMaintenance:
      return &shares->maintenance;
    case Health::kUnknown:
      break;
  }
  return &shares->unknown;
}

}  // namespace

void HealthLedger::Restore(HealthSpan span) {
  Watched& watched = systems_[span.system];
  const bool after_all = watched.spans.empty() || watched.spans.back().until <= span.from;
  if (span.until <= span.from || !after_all || span.health == Health::kUnknown) {
    ++dropped_;
    return;
  }
  watched.spans.push_back(std::move(span));
}

// Whether all of the time since the last look counts as seen.
bool HealthLedger::WatchedSince(const Watched& watched, Instant now) const {
  if (!watched.open) return false;
  const absl::Duration passed = now.mono - watched.looked_at.mono;
  const absl::Duration by_wall = now.wall - watched.looked_at.wall;
  return passed <= options_.longest_look &&
         absl::AbsDuration(by_wall - passed) <= options_.clock_slack;
}

void HealthLedger::Observe(Instant now, absl::string_view system, Health health) {
  auto found = systems_.find(system);
  if (found == systems_.end()) {
    found = systems_.emplace(std::string(system), Watched()).first;
  }
  Watched& watched = found->second;
  const int64_t second = ToSecond(now.wall);
  if (WatchedSince(watched, now)) {
    HealthSpan& last = watched.spans.back();
    // What was seen last holds until this look.
    if (second > last.until) {
      last.until = second;
      watched.changed = true;
    }
    watched.looked_at = now;
    if (last.health == health) return;
  }
  if (watched.changed && !watched.spans.empty()) {
    watched.closed_changed.push_back(watched.spans.back());
    watched.changed = false;
  }
  watched.looked_at = now;
  watched.open = false;
  // A clock that was set back gives these seconds a second time: the first holds.
  if (!watched.spans.empty() && second < watched.spans.back().until) return;
  if (health == Health::kUnknown) return;
  // A span that never became a second long was none.
  if (!watched.spans.empty() && watched.spans.back().from == watched.spans.back().until) {
    watched.spans.pop_back();
  }
  watched.spans.push_back({std::string(system), second, second, health});
  watched.open = true;
  const int64_t forgotten = ForgottenUntil(now.wall);
  while (watched.spans.size() > options_.most_spans ||
         (watched.spans.size() > 1 && watched.spans.front().until <= forgotten)) {
    if (watched.spans.front().until > forgotten) ++dropped_;
    watched.spans.pop_front();
  }
}

std::vector<HealthSpan> HealthLedger::TakeChanged() {
  std::vector<HealthSpan> changed;
  for (auto& [system, watched] : systems_) {
    for (HealthSpan& span : watched.closed_changed) changed.push_back(std::move(span));
    watched.closed_changed.clear();
    if (watched.changed) changed.push_back(watched.spans.back());
    watched.changed = false;
  }
  return changed;
}

int64_t HealthLedger::ForgottenUntil(absl::Time now) const {
  return ToSecond(now - options_.kept);
}

std::vector<HealthSpan> HealthLedger::Spans(absl::string_view system, absl::Time from,
                                            absl::Time until) const {
  std::vector<HealthSpan> cut;
  const auto found = systems_.find(system);
  if (found == systems_.end()) return cut;
  const std::deque<HealthSpan>& spans = found->second.spans;
  const int64_t first = ToSecond(from);
  const int64_t last = ToSecond(until);
  auto it = std::partition_point(
      spans.begin(), spans.end(),
      [first](const HealthSpan& span) { return span.until <= first; });
  for (; it != spans.end() && it->from < last; ++it) {
    HealthSpan span = *it;
    span.from = std::max(span.from, first);
    span.until = std::min(span.until, last);
    if (span.from < span.until) cut.push_back(std::move(span));
  }
  return cut;
}

std::vector<DayShares> HealthLedger::Days(absl::string_view system, int days,
                                          absl::Time now) const {
  const absl::CivilDay today = absl::ToCivilDay(now, absl::UTCTimeZone());
  std::vector<DayShares> shares;
  for (absl::CivilDay day = today - (days - 1); day <= today; ++day) {
    DayShares one;
    one.day = day;
    const int64_t until = std::min(StartOf(day + 1), ToSecond(now));
    one.unknown = static_cast<int>(until - StartOf(day));
    shares.push_back(one);
  }
  if (shares.empty()) return shares;
  const int64_t first = StartOf(shares.front().day);
  for (const HealthSpan& span : Spans(system, absl::FromUnixSeconds(first), now)) {
    for (int64_t from = span.from; from < span.until;) {
      const size_t index = (from - first) / 86'400;
      const int64_t until =
          std::min(span.until, first + static_cast<int64_t>(index + 1) * 86'400);
      const int seconds = static_cast<int>(until - from);
      shares[index].unknown -= seconds;
      *ShareOf(span.health, &shares[index]) += seconds;
      from = until;
    }
  }
  return shares;
}

}  // namespace mailvane
