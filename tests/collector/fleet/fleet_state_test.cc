#include "collector/fleet/fleet_state.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <limits>
#include <set>

#include "absl/strings/str_cat.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr auto kPass = v1::PingReading::VERDICT_PASS;
constexpr auto kFail = v1::PingReading::VERDICT_FAIL;
constexpr auto kUnknownPing = v1::PingReading::VERDICT_UNKNOWN;
const std::string kEpoch(16, 'e');

v1::Inventory Systems(int count) {
  v1::Inventory inventory;
  for (int i = 0; i < count; ++i) {
    v1::System& system = *inventory.add_systems();
    system.set_id(absl::StrCat("NC", i));
    system.add_addresses(absl::StrCat("192.0.2.", i));
  }
  return inventory;
}

class FleetStateTest : public testing::Test {
 protected:
  FleetStateTest() : fleet_(Systems(3), FleetState::Options(), now_) {}

  void Wait(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
  }

  SystemState System(absl::string_view id = "NC0") {
    for (SystemState& system : fleet_.Snapshot(now_, CollectorStats()).systems) {
      if (system.id == id) return std::move(system);
    }
    ADD_FAILURE() << "no system " << id;
    return SystemState();
  }

  v1::Snapshot Report(uint64_t revision) {
    v1::Snapshot snapshot;
    snapshot.set_epoch(kEpoch);
    snapshot.set_revision(revision);
    *snapshot.mutable_counting_since() = ToProto(started_);
    snapshot.mutable_log()->set_lines(revision);
    return snapshot;
  }
  static v1::PingReading Ping(const char* peer, v1::PingReading::Verdict verdict,
                              uint64_t age_ms = 0, uint64_t rtt_us = 0) {
    v1::PingReading reading;
    reading.set_peer(peer);
    reading.set_verdict(verdict);
    reading.set_age_ms(age_ms);
    if (rtt_us > 0) reading.set_rtt_us(rtt_us);
    return reading;
  }
  // `observer` pinged NC0.
  void Observe(const char* observer, v1::PingReading::Verdict verdict,
               uint64_t age_ms = 0, uint64_t rtt_us = 0) {
    v1::Snapshot snapshot = Report(++revision_);
    *snapshot.add_pings() = Ping("NC0", verdict, age_ms, rtt_us);
    fleet_.Measured(now_, observer, snapshot);
  }
  PingSummary PingOf(absl::string_view id = "NC0") {
    fleet_.Tick(now_);
    return System(id).ping;
  }
  void Live(const char* id = "NC0") {
    fleet_.Greeted(now_, id, "1.0");
    fleet_.Measured(now_, id, Report(++revision_));
    fleet_.Tick(now_);
  }
  static v1::Event Finding(absl::Time last_seen, v1::Level level = v1::LEVEL_WARNING) {
    v1::Event event;
    event.mutable_finding()->set_type("bounce_rate");
    event.mutable_finding()->set_level(level);
    *event.mutable_finding()->mutable_last_seen() = ToProto(last_seen);
    return event;
  }

  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  const absl::Time started_ = now_.wall;
  uint64_t revision_ = 0;
  FleetState fleet_;
};

TEST_F(FleetStateTest, BeginsWithNothingKnown) {
  const SystemState system = System();
  EXPECT_EQ(system.health, Health::kUnknown);
  EXPECT_EQ(system.health_why, "No report yet.");
  EXPECT_EQ(system.ping.state, PingState::kUnknown);
  EXPECT_FALSE(system.connected);
  EXPECT_FALSE(system.last_seen);
  EXPECT_EQ(system.measurements, nullptr);
  EXPECT_THAT(fleet_.Tick(now_), IsEmpty()) << "unknown is how it began";
}

TEST_F(FleetStateTest, OnlyWhatHoldsUpMailColoursTheTable) {
  Live();
  const Health before = System().health;
  for (const char* type : {"bruteforce", "harvest", "account_watch",
                           "account_compromised", "dnsbl_listed", "anything"}) {
    v1::Event event = Finding(now_.wall);
    event.mutable_finding()->set_type(type);
    fleet_.Told(now_, "NC0", event);
    fleet_.Tick(now_);
    EXPECT_EQ(System().health, before) << type;
  }
  v1::Event event = Finding(now_.wall);
  event.mutable_finding()->set_type("provider_block");
  fleet_.Told(now_, "NC0", event);
  fleet_.Tick(now_);
  EXPECT_EQ(System().health, Health::kDegraded);
  EXPECT_EQ(System().health_why, "A large provider refuses our mail.");
}

TEST_F(FleetStateTest, IsSilentAfterThreeBeats) {
  Live();
  EXPECT_TRUE(System().connected);
  EXPECT_NE(System().measurements, nullptr);
  Wait(absl::Seconds(30));
  fleet_.Tick(now_);
  EXPECT_TRUE(System().connected) << "two may be lost to chance";
  Wait(absl::Milliseconds(1));
  const std::vector<HealthTransition> transitions = fleet_.Tick(now_);
  EXPECT_FALSE(System().connected);
  EXPECT_EQ(System().measurements, nullptr) << "old measurements are not present ones";
  ASSERT_THAT(transitions, SizeIs(1));
  EXPECT_EQ(transitions[0].from, Health::kOperational);
  EXPECT_EQ(transitions[0].to, Health::kUnknown);
  EXPECT_EQ(System().last_known_health, Health::kOperational);
  EXPECT_THAT(fleet_.Tick(now_), IsEmpty()) << "told once";
  fleet_.Beat(now_, "NC0");
  fleet_.Tick(now_);
  EXPECT_TRUE(System().connected);
}

// After its own restart the collector has heard nobody: a system that does not
// answer pings is down when its agent had the time to come back, not before.
TEST_F(FleetStateTest, AFreshCollectorListensBeforeItJudges) {
  const auto ping_and_tick = [&] {
    fleet_.Pinged(now_, "NC0", Ping("", v1::PingReading::VERDICT_FAIL));
    fleet_.Tick(now_);
    return System().health;
  };
  fleet_.Restore("NC0", now_.wall - absl::Seconds(20), "1.0");
  EXPECT_EQ(ping_and_tick(), Health::kUnknown);
  Wait(absl::Seconds(80));
  EXPECT_EQ(ping_and_tick(), Health::kUnknown);
  Wait(absl::Seconds(11));
  EXPECT_EQ(ping_and_tick(), Health::kMajorOutage);
}

TEST_F(FleetStateTest, NoJumpOfTheWallClockChangesWhoIsAlive) {
  for (absl::Duration jump : {absl::Hours(100), -absl::Hours(200), absl::Hours(100)}) {
    Live();
    now_.wall += jump;
    EXPECT_THAT(fleet_.Tick(now_), IsEmpty()) << jump;
    EXPECT_TRUE(System().connected) << jump;
    EXPECT_NE(System().measurements, nullptr) << jump;
  }
  Live();
  // Nor does one hide a silence, or make it longer or shorter than it is.
  now_.wall -= absl::Hours(5);
  now_.mono += absl::Seconds(31);
  fleet_.Tick(now_);
  EXPECT_FALSE(System().connected);
  EXPECT_EQ(System().health_why, "No report for 31 s.");
  now_.wall += absl::Hours(50);
  now_.mono += absl::Seconds(1);
  fleet_.Tick(now_);
  EXPECT_EQ(System().health_why, "No report for 32 s.");
}

TEST_F(FleetStateTest, AnOlderSnapshotNeverReplacesANewerOne) {
  fleet_.Greeted(now_, "NC0", "1.0");
  fleet_.Measured(now_, "NC0", Report(7));
  fleet_.Measured(now_, "NC0", Report(6));
  fleet_.Measured(now_, "NC0", Report(7));
  fleet_.Tick(now_);
  EXPECT_EQ(System().measurements->revision(), 7u);
  fleet_.Measured(now_, "NC0", Report(8));
  fleet_.Tick(now_);
  EXPECT_EQ(System().measurements->revision(), 8u);
}

TEST_F(FleetStateTest, ARestartedAgentBeginsAgain) {
  fleet_.Greeted(now_, "NC0", "1.0");
  fleet_.Measured(now_, "NC0", Report(500));
  v1::Snapshot restarted = Report(1);
  *restarted.mutable_counting_since() = ToProto(started_ + absl::Seconds(60));
  fleet_.Measured(now_, "NC0", restarted);
  fleet_.Tick(now_);
  EXPECT_EQ(System().measurements->revision(), 1u);
  v1::Snapshot new_epoch = restarted;
  new_epoch.set_epoch(std::string(16, 'n'));
  new_epoch.mutable_log()->set_lines(99);
  fleet_.Measured(now_, "NC0", new_epoch);
  fleet_.Tick(now_);
  EXPECT_EQ(System().measurements->log().lines(), 99u);
}

TEST_F(FleetStateTest, MeasurementsThatAreOldAreGone) {
  Live();
  for (int i = 0; i < 10; ++i) {
    Wait(absl::Seconds(10));
    fleet_.Beat(now_, "NC0");
  }
  fleet_.Tick(now_);
  EXPECT_TRUE(System().connected);
  EXPECT_EQ(System().measurements, nullptr);
  EXPECT_EQ(System().health, Health::kUnknown);
}

TEST_F(FleetStateTest, AnybodyWhoReachesASystemMakesItUp) {
  EXPECT_EQ(PingOf().why, "Nobody could ask.");
  Observe("NC1", kFail);
  EXPECT_EQ(PingOf().state, PingState::kDown);
  EXPECT_EQ(PingOf().why, "No answer to 1 observer.");
  Observe("NC2", kFail);
  EXPECT_EQ(PingOf().why, "No answer to 2 observers.");
  fleet_.Pinged(now_, "NC0", Ping("", kPass, 0, 900));
  const PingSummary ping = PingOf();
  EXPECT_EQ(ping.state, PingState::kUp);
  EXPECT_EQ(ping.asked_from, 3);
  EXPECT_EQ(ping.reached_from, 1);
  EXPECT_EQ(ping.rtt, absl::Microseconds(900));
}

TEST_F(FleetStateTest, WhoCouldNotAskIsNoWitness) {
  Observe("NC1", kUnknownPing);
  EXPECT_EQ(PingOf().state, PingState::kUnknown);
  Observe("NC2", static_cast<v1::PingReading::Verdict>(0));
  EXPECT_EQ(PingOf().asked_from, 0);
}

TEST_F(FleetStateTest, NobodyIsAWitnessForItself) {
  Observe("NC0", kFail);
  EXPECT_EQ(PingOf().asked_from, 0);
  Observe("NC0", kPass);
  EXPECT_EQ(PingOf().state, PingState::kUnknown);
}

TEST_F(FleetStateTest, AnObservationGrowsOld) {
  Observe("NC1", kPass, /*age_ms=*/0, /*rtt_us=*/100);
  fleet_.Pinged(now_, "NC0", Ping("", kPass, 0, 50));
  EXPECT_EQ(PingOf().rtt, absl::Microseconds(50));
  Wait(absl::Seconds(31));
  EXPECT_EQ(PingOf().asked_from, 1) << "the collector's own is old after three rounds";
  EXPECT_EQ(PingOf().rtt, absl::Microseconds(100));
  Wait(absl::Seconds(60));
  EXPECT_EQ(PingOf().state, PingState::kUnknown);
  Observe("NC1", kPass, /*age_ms=*/91'000);
  EXPECT_EQ(PingOf().state, PingState::kUnknown) << "it was old when it came";
}

TEST_F(FleetStateTest, NumbersThatMakeNoSenseMakeNoNews) {
  for (uint64_t absurd :
       {std::numeric_limits<uint64_t>::max(), uint64_t{1} << 63, uint64_t{1} << 62}) {
    Observe("NC1", kPass, absurd, absurd);
    const PingSummary ping = PingOf();
    EXPECT_EQ(ping.state, PingState::kUnknown) << "an age of " << absurd;
    Observe("NC1", kPass, 0, absurd);
    EXPECT_GT(PingOf().rtt.value_or(absl::Seconds(1)), absl::ZeroDuration());
    Wait(absl::Hours(1));
  }
}

TEST_F(FleetStateTest, WhatIsSaidOfStrangersIsIgnored) {
  fleet_.Greeted(now_, "NC9", "1.0");
  fleet_.Beat(now_, "NC9");
  fleet_.Measured(now_, "NC9", Report(1));
  fleet_.SaidGoodbye(now_, "NC9", v1::Goodbye());
  fleet_.Told(now_, "NC9", Finding(now_.wall));
  fleet_.Restore("NC9", now_.wall, "1.0");
  v1::Snapshot snapshot = Report(1);
  *snapshot.add_pings() = Ping("collector", kFail);
  *snapshot.add_pings() = Ping("", kFail);
  *snapshot.add_pings() = Ping("NC9", kFail);
  fleet_.Measured(now_, "NC0", snapshot);
  EXPECT_THAT(fleet_.Tick(now_), IsEmpty());
}

TEST_F(FleetStateTest, APlannedRestartIsForgivenUntilItIsLate) {
  Live();
  v1::Goodbye goodbye;
  goodbye.mutable_back_in()->set_seconds(60);
  fleet_.SaidGoodbye(now_, "NC0", goodbye);
  Observe("NC1", kFail);
  fleet_.Tick(now_);
  EXPECT_EQ(System().health_why, "Its agent is restarting.");
  Wait(absl::Seconds(61));
  Observe("NC1", kFail);
  fleet_.Tick(now_);
  EXPECT_EQ(System().health, Health::kMajorOutage);
}

TEST_F(FleetStateTest, NoGoodbyeIsForgivenForLongerThanTenMinutes) {
  for (int64_t seconds : {int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
    Live();
    v1::Goodbye goodbye;
    goodbye.mutable_back_in()->set_seconds(seconds);
    fleet_.SaidGoodbye(now_, "NC0", goodbye);
    Wait(absl::Seconds(601));
    fleet_.Tick(now_);
    EXPECT_EQ(System().health_why, "No report for 10 min.");
  }
  Live();
  v1::Goodbye negative;
  negative.mutable_back_in()->set_seconds(std::numeric_limits<int64_t>::min());
  fleet_.SaidGoodbye(now_, "NC0", negative);
  fleet_.Tick(now_);
  EXPECT_EQ(System().health_why, "No report for 0 s.");
}

TEST_F(FleetStateTest, AFindingColoursTheTableForItsTime) {
  Live();
  fleet_.Told(now_, "NC0", Finding(now_.wall, v1::LEVEL_INFO));
  EXPECT_THAT(fleet_.Tick(now_), IsEmpty()) << "information is no trouble";
  fleet_.Told(now_, "NC0", Finding(now_.wall - absl::Minutes(16)));
  EXPECT_THAT(fleet_.Tick(now_), IsEmpty()) << "what comes late is history";
  fleet_.Told(now_, "NC0", Finding(now_.wall));
  fleet_.Tick(now_);
  EXPECT_EQ(System().health, Health::kDegraded);
  for (int i = 0; i < 15 * 6; ++i) {
    Wait(absl::Seconds(10));
    Live();
  }
  EXPECT_EQ(System().health, Health::kOperational);
}

TEST_F(FleetStateTest, WhatTheStoreRemembersIsShownUntilSomethingIsHeard) {
  fleet_.Restore("NC0", now_.wall - absl::Hours(3), "0.9");
  fleet_.Tick(now_);
  EXPECT_EQ(System().health_why, "No report for 3 h.");
  EXPECT_EQ(System().agent_version, "0.9");
  EXPECT_FALSE(System().connected);
  Live();
  EXPECT_EQ(System().agent_version, "1.0");
  EXPECT_EQ(System().last_seen, now_.wall);
}

TEST_F(FleetStateTest, ANewInventoryKeepsWhatIsKnown) {
  Live("NC0");
  Live("NC1");
  Observe("NC1", kPass);
  fleet_.Tick(now_);
  const SystemState before = System("NC0");
  v1::Inventory inventory = Systems(4);
  inventory.mutable_systems()->DeleteSubrange(1, 1);
  inventory.mutable_systems(0)->set_location("Amsterdam");
  inventory.mutable_systems()->SwapElements(0, 1);
  fleet_.SetInventory(inventory, now_);
  const SystemState after = System("NC0");
  EXPECT_EQ(after.location, "Amsterdam");
  EXPECT_EQ(after.health, before.health);
  EXPECT_EQ(after.health_since, before.health_since);
  EXPECT_EQ(after.last_seen, before.last_seen);
  EXPECT_EQ(after.agent_version, before.agent_version);
  // Views may be asked before it is judged again.
  EXPECT_TRUE(after.connected);
  EXPECT_EQ(after.ping.state, PingState::kUp);
  EXPECT_EQ(after.measurements, before.measurements);
  EXPECT_FALSE(fleet_.Knows("NC1"));
  EXPECT_EQ(System("NC3").health_why, "No report yet.");
  EXPECT_THAT(fleet_.Tick(now_), IsEmpty());
}

TEST_F(FleetStateTest, ASystemThatComesBackToTheInventoryBeginsAnew) {
  Live("NC0");
  v1::Inventory without = Systems(3);
  without.mutable_systems()->DeleteSubrange(0, 1);
  fleet_.SetInventory(without, now_);
  fleet_.SetInventory(Systems(3), now_);
  EXPECT_FALSE(System("NC0").last_seen);
}

TEST_F(FleetStateTest, InASmallFleetEverybodyPingsEverybody) {
  const v1::Config config = fleet_.ConfigFor("NC1");
  ASSERT_THAT(config.ping_targets(), SizeIs(2));
  EXPECT_EQ(config.ping_targets(0).peer(), "NC2");
  EXPECT_EQ(config.ping_targets(0).address(), "192.0.2.2");
  EXPECT_THAT(fleet_.ConfigFor("NC9").ping_targets(), IsEmpty());
  EXPECT_THAT(fleet_.CollectorTargets(), SizeIs(3));
}

TEST_F(FleetStateTest, InALargeFleetEachIsPingedByFive) {
  fleet_.SetInventory(Systems(25), now_);
  std::map<std::string, std::set<std::string>> observers;
  for (int i = 0; i < 25; ++i) {
    const std::string id = absl::StrCat("NC", i);
    const v1::Config config = fleet_.ConfigFor(id);
    EXPECT_THAT(config.ping_targets(), SizeIs(5));
    for (const v1::PingTarget& target : config.ping_targets()) {
      EXPECT_NE(target.peer(), id);
      observers[target.peer()].insert(id);
    }
  }
  ASSERT_THAT(observers, SizeIs(25));
  for (const auto& [peer, by] : observers) EXPECT_THAT(by, SizeIs(5)) << peer;
}

TEST_F(FleetStateTest, ASystemWithoutAnAddressIsPingedByNobodyAndPings) {
  v1::Inventory inventory = Systems(25);
  inventory.mutable_systems(3)->clear_addresses();
  fleet_.SetInventory(inventory, now_);
  EXPECT_EQ(PingOf("NC3").why, "No address to ping.");
  EXPECT_THAT(fleet_.CollectorTargets(), SizeIs(24));
  for (int i = 0; i < 25; ++i) {
    const v1::Config config = fleet_.ConfigFor(absl::StrCat("NC", i));
    EXPECT_THAT(config.ping_targets(), SizeIs(5));
    for (const v1::PingTarget& target : config.ping_targets()) {
      EXPECT_NE(target.peer(), "NC3");
    }
  }
}

// An agent keeps the last config, and takes another version for a change.
TEST_F(FleetStateTest, EachInventoryHasItsVersionAlsoOverARestart) {
  const uint64_t first = fleet_.ConfigFor("NC0").version();
  fleet_.SetInventory(Systems(2), now_);
  const uint64_t second = fleet_.ConfigFor("NC0").version();
  EXPECT_GT(second, first);
  Wait(absl::Seconds(5));
  const FleetState restarted(Systems(4), FleetState::Options(), now_);
  EXPECT_GT(restarted.ConfigFor("NC0").version(), second);
}

TEST_F(FleetStateTest, KeepsTheNewestPosts) {
  for (int i = 1; i <= 30; ++i) fleet_.AddPost({i, now_.wall, "NC0", "title", "body"});
  const FleetSnapshot snapshot = fleet_.Snapshot(now_, CollectorStats());
  ASSERT_THAT(snapshot.posts, SizeIs(20));
  EXPECT_EQ(snapshot.posts.front().id, 30);
}

}  // namespace
}  // namespace mailvane
