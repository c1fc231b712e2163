#include "agent/uplink/grpc_uplink.h"

#include <errno.h>
#include <grpcpp/alarm.h>
#include <grpcpp/grpcpp.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <map>
#include <thread>
#include <utility>

#include "mailvane/v1/session.grpc.pb.h"
#include "platform/file_system.h"
#include "platform/mutex.h"

namespace mailvane {
namespace {

constexpr int kMaxMessageBytes = 64 << 10;
// A collector that is told goodbye and does not answer is left.
constexpr int kCloseGraceMs = 2000;

using ClientStream = grpc::ClientAsyncReaderWriter<v1::AgentFrame, v1::CollectorFrame>;

grpc::ChannelArguments Arguments() {
  grpc::ChannelArguments arguments;
  // The default sends two pings and then, on an idle stream, never again.
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIME_MS, 30'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_TIMEOUT_MS, 10'000);
  arguments.SetInt(GRPC_ARG_KEEPALIVE_PERMIT_WITHOUT_CALLS, 1);
  arguments.SetInt(GRPC_ARG_HTTP2_MAX_PINGS_WITHOUT_DATA, 0);
  // An address that accepts and is mute costs 20 s by default.
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 3'000);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 1'000);
  // Our own pause decides; a channel that still sulks would only add to it.
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 3'000);
  // A stream can't be replayed by anybody but us.
  arguments.SetInt(GRPC_ARG_ENABLE_RETRIES, 0);
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);
  // A proxy in the environment is for the web.
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(kMaxMessageBytes);
  arguments.SetMaxSendMessageSize(kMaxMessageBytes);
  return arguments;
}

class Uplink final : public GrpcUplink {
 public:
  explicit Uplink(int descriptor) : descriptor_(descriptor), thread_([this] { Run(); }) {}

  ~Uplink() override {
    {
      MutexLock lock(&mu_);
      if (call_ != nullptr) call_->context.TryCancel();
      grace_.Cancel();
      shutting_down_ = true;
      if (call_ == nullptr) queue_.Shutdown();
    }
    thread_.join();
    close(descriptor_);
  }

  int Descriptor() const override { return descriptor_; }

  std::vector<UplinkEvent> Take() override {
    uint64_t count = 0;
    // Empty is no error: somebody asked without need.
    if (read(descriptor_, &count, sizeof count) < 0 && errno != EAGAIN) return {};
    MutexLock lock(&mu_);
    return std::exchange(events_, {});
  }

  void Connect(const std::string& address) override {
    MutexLock lock(&mu_);
    if (call_ != nullptr) return;
    std::shared_ptr<grpc::Channel>& channel = channels_[address];
    if (channel == nullptr) {
      channel = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(),
                                          Arguments());
    }
    call_ = std::make_unique<Call>();
    call_->context.set_wait_for_ready(false);
    call_->stub = v1::AgentGateway::NewStub(channel);
    call_->stream = call_->stub->PrepareAsyncSession(&call_->context, &queue_);
    call_->stream->StartCall(Begin(Op::kConnect));
  }

  void Write(const v1::AgentFrame& frame) override {
    MutexLock lock(&mu_);
    if (call_ == nullptr || call_->over || call_->writes_done) return;
    call_->stream->Write(frame, Begin(Op::kWrite));
  }

  void Close() override {
    MutexLock lock(&mu_);
    if (call_ == nullptr || call_->over || call_->closing) return;
    call_->closing = true;
    if (!call_->connected) return call_->context.TryCancel();
    EndWrites();
    grace_.Set(&queue_,
               gpr_time_add(gpr_now(GPR_CLOCK_MONOTONIC),
                            gpr_time_from_millis(kCloseGraceMs, GPR_TIMESPAN)),
               Tag(Op::kGrace));
  }

 private:
  enum class Op : intptr_t { kConnect = 1, kRead, kWrite, kWritesDone, kFinish, kGrace };

  struct Call {
    grpc::ClientContext context;
    std::unique_ptr<v1::AgentGateway::Stub> stub;
    std::unique_ptr<ClientStream> stream;
    v1::CollectorFrame incoming;
    grpc::Status status;
    int under_way = 0;
    bool writing = false;
    bool connected = false;
    bool closing = false;
    bool writes_done = false;
    bool over = false;
  };

  static void* Tag(Op op) { return reinterpret_cast<void*>(static_cast<intptr_t>(op)); }

  void* Begin(Op op) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    ++call_->under_way;
    if (op == Op::kWrite) call_->writing = true;
    return Tag(op);
  }

  void EndWrites() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    if (call_->writing || call_->writes_done || call_->over) return;
    call_->writes_done = true;
    call_->stream->WritesDone(Begin(Op::kWritesDone));
  }

  void Run() {
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
      MutexLock lock(&mu_);
      const Op op = static_cast<Op>(reinterpret_cast<intptr_t>(tag));
      if (op == Op::kGrace) {
        if (ok && call_ != nullptr && call_->closing) call_->context.TryCancel();
      } else {
        Complete(op, ok);
      }
    }
  }

  void Complete(Op op, bool ok) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    --call_->under_way;
    if (op == Op::kWrite) call_->writing = false;
    if (op == Op::kFinish) call_->over = true;
    if (op != Op::kFinish && !ok && op != Op::kWritesDone) {
      // Broken; the status says why.  One Finish, whoever notices first.
      if (!finishing_) {
        finishing_ = true;
        call_->stream->Finish(&call_->status, Begin(Op::kFinish));
      }
    } else if (op == Op::kConnect) {
      call_->connected = true;
      Tell({UplinkEvent::Kind::kConnected, {}, ""});
      call_->stream->Read(&call_->incoming, Begin(Op::kRead));
      if (call_->closing) call_->context.TryCancel();
    } else if (op == Op::kRead) {
      Tell({UplinkEvent::Kind::kFrame, call_->incoming, ""});
      call_->stream->Read(&call_->incoming, Begin(Op::kRead));
    } else if (op == Op::kWrite) {
      Tell({UplinkEvent::Kind::kWriteDone, {}, ""});
      if (call_->closing) EndWrites();
    }
    if (call_->over && call_->under_way == 0) Over();
  }

  void Over() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    const grpc::Status status = call_->status;
    call_.reset();
    finishing_ = false;
    grace_.Cancel();
    Tell({UplinkEvent::Kind::kDisconnected,
          {},
          status.ok() ? "the collector ended it" : status.error_message()});
    if (shutting_down_) queue_.Shutdown();
  }

  void Tell(UplinkEvent event) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) {
    events_.push_back(std::move(event));
    const uint64_t one = 1;
    // It can only fail when it is readable already.
    if (write(descriptor_, &one, sizeof one) < 0) return;
  }

  const int descriptor_;
  grpc::CompletionQueue queue_;
  grpc::Alarm grace_;

  Mutex mu_;
  std::map<std::string, std::shared_ptr<grpc::Channel>> channels_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<Call> call_ ABSL_GUARDED_BY(mu_);
  std::vector<UplinkEvent> events_ ABSL_GUARDED_BY(mu_);
  bool finishing_ ABSL_GUARDED_BY(mu_) = false;
  bool shutting_down_ ABSL_GUARDED_BY(mu_) = false;

  // Last: it uses all of the above.
  std::thread thread_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<GrpcUplink>> GrpcUplink::Start() {
  const int descriptor = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (descriptor < 0) return ErrnoStatus(errno, "eventfd");
  return std::make_unique<Uplink>(descriptor);
}

}  // namespace mailvane
