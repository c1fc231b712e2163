// Whether a system's mail gets out, provider by provider, on its public page: words of
// our own, and no text or link that a remote server wrote.
#pragma once

#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/html.h"

namespace mailvane {

// Nothing when its agent says nothing of providers.
void AppendRoads(const SystemState& system, Html* out);

}  // namespace mailvane
