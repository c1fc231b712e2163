// Round trips to addresses, as a door.  ICMP where the kernel lets an ordinary
// user send it (net.ipv4.ping_group_range), else the handshake of a TCP
// connection: an answer, RST included, shows that the host is there.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "platform/clock.h"

namespace mailvane {

enum class PingVerdict {
  kPass,     // it answered
  kFail,     // it was asked and did not answer in time
  kUnknown,  // we could not ask; nothing is said about the target
};
enum class PingMethod { kNone, kIcmp, kTcp, kScript };

struct PingRequest {
  // The caller's name for the target; comes back in the result.
  std::string peer;
  // An IPv4 or IPv6 address as text.
  std::string address;
  // For TCP, where ICMP is not allowed.
  int tcp_port = 25;
};

struct PingResult {
  std::string peer;
  PingVerdict verdict = PingVerdict::kUnknown;
  PingMethod method = PingMethod::kNone;
  // Set with kPass.
  std::optional<absl::Duration> rtt;
  // Why kUnknown, for a person.
  std::string detail;
};

// Belongs to one thread.
class Pinger {
 public:
  virtual ~Pinger() = default;
  // Asks all at once; results come out of Poll, one for each request, at the
  // latest `timeout` from now.
  virtual void Start(Instant now, const std::vector<PingRequest>& requests,
                     absl::Duration timeout) = 0;
  // What has been answered or timed out since the last call.  Never blocks.
  virtual std::vector<PingResult> Poll(Instant now) = 0;
  // File descriptors that become ready when Poll has something to do.
  virtual std::vector<int> Descriptors() const = 0;
  // When Poll must be called even if no descriptor is ready; infinite when
  // nothing is under way.
  virtual absl::Duration NextDeadline() const = 0;
};

struct HostPingerOptions {
  // False: as if the kernel did not let us send ICMP.
  bool allow_icmp = true;
  // Under way at once; what goes beyond is kUnknown.
  size_t max_targets = 1000;
  // Of these, by TCP, which takes a descriptor each.
  size_t max_connections = 256;
};

// ICMP through unprivileged sockets, one for each address family, tried anew at
// each Start.  Where the kernel refuses them (net.ipv4.ping_group_range), TCP:
// the target's service then sees a connection that says nothing.  Descriptors()
// is a single one, which becomes readable.
//
// No answer in time is kFail, and so is a router's word that the host can't be
// reached.  kUnknown: no address, no route, no descriptor, no permission.
std::unique_ptr<Pinger> MakeHostPinger(const HostPingerOptions& options = {});

// Answers read from a file, for demonstrations: lines "peer<TAB>rtt_ms" or
// "peer<TAB>fail", empty ones, and comments that begin with #; of two lines for a
// peer the last holds.  Read again at each round, so that the story can change.
// A peer that the file does not name is kUnknown.
std::unique_ptr<Pinger> MakeScriptedPinger(std::string path);

}  // namespace mailvane
