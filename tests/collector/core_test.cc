#include "collector/core.h"

#include "absl/strings/str_cat.h"
#include "collector/store/sqlite_store.h"
#include "platform/log.h"
#include "platform/proto_time.h"
#include "platform/sqlite.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kEpoch(16, 'e');
constexpr char kMemory[] = "memdb";

class CollectorCoreTest : public testing::Test {
 protected:
  CollectorCoreTest()
      : path_(absl::StrCat(
            "/core-", testing::UnitTest::GetInstance()->current_test_info()->name())) {
    SetLogLevel(LogLevel::kError);
    for (const char* id : {"NC027", "NC036", "NC099"}) {
      v1::System& system = *inventory_.add_systems();
      system.set_id(id);
      system.add_addresses(absl::StrCat("192.0.2.", inventory_.systems_size()));
    }
    // Keeps the database in memory alive over a restart.
    disk_ = *Database::Open(path_, {kMemory});
    Start();
  }

  void Start() {
    core_.reset();
    store_.reset();
    auto store = SqliteStore::Open(path_, kMemory);
    ASSERT_OK(store);
    store_ = *std::move(store);
    core_ = std::make_unique<CollectorCore>(inventory_, CollectorCore::Options(), now_);
    ASSERT_OK(core_->Restore(store_.get()));
  }

  // Time goes on as it does in the program: a tick each second, and the store
  // answers at once.
  void Run(absl::Duration time) {
    for (absl::Duration end = now_.mono + time; now_.mono < end;) {
      now_.mono += absl::Seconds(1);
      now_.wall += absl::Seconds(1);
      for (SessionId id : live_) Say(id, Heartbeat());
      core_->Tick(now_);
      Pump();
    }
  }
  void Pump() {
    for (CollectorOutput output = core_->Take();; output = core_->Take()) {
      for (auto& sent : output.send) sent_.push_back(std::move(sent));
      for (SessionId id : output.close) {
        core_->Closed(id);
        live_.erase(id);
      }
      for (const Notice& notice : output.notices) {
        if (!notice.each) told_.push_back(notice.alert.rule());
      }
      if (output.ticket == 0) return;
      core_->Stored(now_, output.ticket,
                    store_fails_ ? absl::ResourceExhaustedError("disk full")
                                 : store_->Commit(output.store));
      if (store_fails_) return;
    }
  }

  v1::Alert Alert(const std::string& rule) {
    for (const v1::Alert& alert : *core_->Snapshot(now_).alerts) {
      if (alert.rule() == rule) return alert;
    }
    return v1::Alert();
  }

  static v1::AgentFrame Heartbeat() {
    v1::AgentFrame frame;
    frame.mutable_heartbeat();
    return frame;
  }
  v1::AgentFrame Report() {
    v1::AgentFrame frame;
    frame.mutable_snapshot()->set_epoch(kEpoch);
    frame.mutable_snapshot()->set_revision(++revision_);
    return frame;
  }
  void Say(SessionId id, const v1::AgentFrame& frame) {
    core_->Received(now_, id, frame);
  }

  SessionId Connect(const std::string& agent, bool reports = true) {
    const SessionId id = next_session_++;
    core_->Opened(now_, id, "peer");
    v1::AgentFrame hello;
    hello.mutable_hello()->set_protocol(1);
    hello.mutable_hello()->set_agent_id(agent);
    hello.mutable_hello()->set_version("1.0");
    hello.mutable_hello()->set_epoch(kEpoch);
    hello.mutable_hello()->set_first_unacked(1);
    hello.mutable_hello()->set_next_seq(100);
    Say(id, hello);
    if (reports) Say(id, Report());
    live_.insert(id);
    Pump();
    return id;
  }
  void Vanish(SessionId id) {
    core_->Closed(id);
    live_.erase(id);
  }
  void Ping(const char* system, bool answers) {
    v1::PingReading reading;
    reading.set_verdict(answers ? v1::PingReading::VERDICT_PASS
                                : v1::PingReading::VERDICT_FAIL);
    core_->Pinged(now_, system, reading);
  }
  void RunPinging(const char* system, bool answers, absl::Duration time) {
    for (absl::Duration end = now_.mono + time; now_.mono < end;) {
      Ping(system, answers);
      for (SessionId id : live_) Say(id, Report());
      Run(absl::Seconds(5));
    }
  }
  v1::AgentFrame Batch(uint64_t seq, char key) {
    v1::Event event;
    event.set_key(std::string(16, key));
    *event.mutable_time() = ToProto(now_.wall);
    event.mutable_finding()->set_type("bounce_rate");
    event.mutable_finding()->set_level(v1::LEVEL_WARNING);
    *event.mutable_finding()->mutable_last_seen() = ToProto(now_.wall);
    v1::AgentFrame frame;
    frame.mutable_batch()->set_epoch(kEpoch);
    frame.mutable_batch()->set_first_seq(seq);
    frame.mutable_batch()->add_events(event.SerializeAsString());
    return frame;
  }

  std::vector<std::string> Posts() {
    std::vector<std::string> titles;
    const FleetSnapshot snapshot = core_->Snapshot(now_);
    for (auto post = snapshot.posts.rbegin(); post != snapshot.posts.rend(); ++post) {
      titles.push_back(post->title);
    }
    return titles;
  }
  SystemState System(const std::string& id) {
    for (SystemState& system : core_->Snapshot(now_).systems) {
      if (system.id == id) return system;
    }
    return SystemState();
  }

  const std::string path_;
  v1::Inventory inventory_;
  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  std::unique_ptr<Database> disk_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<CollectorCore> core_;
  std::vector<std::pair<SessionId, v1::CollectorFrame>> sent_;
  std::set<SessionId> live_;
  std::vector<std::string> told_;  // rules, as people were told of them
  SessionId next_session_ = 1;
  uint64_t revision_ = 0;
  bool store_fails_ = false;
};

TEST_F(CollectorCoreTest, AnOutageIsOnePostAndItsEndAnother) {
  const SessionId id = Connect("NC027");
  RunPinging("NC027", true, absl::Seconds(30));
  EXPECT_THAT(Posts(), IsEmpty()) << "that all is well is no news";
  EXPECT_EQ(System("NC027").health, Health::kOperational);

  Vanish(id);
  RunPinging("NC027", false, absl::Minutes(10));
  EXPECT_EQ(System("NC027").health, Health::kMajorOutage);
  EXPECT_THAT(Posts(), ElementsAre("NC027: Partial outage", "NC027: Major outage"));

  // Its host answers before its agent reports.
  RunPinging("NC027", true, absl::Minutes(1));
  EXPECT_EQ(System("NC027").health, Health::kUnknown);
  Connect("NC027");
  RunPinging("NC027", true, absl::Minutes(1));
  EXPECT_EQ(System("NC027").health, Health::kOperational);
  EXPECT_THAT(Posts(), ElementsAre("NC027: Partial outage", "NC027: Major outage",
                                   "NC027: Resolved"));
}

TEST_F(CollectorCoreTest, ATroubleThatAFlappingSessionHidesIsOnePost) {
  SessionId id = Connect("NC027");
  Run(absl::Seconds(1));
  Say(id, Batch(1, 'a'));
  Pump();
  Run(absl::Seconds(1));
  EXPECT_EQ(System("NC027").health, Health::kDegraded);
  for (int i = 0; i < 5; ++i) {
    Vanish(id);
    Run(absl::Seconds(40));
    EXPECT_EQ(System("NC027").health, Health::kUnknown);
    id = Connect("NC027");
    Run(absl::Seconds(5));
    EXPECT_EQ(System("NC027").health, Health::kDegraded);
  }
  EXPECT_THAT(Posts(), ElementsAre("NC027: Degraded"));
}

TEST_F(CollectorCoreTest, AFindingIsShownOnlyOnceItIsStored) {
  const SessionId id = Connect("NC027");
  Run(absl::Seconds(1));
  Say(id, Batch(1, 'a'));
  core_->Tick(now_);
  EXPECT_EQ(System("NC027").health, Health::kOperational);
  Pump();
  core_->Tick(now_);
  EXPECT_EQ(System("NC027").health, Health::kDegraded);
  EXPECT_EQ(sent_.back().second.ack().upto_seq(), 1u);
  EXPECT_EQ(core_->stats().events_committed, 1u);
}

TEST_F(CollectorCoreTest, AStoreThatCannotWriteKeepsItsDrafts) {
  const SessionId id = Connect("NC027");
  Run(absl::Seconds(1));
  store_fails_ = true;
  Vanish(id);
  RunPinging("NC027", false, absl::Minutes(2));
  EXPECT_THAT(Posts(), IsEmpty()) << "a post that is not written is not shown";
  EXPECT_GT(core_->stats().store_failures, 0u);
  store_fails_ = false;
  RunPinging("NC027", false, absl::Minutes(1));
  EXPECT_THAT(Posts(), ElementsAre("NC027: Partial outage", "NC027: Major outage"));
  Start();
  EXPECT_THAT(Posts(), SizeIs(2)) << "and is there after a restart";
}

TEST_F(CollectorCoreTest, DraftsThatWaitForAStoreAreBounded) {
  store_fails_ = true;
  for (int i = 0; i < 150; ++i) {
    const SessionId id = Connect("NC027");
    RunPinging("NC027", true, absl::Seconds(10));
    Vanish(id);
    RunPinging("NC027", false, absl::Seconds(40));
  }
  core_->Tick(now_);
  EXPECT_LE(core_->Take().store.posts.size(), 101u);
}

TEST_F(CollectorCoreTest, AStoreThatFailsAcksNothingAndEndsTheSession) {
  const SessionId id = Connect("NC027");
  Run(absl::Seconds(1));
  sent_.clear();
  store_fails_ = true;
  Say(id, Batch(1, 'a'));
  Pump();
  Pump();
  ASSERT_THAT(sent_, SizeIs(1));
  EXPECT_EQ(sent_[0].second.error().code(), v1::Error::CODE_STORE_UNAVAILABLE);
  EXPECT_THAT(live_, IsEmpty());
  store_fails_ = false;
  const SessionId again = Connect("NC027");
  Say(again, Batch(1, 'a'));
  Pump();
  EXPECT_EQ(sent_.back().second.ack().upto_seq(), 1u);
}

TEST_F(CollectorCoreTest, HiddenAndUnfinishedSystemsMakeNoPost) {
  inventory_.mutable_systems(0)->set_public_(false);
  inventory_.mutable_systems(1)->set_lifecycle("provisioning");
  Start();
  for (const char* id : {"NC027", "NC036"}) {
    const SessionId session = Connect(id);
    RunPinging(id, true, absl::Seconds(10));
    Vanish(session);
    RunPinging(id, false, absl::Minutes(2));
    EXPECT_EQ(System(id).health, Health::kMajorOutage) << id;
  }
  EXPECT_THAT(Posts(), IsEmpty());
}

TEST_F(CollectorCoreTest, RemembersOverItsOwnDeathWhatItMust) {
  const SessionId id = Connect("NC027");
  Say(id, Batch(1, 'a'));
  Pump();
  Run(absl::Seconds(31));
  const absl::Time heard = System("NC027").last_seen.value();
  const std::vector<std::string> posts = Posts();
  EXPECT_THAT(posts, SizeIs(1));
  live_.clear();
  now_.wall += absl::Hours(2);
  now_.mono += absl::Hours(2);
  Start();
  core_->Tick(now_);
  const SystemState system = System("NC027");
  ASSERT_TRUE(system.last_seen);
  EXPECT_GE(*system.last_seen, heard - absl::Seconds(16)) << "written every 15 s";
  EXPECT_EQ(system.agent_version, "1.0");
  EXPECT_EQ(system.health_why, "No report for 2 h.");
  EXPECT_EQ(Posts(), posts);
  sent_.clear();
  Connect("NC027");
  EXPECT_EQ(sent_[0].second.welcome().resume_after_seq(), 1u);
}

TEST_F(CollectorCoreTest, AFindingAndItsAlertAreOnDiskTogetherOrNotAtAll) {
  const SessionId id = Connect("NC027");
  Run(absl::Seconds(1));
  Say(id, Batch(1, 'a'));
  const CollectorOutput output = core_->Take();
  ASSERT_THAT(output.store.events, SizeIs(1));
  bool has_alert = false;
  for (const AlertRow& row : output.store.alerts) {
    v1::Alert alert;
    ASSERT_TRUE(alert.ParseFromString(row.body));
    has_alert = has_alert || alert.rule() == "bounce_rate";
  }
  EXPECT_TRUE(has_alert);
  core_->Stored(now_, output.ticket, store_->Commit(output.store));
  // Killed before anybody was told, and started again: it is told.
  live_.clear();
  Start();
  EXPECT_THAT(told_, testing::Not(testing::Contains("bounce_rate")));
  Run(absl::Minutes(1));
  EXPECT_EQ(Alert("bounce_rate").state(), v1::Alert::STATE_FIRING);
  EXPECT_THAT(told_, testing::Contains("bounce_rate"));
}

TEST_F(CollectorCoreTest, AStoreThatCannotWriteIsToldAllTheSame) {
  Run(absl::Seconds(2));
  told_.clear();
  store_fails_ = true;
  Connect("NC027");
  Run(absl::Minutes(3));
  EXPECT_THAT(told_, testing::Contains("store_failing"));
  store_fails_ = false;
  Run(absl::Minutes(5));
  EXPECT_EQ(Alert("store_failing").state(), v1::Alert::STATE_RESOLVED);
  live_.clear();
  Start();
  Run(absl::Seconds(1));
  EXPECT_EQ(Alert("store_failing").state(), v1::Alert::STATE_RESOLVED)
      << "and is remembered once the store can write";
}

TEST_F(CollectorCoreTest, AClockThatIsWrongIsSeen) {
  const SessionId id = Connect("NC027");
  for (int i = 0; i < 340; ++i) {
    v1::AgentFrame beat = Heartbeat();
    *beat.mutable_heartbeat()->mutable_clocks()->mutable_wall() =
        ToProto(now_.wall + absl::Hours(1));
    Say(id, beat);
    core_->Tick(now_);
    Pump();
    now_.mono += absl::Seconds(1);
    now_.wall += absl::Seconds(1);
  }
  EXPECT_EQ(Alert("clock_skew").detail(), "Its clock is 3600 s ahead.");
  EXPECT_THAT(told_, testing::Contains("clock_skew"));
}

TEST_F(CollectorCoreTest, AnInventoryThatChangesIsToldToTheAgents) {
  Connect("NC027");
  Connect("NC036");
  Run(absl::Seconds(1));
  sent_.clear();
  inventory_.mutable_systems()->DeleteSubrange(1, 1);
  core_->SetInventory(now_, inventory_);
  Pump();
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_THAT(sent_[0].second.config().ping_targets(), SizeIs(1));
  EXPECT_EQ(sent_[1].second.error().code(), v1::Error::CODE_UNKNOWN_AGENT);
  EXPECT_TRUE(System("NC027").connected);
  EXPECT_THAT(core_->PingTargets(), SizeIs(2));
}

TEST_F(CollectorCoreTest, AnswersOutOfOrderAreRefused) {
  const SessionId id = Connect("NC027");
  Say(id, Batch(1, 'a'));
  const CollectorOutput output = core_->Take();
  core_->Stored(now_, output.ticket + 1, StoreResult());
  core_->Stored(now_, 0, StoreResult());
  EXPECT_THAT(core_->Take().send, IsEmpty()) << "nothing is acked";
  core_->Stored(now_, output.ticket, store_->Commit(output.store));
  EXPECT_THAT(core_->Take().send, SizeIs(1));
}

TEST_F(CollectorCoreTest, DrainEndsAllSessions) {
  Connect("NC027");
  Connect("NC036");
  sent_.clear();
  core_->Drain(absl::Seconds(30));
  Pump();
  ASSERT_THAT(sent_, SizeIs(2));
  EXPECT_EQ(sent_[0].second.drain().spread().seconds(), 30);
  EXPECT_THAT(live_, IsEmpty());
}

// Days, of NC027.
const DayShares& Today(const FleetSnapshot& fleet) {
  for (const SystemState& system : fleet.systems) {
    if (system.id == "NC027" && system.days != nullptr) return system.days->back();
  }
  static const DayShares kNone;
  return kNone;
}

TEST_F(CollectorCoreTest, DaysAreCountedOverARestartAndWhatNobodySawIsUnknown) {
  Connect("NC027");
  RunPinging("NC027", true, absl::Minutes(10));
  const DayShares before = Today(core_->Snapshot(now_));
  EXPECT_GE(before.up, 500);
  EXPECT_EQ(before.down, 0);
  Run(absl::Seconds(20));  // until it is written
  live_.clear();
  now_.wall += absl::Minutes(7);
  now_.mono += absl::Minutes(7);
  Start();
  Connect("NC027");
  RunPinging("NC027", true, absl::Minutes(5));
  const DayShares after = Today(core_->Snapshot(now_));
  EXPECT_GE(after.up, before.up + 200);
  EXPECT_GE(after.unknown, before.unknown + 7 * 60);
  EXPECT_LE(after.unknown, before.unknown + 9 * 60);
}

TEST_F(CollectorCoreTest, HealthThatCouldNotBeWrittenIsWrittenLater) {
  Connect("NC027");
  store_fails_ = true;
  RunPinging("NC027", true, absl::Minutes(2));
  store_fails_ = false;
  Run(absl::Seconds(40));
  auto rows = store_->LoadHealth();
  ASSERT_OK(rows);
  int64_t watched = 0;
  for (const HealthRow& row : *rows) {
    if (row.system == "NC027") watched += row.until - row.from;
  }
  EXPECT_GE(watched, 120);
}

TEST_F(CollectorCoreTest, ASystemThatIsNotInServiceHasNoDays) {
  inventory_.mutable_systems(0)->set_lifecycle("provisioning");
  Start();
  Connect("NC027");
  RunPinging("NC027", true, absl::Minutes(2));
  for (const SystemState& system : core_->Snapshot(now_).systems) {
    EXPECT_EQ(system.days == nullptr, system.id == "NC027") << system.id;
  }
}

}  // namespace
}  // namespace mailvane
