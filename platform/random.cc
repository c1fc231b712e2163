#include "platform/random.h"

#include <sys/random.h>

#include <cstdlib>

namespace mailvane {

std::string Random::Bytes(size_t size) {
  std::string bytes;
  bytes.reserve(size);
  while (bytes.size() < size) {
    uint64_t word = Next();
    for (int i = 0; i < 8 && bytes.size() < size; ++i, word >>= 8) {
      bytes.push_back(static_cast<char>(word & 0xff));
    }
  }
  return bytes;
}

absl::Duration Random::Below(absl::Duration limit) {
  const double fraction = static_cast<double>(Next() >> 11) * 0x1.0p-53;
  return limit * fraction;
}

uint64_t KernelRandom::Next() {
  uint64_t word = 0;
  // Up to 256 bytes are never short once the kernel's pool is up, as it is long
  // before any service starts; without randomness there is nothing safe to do.
  if (getrandom(&word, sizeof word, 0) != sizeof word) std::abort();
  return word;
}

}  // namespace mailvane
