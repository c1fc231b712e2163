// What an alerting rule is, and the rules that Mailvane ships.
//
// A rule looks at one system, or at the fleet and the collector as a whole, once
// a second; or it waits for what agents tell.  Pure: adding one is a line in
// shipped_rules.cc, and a page in docs/runbooks that is called after it.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "absl/types/span.h"
#include "collector/fleet/fleet_snapshot.h"
#include "mailvane/v1/alert.pb.h"

namespace mailvane {

using AlertSeverity = v1::Alert::Severity;

// What rules may look at, once a second.
struct AlertInputs {
  const FleetSnapshot& fleet;
  // Whether the store took what it was given last.
  bool store_writes = true;
  // For how long the oldest notification could not be delivered; zero when all
  // were.
  absl::Duration undelivered_for;
};

// What a rule may know of one system.
struct SystemFacts {
  const SystemState& state;
  absl::Time now;
  // Messages in the active, incoming and deferred queues, now and half an hour
  // ago.  Absent: not known.
  std::optional<uint64_t> queued;
  std::optional<uint64_t> queued_before;
};

// One thing that a rule finds wrong.
struct Condition {
  // As in v1::Alert.
  std::string subject;
  std::string detail;
  // In place of the rule's, when this one is worth less.
  std::optional<AlertSeverity> severity;
};

// What a rule sees.  `known` is false when it can't tell, which leaves each of
// its alerts as it is: missing data neither fires nor resolves.
struct Reading {
  bool known = true;
  std::vector<Condition> wrong;
};

struct Rule {
  absl::string_view name;
  // The most that it is worth.  A finding of a lower level is worth less.
  AlertSeverity severity = v1::Alert::SEVERITY_WARNING;

  // One of the two, or neither: then it is about what agents tell, and `name`
  // is a finding's type.
  Reading (*look_at_system)(const SystemFacts& system) = nullptr;
  Reading (*look_at_fleet)(const AlertInputs& inputs) = nullptr;

  // For how long the condition must hold before the alert fires.
  absl::Duration pending_for;
  // For how long it must be gone, or untold, before the alert is resolved.
  absl::Duration keep_firing_for;
  // How long people wait for others of the kind, to be told of all at once: a
  // fault of many systems comes to light within seconds.  Zero: at once.
  absl::Duration gather_for;
  // Rules whose alerts, about the same system or the fleet, say it already.
  absl::string_view said_by[2];

  // For a phone at night: what is wrong, and what to do first.
  absl::string_view what;
  absl::string_view first_step;

  // Whether what is there when a system is looked at for the first time is old
  // news: listed, and told to nobody.
  bool old_at_first = false;
  // Whether somebody has to hear of it even when it arrives long after it
  // happened: it lasts until somebody acts.
  bool told_late = false;
};

// "critical", "firing": as in JSON and in what receivers get.
const char* Name(AlertSeverity severity);
const char* Name(v1::Alert::State state);

// In no order that matters; names are unique.
absl::Span<const Rule> ShippedRules();
// Null when there is none of this name.
const Rule* FindRule(absl::string_view name);
// For findings of a type that has no rule of its own, from an agent that is
// newer than this collector.
inline constexpr absl::string_view kOtherFinding = "other_finding";
// For loss records.
inline constexpr absl::string_view kLogLost = "log_lost";

}  // namespace mailvane
