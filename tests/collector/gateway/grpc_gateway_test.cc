// Both ends of the session protocol on gRPC, over loopback, each on a thread of
// its own as in the programs.
#include "collector/gateway/grpc_gateway.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>
#include <poll.h>

#include <thread>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/uplink/grpc_uplink.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;

// For what must happen; reached only when it does not.
constexpr absl::Duration kPatience = absl::Seconds(20);

v1::AgentFrame Numbered(uint64_t number, size_t padding = 0) {
  v1::AgentFrame frame;
  frame.mutable_batch()->set_first_seq(number);
  if (padding > 0) frame.mutable_batch()->add_events(std::string(padding, 'x'));
  return frame;
}
v1::CollectorFrame Ack(uint64_t number, size_t padding = 0) {
  v1::CollectorFrame frame;
  frame.mutable_ack()->set_upto_seq(number);
  frame.mutable_ack()->set_epoch(std::string(padding, 'x'));
  return frame;
}

// A stream of bytes that knows nothing of our frames.
class RawPeer {
 public:
  explicit RawPeer(int port) {
    grpc::ChannelArguments arguments;
    // A connection of its own.
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    arguments.SetMaxSendMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(absl::StrCat("127.0.0.1:", port),
                                         grpc::InsecureChannelCredentials(), arguments);
    stub_ = std::make_unique<grpc::GenericStub>(channel_);
    stream_ = stub_->PrepareCall(&context_, "/mailvane.v1.AgentGateway/Session", &queue_);
    stream_->StartCall(this);
    started_ = Next();
  }
  ~RawPeer() {
    context_.TryCancel();
    stream_.reset();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  bool started() const { return started_; }
  bool Write(const std::string& bytes) {
    const grpc::Slice slice(bytes);
    stream_->Write(grpc::ByteBuffer(&slice, 1), this);
    return Next();
  }
  // False when the stream is over.
  bool Read() {
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, this);
    return Next();
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, this);
    Next();
    return status;
  }

 private:
  bool Next() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }

  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<grpc::GenericStub> stub_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
  bool started_ = false;
};

class GrpcGatewayTest : public testing::Test {
 protected:
  GrpcGatewayTest() {
    auto gateway = GrpcGateway::Start({"127.0.0.1:0"});
    EXPECT_OK(gateway);
    gateway_ = *std::move(gateway);
    address_ = absl::StrCat("127.0.0.1:", gateway_->port());
  }

  // The gateway's next event; nothing else may come for it.
  GatewayEvent Next() {
    const absl::Time end = absl::Now() + kPatience;
    while (pending_.empty() && absl::Now() < end) {
      for (GatewayEvent& event : gateway_->Wait(absl::Seconds(1))) {
        pending_.push_back(std::move(event));
      }
    }
    if (pending_.empty()) {
      ADD_FAILURE() << "nothing happened";
      return GatewayEvent();
    }
    GatewayEvent event = std::move(pending_.front());
    pending_.pop_front();
    return event;
  }
  GatewayEvent Next(GatewayEvent::Kind kind) {
    GatewayEvent event = Next();
    EXPECT_EQ(static_cast<int>(event.kind), static_cast<int>(kind)) << event.text;
    return event;
  }
  // Passes over everything until this.
  GatewayEvent Await(GatewayEvent::Kind kind, SessionId session) {
    while (!HasFailure()) {
      GatewayEvent event = Next();
      if (event.kind == kind && event.session == session) return event;
    }
    return GatewayEvent();
  }

  std::unique_ptr<GrpcGateway> gateway_;
  std::string address_;
  std::deque<GatewayEvent> pending_;
};

// The agent's end; its Take is called by the test's thread.
class UplinkPeer {
 public:
  UplinkPeer() {
    auto uplink = GrpcUplink::Start();
    EXPECT_OK(uplink);
    uplink_ = *std::move(uplink);
  }
  GrpcUplink* operator->() { return uplink_.get(); }
  void reset() { uplink_.reset(); }

  UplinkEvent Next(UplinkEvent::Kind kind) {
    const absl::Time end = absl::Now() + kPatience;
    while (pending_.empty() && absl::Now() < end) {
      pollfd readable = {uplink_->Descriptor(), POLLIN, 0};
      poll(&readable, 1, 1000);
      for (UplinkEvent& event : uplink_->Take()) pending_.push_back(std::move(event));
    }
    if (pending_.empty()) {
      ADD_FAILURE() << "nothing happened";
      return UplinkEvent();
    }
    UplinkEvent event = std::move(pending_.front());
    pending_.pop_front();
    EXPECT_EQ(static_cast<int>(event.kind), static_cast<int>(kind)) << event.text;
    return event;
  }

 private:
  std::unique_ptr<GrpcUplink> uplink_;
  std::deque<UplinkEvent> pending_;
};

TEST_F(GrpcGatewayTest, FramesArriveInOrderBothWays) {
  UplinkPeer agent;
  agent->Connect(address_);
  const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
  EXPECT_THAT(opened.text, HasSubstr("127.0.0.1"));
  agent.Next(UplinkEvent::Kind::kConnected);
  for (uint64_t number = 1; number <= 500; ++number) {
    agent->Write(Numbered(number, number * 37 % 20'000));
    const GatewayEvent event = Next(GatewayEvent::Kind::kFrame);
    ASSERT_EQ(event.frame.batch().first_seq(), number);
    ASSERT_EQ(event.session, opened.session);
    agent.Next(UplinkEvent::Kind::kWriteDone);
  }
  for (uint64_t number = 1; number <= 200; ++number) {
    gateway_->Send(opened.session, Ack(number, number * 41 % 20'000));
  }
  gateway_->Close(opened.session);
  std::thread drive(
      [this, &opened] { Await(GatewayEvent::Kind::kClosed, opened.session); });
  for (uint64_t number = 1; number <= 200; ++number) {
    ASSERT_EQ(agent.Next(UplinkEvent::Kind::kFrame).frame.ack().upto_seq(), number)
        << "all that was sent before Close arrives";
  }
  EXPECT_EQ(agent.Next(UplinkEvent::Kind::kDisconnected).text, "the collector ended it");
  drive.join();
}

TEST_F(GrpcGatewayTest, AnAgentThatClosesIsSeenToHaveLeft) {
  UplinkPeer agent;
  agent->Connect(address_);
  const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
  agent.Next(UplinkEvent::Kind::kConnected);
  agent->Write(Numbered(1));
  agent->Close();
  agent->Close();
  EXPECT_EQ(Next(GatewayEvent::Kind::kFrame).frame.batch().first_seq(), 1u);
  Next(GatewayEvent::Kind::kClosed);
  // What is sent to a session that is over goes nowhere.
  gateway_->Send(opened.session, Ack(1));
  gateway_->Close(opened.session);
  std::thread drive([this] { gateway_->Wait(absl::Seconds(1)); });
  agent.Next(UplinkEvent::Kind::kWriteDone);
  agent.Next(UplinkEvent::Kind::kDisconnected);
  drive.join();
}

TEST_F(GrpcGatewayTest, AnAgentConnectsAgainAfterItsSessionEnded) {
  UplinkPeer agent;
  for (int i = 0; i < 5; ++i) {
    agent->Connect(address_);
    const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
    agent.Next(UplinkEvent::Kind::kConnected);
    gateway_->Close(opened.session);
    Await(GatewayEvent::Kind::kClosed, opened.session);
    agent.Next(UplinkEvent::Kind::kDisconnected);
  }
}

TEST_F(GrpcGatewayTest, WhereNobodyListensIsADisconnectWithItsReason) {
  gateway_.reset();
  UplinkPeer agent;
  agent->Connect(address_);
  EXPECT_THAT(agent.Next(UplinkEvent::Kind::kDisconnected).text,
              testing::ContainsRegex("[Rr]efused|[Cc]onnect"));
}

TEST_F(GrpcGatewayTest, AnUplinkMayBeDroppedAtAnyTime) {
  { UplinkPeer never_connected; }
  {
    UplinkPeer connecting;
    connecting->Connect(address_);
  }
  UplinkPeer connected;
  connected->Connect(address_);
  connected.Next(UplinkEvent::Kind::kConnected);
  connected->Write(Numbered(1));
  connected.reset();
}

TEST_F(GrpcGatewayTest, GarbageIsToldForItsOwnSessionAlone) {
  UplinkPeer agent;
  agent->Connect(address_);
  const GatewayEvent good = Next(GatewayEvent::Kind::kOpened);
  agent.Next(UplinkEvent::Kind::kConnected);
  RawPeer stranger(gateway_->port());
  ASSERT_TRUE(stranger.started());
  const GatewayEvent bad = Next(GatewayEvent::Kind::kOpened);
  ASSERT_TRUE(stranger.Write("\xff\xff\xff\xff garbage"));
  const GatewayEvent garbage = Next(GatewayEvent::Kind::kGarbage);
  EXPECT_EQ(garbage.session, bad.session);
  EXPECT_EQ(garbage.text, "12 bytes that are no frame");
  EXPECT_EQ(garbage.frame.frame_case(), v1::AgentFrame::FRAME_NOT_SET);
  gateway_->Close(bad.session);
  Await(GatewayEvent::Kind::kClosed, bad.session);
  agent->Write(Numbered(7));
  const GatewayEvent event = Next(GatewayEvent::Kind::kFrame);
  EXPECT_EQ(event.session, good.session);
  EXPECT_EQ(event.frame.batch().first_seq(), 7u);
  EXPECT_FALSE(stranger.Read());
  EXPECT_TRUE(stranger.Finish().ok());
}

TEST_F(GrpcGatewayTest, AnEmptyMessageIsAFrameWithNothingInIt) {
  RawPeer peer(gateway_->port());
  Next(GatewayEvent::Kind::kOpened);
  ASSERT_TRUE(peer.Write(""));
  EXPECT_EQ(Next(GatewayEvent::Kind::kFrame).frame.frame_case(),
            v1::AgentFrame::FRAME_NOT_SET);
}

TEST_F(GrpcGatewayTest, AMessageAboveTheLimitEndsItsSession) {
  RawPeer peer(gateway_->port());
  const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
  peer.Write(std::string(1 << 20, 'x'));
  const GatewayEvent closed = Next(GatewayEvent::Kind::kClosed);
  EXPECT_EQ(closed.session, opened.session);
  std::thread drive([this] { gateway_->Wait(absl::Seconds(1)); });
  EXPECT_FALSE(peer.Read());
  EXPECT_EQ(peer.Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  drive.join();
}

TEST_F(GrpcGatewayTest, AClientThatVanishesIsClosed) {
  auto peer = std::make_unique<RawPeer>(gateway_->port());
  const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
  gateway_->Send(opened.session, Ack(1));
  peer.reset();
  EXPECT_EQ(Next(GatewayEvent::Kind::kClosed).session, opened.session);
}

// It reads nothing; what waits for it is bounded, and it is cut.
TEST_F(GrpcGatewayTest, AClientThatNeverReadsIsCut) {
  RawPeer peer(gateway_->port());
  const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
  bool cut = false;
  int sent = 0;
  const absl::Time end = absl::Now() + kPatience;
  while (!cut && absl::Now() < end) {
    for (int i = 0; i < 16; ++i, ++sent) {
      gateway_->Send(opened.session, Ack(sent, 16 << 10));
    }
    for (const GatewayEvent& event : gateway_->Wait(absl::ZeroDuration())) {
      cut = cut || event.kind == GatewayEvent::Kind::kClosed;
    }
  }
  EXPECT_TRUE(cut);
  EXPECT_LT(sent, 2000);
}

// An orderly end needs the peer's help; one that gives none is cut, too.
TEST_F(GrpcGatewayTest, AClientThatNeverReadsCannotPutOffItsEnd) {
  RawPeer peer(gateway_->port());
  const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
  for (int i = 0; i < 100; ++i) gateway_->Send(opened.session, Ack(i, 16 << 10));
  gateway_->Close(opened.session);
  EXPECT_EQ(Next(GatewayEvent::Kind::kClosed).session, opened.session);
}

TEST_F(GrpcGatewayTest, WakeEndsAWaitFromAnyThread) {
  for (int i = 0; i < 50; ++i) {
    std::thread waker([this] { gateway_->Wake(); });
    const absl::Time begun = absl::Now();
    gateway_->Wait(kPatience);
    EXPECT_LT(absl::Now() - begun, kPatience / 2);
    waker.join();
  }
  // Many at once are one, and none is lost.
  std::vector<std::thread> wakers;
  for (int i = 0; i < 4; ++i) {
    wakers.emplace_back([this] {
      for (int j = 0; j < 200; ++j) gateway_->Wake();
    });
  }
  gateway_->Wait(kPatience);
  for (std::thread& waker : wakers) waker.join();
  gateway_->Wake();
  gateway_->Wait(kPatience);
}

TEST_F(GrpcGatewayTest, AWaitWithNothingToTellEndsInTime) {
  const absl::Time begun = absl::Now();
  EXPECT_TRUE(gateway_->Wait(absl::Milliseconds(20)).empty());
  EXPECT_GE(absl::Now() - begun, absl::Milliseconds(15));
  EXPECT_TRUE(gateway_->Wait(-absl::Seconds(5)).empty());
}

// In each state that a stream can be in, again and again: how far each has come
// is up to chance.
TEST_F(GrpcGatewayTest, ShutdownWithLiveStreams) {
  for (int round = 0; round < 30; ++round) {
    SCOPED_TRACE(round);
    auto gateway = GrpcGateway::Start({"127.0.0.1:0"});
    ASSERT_OK(gateway);
    std::vector<std::unique_ptr<RawPeer>> peers;
    std::vector<SessionId> sessions;
    for (int i = 0; i < 3; ++i) {
      peers.push_back(std::make_unique<RawPeer>((*gateway)->port()));
      for (const GatewayEvent& event : (*gateway)->Wait(absl::Milliseconds(100))) {
        if (event.kind == GatewayEvent::Kind::kOpened) sessions.push_back(event.session);
      }
      peers.back()->Write(Numbered(1).SerializeAsString());
    }
    // One that is in the midst of its end, one with frames on their way, and one
    // that was accepted and is not known yet.
    if (!sessions.empty()) {
      for (int i = 0; i < 20; ++i) (*gateway)->Send(sessions[0], Ack(i, 16 << 10));
      if (round % 2 == 0) (*gateway)->Close(sessions[0]);
    }
    if (round % 3 == 0) peers.erase(peers.begin() + 1);
    if (round % 5 == 0) (*gateway)->Wait(absl::ZeroDuration());
    std::thread late([&, port = (*gateway)->port()] { RawPeer peer(port); });
    std::thread waker([&] { (*gateway)->Wake(); });
    if (round % 2 == 0) waker.join();
    (*gateway)->Shutdown();
    if (waker.joinable()) waker.join();
    late.join();
    gateway->reset();
  }
}

TEST_F(GrpcGatewayTest, AnAddressThatIsTakenOrNoneIsSaidClearly) {
  EXPECT_THAT(GrpcGateway::Start({address_}),
              StatusIs(absl::StatusCode::kUnavailable,
                       HasSubstr(absl::StrCat("listen on ", address_))));
  EXPECT_THAT(GrpcGateway::Start({"192.0.2.1:9471"}),
              StatusIs(absl::StatusCode::kUnavailable));
  EXPECT_THAT(GrpcGateway::Start({"no address"}),
              StatusIs(absl::StatusCode::kInvalidArgument));
}

TEST_F(GrpcGatewayTest, SessionsThatCameAndWentLeaveNothingBehind) {
  for (int i = 0; i < 100; ++i) {
    auto peer = std::make_unique<RawPeer>(gateway_->port());
    const GatewayEvent opened = Next(GatewayEvent::Kind::kOpened);
    EXPECT_EQ(gateway_->streams(), 1u) << i;
    if (i % 3 == 0) gateway_->Send(opened.session, Ack(i));
    if (i % 2 == 0) gateway_->Close(opened.session);
    if (i % 2 == 1) peer.reset();
    Await(GatewayEvent::Kind::kClosed, opened.session);
    peer.reset();
    const absl::Time end = absl::Now() + kPatience;
    while (gateway_->streams() > 0 && absl::Now() < end) {
      gateway_->Wait(absl::Milliseconds(10));
    }
    ASSERT_EQ(gateway_->streams(), 0u) << i;
  }
}

}  // namespace
}  // namespace mailvane
