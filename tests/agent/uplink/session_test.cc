#include "agent/uplink/session.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "platform/log.h"
#include "platform/proto_time.h"
#include "tests/fakes/full_disk.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;

constexpr absl::Duration kForever = absl::InfiniteDuration();

class SessionTest : public testing::Test {
 protected:
  SessionTest()
      : path_(
            absl::StrCat(testing::TempDir(), "/session_",
                         testing::UnitTest::GetInstance()->current_test_info()->name())) {
    SetLogLevel(LogLevel::kError);
    for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path_ + suffix).c_str());
    auto outbox = Outbox::Open(path_, &random_, {1 << 20, disk_.vfs()});
    EXPECT_OK(outbox);
    outbox_ = *std::move(outbox);
    options_.agent_id = "NC027";
    options_.version = "test";
    options_.boot_id = std::string(16, 'b');
    options_.config_hash = "hash";
    options_.collectors = {"first:1"};
    Restart();
  }

  void Restart() {
    UplinkSession::Reporter reporter;
    reporter.snapshot = [this](Instant) {
      ++snapshots_made_;
      return v1::Snapshot();
    };
    reporter.self = [](v1::Heartbeat* heartbeat) { heartbeat->set_resident_bytes(7); };
    session_ = std::make_unique<UplinkSession>(options_, outbox_.get(), &random_,
                                               std::move(reporter));
  }

  void Tell(int count, size_t bytes = 100) {
    OutboxTransaction transaction;
    for (int i = 0; i < count; ++i) {
      v1::Event event;
      *event.mutable_time() = ToProto(now_.wall);
      event.set_key(std::string(bytes, 'k'));
      transaction.events.push_back(event.SerializeAsString());
    }
    ASSERT_OK(outbox_->Commit(transaction));
  }

  void Wait(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
  }

  UplinkActions Step() {
    absl::StatusOr<UplinkActions> actions = session_->Step(now_);
    EXPECT_OK(actions);
    return actions.ok() ? *std::move(actions) : UplinkActions();
  }

  // The next frame; it is not acknowledged as written.
  v1::AgentFrame Frame() {
    UplinkActions actions = Step();
    EXPECT_FALSE(actions.close);
    EXPECT_FALSE(actions.connect);
    EXPECT_TRUE(actions.write) << "nothing is written";
    return actions.write.value_or(v1::AgentFrame());
  }
  // Whatever there is to say now, each written at once.
  std::vector<v1::AgentFrame> Frames() {
    std::vector<v1::AgentFrame> frames;
    for (UplinkActions actions = Step(); actions.write; actions = Step()) {
      frames.push_back(*std::move(actions.write));
      session_->WriteDone();
      if (frames.size() > 1000) {
        ADD_FAILURE() << "it never stops speaking";
        break;
      }
    }
    return frames;
  }
  static std::vector<v1::Batch> Batches(const std::vector<v1::AgentFrame>& frames) {
    std::vector<v1::Batch> batches;
    for (const v1::AgentFrame& frame : frames) {
      if (frame.has_batch()) batches.push_back(frame.batch());
    }
    return batches;
  }
  static int Count(const std::vector<v1::AgentFrame>& frames,
                   v1::AgentFrame::FrameCase which) {
    int count = 0;
    for (const v1::AgentFrame& frame : frames) count += frame.frame_case() == which;
    return count;
  }

  void Receive(const v1::CollectorFrame& frame) {
    ASSERT_OK(session_->Receive(now_, frame));
  }

  v1::CollectorFrame Welcome(uint64_t resume_after = 0) const {
    v1::CollectorFrame frame;
    v1::Welcome& welcome = *frame.mutable_welcome();
    welcome.set_session_id("1");
    welcome.set_resume_after_seq(resume_after);
    welcome.set_window_events(256);
    welcome.set_window_bytes(256 << 10);
    return frame;
  }
  v1::CollectorFrame Ack(uint64_t upto) const {
    v1::CollectorFrame frame;
    frame.mutable_ack()->set_epoch(outbox_->epoch());
    frame.mutable_ack()->set_upto_seq(upto);
    return frame;
  }
  static v1::CollectorFrame Error(v1::Error::Code code, absl::Duration retry_after,
                                  bool fatal) {
    v1::CollectorFrame frame;
    frame.mutable_error()->set_code(code);
    if (retry_after > absl::ZeroDuration()) {
      *frame.mutable_error()->mutable_retry_after() = ToProto(retry_after);
    }
    frame.mutable_error()->set_fatal(fatal);
    return frame;
  }

  // As far as the open stream, which is `address`.
  void Connect(const std::string& address = "first:1") {
    EXPECT_EQ(Step().connect, address);
    session_->Connected(now_);
  }
  // As far as a live session that has said all that it has to say.
  std::vector<v1::AgentFrame> GoLive(const v1::CollectorFrame& welcome) {
    Connect();
    EXPECT_TRUE(Frame().has_hello());
    session_->WriteDone();
    Receive(welcome);
    EXPECT_TRUE(session_->live());
    return Frames();
  }
  std::vector<v1::AgentFrame> GoLive() { return GoLive(Welcome()); }

  void Disconnect() { session_->Disconnected(now_, "test"); }
  // How long until it connects again.
  absl::Duration Pause() {
    if (session_->NextDeadline() == kForever) return kForever;
    const absl::Duration pause =
        std::max(session_->NextDeadline() - now_.mono, absl::ZeroDuration());
    if (pause > absl::ZeroDuration()) {
      EXPECT_FALSE(Step().connect) << "it does not keep its own pause";
    }
    return pause;
  }
  void ExpectLeft(const char* why) {
    EXPECT_TRUE(Step().close) << why;
    EXPECT_FALSE(session_->live()) << why;
  }

  FullDisk disk_;
  SeededRandom random_{1};
  const std::string path_;
  std::unique_ptr<Outbox> outbox_;
  UplinkSession::Options options_;
  std::unique_ptr<UplinkSession> session_;
  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  int snapshots_made_ = 0;
};

TEST_F(SessionTest, SaysHelloFirstAndNothingBeforeWelcome) {
  Tell(3);
  Connect();
  const v1::AgentFrame frame = Frame();
  ASSERT_TRUE(frame.has_hello());
  const v1::Hello& hello = frame.hello();
  EXPECT_EQ(hello.protocol(), 1u);
  EXPECT_EQ(hello.agent_id(), "NC027");
  EXPECT_EQ(hello.epoch(), outbox_->epoch());
  EXPECT_EQ(hello.boot_id(), options_.boot_id);
  EXPECT_EQ(hello.config_hash(), "hash");
  EXPECT_EQ(hello.first_unacked(), 1u);
  EXPECT_EQ(hello.next_seq(), 4u);
  EXPECT_EQ(hello.clocks().monotonic_ms(), 3'600'000u);
  session_->WriteDone();
  EXPECT_FALSE(Step().write);
  Receive(Welcome());
  const std::vector<v1::AgentFrame> frames = Frames();
  ASSERT_EQ(frames.size(), 3u);
  EXPECT_TRUE(frames[0].has_heartbeat()) << "the sign of life comes before bulk";
  EXPECT_TRUE(frames[1].has_snapshot());
  EXPECT_TRUE(frames[2].has_batch());
}

TEST_F(SessionTest, WritesOneFrameAtATime) {
  Tell(3);
  Connect();
  Frame();
  EXPECT_FALSE(Step().write) << "Hello is still being written";
  session_->WriteDone();
  Receive(Welcome());
  Frame();
  Tell(1);
  session_->SnapshotChanged();
  Wait(absl::Seconds(60));
  EXPECT_FALSE(Step().write);
  session_->WriteDone();
  EXPECT_TRUE(Step().write);
}

TEST_F(SessionTest, WelcomeSaysWhereToGoOn) {
  Tell(5);
  const std::vector<v1::Batch> batches = Batches(GoLive(Welcome(3)));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].first_seq(), 4u);
  EXPECT_EQ(batches[0].events_size(), 2);
  EXPECT_EQ(outbox_->first_unacked(), 4u) << "what is committed is forgotten";
}

TEST_F(SessionTest, WhatWasNotAckedIsSentAgain) {
  Tell(5);
  GoLive();
  Receive(Ack(2));
  EXPECT_EQ(outbox_->first_unacked(), 3u);
  Disconnect();
  Wait(absl::Seconds(2));
  const std::vector<v1::Batch> batches = Batches(GoLive(Welcome(2)));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].first_seq(), 3u);
  EXPECT_EQ(batches[0].events_size(), 3);
}

TEST_F(SessionTest, KeepsTheWindowInEvents) {
  Tell(10);
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->set_window_events(4);
  std::vector<v1::Batch> batches = Batches(GoLive(welcome));
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].events_size(), 4);
  Receive(Ack(3));
  batches = Batches(Frames());
  ASSERT_EQ(batches.size(), 1u);
  EXPECT_EQ(batches[0].first_seq(), 5u);
  EXPECT_EQ(batches[0].events_size(), 3);
}

TEST_F(SessionTest, KeepsTheWindowInBytes) {
  Tell(10, /*bytes=*/1000);
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->set_window_bytes(2500);
  size_t bytes = 0;
  for (const v1::Batch& batch : Batches(GoLive(welcome))) {
    for (const std::string& event : batch.events()) bytes += event.size();
  }
  // The last event may stick out: otherwise one that is longer would never go.
  EXPECT_GE(bytes, 2500u);
  EXPECT_LE(bytes, 2500u + 1100u);
  EXPECT_TRUE(Batches(Frames()).empty());
}

TEST_F(SessionTest, AWindowThatOpensLetsMoreGo) {
  Tell(10);
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->set_window_events(0);
  EXPECT_TRUE(Batches(GoLive(welcome)).empty());
  v1::CollectorFrame window;
  window.mutable_window()->set_events(2);
  window.mutable_window()->set_bytes(1 << 20);
  Receive(window);
  EXPECT_EQ(Batches(Frames()).at(0).events_size(), 2);
  // Smaller than what is on its way already.
  window.mutable_window()->set_events(1);
  Receive(window);
  EXPECT_TRUE(Batches(Frames()).empty());
}

TEST_F(SessionTest, NoBatchIsLongerThanAFrame) {
  Tell(200, /*bytes=*/4000);
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->set_window_bytes(1 << 20);
  const std::vector<v1::AgentFrame> frames = GoLive(welcome);
  EXPECT_EQ(outbox_->next_seq(), 201u);
  int events = 0;
  for (const v1::AgentFrame& frame : frames) {
    EXPECT_LE(frame.ByteSizeLong(), size_t{32} << 10);
    events += frame.batch().events_size();
  }
  EXPECT_EQ(events, 200);
}

TEST_F(SessionTest, AHeartbeatThatIsDueGoesBeforeBulk) {
  Tell(500);
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->set_window_events(100'000);
  welcome.mutable_welcome()->set_window_bytes(1 << 30);
  Connect();
  Frame();
  session_->WriteDone();
  Receive(welcome);
  std::vector<v1::AgentFrame::FrameCase> order;
  for (int i = 0; i < 4; ++i) {
    order.push_back(Frame().frame_case());
    session_->WriteDone();
    if (i == 2) Wait(absl::Seconds(12));
  }
  EXPECT_THAT(order, ElementsAre(v1::AgentFrame::kHeartbeat, v1::AgentFrame::kSnapshot,
                                 v1::AgentFrame::kBatch, v1::AgentFrame::kHeartbeat));
}

TEST_F(SessionTest, AHeartbeatSaysHowFarBehindTheCollectorIs) {
  GoLive();
  Tell(2);
  Frames();
  Wait(absl::Seconds(12));
  const std::vector<v1::AgentFrame> frames = Frames();
  ASSERT_TRUE(frames.at(0).has_heartbeat());
  const v1::Heartbeat& heartbeat = frames[0].heartbeat();
  EXPECT_EQ(heartbeat.next_seq(), 3u);
  EXPECT_EQ(heartbeat.oldest_unacked_age_ms(), 12'000u);
  EXPECT_GT(heartbeat.outbox_bytes(), 200u);
  EXPECT_EQ(heartbeat.resident_bytes(), 7u);
  Receive(Ack(2));
  Wait(absl::Seconds(12));
  EXPECT_FALSE(Frames().at(0).heartbeat().has_oldest_unacked_age_ms())
      << "absent, not zero, when all are acked";
}

TEST_F(SessionTest, AWallClockThatJumpsMakesNoNegativeAge) {
  GoLive();
  Tell(1);
  now_.wall -= absl::Hours(5);
  now_.mono += absl::Seconds(12);
  EXPECT_EQ(Frames().at(0).heartbeat().oldest_unacked_age_ms(), 0u);
}

TEST_F(SessionTest, BeatsAndReportsAtTheAgreedIntervalsWithTenPercentOfJitter) {
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(20);
  welcome.mutable_welcome()->mutable_snapshot_interval()->set_seconds(100);
  GoLive(welcome);
  int beats = 0;
  int snapshots = 0;
  const absl::Duration begun = now_.mono;
  absl::Duration beat_at = begun;
  while (beats < 100) {
    const absl::Duration next = session_->NextDeadline();
    ASSERT_GT(next, now_.mono);
    Wait(next - now_.mono);
    for (const v1::AgentFrame& frame : Frames()) {
      snapshots += frame.has_snapshot();
      if (!frame.has_heartbeat()) continue;
      EXPECT_GE(now_.mono - beat_at, absl::Seconds(18));
      EXPECT_LE(now_.mono - beat_at, absl::Seconds(22));
      beat_at = now_.mono;
      ++beats;
    }
  }
  EXPECT_NEAR(snapshots, 20, 2);
}

TEST_F(SessionTest, IntervalsThatMakeNoSenseAreBounded) {
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(0);
  welcome.mutable_welcome()->mutable_snapshot_interval()->set_seconds(-5);
  GoLive(welcome);
  EXPECT_GT(session_->NextDeadline(), now_.mono + absl::Milliseconds(80));
  Disconnect();
  Wait(absl::Seconds(10));
  for (int64_t seconds : {int64_t{1} << 40, std::numeric_limits<int64_t>::max()}) {
    welcome.mutable_welcome()->mutable_heartbeat_interval()->set_seconds(seconds);
    welcome.mutable_welcome()->mutable_snapshot_interval()->set_seconds(seconds);
    GoLive(welcome);
    EXPECT_LE(session_->NextDeadline(), now_.mono + absl::Minutes(11));
    Disconnect();
    Wait(absl::Seconds(70));
  }
}

TEST_F(SessionTest, ChangesShareASnapshotEveryFiveSeconds) {
  GoLive();
  EXPECT_EQ(snapshots_made_, 1);
  for (int tenth = 0; tenth < 100; ++tenth) {
    session_->SnapshotChanged();
    Wait(absl::Milliseconds(100));
    Frames();
  }
  EXPECT_EQ(snapshots_made_, 3) << "at 5 s and at 10 s";
}

TEST_F(SessionTest, OneChangeIsToldFiveSecondsAfterTheLastSnapshotAtTheLatest) {
  GoLive();
  Wait(absl::Seconds(1));
  session_->SnapshotChanged();
  EXPECT_EQ(session_->NextDeadline(), now_.mono + absl::Seconds(4));
  Wait(absl::Seconds(4));
  EXPECT_EQ(Count(Frames(), v1::AgentFrame::kSnapshot), 1);
}

TEST_F(SessionTest, SnapshotsAreNumberedInTheirEpoch) {
  GoLive();
  v1::CollectorFrame request;
  request.mutable_request_snapshot();
  Receive(request);
  const v1::AgentFrame frame = Frame();
  ASSERT_TRUE(frame.has_snapshot()) << "asked for, it comes at once";
  EXPECT_EQ(frame.snapshot().revision(), 2u);
  EXPECT_EQ(frame.snapshot().epoch(), outbox_->epoch());
}

TEST_F(SessionTest, LeavesWhoBreaksTheProtocol) {
  v1::CollectorFrame other_epoch;
  other_epoch.mutable_ack()->set_epoch(std::string(16, 'x'));
  other_epoch.mutable_ack()->set_upto_seq(1);
  const struct {
    const char* why;
    v1::CollectorFrame frame;
  } kCases[] = {
      {"an ack of what was not sent", Ack(5)},
      {"an ack near the end of numbers", Ack(~uint64_t{0})},
      {"an ack of another epoch", other_epoch},
      {"a second Welcome", Welcome()},
  };
  Tell(4);
  for (const auto& [why, frame] : kCases) {
    SCOPED_TRACE(why);
    GoLive();
    Receive(frame);
    ExpectLeft(why);
    EXPECT_EQ(outbox_->first_unacked(), 1u) << "nothing is forgotten";
    Disconnect();
    EXPECT_GE(Pause(), absl::Seconds(1)) << "not at once again";
    Wait(absl::Minutes(2));
  }
}

TEST_F(SessionTest, LeavesWhoSpeaksOutOfTurn) {
  const struct {
    const char* why;
    v1::CollectorFrame frame;
    bool hello_first;
  } kCases[] = {
      {"an ack before Welcome", Ack(1), true},
      {"Welcome before Hello", Welcome(), false},
  };
  Tell(1);
  for (const auto& [why, frame, hello_first] : kCases) {
    SCOPED_TRACE(why);
    Connect();
    if (hello_first) Frame();
    Receive(frame);
    ExpectLeft(why);
    Disconnect();
    Wait(absl::Minutes(2));
  }
}

TEST_F(SessionTest, RejectedNumbersAreForgottenLikeAllThatIsAcked) {
  Tell(3);
  GoLive();
  v1::CollectorFrame ack = Ack(3);
  v1::Ack::Rejected& rejected = *ack.mutable_ack()->add_rejected();
  rejected.set_seq(2);
  rejected.set_code(v1::Ack::Rejected::CODE_MALFORMED);
  Receive(ack);
  EXPECT_TRUE(outbox_->empty());
  EXPECT_TRUE(session_->live());
  EXPECT_TRUE(Batches(Frames()).empty()) << "sending it again would change nothing";
}

TEST_F(SessionTest, AStaleEpochBeginsANewOneAndEverythingIsToldAgain) {
  const struct {
    const char* how;
    v1::CollectorFrame frame;
  } kCases[] = {
      {"by Error", Error(v1::Error::CODE_EPOCH_STALE, absl::ZeroDuration(), false)},
      {"by Welcome", Welcome(4)},
      {"by Welcome, far ahead", Welcome(uint64_t{1} << 50)},
  };
  Tell(3);
  for (const auto& [how, frame] : kCases) {
    SCOPED_TRACE(how);
    const std::string before = outbox_->epoch();
    Connect();
    Frame();
    session_->WriteDone();
    Receive(frame);
    EXPECT_NE(outbox_->epoch(), before);
    ExpectLeft(how);
    Disconnect();
    Wait(absl::Seconds(61));
    Connect();
    const v1::AgentFrame hello = Frame();
    EXPECT_EQ(hello.hello().epoch(), outbox_->epoch());
    EXPECT_EQ(hello.hello().first_unacked(), 1u);
    session_->WriteDone();
    Receive(Welcome());
    const std::vector<v1::AgentFrame> frames = Frames();
    ASSERT_EQ(Batches(frames).size(), 1u);
    EXPECT_EQ(Batches(frames)[0].first_seq(), 1u);
    EXPECT_EQ(Batches(frames)[0].events_size(), 3);
    EXPECT_EQ(Batches(frames)[0].epoch(), outbox_->epoch());
    EXPECT_EQ(frames[1].snapshot().revision(), 1u);
    Disconnect();
    Wait(absl::Seconds(61));
  }
}

TEST_F(SessionTest, AStaleEpochOnAFullDiskIsTriedAgainLater) {
  Tell(3);
  Connect();
  Frame();
  session_->WriteDone();
  disk_.Fill();
  ASSERT_OK(session_->Receive(
      now_, Error(v1::Error::CODE_EPOCH_STALE, absl::ZeroDuration(), false)))
      << "the program need not exit";
  ExpectLeft("it cannot go on in this epoch");
  Disconnect();
  EXPECT_GE(Pause(), absl::Seconds(1));
  disk_.Clear();
  Tell(1);
  EXPECT_EQ(outbox_->next_seq(), 5u);
}

TEST_F(SessionTest, DrainSaysWhenToComeBack) {
  v1::CollectorFrame drain;
  drain.mutable_drain()->mutable_spread()->set_seconds(300);
  absl::Duration longest = absl::ZeroDuration();
  for (int i = 0; i < 20; ++i) {
    GoLive();
    Receive(drain);
    ExpectLeft("Drain");
    Disconnect();
    const absl::Duration pause = Pause();
    EXPECT_LE(pause, absl::Seconds(300));
    longest = std::max(longest, pause);
    Wait(absl::Minutes(6));
  }
  EXPECT_GT(longest, absl::Seconds(150)) << "spread, not all at once";
}

TEST_F(SessionTest, NoDrainKeepsAnAgentAwayForEver) {
  for (int64_t seconds : {int64_t{1} << 40, std::numeric_limits<int64_t>::max(),
                          std::numeric_limits<int64_t>::min(), int64_t{-1}}) {
    v1::CollectorFrame drain;
    drain.mutable_drain()->mutable_spread()->set_seconds(seconds);
    GoLive();
    Receive(drain);
    ExpectLeft("Drain");
    Disconnect();
    EXPECT_LE(Pause(), absl::Minutes(10)) << seconds;
    Wait(absl::Minutes(11));
  }
}

TEST_F(SessionTest, AnErrorSaysHowLongToStayAway) {
  const struct {
    const char* name;
    v1::CollectorFrame frame;
    absl::Duration least;
    absl::Duration most;
  } kCases[] = {
      {"retry_after", Error(v1::Error::CODE_STORE_UNAVAILABLE, absl::Seconds(100), false),
       absl::Seconds(100), absl::Seconds(101)},
      {"fatal", Error(v1::Error::CODE_UNKNOWN_AGENT, absl::Seconds(5), true),
       absl::Seconds(60), absl::Seconds(61)},
      {"fatal and longer", Error(v1::Error::CODE_VERSION, absl::Seconds(200), true),
       absl::Seconds(200), absl::Seconds(201)},
      {"for ever", Error(v1::Error::CODE_FLOODING, absl::Hours(1000), false),
       absl::Minutes(10), absl::Minutes(10) + absl::Seconds(1)},
  };
  for (const auto& [name, frame, least, most] : kCases) {
    SCOPED_TRACE(name);
    Connect();
    Frame();
    Receive(frame);
    ExpectLeft(name);
    Disconnect();
    const absl::Duration pause = Pause();
    EXPECT_GE(pause, least);
    EXPECT_LE(pause, most);
    Wait(absl::Minutes(15));
  }
}

TEST_F(SessionTest, AMuteCollectorIsLeftForTheNextWithinFiveSeconds) {
  options_.collectors = {"first:1", "second:2"};
  Restart();
  const absl::Duration begun = now_.mono;
  Connect("first:1");
  Frame();
  session_->WriteDone();
  EXPECT_EQ(session_->NextDeadline(), now_.mono + absl::Seconds(5));
  Wait(absl::Seconds(5));
  EXPECT_TRUE(Step().close);
  Disconnect();
  EXPECT_EQ(Step().connect, "second:2");
  EXPECT_LE(now_.mono - begun, absl::Seconds(5));
}

TEST_F(SessionTest, AStreamThatNeverOpensIsLeftToo) {
  options_.collectors = {"first:1", "second:2"};
  Restart();
  EXPECT_EQ(Step().connect, "first:1");
  Wait(absl::Seconds(5));
  EXPECT_TRUE(Step().close);
  Disconnect();
  EXPECT_EQ(Step().connect, "second:2");
}

TEST_F(SessionTest, TriesTheWholeListAndThenPauses) {
  options_.collectors = {"first:1", "second:2", "third:3"};
  Restart();
  for (int round = 0; round < 5; ++round) {
    for (const char* address : {"first:1", "second:2", "third:3"}) {
      EXPECT_EQ(Step().connect, address);
      Disconnect();
    }
    EXPECT_FALSE(Step().connect) << "a whole round failed";
    Wait(absl::Minutes(1));
  }
}

TEST_F(SessionTest, BackOffGrowsToItsBoundAndIsResetAfterAStableMinute) {
  std::vector<absl::Duration> longest(10, absl::ZeroDuration());
  for (int trial = 0; trial < 200; ++trial) {
    Restart();
    for (size_t attempt = 0; attempt < longest.size(); ++attempt) {
      ASSERT_EQ(Step().connect, "first:1");
      Disconnect();
      const absl::Duration pause = Pause();
      longest[attempt] = std::max(longest[attempt], pause);
      Wait(pause);
    }
  }
  for (size_t attempt = 0; attempt < longest.size(); ++attempt) {
    const absl::Duration bound =
        std::min(absl::Seconds(1) * (1 << attempt), absl::Seconds(60));
    EXPECT_LE(longest[attempt], bound) << attempt;
    EXPECT_GE(longest[attempt], bound * 0.9) << "it is uniform up to the bound";
  }
  // One that lasted a minute was no failure.
  GoLive();
  Wait(absl::Seconds(60));
  Disconnect();
  EXPECT_LE(Pause(), absl::Seconds(1));
}

TEST_F(SessionTest, ASessionThatFailsAtOnceDoesNotResetTheBackOff) {
  absl::Duration longest = absl::ZeroDuration();
  for (int i = 0; i < 30; ++i) {
    GoLive();
    Disconnect();
    const absl::Duration pause = Pause();
    longest = std::max(longest, pause);
    Wait(pause);
  }
  EXPECT_GT(longest, absl::Seconds(30));
}

TEST_F(SessionTest, ConfigStaysOverAReconnectAndOnlyANewOneReplacesIt) {
  EXPECT_FALSE(session_->config());
  GoLive();
  v1::CollectorFrame frame;
  frame.mutable_config()->set_version(7);
  frame.mutable_config()->add_ping_targets()->set_peer("NC036");
  Receive(frame);
  Disconnect();
  ASSERT_TRUE(session_->config());
  EXPECT_EQ(session_->config()->ping_targets(0).peer(), "NC036");
  Wait(absl::Seconds(2));
  GoLive();
  frame.mutable_config()->set_version(8);
  frame.mutable_config()->clear_ping_targets();
  Receive(frame);
  EXPECT_EQ(session_->config()->ping_targets_size(), 0);
}

TEST_F(SessionTest, SaysGoodbyeAfterWhatIsUnsent) {
  GoLive();
  Tell(100);
  session_->Stop("SIGTERM", absl::ZeroDuration());
  EXPECT_FALSE(session_->stopped());
  const v1::AgentFrame first = Frame();
  EXPECT_EQ(first.batch().events_size(), 64);
  session_->WriteDone();
  EXPECT_EQ(Frame().batch().events_size(), 36);
  session_->WriteDone();
  const v1::AgentFrame last = Frame();
  ASSERT_TRUE(last.has_goodbye());
  EXPECT_EQ(last.goodbye().reason(), "SIGTERM");
  EXPECT_FALSE(last.goodbye().has_back_in()) << "for good";
  EXPECT_FALSE(Step().close) << "Goodbye is still being written";
  session_->WriteDone();
  EXPECT_TRUE(Step().close);
  Disconnect();
  EXPECT_TRUE(session_->stopped());
  EXPECT_EQ(session_->NextDeadline(), kForever);
  EXPECT_FALSE(Step().connect);
}

TEST_F(SessionTest, GoodbyeDoesNotWaitForAWindowThatIsClosed) {
  v1::CollectorFrame welcome = Welcome();
  welcome.mutable_welcome()->set_window_events(0);
  GoLive(welcome);
  Tell(3);
  session_->Stop("SIGTERM", absl::Seconds(30));
  const v1::AgentFrame frame = Frame();
  ASSERT_TRUE(frame.has_goodbye());
  EXPECT_EQ(frame.goodbye().back_in().seconds(), 30);
}

TEST_F(SessionTest, AStopWithoutALiveSessionHasNothingToSay) {
  session_->Stop("SIGTERM", absl::ZeroDuration());
  EXPECT_TRUE(session_->stopped());
  EXPECT_FALSE(Step().connect);

  Restart();
  Connect();
  session_->Stop("SIGTERM", absl::ZeroDuration());
  EXPECT_TRUE(Step().close);
  Disconnect();
  EXPECT_TRUE(session_->stopped());
}

TEST_F(SessionTest, FramesOfANewerProtocolAreIgnored) {
  GoLive();
  v1::CollectorFrame unknown;
  ASSERT_TRUE(unknown.ParseFromString(std::string("\xfa\x3e\x03new", 6)));
  Receive(unknown);
  Receive(v1::CollectorFrame());
  EXPECT_TRUE(session_->live());
  EXPECT_TRUE(Frames().empty());
}

TEST_F(SessionTest, WhatArrivesAfterTheEndIsIgnored) {
  Tell(1);
  GoLive();
  Disconnect();
  Receive(Ack(1));
  Receive(Welcome());
  EXPECT_EQ(outbox_->first_unacked(), 1u);
  EXPECT_FALSE(session_->live());
}

TEST_F(SessionTest, AFullDiskThatCannotForgetIsNoFailureAndIsAskedAgain) {
  Tell(3);
  GoLive();
  disk_.Fill();
  Receive(Ack(3));
  EXPECT_TRUE(session_->live());
  EXPECT_EQ(outbox_->first_unacked(), 1u);
  EXPECT_TRUE(Batches(Frames()).empty()) << "acked is acked";
  disk_.Clear();
  // No event, and so no other ack, may come for a long time: an outbox that
  // stays full would keep it so.
  Wait(absl::Seconds(12));
  Frames();
  EXPECT_TRUE(outbox_->empty());
}

// Whatever state it is in: asked again, it comes to rest; and when its deadline
// comes, something happens and the next deadline lies ahead.  Else the agent's
// loop would eat a core.
TEST_F(SessionTest, EachDeadlineLeadsToSomethingAndNoneStaysBehind) {
  options_.collectors = {"first:1", "second:2"};
  for (uint64_t seed = 1; seed <= 60; ++seed) {
    SCOPED_TRACE(seed);
    SeededRandom dice(seed);
    Restart();
    enum { kNone, kOpening, kOpen } stream = kNone;
    bool writing = false;
    for (int turn = 0; turn < 200; ++turn) {
      switch (dice.Next() % 12) {
        case 0:
          if (stream == kOpening) {
            session_->Connected(now_);
            stream = kOpen;
          }
          break;
        case 1:
          if (stream == kNone || dice.Next() % 4 > 0) break;
          Disconnect();
          stream = kNone;
          writing = false;
          break;
        case 2:
        case 3:
          if (writing) session_->WriteDone();
          writing = false;
          break;
        case 4:
          if (stream == kOpen) Receive(Welcome(outbox_->next_seq() - 1));
          break;
        case 5:
          if (stream == kOpen) Receive(Ack(outbox_->next_seq() - dice.Next() % 2));
          break;
        case 6:
          session_->SnapshotChanged();
          break;
        case 7:
          Tell(1 + static_cast<int>(dice.Next() % 3));
          break;
        case 8: {
          v1::CollectorFrame frame;
          frame.mutable_window()->set_events(dice.Next() % 4);
          frame.mutable_window()->set_bytes(1000);
          if (stream == kOpen) Receive(frame);
          break;
        }
        case 9:
          if (stream == kOpen && dice.Next() % 8 == 0) {
            Receive(Error(v1::Error::CODE_PROTOCOL, absl::Seconds(3), false));
          }
          break;
        case 10:
          if (turn > 150 && dice.Next() % 8 == 0) {
            session_->Stop("SIGTERM", absl::ZeroDuration());
          }
          break;
        case 11:
          Wait(absl::Milliseconds(dice.Next() % 8000));
          break;
      }
      // At rest, or waiting for the stream.
      int steps = 0;
      while (true) {
        const UplinkActions actions = Step();
        if (actions.connect) stream = kOpening;
        if (actions.write) writing = true;
        if (!actions.close && !actions.connect && !actions.write) break;
        ASSERT_LT(++steps, 10) << "always something more to do";
      }
      ASSERT_GT(session_->NextDeadline(), now_.mono) << "turn " << turn;
      if (stream == kNone && !session_->stopped()) {
        ASSERT_LT(session_->NextDeadline(), now_.mono + absl::Seconds(61))
            << "nothing would ever wake it";
      }
      if (dice.Next() % 4 > 0 || session_->NextDeadline() == kForever) continue;
      Wait(session_->NextDeadline() - now_.mono);
      const UplinkActions due = Step();
      if (due.connect) stream = kOpening;
      if (due.write) writing = true;
      ASSERT_TRUE(due.close || due.connect || due.write) << "turn " << turn;
    }
  }
}

}  // namespace
}  // namespace mailvane
