// Which DNS lists the configuration asks for, with their keys.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/reputation/list_checker.h"
#include "mailvane/v1/config.pb.h"
#include "platform/file_system.h"

namespace mailvane {

// kInvalidArgument, kNotFound, …: a file that can't be read or has errors; the
// message names it, with line and column.
absl::StatusOr<std::vector<ListToAsk>> LoadLists(const v1::AgentBlocklists& config,
                                                 const FileSystem& files);

}  // namespace mailvane
