// Randomness, as a door: the simulator seeds it, the programs ask the kernel.
#pragma once

#include <cstdint>
#include <random>
#include <string>

#include "absl/time/time.h"

namespace mailvane {

// Not safe for use by two threads at once.
class Random {
 public:
  virtual ~Random() = default;
  virtual uint64_t Next() = 0;

  // `size` random bytes.
  std::string Bytes(size_t size);
  // Uniform in [0, limit); zero for a zero limit.
  absl::Duration Below(absl::Duration limit);
};

// getrandom(2): fit for keys and ids.
class KernelRandom final : public Random {
 public:
  uint64_t Next() override;
};

// The same numbers for the same seed.
class SeededRandom final : public Random {
 public:
  explicit SeededRandom(uint64_t seed) : engine_(seed) {}
  uint64_t Next() override { return engine_(); }

 private:
  std::mt19937_64 engine_;
};

}  // namespace mailvane
