#include "collector/fleet/fleet_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/fleet/inventory.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// Two may be lost to chance.
constexpr int kMissedBeats = 3;
// Agents come back within a minute, at the default interval; before that their
// silence says nothing.
constexpr int kGraceBeats = 9;
constexpr size_t kMostPosts = 20;
// Up to here everybody pings everybody.
constexpr size_t kFullMesh = 20;
constexpr size_t kFanOut = 5;
constexpr char kCollector[] = "collector";
constexpr absl::Duration kMostAway = absl::Seconds(600);
// An age or a round trip beyond these says nothing.
constexpr absl::Duration kMostAge = absl::Hours(24);
constexpr absl::Duration kMostRtt = absl::Minutes(1);

// The wire's counts have a bit more than a Duration's: the largest would turn
// negative, and an observation come from the future, for ever fresh.
absl::Duration Bounded(uint64_t count, absl::Duration unit, absl::Duration most) {
  const uint64_t most_count = static_cast<uint64_t>(most / unit);
  return count < most_count ? unit * static_cast<int64_t>(count) : most;
}

}  // namespace

FleetState::FleetState(const v1::Inventory& inventory, const Options& options,
                       Instant now)
    : options_(options), started_at_(now.mono) {
  SetInventory(inventory, now);
}

void FleetState::SetInventory(const v1::Inventory& inventory, Instant now) {
  std::vector<Entry> before = std::exchange(entries_, {});
  const std::map<std::string, size_t, std::less<>> old_index = std::exchange(index_, {});
  for (const v1::System& system : inventory.systems()) {
    Entry entry;
    const auto known = old_index.find(system.id());
    if (known != old_index.end()) entry = std::move(before[known->second]);
    SystemState fresh = SystemFromInventory(system);
    fresh.first_seen = entry.shown.first_seen;
    fresh.last_seen = entry.shown.last_seen;
    fresh.clock_skew = entry.shown.clock_skew;
    fresh.agent_version = entry.shown.agent_version;
    fresh.connected = entry.shown.connected;
    fresh.ping = entry.shown.ping;
    fresh.measurements = entry.shown.measurements;
    fresh.measured_at = entry.shown.measured_at;
    fresh.health = entry.shown.health;
    fresh.last_known_health = entry.shown.last_known_health;
    fresh.health_why =
        known != old_index.end() ? entry.shown.health_why : "No report yet.";
    fresh.health_since = known != old_index.end() ? entry.shown.health_since : now.wall;
    entry.system = system;
    entry.shown = std::move(fresh);
    index_.emplace(system.id(), entries_.size());
    entries_.push_back(std::move(entry));
  }
  // An agent that already has a config of this number would keep it.
  config_version_ = std::max<uint64_t>(
      config_version_ + 1, std::max<int64_t>(absl::ToUnixMillis(now.wall), 0));
}

const FleetState::Entry* FleetState::Find(absl::string_view system) const {
  const auto found = index_.find(std::string(system));
  return found == index_.end() ? nullptr : &entries_[found->second];
}

FleetState::Entry* FleetState::Find(absl::string_view system) {
  return const_cast<Entry*>(static_cast<const FleetState*>(this)->Find(system));
}

void FleetState::Restore(absl::string_view system, absl::Time last_seen,
                         absl::string_view version, absl::Time first_seen) {
  Entry* entry = Find(system);
  if (entry == nullptr) return;
  entry->shown.first_seen = first_seen;
  entry->shown.last_seen = entry->seen_taken = last_seen;
  entry->shown.agent_version = std::string(version);
}

void FleetState::AddPost(Post post) {
  posts_.insert(posts_.begin(), std::move(post));
  if (posts_.size() > kMostPosts) posts_.resize(kMostPosts);
}

void FleetState::Greeted(Instant now, absl::string_view system,
                         absl::string_view version) {
  Entry* entry = Find(system);
  if (entry == nullptr) return;
  entry->shown.agent_version = std::string(version);
  Beat(now, system);
}

void FleetState::Beat(Instant now, absl::string_view system) {
  Entry* entry = Find(system);
  if (entry == nullptr) return;
  entry->beat_at = entry->heard_at = now.mono;
  entry->back_by.reset();
  entry->shown.last_seen = now.wall;
  if (!entry->shown.first_seen) entry->shown.first_seen = now.wall;
}

void FleetState::ToldTime(Instant now, absl::string_view system,
                          const v1::Clocks& clocks) {
  Entry* entry = Find(system);
  if (entry == nullptr) return;
  entry->shown.clock_skew.reset();
  if (clocks.has_wall()) entry->shown.clock_skew = FromProto(clocks.wall()) - now.wall;
}

void FleetState::Measured(Instant now, absl::string_view system, v1::Snapshot snapshot) {
  Entry* entry = Find(system);
  if (entry == nullptr) return;
  const v1::Snapshot* last = entry->measurements.get();
  if (last != nullptr && last->epoch() == snapshot.epoch() &&
      last->revision() >= snapshot.revision() &&
      last->counting_since().seconds() == snapshot.counting_since().seconds()) {
    return;  // an older state never replaces a newer one
  }
  for (const v1::PingReading& reading : snapshot.pings()) Observe(now, system, reading);
  entry->measured_at = now.mono;
  entry->shown.measured_at = now.wall;
  entry->measurements = std::make_shared<const v1::Snapshot>(std::move(snapshot));
}

void FleetState::SaidGoodbye(Instant now, absl::string_view system,
                             const v1::Goodbye& goodbye) {
  Entry* entry = Find(system);
  if (entry == nullptr) return;
  entry->beat_at.reset();
  if (goodbye.has_back_in()) {
    entry->back_by = now.mono + std::min(FromProto(goodbye.back_in()), kMostAway);
  }
}

void FleetState::Told(Instant now, absl::string_view system, const v1::Event& event) {
  Entry* entry = Find(system);
  if (entry == nullptr || event.finding().level() < v1::LEVEL_WARNING) return;
  if (!HoldsUpMail(event.finding().type())) return;
  // A finding that arrives late is history: it goes into the books, not onto
  // the table.
  const absl::Time last = FromProto(event.finding().last_seen());
  if (now.wall - last > options_.trouble_lasts) return;
  entry->trouble = event.finding().type();
  entry->trouble_until = now.mono + options_.trouble_lasts;
}

void FleetState::Pinged(Instant now, absl::string_view system,
                        const v1::PingReading& reading) {
  v1::PingReading named = reading;
  named.set_peer(std::string(system));
  Observe(now, kCollector, named);
}

void FleetState::Observe(Instant now, absl::string_view observer,
                         const v1::PingReading& reading) {
  Entry* target = Find(reading.peer());
  // Nobody is a witness for itself.
  if (target == nullptr || target->system.id() == observer) return;
  Observation observation;
  observation.verdict = reading.verdict();
  if (reading.has_rtt_us() && reading.verdict() == v1::PingReading::VERDICT_PASS) {
    observation.rtt = Bounded(reading.rtt_us(), absl::Microseconds(1), kMostRtt);
  }
  observation.at = now.mono - Bounded(reading.age_ms(), absl::Milliseconds(1), kMostAge);
  target->observations[std::string(observer)] = observation;
}

PingSummary FleetState::SummarizePing(Instant now, const Entry& entry) const {
  PingSummary summary;
  absl::Duration newest = -absl::InfiniteDuration();
  for (const auto& [observer, observation] : entry.observations) {
    const absl::Duration fresh_for =
        kMissedBeats *
        (observer == kCollector ? options_.ping_interval : options_.snapshot_interval);
    if (now.mono - observation.at > fresh_for) continue;
    const bool passed = observation.verdict == v1::PingReading::VERDICT_PASS;
    if (!passed && observation.verdict != v1::PingReading::VERDICT_FAIL) continue;
    ++summary.asked_from;
    if (passed) {
      ++summary.reached_from;
      if (observation.rtt && (!summary.rtt || *observation.rtt < *summary.rtt)) {
        summary.rtt = observation.rtt;
      }
    }
    newest = std::max(newest, observation.at);
  }
  if (summary.asked_from > 0) {
    summary.state = summary.reached_from > 0 ? PingState::kUp : PingState::kDown;
    summary.measured_at = now.wall - (now.mono - newest);
  }
  if (summary.state == PingState::kDown) {
    summary.why = absl::StrCat("No answer to ", summary.asked_from,
                               summary.asked_from == 1 ? " observer." : " observers.");
  } else if (entry.system.addresses().empty()) {
    summary.why = "No address to ping.";
  } else if (summary.state == PingState::kUnknown) {
    summary.why = "Nobody could ask.";
  }
  return summary;
}

Facts FleetState::GatherFacts(Instant now, const Entry& entry) const {
  Facts facts;
  facts.lifecycle = entry.shown.lifecycle;
  facts.connected = entry.beat_at && now.mono - *entry.beat_at <=
                                         kMissedBeats * options_.heartbeat_interval;
  if (entry.heard_at) {
    facts.silent_for = now.mono - *entry.heard_at;
  } else if (entry.shown.last_seen) {
    // Before this collector's start: there is only the clock on the wall.
    facts.silent_for = std::max(now.wall - *entry.shown.last_seen, absl::ZeroDuration());
  }
  facts.just_started = !entry.heard_at &&
                       now.mono - started_at_ < kGraceBeats * options_.heartbeat_interval;
  facts.planned_restart = entry.back_by && now.mono < *entry.back_by;
  facts.ping = SummarizePing(now, entry).state;
  if (facts.connected && entry.measured_at &&
      now.mono - *entry.measured_at <= kMissedBeats * options_.snapshot_interval) {
    facts.measurements = entry.measurements.get();
  }
  if (now.mono < entry.trouble_until) facts.trouble = entry.trouble;
  return facts;
}

std::vector<HealthTransition> FleetState::Tick(Instant now) {
  std::vector<HealthTransition> transitions;
  for (Entry& entry : entries_) {
    const Facts facts = GatherFacts(now, entry);
    const Verdict verdict = Judge(facts);
    SystemState& shown = entry.shown;
    shown.connected = facts.connected;
    shown.measurements = facts.measurements == nullptr ? nullptr : entry.measurements;
    shown.ping = SummarizePing(now, entry);
    shown.health_why = verdict.why;
    if (verdict.health == shown.health) continue;
    transitions.push_back(
        {shown.id, shown.health, verdict.health, verdict.why, now.wall});
    if (shown.health != Health::kUnknown) shown.last_known_health = shown.health;
    shown.health = verdict.health;
    shown.health_since = now.wall;
  }
  return transitions;
}

std::vector<Seen> FleetState::TakeSeen(bool all) {
  std::vector<Seen> taken;
  for (Entry& entry : entries_) {
    const SystemState& shown = entry.shown;
    const bool turned = shown.connected != entry.connected_taken;
    entry.connected_taken = shown.connected;
    if (!shown.last_seen || shown.last_seen == entry.seen_taken) continue;
    if (!all && !turned && entry.seen_taken) continue;
    entry.seen_taken = shown.last_seen;
    taken.push_back({shown.id, *shown.last_seen, shown.agent_version,
                     shown.first_seen.value_or(*shown.last_seen)});
  }
  return taken;
}

FleetSnapshot FleetState::Snapshot(Instant now, const CollectorStats& stats) const {
  FleetSnapshot snapshot;
  snapshot.at = now.wall;
  snapshot.stats = stats;
  snapshot.posts = posts_;
  snapshot.systems.reserve(entries_.size());
  for (const Entry& entry : entries_) snapshot.systems.push_back(entry.shown);
  return snapshot;
}

v1::Config FleetState::ConfigFor(absl::string_view system) const {
  v1::Config config;
  config.set_version(config_version_);
  const auto found = index_.find(std::string(system));
  if (found == index_.end()) return config;
  const size_t count = entries_.size();
  const size_t others = count - 1;
  const size_t wanted = count <= kFullMesh ? others : kFanOut;
  for (size_t i = 1; i <= others && config.ping_targets_size() < static_cast<int>(wanted);
       ++i) {
    const v1::System& peer = entries_[(found->second + i) % count].system;
    if (peer.addresses().empty()) continue;
    v1::PingTarget& target = *config.add_ping_targets();
    target.set_peer(peer.id());
    target.set_address(peer.addresses(0));
  }
  return config;
}

std::vector<v1::PingTarget> FleetState::CollectorTargets() const {
  std::vector<v1::PingTarget> targets;
  for (const Entry& entry : entries_) {
    if (entry.system.addresses().empty()) continue;
    targets.emplace_back();
    targets.back().set_peer(entry.system.id());
    targets.back().set_address(entry.system.addresses(0));
  }
  return targets;
}

}  // namespace mailvane
