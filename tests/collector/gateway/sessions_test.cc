#include "collector/gateway/sessions.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/log.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const std::string kEpoch(16, 'e');

class SessionsTest : public testing::Test {
 protected:
  SessionsTest() : fleet_(Inventory(), FleetState::Options(), now_) {
    SetLogLevel(LogLevel::kError);
    options_.window_events = 4;
    sessions_ = std::make_unique<Sessions>(options_, &fleet_, &stats_);
  }

  static v1::Inventory Inventory() {
    v1::Inventory inventory;
    inventory.add_systems()->set_id("NC027");
    v1::System& peer = *inventory.add_systems();
    peer.set_id("NC036");
    peer.add_addresses("192.0.2.36");
    return inventory;
  }

  static v1::AgentFrame Hello(uint64_t first_unacked, uint64_t next_seq,
                              const std::string& agent = "NC027") {
    v1::AgentFrame frame;
    v1::Hello& hello = *frame.mutable_hello();
    hello.set_protocol(1);
    hello.set_version("test");
    hello.set_agent_id(agent);
    hello.set_epoch(kEpoch);
    hello.set_first_unacked(first_unacked);
    hello.set_next_seq(next_seq);
    return frame;
  }

  static v1::Event Event(char key) {
    v1::Event event;
    event.set_key(std::string(16, key));
    event.mutable_finding()->set_type("test");
    return event;
  }

  static v1::AgentFrame RawBatch(uint64_t first_seq,
                                 const std::vector<std::string>& events) {
    v1::AgentFrame frame;
    frame.mutable_batch()->set_epoch(kEpoch);
    frame.mutable_batch()->set_first_seq(first_seq);
    for (const std::string& event : events) frame.mutable_batch()->add_events(event);
    return frame;
  }
  static v1::AgentFrame Batch(uint64_t first_seq, absl::string_view keys) {
    std::vector<std::string> events;
    for (char key : keys) events.push_back(Event(key).SerializeAsString());
    return RawBatch(first_seq, events);
  }

  // Opens a session and says Hello; what was answered.
  GatewayOutput Greet(SessionId id, uint64_t first_unacked, uint64_t next_seq) {
    sessions_->Opened(now_, id, "peer");
    sessions_->Receive(now_, id, Hello(first_unacked, next_seq));
    return sessions_->Take();
  }

  GatewayOutput Say(SessionId id, const v1::AgentFrame& frame) {
    sessions_->Receive(now_, id, frame);
    return sessions_->Take();
  }

  GatewayOutput Commit(const GatewayOutput& output) {
    sessions_->Stored(now_, output.ticket, StoreResult());
    return sessions_->Take();
  }

  // The code of the one Error that was sent, with the session closed.
  static v1::Error::Code Refusal(const GatewayOutput& output) {
    EXPECT_THAT(output.close, SizeIs(1));
    if (output.send.empty() || !output.send.back().second.has_error()) {
      ADD_FAILURE() << "no error was sent";
      return v1::Error::CODE_UNSPECIFIED;
    }
    return output.send.back().second.error().code();
  }

  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  Sessions::Options options_;
  CollectorStats stats_;
  FleetState fleet_;
  std::unique_ptr<Sessions> sessions_;
};

TEST_F(SessionsTest, WelcomesAndSaysWhatToPing) {
  const GatewayOutput output = Greet(1, 1, 1);
  ASSERT_THAT(output.send, SizeIs(2));
  const v1::Welcome& welcome = output.send[0].second.welcome();
  EXPECT_EQ(welcome.resume_after_seq(), 0u);
  EXPECT_EQ(welcome.window_events(), 4u);
  EXPECT_EQ(welcome.heartbeat_interval().seconds(), 10);
  const v1::Config& config = output.send[1].second.config();
  ASSERT_THAT(config.ping_targets(), SizeIs(1));
  EXPECT_EQ(config.ping_targets(0).address(), "192.0.2.36");
  EXPECT_THAT(output.close, IsEmpty());
}

TEST_F(SessionsTest, AcksOnlyWhatIsCommitted) {
  Greet(1, 1, 3);
  const GatewayOutput output = Say(1, Batch(1, "ab"));
  EXPECT_THAT(output.send, IsEmpty());
  ASSERT_THAT(output.store, SizeIs(2));
  EXPECT_EQ(output.store[1].seq, 2u);
  const GatewayOutput after = Commit(output);
  ASSERT_THAT(after.send, SizeIs(1));
  EXPECT_EQ(after.send[0].second.ack().upto_seq(), 2u);
}

TEST_F(SessionsTest, ResumesAfterWhatIsCommitted) {
  sessions_->Restore({"NC027", kEpoch, 7});
  const GatewayOutput output = Greet(1, 6, 9);
  EXPECT_EQ(output.send[0].second.welcome().resume_after_seq(), 7u);
  const GatewayOutput stored = Say(1, Batch(6, "abc"));
  ASSERT_THAT(stored.store, SizeIs(1)) << "6 and 7 are there already";
  EXPECT_EQ(stored.store[0].seq, 8u);
}

TEST_F(SessionsTest, ADiskThatWentBackGetsANewEpoch) {
  sessions_->Restore({"NC027", kEpoch, 7});
  EXPECT_EQ(Refusal(Greet(1, 3, 6)), v1::Error::CODE_EPOCH_STALE);
}

TEST_F(SessionsTest, AGapIsWrittenDownAsALoss) {
  sessions_->Restore({"NC027", kEpoch, 2});
  const GatewayOutput output = Greet(1, 6, 7);
  ASSERT_THAT(output.store, SizeIs(1));
  EXPECT_EQ(output.store[0].seq, 3u);
  EXPECT_EQ(output.store[0].covers_upto, 5u);
  v1::Event event;
  ASSERT_TRUE(event.ParseFromString(output.store[0].body));
  EXPECT_EQ(event.loss().cause(), v1::LossRecord::CAUSE_SEQUENCE_GAP);
  EXPECT_EQ(event.loss().first_seq(), 3u);
  EXPECT_EQ(event.loss().last_seq(), 5u);
  EXPECT_EQ(output.send[0].second.welcome().resume_after_seq(), 5u);
}

TEST_F(SessionsTest, AnEventThatCanNeverBeTakenIsStoredAsRejectedAndAcked) {
  Greet(1, 1, 4);
  const GatewayOutput output =
      Say(1, RawBatch(1, {Event('a').SerializeAsString(), "\xff\xff\xff",
                          std::string(5000, 'x')}));
  ASSERT_THAT(output.store, SizeIs(3));
  EXPECT_EQ(output.store[1].rejected, v1::Ack::Rejected::CODE_MALFORMED);
  EXPECT_EQ(output.store[2].rejected, v1::Ack::Rejected::CODE_TOO_LONG);
  EXPECT_LE(output.store[2].body.size(), 4096u);
  const GatewayOutput after = Commit(output);
  const v1::Ack& ack = after.send[0].second.ack();
  EXPECT_EQ(ack.upto_seq(), 3u);
  ASSERT_THAT(ack.rejected(), SizeIs(2));
  EXPECT_EQ(ack.rejected(0).seq(), 2u);
  EXPECT_EQ(ack.rejected(1).seq(), 3u);
}

TEST_F(SessionsTest, AKindOfANewerAgentIsKeptAsItCame) {
  Greet(1, 1, 2);
  std::string body = Event('a').SerializeAsString();
  body += "\xfa\x3e\x03new";  // field 1007, unknown to us
  const GatewayOutput output = Say(1, RawBatch(1, {body}));
  ASSERT_THAT(output.store, SizeIs(1));
  EXPECT_EQ(output.store[0].rejected, 0);
  EXPECT_EQ(output.store[0].body, body);
}

TEST_F(SessionsTest, TheNewerSessionOfAnAgentWins) {
  Greet(1, 1, 1);
  const GatewayOutput output = Greet(2, 1, 1);
  EXPECT_THAT(output.close, ElementsAre(1u));
  EXPECT_EQ(output.send[0].first, 1u);
  EXPECT_EQ(output.send[0].second.error().code(), v1::Error::CODE_SUPERSEDED);
  EXPECT_TRUE(output.send[1].second.has_welcome());
  sessions_->Closed(1);
  EXPECT_THAT(Commit(Say(2, Batch(1, "a"))).send, SizeIs(1)) << "the newer one lives";
}

TEST_F(SessionsTest, RefusesWhatMakesNoSense) {
  const struct {
    const char* name;
    v1::AgentFrame frame;
    v1::Error::Code code;
  } kCases[] = {
      {"no Hello at first", Batch(1, "a"), v1::Error::CODE_PROTOCOL},
      {"unknown agent", Hello(1, 1, "NC999"), v1::Error::CODE_UNKNOWN_AGENT},
      {"numbers from zero", Hello(0, 1), v1::Error::CODE_PROTOCOL},
      {"first above next", Hello(5, 4), v1::Error::CODE_PROTOCOL},
      {"a number near the end of numbers", Hello(1, ~uint64_t{0}),
       v1::Error::CODE_PROTOCOL},
  };
  SessionId id = 0;
  for (const auto& [name, frame, code] : kCases) {
    SCOPED_TRACE(name);
    sessions_->Opened(now_, ++id, "peer");
    EXPECT_EQ(Refusal(Say(id, frame)), code);
    EXPECT_THAT(Say(id, Hello(1, 1)).send, IsEmpty()) << "it is over";
    sessions_->Closed(id);
  }
  v1::AgentFrame other_version = Hello(1, 1);
  other_version.mutable_hello()->set_protocol(2);
  sessions_->Opened(now_, ++id, "peer");
  EXPECT_EQ(Refusal(Say(id, other_version)), v1::Error::CODE_VERSION);
}

TEST_F(SessionsTest, RefusesBatchesThatBreakTheRules) {
  v1::AgentFrame other_epoch = Batch(1, "a");
  other_epoch.mutable_batch()->set_epoch(std::string(16, 'x'));
  const struct {
    const char* name;
    v1::AgentFrame frame;
    v1::Error::Code code;
  } kCases[] = {
      {"leaves numbers out", Batch(2, "a"), v1::Error::CODE_PROTOCOL},
      {"number zero", Batch(0, "a"), v1::Error::CODE_PROTOCOL},
      {"far jump", Batch(uint64_t{1} << 40, "a"), v1::Error::CODE_PROTOCOL},
      {"another epoch", other_epoch, v1::Error::CODE_PROTOCOL},
      {"a second Hello", Hello(1, 1), v1::Error::CODE_PROTOCOL},
      {"more than the window", Batch(1, "abcde"), v1::Error::CODE_FLOODING},
  };
  SessionId id = 0;
  for (const auto& [name, frame, code] : kCases) {
    SCOPED_TRACE(name);
    Greet(++id, 1, 1);
    EXPECT_EQ(Refusal(Say(id, frame)), code);
    sessions_->Closed(id);
  }
}

TEST_F(SessionsTest, GarbageEndsItsOwnSessionOnly) {
  Greet(1, 1, 1);
  sessions_->Opened(now_, 2, "peer");
  sessions_->ReceiveGarbage(now_, 2, "garbage");
  const GatewayOutput output = sessions_->Take();
  EXPECT_THAT(output.close, ElementsAre(2u));
  EXPECT_EQ(stats_.frames_malformed, 1u);
  EXPECT_THAT(Commit(Say(1, Batch(1, "a"))).send, SizeIs(1));
}

TEST_F(SessionsTest, AFailedCommitAcksNothingAndBeginsAnew) {
  Greet(1, 1, 3);
  const GatewayOutput first = Say(1, Batch(1, "a"));
  const GatewayOutput second = Say(1, Batch(2, "b"));
  sessions_->Stored(now_, first.ticket, absl::ResourceExhaustedError("disk full"));
  EXPECT_EQ(Refusal(sessions_->Take()), v1::Error::CODE_STORE_UNAVAILABLE);
  sessions_->Stored(now_, second.ticket, absl::FailedPreconditionError("hole"));
  EXPECT_THAT(sessions_->Take().send, IsEmpty());
  sessions_->Closed(1);
  EXPECT_EQ(Greet(2, 1, 3).send[0].second.welcome().resume_after_seq(), 0u);
}

TEST_F(SessionsTest, EndsWhoIsSilent) {
  sessions_->Opened(now_, 1, "mute");
  Greet(2, 1, 1);
  now_.mono += absl::Seconds(11);
  sessions_->Tick(now_);
  EXPECT_THAT(sessions_->Take().close, ElementsAre(1u)) << "no Hello";
  sessions_->Closed(1);
  now_.mono += absl::Seconds(50);
  sessions_->Tick(now_);
  EXPECT_THAT(sessions_->Take().close, ElementsAre(2u)) << "no heartbeat";
}

TEST_F(SessionsTest, SnapshotsFarAboveTheRateAreNotDigested) {
  Greet(1, 1, 1);
  v1::AgentFrame frame;
  frame.mutable_snapshot()->set_epoch(kEpoch);
  for (int i = 1; i <= 100; ++i) {
    frame.mutable_snapshot()->set_revision(i);
    Say(1, frame);
  }
  EXPECT_EQ(stats_.snapshots_ignored, 99u);
}

}  // namespace
}  // namespace mailvane
