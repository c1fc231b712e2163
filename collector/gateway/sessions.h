// The collector's half of the session protocol, for all agents at once, without
// any I/O: frames and commits go in, frames and batches for the store come out.
//
// An event is acked only when the store has said that it is committed.  What is
// handed to the store comes back by its ticket, in order.
//
// Belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/fleet/fleet_state.h"
#include "collector/store/store.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

// Given by the transport, never twice.
using SessionId = uint64_t;

struct GatewayOutput {
  // For each session in this order.
  std::vector<std::pair<SessionId, v1::CollectorFrame>> send;
  // End these streams once what was sent to them is written; Closed must follow.
  std::vector<SessionId> close;
  // To be committed after all that came before it; empty: nothing, no ticket.
  std::vector<EventRow> store;
  uint64_t ticket = 0;
};

class Sessions {
 public:
  struct Options {
    absl::Duration heartbeat_interval = absl::Seconds(10);
    absl::Duration snapshot_interval = absl::Seconds(30);
    // From the stream to Hello.
    absl::Duration hello_timeout = absl::Seconds(10);
    // Sent and not acked.
    uint32_t window_events = 256;
    uint32_t window_bytes = 256 << 10;
    uint32_t max_frame_bytes = 32 << 10;
    size_t max_event_bytes = 4 << 10;
    size_t max_sessions = 10'000;
  };

  // `fleet` and `stats` are not owned.
  Sessions(const Options& options, FleetState* fleet, CollectorStats* stats)
      : options_(options), fleet_(fleet), stats_(stats) {}

  // What the store had at the start.
  void Restore(const CommittedRow& row) { committed_[{row.agent, row.epoch}] = row.seq; }

  void Opened(Instant now, SessionId id, absl::string_view peer);
  void Receive(Instant now, SessionId id, const v1::AgentFrame& frame);
  // Bytes that are no frame, or too many.
  void ReceiveGarbage(Instant now, SessionId id, absl::string_view why);
  void Closed(SessionId id);
  // Deadlines; to be called about once a second.
  void Tick(Instant now);
  // The batch of this ticket is committed, or not.
  void Stored(Instant now, uint64_t ticket, const absl::StatusOr<StoreResult>& result);
  // The fleet has a new inventory: agents are told, or sent away.
  void InventoryChanged();
  // Ends all sessions: come back within the spread.
  void Drain(absl::Duration spread);

  // What the above led to.
  GatewayOutput Take();

 private:
  using EpochKey = std::pair<std::string, std::string>;  // agent, epoch

  struct Session {
    std::string peer;
    std::string agent;  // empty before Hello
    std::string epoch;
    absl::Duration opened_at;
    absl::Duration heard_at;
    absl::Duration snapshot_at = -absl::InfiniteDuration();
    // The highest number that was taken in, committed or not.
    uint64_t received_upto = 0;
    uint64_t acked_upto = 0;
    // Number and size of what is at the store.
    std::deque<std::pair<uint64_t, size_t>> pending;
    size_t pending_bytes = 0;
    std::vector<v1::Ack::Rejected> rejected;
    bool closing = false;
  };

  struct AtStore {
    uint64_t ticket = 0;
    std::vector<EventRow> rows;
  };

  void Hello(Instant now, SessionId id, Session& session, const v1::Hello& hello);
  void Welcome(Instant now, SessionId id, const Session& session);
  // Numbers that the agent no longer has and we never got.
  void TakeGap(Instant now, Session& session, uint64_t first, uint64_t last);
  void Batch(Instant now, SessionId id, Session& session, const v1::Batch& batch);
  void TakeEvent(Instant now, Session& session, const std::string& body);
  void Snapshot(Instant now, SessionId id, Session& session,
                const v1::Snapshot& snapshot);
  void Supersede(SessionId id, const std::string& agent);
  void Committed(Instant now, const std::vector<EventRow>& rows);
  void Acknowledge(SessionId id, Session& session, uint64_t upto);
  void Refuse(SessionId id, Session& session, v1::Error::Code code,
              absl::string_view detail, absl::Duration retry_after, bool fatal);
  v1::CollectorFrame& Send(SessionId id);
  void Close(SessionId id, Session& session);

  const Options options_;
  FleetState* const fleet_;
  CollectorStats* const stats_;

  std::map<SessionId, Session> sessions_;
  std::map<std::string, SessionId> by_agent_;
  std::map<EpochKey, uint64_t> committed_;
  std::deque<AtStore> at_store_;
  uint64_t next_ticket_ = 1;
  GatewayOutput output_;
};

}  // namespace mailvane
