// The session protocol's server on gRPC: the only room of the collector that
// knows gRPC.  It moves frames and decides nothing.
//
// One completion queue, drained by whoever calls Wait: at thousands of slow
// streams that costs a third less than the callback API.  Send, Close and Wait
// belong to that one thread; Wake may be called from any.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/gateway/sessions.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

struct GatewayEvent {
  enum class Kind {
    kOpened,   // `text` is the peer's address
    kFrame,    // `frame`
    kGarbage,  // bytes that are no frame; `text` says why
    kClosed,   // nothing more comes of this session
  };
  Kind kind;
  SessionId session;
  v1::AgentFrame frame;
  std::string text;
};

class GrpcGateway {
 public:
  struct Options {
    // "127.0.0.1:9471", "[::1]:0".
    std::string listen;
    int max_message_bytes = 64 << 10;
    // Memory that all streams together may hold in gRPC.
    size_t resource_quota_bytes = 64 << 20;
  };

  // kUnavailable when the address can't be had, kInvalidArgument when it is none.
  static absl::StatusOr<std::unique_ptr<GrpcGateway>> Start(const Options& options);
  virtual ~GrpcGateway() = default;

  virtual int port() const = 0;
  // Connections closed unheard, since the start.
  virtual uint64_t refused() const = 0;

  // What has happened; returns at the first event, when woken, or after
  // `at_most`, possibly with nothing.
  virtual std::vector<GatewayEvent> Wait(absl::Duration at_most) = 0;
  virtual void Wake() = 0;

  // Streams that have a peer and are not over.
  virtual size_t streams() const = 0;

  // Frames are written in order.  A session whose peer does not read them is cut.
  virtual void Send(SessionId session, const v1::CollectorFrame& frame) = 0;
  // Ends the stream after what was sent.  kClosed follows.
  virtual void Close(SessionId session) = 0;

  // Cuts what is left and waits for it; no call but the destructor may follow.
  virtual void Shutdown() = 0;
};

}  // namespace mailvane
