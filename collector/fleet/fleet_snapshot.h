// What the fleet looks like at one moment: the value that fleet state hands to
// every view.  Immutable once published, so views on any thread may keep it.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"
#include "mailvane/v1/alert.pb.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

// What the operator says of a system.
enum class Lifecycle {
  kPlanned,
  kProvisioning,
  kOperational,
  kInternal,
  kRetiring,
  kRetired,
};

// What is measured of it (or overridden).  kUnknown is never shown as green.
enum class Health {
  kUnknown,
  kOperational,
  kDegraded,
  kPartialOutage,
  kMajorOutage,
  kMaintenance,
};

enum class PingState { kUnknown, kUp, kDown };

// "operational", "partial_outage", "up": as in JSON and in metrics' labels.
const char* Name(Lifecycle lifecycle);
const char* Name(Health health);
const char* Name(PingState ping);
// Absent: no health has that name.
std::optional<Health> HealthOf(absl::string_view name);

// Who can reach a system, from all vantage points together.
struct PingSummary {
  PingState state = PingState::kUnknown;
  // When the newest observation behind `state` was made; absent with none.
  std::optional<absl::Time> measured_at;
  // Smallest round trip among the fresh observations; absent with none.
  std::optional<absl::Duration> rtt;
  // Vantage points with a fresh pass, and with a fresh pass or fail.
  int reached_from = 0;
  int asked_from = 0;
  // Why unknown or down; fit for the public.
  std::string why;
};

// One day of UTC.  The four sum up to the day's 86,400 seconds, or on a day that is
// not over, to those that have passed.
struct DayShares {
  absl::CivilDay day;
  // Operational or degraded: mail flows.
  int up = 0;
  // A partial or a major outage.
  int down = 0;
  int maintenance = 0;
  int unknown = 0;
};

struct SystemState {
  // From the inventory.
  std::string id;
  std::string name;
  std::string location;
  std::string country;  // "NL"; empty when not given
  std::string description;
  Lifecycle lifecycle = Lifecycle::kOperational;
  bool is_public = true;

  // Whether its agent is heard: a heartbeat within three intervals, by the
  // collector's clock.
  bool connected = false;
  // Absent: never heard.  Kept over a restart of the collector.
  std::optional<absl::Time> first_seen;
  std::optional<absl::Time> last_seen;
  // How far its wall clock is ahead of the collector's, as the last heartbeat
  // said; absent when it did not say.
  std::optional<absl::Duration> clock_skew;
  std::string agent_version;  // empty: never heard

  Health health = Health::kUnknown;
  // One sentence, fit for the public: "No report for 3 min."
  std::string health_why;
  absl::Time health_since;
  // The last health that was not kUnknown, for readers whose format has no word
  // for unknown; absent with none.
  std::optional<Health> last_known_health;

  PingSummary ping;

  // The last 90 days, the last of them today, made anew once a minute.  Null: it is
  // not in service, and its days are not counted.
  std::shared_ptr<const std::vector<DayShares>> days;

  // The agent's last snapshot, null when there is none or the agent is silent:
  // old measurements are not present ones.
  std::shared_ptr<const v1::Snapshot> measurements;
  absl::Time measured_at;
};

// A dated note on the public page.
struct Post {
  int64_t id = 0;
  absl::Time created_at;
  std::string system;  // id; empty: about the fleet
  std::string title;   // "NC027: Degraded"
  std::string body;    // plain text
};

// What the collector counts about itself, cumulative since its start.
struct CollectorStats {
  uint64_t connections_refused = 0;
  uint64_t sessions_opened = 0;
  uint64_t sessions_refused = 0;
  uint64_t sessions_closed_for_error = 0;
  uint64_t sessions_now = 0;
  uint64_t frames_received = 0;
  uint64_t frames_malformed = 0;
  // Sent far more often than agreed.
  uint64_t snapshots_ignored = 0;
  uint64_t events_committed = 0;
  uint64_t events_duplicate = 0;
  uint64_t events_rejected = 0;
  uint64_t store_commits = 0;
  uint64_t store_failures = 0;
  uint64_t store_queue_length = 0;
  uint64_t alerts_refused = 0;
  absl::Duration store_commit_time;  // sum over store_commits
  absl::Time started_at;
};

struct FleetSnapshot {
  absl::Time at;
  // In the inventory's order, systems that are not public included: each public
  // view leaves them out.
  std::vector<SystemState> systems;
  // Newest first, at most 20.
  std::vector<Post> posts;
  // Pending, firing and lately resolved.  Operators alone may see them.
  // Never null.
  std::shared_ptr<const std::vector<v1::Alert>> alerts =
      std::make_shared<const std::vector<v1::Alert>>();
  CollectorStats stats;
};

// The word in the table's Status column: the lifecycle while nothing is wrong,
// the health when something is: "Operational", "Internal", "Major outage",
// "No data".
std::string StatusWord(const SystemState& system);

}  // namespace mailvane
