// A listening socket from an address as an operator writes it.
#pragma once

#include <cstdint>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailvane {

struct Listener {
  // Non-blocking; the caller's to close.
  int descriptor = -1;
  // The one that was given, or chosen for port 0.
  int port = 0;
};

// "127.0.0.1:9470", "[::1]:80", "localhost:9470", or ":8080" for all addresses, of
// IPv4 alone where there is no IPv6; port 0 is one that is free.
// kInvalidArgument for another text; else what the system said, with the address.
absl::StatusOr<Listener> ListenOn(absl::string_view address);

// Only whether ListenOn would understand it.
absl::Status CheckListenAddress(absl::string_view address);

}  // namespace mailvane
