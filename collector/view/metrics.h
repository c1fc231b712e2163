// The fleet as Prometheus metrics, and the list of scrape targets.  All names,
// with what a change of each means, are in docs/metrics.md.
//
// What is not known has no sample: never a 0 in its place.  A silent agent's
// measurements are left out, since old ones are not present ones.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/exposition.h"
#include "collector/view/process_usage.h"

namespace mailvane {

// One family of metrics about the fleet's systems.
struct MetricFamily {
  absl::string_view name;
  MetricType type;
  // "server, queue".
  absl::string_view labels;
  absl::string_view help;
};

// Each that RenderFleetMetrics may write, in its order.
std::vector<MetricFamily> FleetMetricFamilies();

// Whether there are present measurements to show: the agent is heard, and has
// said how its host is.
bool Reports(const SystemState& system);

// One system, for /agents/<id>/metrics.  `system` is of `fleet`, and reports:
// else the caller answers 503, so that Prometheus sees the target down.
std::string RenderAgentMetrics(const FleetSnapshot& fleet, const SystemState& system,
                               ExpositionFormat format);

// All systems, for /metrics/agents.  A silent agent keeps connected, last_seen,
// info, the system's lifecycle and status, and the ping as others see it.
std::string RenderFleetMetrics(const FleetSnapshot& fleet, ExpositionFormat format);

// The collector itself, for /metrics; text format 0.0.4.
std::string RenderCollectorMetrics(const FleetSnapshot& fleet, const ProcessUsage& usage,
                                   absl::string_view version);

// JSON for Prometheus' http_sd: one target for each system, all at
// `self_address` ("host:port").
std::string RenderHttpSd(const FleetSnapshot& fleet, absl::string_view self_address);

}  // namespace mailvane
