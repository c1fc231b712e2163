// Questions to the DNS, as a door: all at once, answers as they come.
//
//   resolver->Ask(now, 7, {"2.0.0.127.zen.spamhaus.org", DnsType::kA});
//   … each time the loop turns:
//   for (const DnsReply& reply : resolver->Poll(now)) …
//
// What a server said is kept apart from what we could not learn: NXDOMAIN and "no
// such record" are answers, SERVFAIL, REFUSED and a timeout are none.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "platform/clock.h"
#include "platform/dns_message.h"
#include "platform/random.h"

namespace mailvane {

struct DnsReply {
  // As given to Ask.
  uint64_t id = 0;
  DnsAnswer answer;
};

// Belongs to one thread.
class Resolver {
 public:
  virtual ~Resolver() = default;
  // Never blocks.  Each question gets one reply, also when it can't be asked;
  // `id` is the caller's, and need not differ from others.
  virtual void Ask(Instant now, uint64_t id, const DnsQuestion& question) = 0;
  // What has been answered or given up since the last call.  Never blocks.
  virtual std::vector<DnsReply> Poll(Instant now) = 0;
  // File descriptors that become readable when Poll has something to do.
  virtual std::vector<int> Descriptors() const = 0;
  // When Poll must be called even if no descriptor is ready, on Instant.mono's
  // scale; infinite when nothing is under way.
  virtual absl::Duration NextDeadline() const = 0;
  // Whom it asks, for people: "127.0.0.1:53".
  virtual std::string Servers() const = 0;
};

struct ResolverOptions {
  // "192.0.2.53", "127.0.0.1:5300", "[::1]:53", in order of preference; empty:
  // those of /etc/resolv.conf.
  std::vector<std::string> servers;
  // After this the first try is taken for lost, and sent again under the same
  // number, so that a late answer counts; each further wait is twice the last.
  // Short, because what is lost is lost on the way to a resolver nearby.
  absl::Duration first_try = absl::Milliseconds(150);
  int tries = 5;
  // For all tries together.
  absl::Duration timeout = absl::Seconds(5);
  // Under way at once; what goes beyond waits for its turn.
  size_t max_in_flight = 512;
};

// Whether `server` can stand in ResolverOptions.servers.
bool IsResolverAddress(absl::string_view server);

// By c-ares: UDP with EDNS, then TCP where an answer was cut off; the next server
// after SERVFAIL, REFUSED or silence.  Numbers of questions come from `random`,
// which is not owned and must outlive the resolver; ports from the kernel, several
// at a time.  Descriptors() is a single one.
// kInvalidArgument: a server is no address.
absl::StatusOr<std::unique_ptr<Resolver>> MakeResolver(const ResolverOptions& options,
                                                       Random* random);

}  // namespace mailvane
