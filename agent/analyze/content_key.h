// Names an effect by what it rests on, so that a log that is read twice makes
// the same finding twice under one name, and the collector stores it once.
#pragma once

#include <initializer_list>
#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

// The first 16 bytes of a SHA-256 over the parts, each with its length, so that
// ("ab", "c") and ("a", "bc") differ.
std::string ContentKey(std::initializer_list<absl::string_view> parts);

}  // namespace mailvane
