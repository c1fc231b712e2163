#include "collector/alert/look.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "collector/fleet/verdict.h"

namespace mailvane {
namespace {

Reading Unknown() { return {false, {}}; }
Reading Fine() { return {}; }
Reading Wrong(std::string detail) { return {true, {{"", std::move(detail), {}}}}; }

// Below this a queue that doubles is a newsletter of a small shop.
constexpr uint64_t kQueueWorthSaying = 200;
constexpr uint64_t kQueueGrowth = 2;
// Postfix moves mail on within seconds, unless its queue manager is not there or
// is far behind.
constexpr absl::Duration kUntouched = absl::Minutes(10);
// Beyond this, logs of two servers can't be read together, and TOTP fails.
constexpr absl::Duration kSkewWorthSaying = absl::Seconds(30);
// An observer that loses more than this share of those it heard within the last
// minutes is itself the likelier fault; of fewer than four, nobody can say.
constexpr int kCutOffPercent = 55;
constexpr int kCutOffLeast = 4;
constexpr absl::Duration kCutOffWindow = absl::Minutes(5);
constexpr absl::Duration kComeBack = absl::Minutes(2);
constexpr absl::Duration kUndeliveredWorthSaying = absl::Minutes(15);

std::string InMinutes(absl::Duration duration) {
  return absl::StrCat(absl::ToInt64Minutes(duration), " min");
}

const char* Name(v1::Queue queue) {
  return queue == v1::QUEUE_MAILDROP ? "maildrop" : "incoming";
}

}  // namespace

bool IsInService(const SystemState& system) {
  switch (system.lifecycle) {
    case Lifecycle::kOperational:
    case Lifecycle::kInternal:
    case Lifecycle::kRetiring:
      return true;
    case Lifecycle::kPlanned:
    case Lifecycle::kProvisioning:
    case Lifecycle::kRetired:
      return false;
  }
  return false;
}

Reading SystemDown(const SystemFacts& system) {
  if (system.state.health == Health::kMajorOutage) return Wrong(system.state.health_why);
  // A silent agent alone does not say that its host is well again.
  return system.state.connected || system.state.ping.state == PingState::kUp ? Fine()
                                                                             : Unknown();
}

Reading PingLost(const SystemFacts& system) {
  if (!system.state.connected) return Unknown();
  if (system.state.ping.state == PingState::kUnknown) return Unknown();
  return system.state.ping.state == PingState::kDown ? Wrong(system.state.ping.why)
                                                     : Fine();
}

Reading AgentSilent(const SystemFacts& system) {
  if (system.state.connected) return Fine();
  // Never heard: it is not installed yet.
  if (!system.state.last_seen) return Unknown();
  const absl::Duration silence = system.now - *system.state.last_seen;
  Condition silent{"", absl::StrCat("No report for ", InMinutes(silence), "."), {}};
  if (system.state.ping.state == PingState::kUp) {
    absl::StrAppend(&silent.detail, " The host answers pings.");
    silent.severity = v1::Alert::SEVERITY_WARNING;
  }
  return {true, {std::move(silent)}};
}

Reading SourceUnreadable(const SystemFacts& system) {
  if (system.state.measurements == nullptr) return Unknown();
  Reading reading;
  for (const v1::SourceReading& source : system.state.measurements->sources()) {
    if (source.unavailable() == v1::UNAVAILABLE_UNSPECIFIED ||
        source.unavailable() == v1::UNAVAILABLE_NOT_CONFIGURED ||
        source.unavailable() == v1::UNAVAILABLE_OUTBOX_FULL) {
      continue;
    }
    reading.wrong.push_back(
        {source.source(),
         absl::StrCat(Words(source.unavailable()), ": ", source.detail()),
         {}});
  }
  return reading;
}

Reading OutboxFull(const SystemFacts& system) {
  if (system.state.measurements == nullptr) return Unknown();
  for (const v1::SourceReading& source : system.state.measurements->sources()) {
    if (source.unavailable() == v1::UNAVAILABLE_OUTBOX_FULL) {
      return Wrong("The agent has stopped reading the log until there is room.");
    }
  }
  return Fine();
}

Reading QueueGrowing(const SystemFacts& system) {
  if (!system.queued || !system.queued_before) return Unknown();
  if (*system.queued < kQueueWorthSaying ||
      *system.queued / kQueueGrowth < *system.queued_before) {
    return Fine();
  }
  return Wrong(absl::StrCat(*system.queued, " messages in the queue, ",
                            *system.queued_before, " half an hour ago."));
}

Reading QueueNotDraining(const SystemFacts& system) {
  const v1::Snapshot* snapshot = system.state.measurements.get();
  if (snapshot == nullptr || !snapshot->has_queue() ||
      snapshot->queue().unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
    return Unknown();
  }
  for (const v1::QueueDepth& depth : snapshot->queue().depths()) {
    if (depth.queue() != v1::QUEUE_INCOMING && depth.queue() != v1::QUEUE_MAILDROP) {
      continue;
    }
    const absl::Duration oldest =
        absl::Seconds(std::min<uint64_t>(depth.oldest_age_seconds(), 366 * 24 * 3600));
    if (depth.messages() > 0 && oldest >= kUntouched) {
      return Wrong(absl::StrCat(depth.messages(), " messages wait in ",
                                Name(depth.queue()), ", the oldest for ",
                                InMinutes(oldest), "."));
    }
  }
  return Fine();
}

Reading ClockSkew(const SystemFacts& system) {
  if (!system.state.connected || !system.state.clock_skew) return Unknown();
  const absl::Duration skew = *system.state.clock_skew;
  if (absl::AbsDuration(skew) < kSkewWorthSaying) return Fine();
  return Wrong(absl::StrCat("Its clock is ",
                            absl::ToInt64Seconds(absl::AbsDuration(skew)),
                            skew > absl::ZeroDuration() ? " s ahead." : " s behind."));
}

Reading ObserverCutOff(const AlertInputs& inputs) {
  // Agents that have not come back to a new collector yet are not lost.
  if (inputs.fleet.at - inputs.fleet.stats.started_at < kComeBack) return Unknown();
  int connected = 0;
  int lost = 0;
  for (const SystemState& system : inputs.fleet.systems) {
    if (!IsInService(system)) continue;
    connected += system.connected;
    lost += !system.connected && system.last_seen &&
            inputs.fleet.at - *system.last_seen <= kCutOffWindow;
  }
  if (lost < kCutOffLeast || lost * 100 <= kCutOffPercent * (lost + connected)) {
    return Fine();
  }
  return Wrong(absl::StrCat(lost, " of ", lost + connected,
                            " systems fell silent at about the same time."));
}

Reading StoreFailing(const AlertInputs& inputs) {
  return inputs.store_writes ? Fine() : Wrong("The last commit failed.");
}

Reading NotificationsStuck(const AlertInputs& inputs) {
  if (inputs.undelivered_for < kUndeliveredWorthSaying) return Fine();
  return Wrong(
      absl::StrCat("The oldest waits for ", InMinutes(inputs.undelivered_for), "."));
}

Reading Always(const AlertInputs&) {
  return Wrong("Always firing: when it stops, nobody is watching.");
}

}  // namespace mailvane
