// The collector without any I/O: sessions, fleet state and drafts, joined.
// What its sockets, its store, its pinger and its clock say goes in; frames,
// batches for the store and snapshots for the views come out.
//
// Belongs to one thread.
#pragma once

#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "collector/alert/alert_book.h"
#include "collector/fleet/fleet_state.h"
#include "collector/gateway/sessions.h"
#include "collector/incident/health_ledger.h"
#include "collector/store/store.h"
#include "mailvane/v1/config.pb.h"
#include "platform/clock.h"

namespace mailvane {

struct CollectorOutput {
  // As in GatewayOutput.
  std::vector<std::pair<SessionId, v1::CollectorFrame>> send;
  std::vector<SessionId> close;
  // To be told, in this order.  Each is on disk, unless the store cannot write:
  // that is worth telling all the same.
  std::vector<Notice> notices;
  // To be committed in the order of tickets; without a ticket there is nothing.
  StoreBatch store;
  uint64_t ticket = 0;
};

class CollectorCore {
 public:
  struct Options {
    FleetState::Options fleet;
    Sessions::Options sessions;
    HealthLedger::Options ledger;
    // How often it is written down that an agent was heard; that it came or
    // went is written at once.
    absl::Duration seen_interval = absl::Seconds(15);
  };

  // The inventory has been checked.
  CollectorCore(const v1::Inventory& inventory, const Options& options, Instant now);

  // Takes up what the store remembers; before anything else.
  absl::Status Restore(Store* store);

  void Opened(Instant now, SessionId id, absl::string_view peer);
  void Received(Instant now, SessionId id, const v1::AgentFrame& frame);
  void ReceivedGarbage(Instant now, SessionId id, absl::string_view why);
  void Closed(SessionId id);
  void Pinged(Instant now, absl::string_view system, const v1::PingReading& reading);
  void Stored(Instant now, uint64_t ticket, const absl::StatusOr<StoreResult>& result);
  // A new inventory, checked.
  void SetInventory(Instant now, const v1::Inventory& inventory);
  // To be called about once a second.
  void Tick(Instant now);
  // Ends the sessions, and writes down who was heard until now.
  void Drain(absl::Duration spread);

  CollectorOutput Take();
  FleetSnapshot Snapshot(Instant now);
  std::vector<v1::PingTarget> PingTargets() const { return fleet_.CollectorTargets(); }
  CollectorStats& stats() { return stats_; }

 private:
  struct AtStore {
    uint64_t ticket = 0;
    uint64_t sessions_ticket = 0;
    std::vector<Post> posts;
    std::vector<AlertRow> alerts;
    std::vector<HealthRow> health;
    std::vector<Notice> notices;
  };

  void WriteSeen(bool all);
  void JudgeEvents(const std::vector<EventRow>& rows);
  void LookAt(const FleetSnapshot& fleet);
  void TakeAlerts();
  void ObserveHealth(const FleetSnapshot& fleet);
  void TakeHealth();

  const Options options_;
  CollectorStats stats_;
  FleetState fleet_;
  Sessions sessions_;
  std::vector<Post> drafted_;
  std::vector<SeenRow> seen_;
  absl::Duration seen_at_;
  AlertBook alerts_;
  // Of the last input; and of the last time when the alerts were looked at.
  Instant now_;
  absl::Duration looked_at_;
  bool store_writes_ = true;  // the last time
  bool may_write_ = true;     // until the next tick, what no agent waits for
  // By id, to be written; a later state replaces one that was not written yet.
  std::map<std::string, std::string> alert_rows_;
  std::vector<Notice> notices_;  // to be told once their alerts are written
  std::vector<Notice> told_;     // to be told now
  std::shared_ptr<const std::vector<v1::Alert>> listed_;
  HealthLedger ledger_;
  // By system and beginning, to be written; as alert_rows_.
  std::map<std::pair<std::string, int64_t>, HealthRow> health_rows_;
  // By system, for the views; made anew once a minute.
  std::map<std::string, std::shared_ptr<const std::vector<DayShares>>> days_;
  absl::Duration days_at_ = -absl::InfiniteDuration();
  std::deque<AtStore> at_store_;
  uint64_t next_ticket_ = 1;
};

}  // namespace mailvane
