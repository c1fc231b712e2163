// A number that tells texts apart, the same in each process and on each host:
// for ETags and public ids.  Not for secrets.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailvane {

// FNV-1a, 64 bits.
inline uint64_t Fingerprint(absl::string_view text) {
  uint64_t hash = 0xcbf29ce484222325;
  for (const char c : text) {
    hash ^= static_cast<unsigned char>(c);
    hash *= 0x100000001b3;
  }
  return hash;
}

}  // namespace mailvane
