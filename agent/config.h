// The agent's configuration: defaults, and checks that types can't make.
#pragma once

#include <string>
#include <vector>

#include "mailvane/v1/config.pb.h"

namespace mailvane {

// Reads the file and fills in the defaults, of which the id is `host_name` up
// to its first dot.  The config is fit for use only when there are no errors;
// each is a whole line, "file:line:column: path: …".
std::vector<std::string> LoadAgentConfig(const std::string& path,
                                         const std::string& host_name,
                                         v1::AgentConfig* config);

}  // namespace mailvane
