// The demonstration's nine systems in one bad moment: one silent, one degraded,
// one whose queue cannot be read, one internal, one provisioning.  What the golden
// files show.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"

namespace mailvane {

// 2026-03-14 12:45:03 UTC.
absl::Time DemoTime();

// Reads deploy/demo/inventory.yaml below the working directory.
FleetSnapshot DemoFleet();

SystemState& FindSystem(FleetSnapshot& fleet, const std::string& id);

// A copy of a system's measurements, for a test to change; put back with
// `system.measurements = std::make_shared<v1::Snapshot>(…)`.
v1::Snapshot DemoMeasurements(const std::string& id);

std::string ReadFileOrDie(const std::string& path);

}  // namespace mailvane
