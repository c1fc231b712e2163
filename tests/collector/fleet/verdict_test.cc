#include "collector/fleet/verdict.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <functional>

#include "collector/fleet/fleet_snapshot.h"

namespace mailvane {
namespace {

struct Case {
  const char* name;
  std::function<void(Facts*, v1::Snapshot*)> change;
  Health health;
  const char* why;
};

void AddSource(v1::Snapshot* snapshot, const char* source, v1::Unavailable unavailable) {
  v1::SourceReading& reading = *snapshot->add_sources();
  reading.set_source(source);
  reading.set_unavailable(unavailable);
  reading.set_detail("<script>from the server itself</script>");
}

// Each begins with a system about which all is well.
const Case kCases[] = {
    {"all is well", [](Facts*, v1::Snapshot*) {}, Health::kOperational, ""},
    {"its log and queue can be read",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_log", v1::UNAVAILABLE_UNSPECIFIED);
       AddSource(snapshot, "postfix_queue", v1::UNAVAILABLE_UNSPECIFIED);
     },
     Health::kOperational, ""},
    {"an unknown ping is no trouble",
     [](Facts* facts, v1::Snapshot*) { facts->ping = PingState::kUnknown; },
     Health::kOperational, ""},
    {"never heard",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for.reset();
       facts->measurements = nullptr;
     },
     Health::kUnknown, "No report yet."},
    {"never heard, and does not answer: not in use, perhaps",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for.reset();
       facts->ping = PingState::kDown;
     },
     Health::kUnknown, "No report yet."},
    {"silent, but answers pings",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for = absl::Seconds(119);
     },
     Health::kUnknown, "No report for 119 s."},
    {"silent, and nobody could ask",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for = absl::Minutes(119);
       facts->ping = PingState::kUnknown;
     },
     Health::kUnknown, "No report for 119 min."},
    {"silent for hours",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for = absl::Hours(47);
     },
     Health::kUnknown, "No report for 47 h."},
    {"silent, and does not answer",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for = absl::Hours(72);
       facts->ping = PingState::kDown;
     },
     Health::kMajorOutage, "Does not answer. No report for 3 days."},
    {"silent to a collector that has only begun to listen",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for = absl::Seconds(40);
       facts->just_started = true;
       facts->ping = PingState::kDown;
     },
     Health::kUnknown, "No report for 40 s."},
    {"a planned restart is no outage",
     [](Facts* facts, v1::Snapshot*) {
       facts->connected = false;
       facts->silent_for = absl::Seconds(40);
       facts->planned_restart = true;
       facts->ping = PingState::kDown;
     },
     Health::kUnknown, "Its agent is restarting."},
    {"reports, but does not answer pings",
     [](Facts* facts, v1::Snapshot*) { facts->ping = PingState::kDown; },
     Health::kPartialOutage, "Reports, but does not answer pings."},
    {"a ping that is down is worse than a finding",
     [](Facts* facts, v1::Snapshot*) {
       facts->ping = PingState::kDown;
       facts->trouble = "bounce_rate";
     },
     Health::kPartialOutage, "Reports, but does not answer pings."},
    {"mail is refused",
     [](Facts* facts, v1::Snapshot*) { facts->trouble = "bounce_rate"; },
     Health::kDegraded, "Much of the mail that leaves is refused."},
    {"a finding of a type that has no words of its own",
     [](Facts* facts, v1::Snapshot*) { facts->trouble = "<b>joe@example.net</b>"; },
     Health::kDegraded, "Mail delivery is in trouble."},
    {"a finding outlives the measurements",
     [](Facts* facts, v1::Snapshot*) {
       facts->trouble = "bounce_rate";
       facts->measurements = nullptr;
     },
     Health::kDegraded, "Much of the mail that leaves is refused."},
    {"connected, and nothing measured yet",
     [](Facts* facts, v1::Snapshot*) { facts->measurements = nullptr; }, Health::kUnknown,
     "Connected; the first measurements are on their way."},
    {"what a host does not have is no trouble",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_queue", v1::UNAVAILABLE_NOT_CONFIGURED);
     },
     Health::kOperational, ""},
    {"blind for the log",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_queue", v1::UNAVAILABLE_UNSPECIFIED);
       AddSource(snapshot, "postfix_log", v1::UNAVAILABLE_PERMISSION_DENIED);
     },
     Health::kUnknown, "Mail log unknown: permission denied."},
    {"blind for the journal",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "journal", v1::UNAVAILABLE_NOT_FOUND);
     },
     Health::kUnknown, "Journal unknown: not found."},
    {"blind for the queue",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_queue", v1::UNAVAILABLE_TIMEOUT);
     },
     Health::kUnknown, "Queue unknown: no answer in time."},
    {"a queue that is not understood",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_queue", v1::UNAVAILABLE_MALFORMED);
     },
     Health::kUnknown, "Queue unknown: not understood."},
    {"the outbox is full",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_log", v1::UNAVAILABLE_OUTBOX_FULL);
     },
     Health::kUnknown, "Mail log unknown: reading is paused, the outbox is full."},
    {"a reason of a newer agent",
     [](Facts*, v1::Snapshot* snapshot) {
       AddSource(snapshot, "postfix_log", static_cast<v1::Unavailable>(99));
     },
     Health::kUnknown, "Mail log unknown: not readable."},
};

TEST(Verdict, TheFirstRuleThatAppliesDecides) {
  for (const Case& one : kCases) {
    SCOPED_TRACE(one.name);
    v1::Snapshot snapshot;
    Facts facts;
    facts.silent_for = absl::ZeroDuration();
    facts.connected = true;
    facts.ping = PingState::kUp;
    facts.measurements = &snapshot;
    one.change(&facts, &snapshot);
    const Verdict verdict = Judge(facts);
    EXPECT_EQ(verdict.health, one.health);
    EXPECT_EQ(verdict.why, one.why);
  }
}

TEST(Verdict, TheOperatorsWordNeverHidesTrouble) {
  for (Lifecycle lifecycle :
       {Lifecycle::kPlanned, Lifecycle::kProvisioning, Lifecycle::kOperational,
        Lifecycle::kInternal, Lifecycle::kRetiring, Lifecycle::kRetired}) {
    Facts facts;
    facts.lifecycle = lifecycle;
    facts.connected = true;
    facts.trouble = "bounce_rate";
    EXPECT_EQ(Judge(facts).health, Health::kDegraded) << Name(lifecycle);
  }
}

TEST(Verdict, NothingKnownIsNeverGreen) {
  EXPECT_EQ(Judge(Facts()).health, Health::kUnknown);
}

TEST(StatusWord, IsTheLifecycleWhileNothingIsWrong) {
  const struct {
    Lifecycle lifecycle;
    Health health;
    const char* word;
  } kWords[] = {
      {Lifecycle::kOperational, Health::kOperational, "Operational"},
      {Lifecycle::kInternal, Health::kOperational, "Internal"},
      {Lifecycle::kInternal, Health::kDegraded, "Degraded"},
      {Lifecycle::kOperational, Health::kUnknown, "No data"},
      {Lifecycle::kInternal, Health::kUnknown, "No data"},
      {Lifecycle::kRetiring, Health::kUnknown, "No data"},
      {Lifecycle::kPlanned, Health::kUnknown, "Planned"},
      {Lifecycle::kProvisioning, Health::kUnknown, "Provisioning"},
      {Lifecycle::kProvisioning, Health::kMajorOutage, "Major outage"},
      {Lifecycle::kRetired, Health::kUnknown, "Retired"},
      {Lifecycle::kOperational, Health::kPartialOutage, "Partial outage"},
      {Lifecycle::kOperational, Health::kMaintenance, "Maintenance"},
  };
  for (const auto& [lifecycle, health, word] : kWords) {
    SystemState system;
    system.lifecycle = lifecycle;
    system.health = health;
    EXPECT_EQ(StatusWord(system), word);
  }
}

}  // namespace
}  // namespace mailvane
