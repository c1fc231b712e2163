// Any text as a configuration file: each error has words and a place within the
// text, and what has none can be used.
#include <algorithm>
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "collector/fleet/inventory.h"
#include "mailvane/v1/config.pb.h"
#include "platform/yaml_config.h"

namespace {

void Require(bool holds) {
  if (!holds) abort();
}

void Check(absl::string_view text, const std::vector<mailvane::ConfigError>& errors) {
  const int lines = static_cast<int>(std::count(text.begin(), text.end(), '\n'));
  for (const mailvane::ConfigError& error : errors) {
    Require(!error.message.empty());
    Require(error.line >= 0 && error.column >= 0);
    // A bare carriage return ends a line, too.
    const int more = static_cast<int>(std::count(text.begin(), text.end(), '\r'));
    Require(error.line <= lines + more + 2);
    Require(ToString("f.yaml", error).find('\n') == std::string::npos);
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view text(reinterpret_cast<const char*>(data), size);
  mailvane::v1::AgentConfig agent;
  mailvane::ConfigPlaces places;
  Check(text, mailvane::ParseYamlConfig(text, &agent, &places));
  for (const auto& [path, place] : places) Require(place.line > 0 && place.column > 0);
  mailvane::v1::CollectorConfig collector;
  Check(text, mailvane::ParseYamlConfig(text, &collector));
  mailvane::v1::Inventory inventory;
  const std::vector<mailvane::ConfigError> errors =
      mailvane::ParseInventory(text, &inventory);
  Check(text, errors);
  if (!errors.empty()) return 0;
  for (const mailvane::v1::System& system : inventory.systems()) {
    const mailvane::SystemState state = mailvane::SystemFromInventory(system);
    Require(!state.id.empty() && !state.name.empty());
  }
  return 0;
}
