#include "collector/alert/alert_book.h"

#include <map>

#include "absl/strings/str_cat.h"
#include "platform/proto_time.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// A fleet that a test makes sick, and time that goes on second by second.
class AlertBookTest : public testing::Test {
 protected:
  AlertBookTest() {
    fleet_.stats.started_at = now_.wall - absl::Hours(24);
    AddSystems(9);
    Run(absl::Seconds(1));
    told_.clear();  // the watchdog's first word
  }

  void AddSystems(int count) {
    while (static_cast<int>(fleet_.systems.size()) < count) {
      SystemState system;
      system.id = absl::StrCat("NC", fleet_.systems.size());
      system.first_seen = now_.wall - absl::Hours(24 * 30);
      system.last_seen = now_.wall;
      system.connected = true;
      system.health = Health::kOperational;
      system.ping.state = PingState::kUp;
      fleet_.systems.push_back(system);
    }
  }
  void Silence(int first, int count) {
    for (int i = first; i < first + count; ++i) fleet_.systems[i].connected = false;
  }
  void Revive(int first, int count) {
    for (int i = first; i < first + count; ++i) {
      SystemState& system = fleet_.systems[i];
      system.connected = true;
      system.ping.state = PingState::kUp;
      system.health = Health::kOperational;
    }
  }
  void Kill(int first, int count) {
    Silence(first, count);
    for (int i = first; i < first + count; ++i) {
      fleet_.systems[i].ping.state = PingState::kDown;
      fleet_.systems[i].health = Health::kMajorOutage;
    }
  }

  void Tick() {
    now_.mono += absl::Seconds(1);
    now_.wall += absl::Seconds(1);
    for (SystemState& system : fleet_.systems) {
      if (system.connected) system.last_seen = now_.wall;
    }
    fleet_.at = now_.wall;
    AlertInputs inputs{fleet_};
    inputs.store_writes = store_writes_;
    book_.Tick(now_, inputs);
    Take();
  }
  void Run(absl::Duration time) {
    for (absl::Duration end = now_.mono + time; now_.mono < end;) Tick();
  }
  void Take() {
    AlertChanges changes = book_.Take();
    for (const v1::Alert& alert : changes.changed) disk_[alert.id()] = alert;
    for (const std::string& id : changes.forgotten) disk_.erase(id);
    for (Notice& notice : changes.notices) told_.push_back(std::move(notice));
  }
  void Restart() {
    book_ = AlertBook();
    std::vector<v1::Alert> alerts;
    for (const auto& [id, alert] : disk_) alerts.push_back(alert);
    book_.Restore(now_, alerts);
  }

  void Tell(const std::string& system, const std::string& type,
            v1::Level level = v1::LEVEL_CRITICAL, const std::string& subject = "",
            absl::Duration ago = absl::ZeroDuration()) {
    v1::Event event;
    *event.mutable_time() = ToProto(now_.wall - ago);
    event.mutable_finding()->set_type(type);
    event.mutable_finding()->set_level(level);
    event.mutable_finding()->set_subject(subject);
    *event.mutable_finding()->mutable_last_seen() = ToProto(now_.wall - ago);
    event.mutable_finding()->add_evidence("evidence");
    book_.Told(now_, system, event);
    Take();
  }

  // "fire critical agent_silent NC1", for people or for the others.
  std::vector<std::string> Said(bool each = false) {
    std::vector<std::string> said;
    for (const Notice& notice : told_) {
      if (notice.each != each) continue;
      const char* const kinds[] = {"fire", "update", "resolve"};
      said.push_back(absl::StrCat(
          kinds[static_cast<int>(notice.kind)], " ", Name(notice.alert.severity()), " ",
          notice.alert.rule(), " ",
          notice.alert.members() > 0 ? absl::StrCat(notice.alert.members(), " together")
                                     : notice.alert.system()));
      if (!notice.alert.subject().empty() && notice.alert.members() == 0) {
        absl::StrAppend(&said.back(), " ", notice.alert.subject());
      }
      if (notice.alert.flapping()) said.back() += " flapping";
    }
    return said;
  }
  v1::Alert Find(const std::string& rule, const std::string& system) {
    for (const v1::Alert& alert : book_.List()) {
      if (alert.rule() == rule && alert.system() == system) return alert;
    }
    return v1::Alert();
  }

  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  FleetSnapshot fleet_;
  bool store_writes_ = true;
  AlertBook book_;
  std::map<std::string, v1::Alert> disk_;
  std::vector<Notice> told_;
};

TEST_F(AlertBookTest, ASilentAgentIsPendingThenFiringThenResolved) {
  Silence(1, 1);
  Run(absl::Minutes(5));
  EXPECT_EQ(Find("agent_silent", "NC1").state(), v1::Alert::STATE_PENDING);
  EXPECT_THAT(Said(), IsEmpty());
  Run(absl::Seconds(2));
  EXPECT_EQ(Find("agent_silent", "NC1").state(), v1::Alert::STATE_FIRING);
  EXPECT_THAT(Said(true), ElementsAre("fire warning agent_silent NC1")) << "at once";
  EXPECT_THAT(Said(), IsEmpty()) << "people wait for others of the kind";
  Run(absl::Seconds(31));
  EXPECT_THAT(Said(), ElementsAre("fire warning agent_silent NC1"));
  Revive(1, 1);
  Run(absl::Minutes(1));
  EXPECT_THAT(Said(), SizeIs(1)) << "a minute of quiet is no end";
  Run(absl::Minutes(1) + absl::Seconds(2));
  EXPECT_THAT(Said(), ElementsAre("fire warning agent_silent NC1",
                                  "resolve warning agent_silent NC1"));
  EXPECT_THAT(Said(true), SizeIs(2));
  Run(absl::Hours(1) + absl::Minutes(1));
  EXPECT_EQ(Find("agent_silent", "NC1").rule(), "") << "forgotten";
  EXPECT_THAT(disk_, SizeIs(1)) << "but for the watchdog";
}

TEST_F(AlertBookTest, AShortSilenceIsNoAlert) {
  Silence(1, 1);
  Run(absl::Minutes(4));
  Revive(1, 1);
  Run(absl::Hours(1));
  EXPECT_THAT(told_, IsEmpty());
}

TEST_F(AlertBookTest, WhatCannotBeSeenNeitherFiresNorResolves) {
  Kill(1, 1);
  Run(absl::Minutes(2));
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC1"));
  // Nobody can ping it any more, and its agent is silent: who knows?
  fleet_.systems[1].ping.state = PingState::kUnknown;
  fleet_.systems[1].health = Health::kUnknown;
  Run(absl::Hours(3));
  EXPECT_EQ(Find("system_down", "NC1").state(), v1::Alert::STATE_FIRING);
  EXPECT_THAT(Said(), SizeIs(1));
  // And what was only pending does not become an alert in the dark.
  Kill(2, 1);
  Run(absl::Seconds(10));
  fleet_.systems[2].ping.state = PingState::kUnknown;
  fleet_.systems[2].health = Health::kUnknown;
  Run(absl::Minutes(4));
  EXPECT_EQ(Find("system_down", "NC2").state(), v1::Alert::STATE_PENDING);
}

TEST_F(AlertBookTest, ADeadHostMutesItsConsequences) {
  Kill(1, 1);
  Run(absl::Hours(1));
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC1"));
  EXPECT_EQ(Find("agent_silent", "NC1").state(), v1::Alert::STATE_FIRING);
  EXPECT_EQ(Find("agent_silent", "NC1").silenced_by(), "system_down");
  // The host is back, its agent is not: now that is worth a word of its own.
  fleet_.systems[1].ping.state = PingState::kUp;
  fleet_.systems[1].health = Health::kUnknown;
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC1",
                                  "resolve critical system_down NC1",
                                  "fire critical agent_silent NC1"));
}

TEST_F(AlertBookTest, WhatGetsWorseIsToldAgain) {
  Silence(1, 1);
  Run(absl::Minutes(10));
  fleet_.systems[1].ping.state = PingState::kUnknown;
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(), ElementsAre("fire warning agent_silent NC1",
                                  "fire critical agent_silent NC1"));
  fleet_.systems[1].ping.state = PingState::kUp;
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(), SizeIs(2)) << "better is no news until it is over";
}

TEST_F(AlertBookTest, ThreeHundredSystemsAreOnePage) {
  AddSystems(1000);
  for (int i = 0; i < 300; i += 10) {
    Kill(i, 10);
    Run(absl::Seconds(1));
  }
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(true), SizeIs(300)) << "those that group by themselves get each";
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down 300 together"));
  told_.clear();
  Revive(0, 300);
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(), ElementsAre("resolve critical system_down 300 together"));
  EXPECT_THAT(Said(true), SizeIs(300));
}

TEST_F(AlertBookTest, TheWholeFleetAtOnceIsTheObserversFault) {
  AddSystems(300);
  Kill(0, 300);
  Run(absl::Minutes(4));
  EXPECT_THAT(Said(), ElementsAre("fire critical observer_cut_off "));
  EXPECT_THAT(Said(true), SizeIs(1));
  Revive(0, 300);
  Run(absl::Minutes(5));
  EXPECT_THAT(Said(), ElementsAre("fire critical observer_cut_off ",
                                  "resolve critical observer_cut_off "));
}

TEST_F(AlertBookTest, AFlappingAlertIsHeldUntilItIsQuiet) {
  for (int hour = 0; hour < 3; ++hour) {
    told_.clear();
    for (int i = 0; i < 6; ++i) {
      Kill(1, 1);
      Run(absl::Minutes(4));
      Revive(1, 1);
      Run(absl::Minutes(6));
    }
    if (hour == 0) {
      EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC1",
                                      "resolve critical system_down NC1",
                                      "fire critical system_down NC1 flapping"));
    } else {
      EXPECT_THAT(Said(), IsEmpty()) << hour;
    }
  }
  Run(absl::Hours(1));
  EXPECT_THAT(Said(), ElementsAre("resolve critical system_down NC1 flapping"));
}

TEST_F(AlertBookTest, ACheckThatTurnsEachSecondIsQuiet) {
  for (int i = 0; i < 3600; ++i) {
    i % 2 ? Kill(1, 1) : Revive(1, 1);
    Tick();
  }
  EXPECT_LE(Said().size(), 2u);
}

TEST_F(AlertBookTest, AMuteHoldsANoticeBackAndNotTheAlert) {
  book_.SetMutes({{"maintenance-7", "", "NC1", now_.wall, now_.wall + absl::Hours(1)}});
  Kill(1, 1);
  Kill(2, 1);
  Run(absl::Minutes(30));
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC2"));
  EXPECT_EQ(Find("system_down", "NC1").silenced_by(), "maintenance-7");
  EXPECT_EQ(Find("system_down", "NC1").state(), v1::Alert::STATE_FIRING);
  Run(absl::Minutes(32));
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC2",
                                  "fire critical system_down NC1"))
      << "the window is over and it is still down";
}

TEST_F(AlertBookTest, WhatBeginsAndEndsUnderAMuteIsNeverTold) {
  book_.SetMutes({{"m", "system_down", "", now_.wall, now_.wall + absl::Hours(1)},
                  {"n", "agent_silent", "", now_.wall, now_.wall + absl::Hours(1)}});
  Kill(1, 1);
  Run(absl::Minutes(30));
  Revive(1, 1);
  Run(absl::Hours(1));
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_THAT(Said(true), IsEmpty());
}

TEST_F(AlertBookTest, ACompromisedAccountIsToldAtOnceAndEndsAfterAnHourOfQuiet) {
  Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, "ceo@example.com");
  Tick();
  EXPECT_THAT(Said(),
              ElementsAre("fire critical account_compromised NC1 ceo@example.com"));
  for (int i = 0; i < 10; ++i) {
    Run(absl::Minutes(20));
    Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, "ceo@example.com");
  }
  EXPECT_THAT(Said(), SizeIs(1)) << "the same trouble";
  Run(absl::Hours(1) + absl::Seconds(2));
  EXPECT_THAT(Said(), SizeIs(2));
}

TEST_F(AlertBookTest, AFindingIsWorthNoMoreThanItsLevelNorThanItsRule) {
  Tell("NC1", "account_compromised", v1::LEVEL_WARNING, "a");
  Tell("NC1", "account_watch", v1::LEVEL_CRITICAL, "b");
  Tell("NC1", "from_a_newer_agent", v1::LEVEL_CRITICAL, "c");
  Run(absl::Minutes(1));
  EXPECT_THAT(Said(),
              testing::UnorderedElementsAre("fire warning account_compromised NC1 a",
                                            "fire warning account_watch NC1 b",
                                            "fire warning other_finding NC1 c"));
}

TEST_F(AlertBookTest, AFindingCannotSpeakForARuleThatLooksItself) {
  Tell("NC1", "system_down");
  Tell("NC1", "watchdog");
  Run(absl::Minutes(1));
  EXPECT_THAT(Said(), ElementsAre("fire warning other_finding NC1"));
}

TEST_F(AlertBookTest, TheFourthAccountOfTheHourIsAStorm) {
  for (int i = 0; i < 40; ++i) {
    Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, absl::StrCat("user", i));
    Tick();
  }
  EXPECT_THAT(Said(), ElementsAre("fire critical account_compromised NC1 user0",
                                  "fire critical account_compromised NC1 user1",
                                  "fire critical account_compromised NC1 user2",
                                  "fire critical account_compromised 1 together"));
  Run(absl::Minutes(5));
  EXPECT_EQ(Said().back(), "update critical account_compromised 37 together");
}

TEST_F(AlertBookTest, WhatWasListedBeforeOurTimeIsListedAndNotTold) {
  fleet_.systems[1].first_seen = now_.wall - absl::Minutes(5);
  Tell("NC1", "dnsbl_listed", v1::LEVEL_CRITICAL, "zen.example.org");
  Tell("NC2", "dnsbl_listed", v1::LEVEL_CRITICAL, "zen.example.org");
  Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, "a");
  Run(absl::Minutes(2));
  EXPECT_THAT(Said(), testing::UnorderedElementsAre(
                          "fire critical dnsbl_listed NC2 zen.example.org",
                          "fire critical account_compromised NC1 a"));
  EXPECT_TRUE(Find("dnsbl_listed", "NC1").was_there_at_first());
  EXPECT_EQ(Find("dnsbl_listed", "NC1").state(), v1::Alert::STATE_FIRING);
  // Once delisted and listed again it is news.
  Run(absl::Hours(27));
  told_.clear();
  Tell("NC1", "dnsbl_listed", v1::LEVEL_CRITICAL, "zen.example.org");
  Run(absl::Minutes(2));
  EXPECT_THAT(Said(), SizeIs(1));
}

TEST_F(AlertBookTest, OfThePastOnlyWhatLastsIsTold) {
  Tell("NC1", "queue_stuck", v1::LEVEL_CRITICAL, "", absl::Hours(2));
  Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, "a", absl::Hours(2));
  Run(absl::Minutes(2));
  EXPECT_THAT(Said(), ElementsAre("fire critical account_compromised NC1 a"));
  EXPECT_TRUE(Find("account_compromised", "NC1").late());
  EXPECT_EQ(Find("queue_stuck", "NC1").silenced_by(), "late");
}

TEST_F(AlertBookTest, AReplayOfWhatIsOverIsNoNews) {
  Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, "a");
  Run(absl::Minutes(70));
  told_.clear();
  Tell("NC1", "account_compromised", v1::LEVEL_CRITICAL, "a", absl::Minutes(70));
  Run(absl::Minutes(2));
  EXPECT_THAT(Said(), IsEmpty());
}

TEST_F(AlertBookTest, ALossIsAnAlert) {
  v1::Event event;
  *event.mutable_time() = ToProto(now_.wall);
  event.mutable_loss()->set_source("postfix_log");
  event.mutable_loss()->set_cause(v1::LossRecord::CAUSE_ROTATED_AWAY);
  book_.Told(now_, "NC1", event);
  Run(absl::Minutes(1));
  EXPECT_THAT(Said(), ElementsAre("fire warning log_lost NC1 postfix_log"));
  EXPECT_EQ(told_[1].alert.detail(), "It was rotated away before it was read.");
}

TEST_F(AlertBookTest, SystemsOutOfServiceAndThoseThatAreGone) {
  fleet_.systems[1].lifecycle = Lifecycle::kProvisioning;
  Kill(1, 1);
  Tell("NC1", "queue_stuck");
  Kill(2, 1);
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC2"));
  EXPECT_EQ(Find("queue_stuck", "NC1").silenced_by(), "not in service");
  fleet_.systems.erase(fleet_.systems.begin() + 1, fleet_.systems.begin() + 3);
  Tick();
  EXPECT_THAT(Said(), ElementsAre("fire critical system_down NC2",
                                  "resolve critical system_down NC2"));
  EXPECT_EQ(Find("queue_stuck", "NC1").rule(), "");
}

TEST_F(AlertBookTest, ARestartTellsNothingTwiceAndForgetsNothing) {
  Kill(1, 1);
  Tell("NC3", "account_compromised", v1::LEVEL_CRITICAL, "a");
  Run(absl::Minutes(10));
  AddSystems(200);
  Kill(100, 50);
  Run(absl::Minutes(3));
  EXPECT_THAT(Said(), ElementsAre("fire critical account_compromised NC3 a",
                                  "fire critical system_down NC1",
                                  "fire critical system_down 50 together"));
  told_.clear();
  const std::map<std::string, v1::Alert> before = disk_;
  Restart();
  // As it is after a restart: nobody is connected, nobody was pinged yet.
  std::vector<SystemState> systems = fleet_.systems;
  for (SystemState& system : fleet_.systems) {
    system.connected = false;
    system.ping.state = PingState::kUnknown;
    system.health = Health::kUnknown;
  }
  fleet_.stats.started_at = now_.wall;
  Run(absl::Seconds(30));
  fleet_.systems = systems;
  Run(absl::Minutes(10));
  EXPECT_THAT(Said(), IsEmpty());
  EXPECT_THAT(Said(true), IsEmpty());
  Revive(1, 1);
  Revive(100, 50);
  Run(absl::Minutes(5));
  EXPECT_THAT(Said(),
              testing::UnorderedElementsAre("resolve critical system_down 50 together",
                                            "resolve critical system_down NC1"));
}

TEST_F(AlertBookTest, EachNoticeHasAKeyOfItsOwnAndAnAlertKeepsItsId) {
  Kill(1, 1);
  Run(absl::Minutes(5));
  Revive(1, 1);
  Run(absl::Minutes(5));
  std::set<std::string> keys;
  for (const Notice& notice : told_) keys.insert(notice.key);
  EXPECT_EQ(keys.size(), told_.size());
  EXPECT_EQ(told_.front().alert.id(), told_.back().alert.id());
  EXPECT_EQ(told_.front().alert.id(), AlertId("system_down", "NC1", ""));
  EXPECT_NE(AlertId("a", "b", "c"), AlertId("a", "bc", ""));
  EXPECT_THAT(AlertId("a", "b", "c"), SizeIs(32));
}

TEST_F(AlertBookTest, AFloodOfSubjectsIsBounded) {
  for (int i = 0; i < 5000; ++i) {
    Tell("NC1", "account_watch", v1::LEVEL_WARNING, absl::StrCat("user", i));
  }
  EXPECT_LE(book_.List().size(), 102u);
  for (int system = 0; system < 400; ++system) {
    for (int i = 0; i < 100; ++i) {
      Tell(absl::StrCat("X", system), "account_watch", v1::LEVEL_INFO,
           absl::StrCat("user", i));
    }
  }
  EXPECT_LE(book_.List().size(), 20'000u);
  EXPECT_GT(book_.refused(), 0u);
}

TEST_F(AlertBookTest, LongTextsAreCut) {
  Tell("NC1", "account_watch", v1::LEVEL_WARNING, std::string(10'000, 'x'));
  EXPECT_EQ(Find("account_watch", "NC1").subject().size(), 254u);
}

TEST_F(AlertBookTest, AStoreThatFailsAndTheWatchdog) {
  EXPECT_EQ(Find("watchdog", "").state(), v1::Alert::STATE_FIRING);
  store_writes_ = false;
  Run(absl::Minutes(2));
  EXPECT_THAT(Said(), ElementsAre("fire critical store_failing "));
  store_writes_ = true;
  Run(absl::Minutes(3));
  EXPECT_THAT(Said(), SizeIs(2));
}

TEST_F(AlertBookTest, AQueueThatGrewIsSeenHalfAnHourLater) {
  const auto queue = [this](uint64_t messages) {
    v1::Snapshot snapshot;
    v1::QueueDepth* depth = snapshot.mutable_queue()->add_depths();
    depth->set_queue(v1::QUEUE_DEFERRED);
    depth->set_messages(messages);
    fleet_.systems[1].measurements = std::make_shared<const v1::Snapshot>(snapshot);
  };
  queue(100);
  Run(absl::Minutes(31));
  EXPECT_THAT(Said(), IsEmpty());
  queue(1000);
  Run(absl::Minutes(7));
  EXPECT_THAT(Said(), ElementsAre("fire warning queue_growing NC1"));
  EXPECT_EQ(Find("queue_growing", "NC1").detail(),
            "1000 messages in the queue, 100 half an hour ago.");
  Run(absl::Hours(1));
  EXPECT_THAT(Said(), SizeIs(2)) << "large, and growing no more";
}

}  // namespace
}  // namespace mailvane
