// The key of a list that needs one, from a file of its own.  Never logged, never
// shown, and in no error.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "platform/file_system.h"

namespace mailvane {

// kInvalidArgument: what the file has is no key, which is one label of a name.
absl::StatusOr<std::string> ReadListKey(const FileSystem& files, const std::string& path);

}  // namespace mailvane
