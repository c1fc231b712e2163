// The collector's configuration: defaults, and checks that types can't make.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "mailvane/v1/config.pb.h"

namespace mailvane {

struct LoadedCollectorConfig {
  v1::CollectorConfig config;
  v1::Inventory inventory;
};

// Reads the file and the inventory that it names.  `config` is fit for use only
// when there are no errors; each is a whole line, "file:line:column: path: …".
// `insecure_listen`: agents may connect from elsewhere than this host, although
// nothing yet shows who they are.
std::vector<std::string> LoadCollectorConfig(const std::string& path,
                                             bool insecure_listen,
                                             LoadedCollectorConfig* config);

// Whether "host:port" can only be reached from this host.
bool IsLoopback(absl::string_view address);

}  // namespace mailvane
