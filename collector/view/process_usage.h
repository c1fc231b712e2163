// What the collector's own process uses.  Read by collector.cc when somebody asks
// for /metrics, and handed to the view.
#pragma once

#include <cstdint>
#include <optional>

namespace mailvane {

// Each is absent when it could not be read.
struct ProcessUsage {
  std::optional<uint64_t> resident_bytes;
  std::optional<double> cpu_seconds;
  std::optional<uint64_t> open_fds;
};

// Of this process, by getrusage and /proc/self.
ProcessUsage ReadProcessUsage();

}  // namespace mailvane
