#include "collector/gateway/grpc_gateway.h"

#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>

#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "collector/gateway/acceptor.h"
#include "mailvane/v1/session.grpc.pb.h"
#include "platform/mutex.h"

namespace mailvane {
namespace {

// The method's messages as bytes: what is no frame is ours to judge.
using RawService = v1::AgentGateway::WithRawMethod_Session<v1::AgentGateway::Service>;
using RawStream = grpc::ServerAsyncReaderWriter<grpc::ByteBuffer, grpc::ByteBuffer>;

// Frames waiting for a peer that does not read.  In good health there is one.
constexpr size_t kMostWaiting = 256;
// What a stream that was told to end may still take.
constexpr absl::Duration kCloseGrace = absl::Seconds(5);

gpr_timespec Deadline(absl::Duration at_most) {
  return gpr_time_add(
      gpr_now(GPR_CLOCK_MONOTONIC),
      gpr_time_from_nanos(absl::ToInt64Nanoseconds(at_most), GPR_TIMESPAN));
}

grpc::ByteBuffer ToBytes(const v1::CollectorFrame& frame) {
  const std::string text = frame.SerializeAsString();
  const grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

bool FromBytes(const grpc::ByteBuffer& bytes, v1::AgentFrame* frame) {
  grpc::Slice slice;
  if (!bytes.DumpToSingleSlice(&slice).ok()) return false;
  return frame->ParseFromArray(slice.begin(), static_cast<int>(slice.size()));
}

// One stream, from waiting for a peer to the last of its operations.
struct Stream {
  enum class Op { kAccept, kRead, kWrite, kFinish, kDone };
  // What the completion queue gives back.
  struct Tag {
    Stream* stream;
    Op op;
  };

  explicit Stream(SessionId id) : id(id), raw(&context) {}

  Tag* Begin(Op op) {
    ++under_way;
    return &tags[static_cast<int>(op)];
  }

  const SessionId id;
  grpc::ServerContext context;
  RawStream raw;
  Tag tags[5] = {{this, Op::kAccept},
                 {this, Op::kRead},
                 {this, Op::kWrite},
                 {this, Op::kFinish},
                 {this, Op::kDone}};
  grpc::ByteBuffer incoming;
  std::deque<grpc::ByteBuffer> outgoing;  // the front one is being written
  int under_way = 0;
  bool accepted = false;
  bool reading = false;
  bool closing = false;
  bool finishing = false;
  bool closed_told = false;
  absl::Time cut_at = absl::InfiniteFuture();
};

class Gateway final : public GrpcGateway {
 public:
  explicit Gateway(const Options& options) : options_(options) {}

  absl::Status Listen() {
    grpc::ServerBuilder builder;
    // Connections come from our own acceptor: see there.
    std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections =
        builder.experimental().AddExternalConnectionAcceptor(
            grpc::ServerBuilder::experimental_type::ExternalConnectionType::FROM_FD,
            grpc::InsecureServerCredentials());
    builder.RegisterService(&service_);
    builder.SetMaxReceiveMessageSize(options_.max_message_bytes);
    builder.SetMaxSendMessageSize(options_.max_message_bytes);
    grpc::ResourceQuota quota("gateway");
    quota.Resize(options_.resource_quota_bytes);
    builder.SetResourceQuota(quota);
    // A connection that says nothing is closed; the default is two minutes.
    builder.AddChannelArgument(GRPC_ARG_SERVER_HANDSHAKE_TIMEOUT_MS, 3'000);
    // Keepalive on both ends, or the default police cuts the agents' pings.
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
    builder.AddChannelArgument(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_MIN_RECV_PING_INTERVAL_WITHOUT_DATA_MS,
                               10'000);
    // Without these a peer that is not read parks megabytes here.
    builder.AddChannelArgument(GRPC_ARG_HTTP2_BDP_PROBE, 0);
    builder.AddChannelArgument(GRPC_ARG_HTTP2_STREAM_LOOKAHEAD_BYTES, 64 << 10);
    builder.AddChannelArgument(GRPC_ARG_MAX_CONCURRENT_STREAMS, 2);
    queue_ = builder.AddCompletionQueue();
    server_ = builder.BuildAndStart();
    if (server_ == nullptr) return absl::InternalError("gRPC's server did not start");
    connections_ = std::move(connections);
    absl::StatusOr<std::unique_ptr<Acceptor>> acceptor =
        Acceptor::Start(options_.listen, Acceptor::Options(), [this](int connection) {
          grpc::experimental::ExternalConnectionAcceptor::NewConnectionParameters taken;
          taken.fd = connection;
          connections_->HandleNewConnection(&taken);
        });
    if (!acceptor.ok()) return acceptor.status();
    acceptor_ = *std::move(acceptor);
    port_ = acceptor_->port();
    AcceptNext();
    return absl::OkStatus();
  }

  ~Gateway() override { Shutdown(); }

  int port() const override { return port_; }
  uint64_t refused() const override {
    return acceptor_ == nullptr ? 0 : acceptor_->refused();
  }

  std::vector<GatewayEvent> Wait(absl::Duration at_most) override {
    CutOverdue();
    gpr_timespec deadline = Deadline(at_most);
    void* tag = nullptr;
    bool ok = false;
    // The first one is waited for; then what is there already is taken along.
    while (events_.size() < 256 &&
           queue_->AsyncNext(&tag, &ok, deadline) == grpc::CompletionQueue::GOT_EVENT) {
      deadline = Deadline(absl::ZeroDuration());
      if (tag == &alarm_) {
        MutexLock lock(&wake_mu_);
        awake_ = false;
      } else {
        Complete(*static_cast<Stream::Tag*>(tag), ok);
      }
    }
    return std::exchange(events_, {});
  }

  void Wake() override {
    MutexLock lock(&wake_mu_);
    if (awake_ || shut_down_) return;
    awake_ = true;
    alarm_.Set(queue_.get(), gpr_now(GPR_CLOCK_MONOTONIC), &alarm_);
  }

  // One waits for the next peer.
  size_t streams() const override { return streams_.empty() ? 0 : streams_.size() - 1; }

  void Send(SessionId session, const v1::CollectorFrame& frame) override {
    Stream* stream = Find(session);
    if (stream == nullptr || stream->closing) return;
    stream->outgoing.push_back(ToBytes(frame));
    if (stream->outgoing.size() == 1) Write(*stream);
    if (stream->outgoing.size() > kMostWaiting) stream->context.TryCancel();
  }

  void Close(SessionId session) override {
    Stream* stream = Find(session);
    if (stream == nullptr || stream->closing) return;
    stream->closing = true;
    stream->cut_at = absl::Now() + kCloseGrace;
    if (stream->outgoing.empty()) Finish(*stream);
  }

  void Shutdown() override {
    {
      MutexLock lock(&wake_mu_);
      if (shut_down_) return;
      shut_down_ = true;
      alarm_.Cancel();
    }
    // No connection may come to a server that is going.
    acceptor_.reset();
    // Beyond this point nothing is begun: gRPC aborts the program for an
    // operation on a queue that was shut down.
    stopping_ = true;
    if (server_ != nullptr) server_->Shutdown(absl::ToChronoTime(absl::Now()));
    if (queue_ == nullptr) return;
    queue_->Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_->Next(&tag, &ok)) {
      if (tag != &alarm_) Complete(*static_cast<Stream::Tag*>(tag), ok);
    }
    events_.clear();
  }

 private:
  Stream* Find(SessionId session) {
    const auto found = streams_.find(session);
    return found == streams_.end() ? nullptr : found->second.get();
  }

  void AcceptNext() {
    if (stopping_) return;
    const SessionId id = next_id_++;
    Stream& stream = *(streams_[id] = std::make_unique<Stream>(id));
    stream.context.AsyncNotifyWhenDone(stream.Begin(Stream::Op::kDone));
    service_.RequestSession(&stream.context, &stream.raw, queue_.get(), queue_.get(),
                            stream.Begin(Stream::Op::kAccept));
  }

  void Complete(const Stream::Tag& tag, bool ok) {
    Stream& stream = *tag.stream;
    --stream.under_way;
    switch (tag.op) {
      case Stream::Op::kAccept:
        Accepted(stream, ok);
        break;
      case Stream::Op::kRead:
        stream.reading = false;
        ReadDone(stream, ok);
        break;
      case Stream::Op::kWrite:
        stream.outgoing.pop_front();
        if (!ok) stream.outgoing.clear();
        if (!stream.outgoing.empty()) Write(stream);
        if (stream.outgoing.empty() && stream.closing) Finish(stream);
        break;
      case Stream::Op::kFinish:
        break;
      case Stream::Op::kDone:
        // The peer is gone, or Finish went through.
        TellClosed(stream);
        break;
    }
    if (stream.under_way == 0) streams_.erase(stream.id);
  }

  void Accepted(Stream& stream, bool ok) {
    if (!ok) {
      // Shutting down: this stream never was, and its kDone never comes.
      --stream.under_way;
      return;
    }
    stream.accepted = true;
    AcceptNext();
    events_.push_back(
        {GatewayEvent::Kind::kOpened, stream.id, {}, stream.context.peer()});
    Read(stream);
  }

  void Read(Stream& stream) {
    if (stopping_) return;
    stream.reading = true;
    stream.raw.Read(&stream.incoming, stream.Begin(Stream::Op::kRead));
  }

  void ReadDone(Stream& stream, bool ok) {
    if (!ok) {
      // The peer has said its last word, or the connection is gone.
      TellClosed(stream);
      stream.closing = true;
      stream.cut_at = absl::Now() + kCloseGrace;
      if (stream.outgoing.empty()) Finish(stream);
      return;
    }
    GatewayEvent event{GatewayEvent::Kind::kFrame, stream.id, {}, ""};
    if (!FromBytes(stream.incoming, &event.frame)) {
      event.kind = GatewayEvent::Kind::kGarbage;
      event.frame.Clear();
      event.text = absl::StrCat(stream.incoming.Length(), " bytes that are no frame");
    }
    events_.push_back(std::move(event));
    // Until the stream's end, so that its end is seen.
    Read(stream);
  }

  void Write(Stream& stream) {
    if (stopping_) return;
    stream.raw.Write(stream.outgoing.front(), stream.Begin(Stream::Op::kWrite));
  }

  void Finish(Stream& stream) {
    if (stream.finishing || stopping_) return;
    stream.finishing = true;
    stream.raw.Finish(grpc::Status::OK, stream.Begin(Stream::Op::kFinish));
  }

  void TellClosed(Stream& stream) {
    if (!stream.accepted || stream.closed_told) return;
    stream.closed_told = true;
    events_.push_back({GatewayEvent::Kind::kClosed, stream.id, {}, ""});
  }

  // A peer that does not read keeps its stream from ending in order.
  void CutOverdue() {
    const absl::Time now = absl::Now();
    if (now < next_cut_) return;
    next_cut_ = now + absl::Seconds(1);
    for (auto& [id, stream] : streams_) {
      if (stream->closing && now >= stream->cut_at) stream->context.TryCancel();
    }
  }

  const Options options_;
  RawService service_;
  std::unique_ptr<grpc::ServerCompletionQueue> queue_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::experimental::ExternalConnectionAcceptor> connections_;
  std::unique_ptr<Acceptor> acceptor_;
  int port_ = 0;

  SessionId next_id_ = 1;
  std::map<SessionId, std::unique_ptr<Stream>> streams_;
  std::vector<GatewayEvent> events_;
  absl::Time next_cut_ = absl::InfinitePast();
  bool stopping_ = false;

  Mutex wake_mu_;
  grpc::Alarm alarm_;
  bool awake_ ABSL_GUARDED_BY(wake_mu_) = false;
  bool shut_down_ ABSL_GUARDED_BY(wake_mu_) = false;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcGateway>> GrpcGateway::Start(const Options& options) {
  auto gateway = std::make_unique<Gateway>(options);
  absl::Status status = gateway->Listen();
  if (!status.ok()) return status;
  return gateway;
}

}  // namespace mailvane
