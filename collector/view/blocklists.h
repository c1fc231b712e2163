// DNS lists on a system's public page: words of our own, and no text, address or
// link that an agent or a list wrote.
#pragma once

#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/html.h"

namespace mailvane {

// On which lists the system is, since when and until when at least, and where it
// was; nothing when its agent says nothing of lists.
void AppendBlocklists(const SystemState& system, absl::Time now, Html* out);

}  // namespace mailvane
