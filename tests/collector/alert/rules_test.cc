#include "collector/alert/rule.h"

#include <set>

#include "absl/strings/str_cat.h"
#include "collector/alert/look.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::IsEmpty;
using ::testing::Not;

const absl::Time kNow = absl::FromUnixSeconds(1'700'000'000);

TEST(ShippedRules, EachHasANameItsWordsAndCausesThatExist) {
  std::set<absl::string_view> names;
  for (const Rule& rule : ShippedRules()) {
    EXPECT_TRUE(names.insert(rule.name).second) << rule.name;
    EXPECT_THAT(rule.what, Not(IsEmpty())) << rule.name;
    EXPECT_EQ(rule.what.back(), '.') << rule.name;
    EXPECT_THAT(rule.first_step, Not(IsEmpty())) << rule.name;
    for (const absl::string_view cause : rule.said_by) {
      EXPECT_TRUE(cause.empty() || FindRule(cause) != nullptr) << rule.name << cause;
      EXPECT_NE(cause, rule.name);
    }
    if (!rule.look_at_system && !rule.look_at_fleet) {
      EXPECT_GE(rule.keep_firing_for, absl::Hours(1)) << rule.name << " has no end told";
    }
  }
}

TEST(ShippedRules, EachKindOfFindingHasOne) {
  for (const char* type :
       {"account_compromised", "account_watch", "provider_block", "rate_limited",
        "dnsbl_rejection", "dnsbl_listed", "queue_stuck", "dns_failure", "mass_expiry",
        "bounce_rate", "bruteforce", "harvest"}) {
    EXPECT_NE(FindRule(type), nullptr) << type;
  }
  EXPECT_EQ(FindRule("no_such_rule"), nullptr);
}

// A system that is well in every respect that rules look at.
SystemState Well() {
  SystemState system;
  system.id = "NC027";
  system.connected = true;
  system.first_seen = kNow - absl::Hours(24 * 30);
  system.last_seen = kNow;
  system.clock_skew = absl::Seconds(1);
  system.health = Health::kOperational;
  system.ping.state = PingState::kUp;
  v1::Snapshot snapshot;
  snapshot.add_sources()->set_source("postfix_log");
  v1::QueueDepth* depth = snapshot.mutable_queue()->add_depths();
  depth->set_queue(v1::QUEUE_INCOMING);
  depth->set_messages(2);
  depth->set_oldest_age_seconds(3);
  system.measurements = std::make_shared<const v1::Snapshot>(snapshot);
  return system;
}

// "fine", "unknown", or what is wrong, with its severity when that is its own.
std::string Said(const Reading& reading) {
  if (!reading.known) return "unknown";
  if (reading.wrong.empty()) return "fine";
  std::string said;
  for (const Condition& condition : reading.wrong) {
    absl::StrAppend(&said, condition.subject, condition.subject.empty() ? "" : ": ",
                    condition.detail);
    if (condition.severity) absl::StrAppend(&said, " [", Name(*condition.severity), "]");
  }
  return said;
}

void Change(SystemState* system, void (*change)(v1::Snapshot*)) {
  v1::Snapshot snapshot = *system->measurements;
  change(&snapshot);
  system->measurements = std::make_shared<const v1::Snapshot>(snapshot);
}

TEST(Look, AtASystem) {
  const struct {
    const char* name;
    Reading (*look)(const SystemFacts&);
    void (*change)(SystemState*);
    const char* want;
  } kCases[] = {
      {"up", &SystemDown, [](SystemState*) {}, "fine"},
      {"dead", &SystemDown,
       [](SystemState* system) {
         system->connected = false;
         system->ping.state = PingState::kDown;
         system->health = Health::kMajorOutage;
         system->health_why = "Does not answer.";
       },
       "Does not answer."},
      {"silent, and nobody can ping it", &SystemDown,
       [](SystemState* system) {
         system->connected = false;
         system->ping.state = PingState::kUnknown;
       },
       "unknown"},
      {"no ping", &PingLost,
       [](SystemState* system) {
         system->ping.state = PingState::kDown;
         system->ping.why = "No answer to 3 observers.";
       },
       "No answer to 3 observers."},
      {"nobody could ping", &PingLost,
       [](SystemState* system) { system->ping.state = PingState::kUnknown; }, "unknown"},
      {"a host without its agent", &AgentSilent,
       [](SystemState* system) {
         system->connected = false;
         system->last_seen = kNow - absl::Minutes(7);
       },
       "No report for 7 min. The host answers pings. [warning]"},
      {"an agent whose host nobody can see", &AgentSilent,
       [](SystemState* system) {
         system->connected = false;
         system->ping.state = PingState::kUnknown;
         system->last_seen = kNow - absl::Minutes(7);
       },
       "No report for 7 min."},
      {"never heard", &AgentSilent,
       [](SystemState* system) {
         system->connected = false;
         system->last_seen.reset();
       },
       "unknown"},
      {"readable", &SourceUnreadable, [](SystemState*) {}, "fine"},
      {"no measurements", &SourceUnreadable,
       [](SystemState* system) { system->measurements = nullptr; }, "unknown"},
      {"a log that may not be read", &SourceUnreadable,
       [](SystemState* system) {
         Change(system, [](v1::Snapshot* snapshot) {
           snapshot->mutable_sources(0)->set_unavailable(
               v1::UNAVAILABLE_PERMISSION_DENIED);
           snapshot->mutable_sources(0)->set_detail("open /var/log/mail.log");
         });
       },
       "postfix_log: permission denied: open /var/log/mail.log"},
      {"nothing to read is not unreadable", &SourceUnreadable,
       [](SystemState* system) {
         Change(system, [](v1::Snapshot* snapshot) {
           snapshot->mutable_sources(0)->set_unavailable(v1::UNAVAILABLE_NOT_CONFIGURED);
         });
       },
       "fine"},
      {"a full outbox", &OutboxFull,
       [](SystemState* system) {
         Change(system, [](v1::Snapshot* snapshot) {
           snapshot->mutable_sources(0)->set_unavailable(v1::UNAVAILABLE_OUTBOX_FULL);
         });
       },
       "The agent has stopped reading the log until there is room."},
      {"a queue that moves", &QueueNotDraining, [](SystemState*) {}, "fine"},
      {"a queue that can't be read", &QueueNotDraining,
       [](SystemState* system) {
         Change(system, [](v1::Snapshot* snapshot) {
           snapshot->mutable_queue()->set_unavailable(v1::UNAVAILABLE_TIMEOUT);
         });
       },
       "unknown"},
      {"a queue manager that is gone", &QueueNotDraining,
       [](SystemState* system) {
         Change(system, [](v1::Snapshot* snapshot) {
           snapshot->mutable_queue()->mutable_depths(0)->set_oldest_age_seconds(660);
         });
       },
       "2 messages wait in incoming, the oldest for 11 min."},
      {"an age that no clock has", &QueueNotDraining,
       [](SystemState* system) {
         Change(system, [](v1::Snapshot* snapshot) {
           snapshot->mutable_queue()->mutable_depths(0)->set_oldest_age_seconds(
               ~uint64_t{0});
         });
       },
       "2 messages wait in incoming, the oldest for 527040 min."},
      {"a clock that is right", &ClockSkew, [](SystemState*) {}, "fine"},
      {"a clock that is behind", &ClockSkew,
       [](SystemState* system) { system->clock_skew = -absl::Seconds(90); },
       "Its clock is 90 s behind."},
      {"a clock that nobody told", &ClockSkew,
       [](SystemState* system) { system->clock_skew.reset(); }, "unknown"},
  };
  for (const auto& one : kCases) {
    SystemState system = Well();
    one.change(&system);
    EXPECT_EQ(Said(one.look({system, kNow, {}, {}})), one.want) << one.name;
  }
}

TEST(Look, AtAQueueThatGrows) {
  const SystemState system = Well();
  const auto look = [&](std::optional<uint64_t> now, std::optional<uint64_t> before) {
    return Said(QueueGrowing({system, kNow, now, before}));
  };
  EXPECT_EQ(look(500, 100), "500 messages in the queue, 100 half an hour ago.");
  EXPECT_EQ(look(500, 300), "fine");
  EXPECT_EQ(look(199, 0), "fine") << "too few to be worth a word";
  EXPECT_EQ(look(500, std::nullopt), "unknown");
  EXPECT_EQ(look(std::nullopt, 100), "unknown");
}

TEST(Look, AtAnObserverThatLosesMost) {
  const auto look = [](int lost, int connected, absl::Duration since_start) {
    FleetSnapshot fleet;
    fleet.at = kNow;
    fleet.stats.started_at = kNow - since_start;
    for (int i = 0; i < lost + connected; ++i) {
      SystemState system = Well();
      system.connected = i >= lost;
      system.last_seen = kNow - absl::Seconds(40);
      fleet.systems.push_back(system);
    }
    return Said(ObserverCutOff(AlertInputs{fleet}));
  };
  EXPECT_EQ(look(6, 4, absl::Hours(1)),
            "6 of 10 systems fell silent at about the same time.");
  EXPECT_EQ(look(5, 5, absl::Hours(1)), "fine");
  EXPECT_EQ(look(3, 0, absl::Hours(1)), "fine") << "of three nobody can say";
  EXPECT_EQ(look(10, 0, absl::Minutes(1)), "unknown") << "they are still to come back";
}

TEST(Look, AtTheCollector) {
  FleetSnapshot fleet;
  AlertInputs inputs{fleet};
  EXPECT_EQ(Said(StoreFailing(inputs)), "fine");
  EXPECT_EQ(Said(NotificationsStuck(inputs)), "fine");
  inputs.store_writes = false;
  inputs.undelivered_for = absl::Minutes(20);
  EXPECT_EQ(Said(StoreFailing(inputs)), "The last commit failed.");
  EXPECT_EQ(Said(NotificationsStuck(inputs)), "The oldest waits for 20 min.");
}

}  // namespace
}  // namespace mailvane
