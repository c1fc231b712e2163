// The session protocol's client on gRPC: the only room of the agent that knows
// gRPC.  It moves frames and decides nothing.
//
// Its own thread waits for gRPC; what it sees is handed over through Take, and
// Descriptor() becomes readable when there is something to take.  All methods
// belong to the agent's main thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

struct UplinkEvent {
  enum class Kind {
    kConnected,     // the stream is open
    kFrame,         // `frame`
    kWriteDone,     // the next frame may be written
    kDisconnected,  // the stream is over; `text` says why
  };
  Kind kind;
  v1::CollectorFrame frame;
  std::string text;
};

class GrpcUplink {
 public:
  static absl::StatusOr<std::unique_ptr<GrpcUplink>> Start();
  virtual ~GrpcUplink() = default;

  virtual int Descriptor() const = 0;
  virtual std::vector<UplinkEvent> Take() = 0;

  // Opens a stream; there must be none.  kConnected or kDisconnected follows.
  virtual void Connect(const std::string& address) = 0;
  // Only when connected, and after kWriteDone of the frame before.
  virtual void Write(const v1::AgentFrame& frame) = 0;
  // Ends the stream after the frame that is being written; kDisconnected follows,
  // at the latest after two seconds.  Without a stream: nothing.
  virtual void Close() = 0;
};

}  // namespace mailvane
