// JSON: for the public as Statuspage serves it (/api/v2/), which many clients
// read, and for operators with all that is known (/api/v1/).
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/status_page.h"

namespace mailvane {

// Each document of /api/v2/.  Every array is there, empty or not: clients fail on
// a missing one.  Times are those of changes, so that the text, and with it the
// ETag, stays while nothing changes.
std::string RenderV2Summary(const FleetSnapshot& fleet, const PageSettings& settings);
std::string RenderV2Status(const FleetSnapshot& fleet, const PageSettings& settings);
std::string RenderV2Components(const FleetSnapshot& fleet, const PageSettings& settings);
// incidents.json, incidents/unresolved.json.
std::string RenderV2Incidents(const FleetSnapshot& fleet, const PageSettings& settings);
// scheduled-maintenances.json, and its upcoming and active.
std::string RenderV2Maintenances(const FleetSnapshot& fleet,
                                 const PageSettings& settings);

// 12 of [a-z0-9]: a name's public id, the same for ever.
std::string PublicId(absl::string_view name);

// /api/v1/alerts: pending, firing and lately resolved ones, silenced ones included.
std::string RenderAlerts(const FleetSnapshot& fleet);

// /api/v1/systems: everything, hidden systems and reasons included.
std::string RenderSystems(const FleetSnapshot& fleet, absl::Time now);

}  // namespace mailvane
