// The time, as a door: only the programs' main loops look at it, and hand it on
// to everything else as an Instant.
#pragma once

#include "absl/time/time.h"

namespace mailvane {

// One moment on both of a host's clocks.  `wall` is for people and may jump;
// `mono` only rises, from an origin that is fixed while the host is up, and is
// what intervals are measured by.
struct Instant {
  absl::Time wall;
  absl::Duration mono;
};

// May be called from any thread.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual Instant Now() const = 0;
};

// CLOCK_REALTIME and CLOCK_BOOTTIME, which goes on while the host is suspended.
class SystemClock final : public Clock {
 public:
  Instant Now() const override;
};

}  // namespace mailvane
