// The collector with its sockets, its disk and its clock.
//
// Threads: the gateway's (frames, fleet state, everything that decides), the
// store's writer, one for each HTTP listener, and the caller's, which pings and
// waits for signals.  They meet at three places: the gateway's inbox, the
// writer's queue, and the published snapshot.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "collector/config.h"
#include "collector/core.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/gateway/grpc_gateway.h"
#include "collector/store/sqlite_store.h"
#include "collector/store/store_writer.h"
#include "collector/view/http_server.h"
#include "collector/view/routes.h"
#include "platform/clock.h"
#include "platform/mutex.h"
#include "platform/ping_round.h"
#include "platform/pinger.h"

namespace mailvane {

class Collector {
 public:
  // Opens the store and all three listeners; nothing is left behind on failure.
  static absl::StatusOr<std::unique_ptr<Collector>> Start(LoadedCollectorConfig loaded);
  ~Collector();

  // Works until `stop_descriptor` is readable, then ends the sessions in order.
  // An error means that the disk can no longer be trusted: exit, and start again.
  absl::Status Run(int stop_descriptor);

  // A new inventory, checked; from Run's thread only.
  void SetInventory(v1::Inventory inventory);

  int agent_port() const { return gateway_->port(); }
  int operator_port() const { return operator_http_->port(); }
  int status_port() const { return status_http_->port(); }

 private:
  // What other threads hand to the gateway's.
  struct Inbox {
    struct Answer {
      uint64_t ticket;
      absl::StatusOr<StoreResult> result;
      absl::Duration took;
    };
    std::vector<Answer> answers;
    std::vector<v1::PingReading> pings;
    std::unique_ptr<v1::Inventory> inventory;
  };

  explicit Collector(LoadedCollectorConfig loaded);

  absl::Status Open();
  void RunGateway();
  void HandleEvents(std::vector<GatewayEvent> events);
  void HandleInbox();
  void CarryOut(CollectorOutput output);
  void Publish();
  void Fail(const absl::Status& status);
  void PingDue(Instant now);
  // What the views may know; from any thread.
  ViewContext Context() const;

  // Constant after Start.
  const LoadedCollectorConfig loaded_;
  const SystemClock clock_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<GrpcGateway> gateway_;
  std::unique_ptr<HttpServer> operator_http_;
  std::unique_ptr<HttpServer> status_http_;

  // The gateway's thread only.
  std::unique_ptr<CollectorCore> core_;
  absl::Duration published_at_ = absl::ZeroDuration();
  absl::Duration tick_due_ = absl::ZeroDuration();

  // The thread of Run only.
  std::unique_ptr<Pinger> pinger_;
  std::unique_ptr<PingRounds> ping_rounds_;

  std::unique_ptr<StoreWriter> writer_;
  std::atomic<bool> stopping_{false};
  int failed_descriptor_ = -1;  // readable once Fail was called

  mutable Mutex mu_;
  Inbox inbox_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const FleetSnapshot> published_ ABSL_GUARDED_BY(mu_);
  absl::Status failure_ ABSL_GUARDED_BY(mu_);

  std::thread gateway_thread_;
};

}  // namespace mailvane
