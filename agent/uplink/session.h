// The agent's half of the session protocol, without any I/O: what happened goes
// in, what to do next comes out.
//
//   disconnected ─ Connect ─▶ connecting ─ Connected ─▶ greeting ─ Welcome ─▶ live
//        ▲                        │                        │                  │
//        └──────── Disconnected, a deadline, or a broken rule ────────────────┘
//
// Everything in the outbox from Welcome.resume_after_seq on is sent, again if
// need be, and forgotten when the collector says that it is committed.
//
// Belongs to one thread.  A status that is not OK means that the outbox failed:
// the program must exit.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/outbox/outbox.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"
#include "platform/random.h"

namespace mailvane {

// At most one of each, to be carried out in this order.
struct UplinkActions {
  // End the stream; Disconnected must follow.
  bool close = false;
  // Open a stream to this collector.
  std::optional<std::string> connect;
  // Write this frame; WriteDone must follow before the next one comes.
  std::optional<v1::AgentFrame> write;
};

class UplinkSession {
 public:
  struct Options {
    std::string agent_id;
    std::string version;
    // 16 bytes, from the kernel.
    std::string boot_id;
    std::string config_hash;
    // In order of preference; not empty.
    std::vector<std::string> collectors;
    absl::Duration heartbeat_interval = absl::Seconds(10);
    absl::Duration snapshot_interval = absl::Seconds(30);
    // From opening the stream to Welcome.  A collector that accepts and stays
    // mute must not keep us from the next one.
    absl::Duration greeting_timeout = absl::Seconds(5);
    // Pause before connecting again: uniform below a bound that doubles from
    // the least to the most.
    absl::Duration least_backoff = absl::Seconds(1);
    absl::Duration most_backoff = absl::Seconds(60);
  };

  // Makes the frames that need to look at the host; called within Step.
  struct Reporter {
    std::function<v1::Snapshot(Instant)> snapshot;
    // Only the agent's own process: resident_bytes and cpu_ms.
    std::function<void(v1::Heartbeat*)> self;
  };

  // `outbox` and `random` are not owned and must outlive the session.
  UplinkSession(Options options, Outbox* outbox, Random* random, Reporter reporter);

  void Connected(Instant now);
  void Disconnected(Instant now, absl::string_view why);
  void WriteDone() { writing_ = false; }
  absl::Status Receive(Instant now, const v1::CollectorFrame& frame);
  // Something worth a snapshot changed; it is sent at most every 5 s.
  void SnapshotChanged() { snapshot_changed_ = true; }

  // To be called after each of the above, when events were committed, and at
  // NextDeadline; again as long as it returns something to do.
  absl::StatusOr<UplinkActions> Step(Instant now);
  // On the monotonic clock.
  absl::Duration NextDeadline() const;

  // Says Goodbye and ends the session; `back_in` zero when it is for good.
  // True from stopped() on: nothing is left to write.
  void Stop(absl::string_view reason, absl::Duration back_in);
  bool stopped() const;

  bool live() const { return state_ == State::kLive; }
  // The last Config that came, if any; stays over a reconnect.
  const std::optional<v1::Config>& config() const { return config_; }

 private:
  enum class State { kDisconnected, kConnecting, kGreeting, kLive, kClosing };

  absl::Status Welcome(Instant now, const v1::Welcome& welcome);
  absl::Status Ack(Instant now, const v1::Ack& ack);
  absl::Status Forget(uint64_t upto);
  absl::Status Fail(Instant now, const v1::Error& error);
  absl::Status StartNewEpoch(Instant now);
  // The collector broke the protocol: leave it.
  void Leave(Instant now, absl::string_view why);
  void RetryAfter(Instant now, absl::Duration pause);

  absl::StatusOr<std::optional<v1::AgentFrame>> NextFrame(Instant now);
  v1::AgentFrame MakeHello(Instant now) const;
  absl::StatusOr<std::optional<v1::AgentFrame>> MakeHeartbeat(Instant now);
  v1::AgentFrame MakeSnapshot(Instant now);
  absl::StatusOr<std::optional<v1::AgentFrame>> MakeBatch();

  // Constant after construction.
  const Options options_;
  Outbox* const outbox_;
  Random* const random_;
  const Reporter reporter_;

  State state_ = State::kDisconnected;
  bool writing_ = false;
  bool hello_sent_ = false;
  bool close_told_ = false;
  size_t next_collector_ = 0;
  int failures_ = 0;
  absl::Duration retry_at_ = absl::ZeroDuration();
  absl::Duration greeting_deadline_ = absl::InfiniteDuration();
  absl::Duration live_since_ = absl::InfiniteDuration();

  // Of the live session.
  uint64_t sent_upto_ = 0;
  uint64_t acked_upto_ = 0;
  uint32_t window_events_ = 0;
  uint32_t window_bytes_ = 0;
  uint64_t unacked_bytes_ = 0;
  // Number and size of what was sent and not acked.
  std::deque<std::pair<uint64_t, uint64_t>> in_flight_;
  absl::Duration heartbeat_interval_;
  absl::Duration snapshot_interval_;
  absl::Duration heartbeat_due_ = absl::ZeroDuration();
  absl::Duration snapshot_due_ = absl::ZeroDuration();
  absl::Duration snapshot_sent_ = -absl::InfiniteDuration();
  bool snapshot_changed_ = false;

  uint64_t snapshot_revision_ = 0;
  std::optional<v1::Config> config_;
  std::optional<v1::Goodbye> goodbye_;
  bool goodbye_written_ = false;
};

// The protocol's timestamps.
v1::Clocks ToClocks(Instant now);

}  // namespace mailvane
