// Text from a log as it may leave the server: no mailbox names, no controls.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

// "550 <joe@example.net> unknown" → "550 <…@example.net> unknown".  Bytes that
// are not printable ASCII become '?'; more than `limit` bytes are cut, with "…".
std::string Redact(absl::string_view text, size_t limit);

}  // namespace mailvane
