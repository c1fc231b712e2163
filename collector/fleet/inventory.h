// The inventory: which systems there are, as the operator wrote it down.
// Reading and checking only; what is measured of them is fleet state's.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "collector/fleet/fleet_snapshot.h"
#include "mailvane/v1/config.pb.h"
#include "platform/yaml_config.h"

namespace mailvane {

// "operational", "internal", ...; empty is operational.  Nullopt: no such word.
std::optional<Lifecycle> ParseLifecycle(absl::string_view word);

// What the types alone don't say: ids that can stand in a URL and are told
// apart, known lifecycles, countries of two letters, addresses that are
// addresses, text that can be shown.  All errors, each at its place.
std::vector<ConfigError> CheckInventory(const v1::Inventory& inventory,
                                        const ConfigPlaces& places);

// Reads and checks.  `inventory` is fit for use only when there are no errors.
std::vector<ConfigError> ParseInventory(absl::string_view text, v1::Inventory* inventory);

// The inventory's half of a system's state, defaults filled in; nothing is
// measured yet.  `system` has passed CheckInventory.
SystemState SystemFromInventory(const v1::System& system);

}  // namespace mailvane
