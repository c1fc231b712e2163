// The words of a post about a change of health.  Closed wording: a post is
// public, so nothing that came out of a mail log may be in it.
#pragma once

#include <optional>

#include "collector/fleet/fleet_snapshot.h"
#include "collector/fleet/fleet_state.h"

namespace mailvane {

// Nullopt when the change is no news for the public: a system that is not shown
// or not in service, or one whose data merely came or went.
std::optional<Post> DraftPost(const HealthTransition& transition,
                              const SystemState& system);

}  // namespace mailvane
