// What the collector knows of each system of the inventory, kept from what its
// sessions say.  Sans-I/O; belongs to one thread, which publishes Snapshot() to
// the others.
//
// Whether somebody is alive is decided by the collector's monotonic clock and
// the arrival of frames alone; an agent's own clocks are never asked.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/fleet/verdict.h"
#include "mailvane/v1/config.pb.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

// A system's health changed, as the table shows it.
struct HealthTransition {
  std::string system;
  Health from = Health::kUnknown;
  Health to = Health::kUnknown;
  std::string why;
  absl::Time at;
};

// When an agent was heard last, to be remembered.
struct Seen {
  std::string system;
  absl::Time at;
  std::string version;
  absl::Time first;
};

class FleetState {
 public:
  struct Options {
    absl::Duration heartbeat_interval = absl::Seconds(10);
    absl::Duration snapshot_interval = absl::Seconds(30);
    // Between two rounds of the collector's own pings.
    absl::Duration ping_interval = absl::Seconds(10);
    // A finding colours the table for so long after it was told.
    absl::Duration trouble_lasts = absl::Minutes(15);
  };

  // The inventory has been checked.
  FleetState(const v1::Inventory& inventory, const Options& options, Instant now);

  // A new inventory, checked: what is known of a system stays with its id.
  void SetInventory(const v1::Inventory& inventory, Instant now);

  bool Knows(absl::string_view system) const { return Find(system) != nullptr; }

  // Heard before this collector was started.
  void Restore(absl::string_view system, absl::Time last_seen, absl::string_view version,
               absl::Time first_seen = absl::InfinitePast());
  void AddPost(Post post);

  // From the agent's sessions; a system that the inventory does not have is
  // ignored.
  void Greeted(Instant now, absl::string_view system, absl::string_view version);
  void Beat(Instant now, absl::string_view system);
  // What its clocks say: shown, and never asked whether it is alive.
  void ToldTime(Instant now, absl::string_view system, const v1::Clocks& clocks);
  void Measured(Instant now, absl::string_view system, v1::Snapshot snapshot);
  void SaidGoodbye(Instant now, absl::string_view system, const v1::Goodbye& goodbye);
  void Told(Instant now, absl::string_view system, const v1::Event& event);

  // From the collector's own pinger.
  void Pinged(Instant now, absl::string_view system, const v1::PingReading& reading);

  // Judges all systems again.
  std::vector<HealthTransition> Tick(Instant now);

  // Who came or went since this was asked last; with `all`, whoever was heard.
  std::vector<Seen> TakeSeen(bool all);

  // `stats` is passed through.
  FleetSnapshot Snapshot(Instant now, const CollectorStats& stats) const;

  // What a system's agent shall ping: all others of a small fleet, five of a
  // large one, spread so that each is seen by five.
  v1::Config ConfigFor(absl::string_view system) const;
  // What the collector itself shall ping: each system that has an address.
  std::vector<v1::PingTarget> CollectorTargets() const;

 private:
  struct Observation {
    v1::PingReading::Verdict verdict = v1::PingReading::VERDICT_UNKNOWN;
    std::optional<absl::Duration> rtt;
    absl::Duration at;  // monotonic
  };
  struct Entry {
    v1::System system;
    SystemState shown;
    std::optional<absl::Duration> beat_at;      // monotonic; none after a Goodbye
    std::optional<absl::Duration> heard_at;     // monotonic
    std::optional<absl::Duration> measured_at;  // monotonic
    std::optional<absl::Time> seen_taken;       // by TakeSeen
    bool connected_taken = false;               // as it was then
    std::shared_ptr<const v1::Snapshot> measurements;
    std::optional<absl::Duration> back_by;  // monotonic; after a Goodbye
    std::string trouble;
    absl::Duration trouble_until = absl::ZeroDuration();
    // Vantage point → what it saw last.
    std::map<std::string, Observation> observations;
  };

  const Entry* Find(absl::string_view system) const;
  Entry* Find(absl::string_view system);
  void Observe(Instant now, absl::string_view observer, const v1::PingReading& reading);
  PingSummary SummarizePing(Instant now, const Entry& entry) const;
  Facts GatherFacts(Instant now, const Entry& entry) const;

  const Options options_;
  const absl::Duration started_at_;  // monotonic
  std::vector<Entry> entries_;
  std::map<std::string, size_t, std::less<>> index_;
  std::vector<Post> posts_;
  // Of the agents' Config: rises with each inventory, over restarts too.
  uint64_t config_version_ = 0;
};

}  // namespace mailvane
