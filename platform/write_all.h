// Output to a descriptor, all of it.
#pragma once

#include "absl/strings/string_view.h"

namespace mailvane {

// Writes all of `text`, however often that takes; 0, or an errno: EPIPE when
// nobody reads any more.
int WriteAll(int descriptor, absl::string_view text);

}  // namespace mailvane
