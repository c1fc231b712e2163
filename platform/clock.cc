#include "platform/clock.h"

#include <time.h>

namespace mailvane {
namespace {

timespec Read(clockid_t clock) {
  timespec now{};
  clock_gettime(clock, &now);
  return now;
}

}  // namespace

Instant SystemClock::Now() const {
  return {absl::TimeFromTimespec(Read(CLOCK_REALTIME)),
          absl::DurationFromTimespec(Read(CLOCK_BOOTTIME))};
}

}  // namespace mailvane
