// What the DNS answered: the values, and how to read them from a message's bytes
// (RFC 1035, RFC 2308).  No I/O; platform/resolver.h asks.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailvane {

// The numbers are the wire's.
enum class DnsType : uint16_t {
  kA = 1,
  kNs = 2,
  kCname = 5,
  kSoa = 6,
  kPtr = 12,
  kMx = 15,
  kTxt = 16,
  kAaaa = 28,
};

enum class DnsStatus {
  kOk,           // there are records of the type that was asked
  kNoData,       // the name exists, and has none of this type
  kNxdomain,     // the name does not exist
  kServfail,     // the resolver tried, and failed
  kRefused,      // the resolver won't serve us
  kOtherError,   // another code of failure; the detail says which
  kTimeout,      // no answer after all tries
  kUnreachable,  // nobody listens at the resolver's address, or there is no way to it
  kTruncated,    // cut off, and TCP did not help
  kMalformed,    // an answer that can't be read, or a name that can't be asked
};
constexpr int kDnsStatuses = 10;

// "NXDOMAIN", "timeout": for people.
absl::string_view DnsStatusName(DnsStatus status);

// A server has spoken about this name, and meant it.
inline bool IsAnswer(DnsStatus status) {
  return status == DnsStatus::kOk || status == DnsStatus::kNoData ||
         status == DnsStatus::kNxdomain;
}

struct DnsQuestion {
  // "2.0.0.127.zen.spamhaus.org", with or without a dot at its end.
  std::string name;
  DnsType type = DnsType::kA;
};

struct DnsRecord {
  DnsType type = DnsType::kA;
  absl::Duration ttl;
  // An address as text; a name in lower case without its last dot; a TXT's strings
  // put together, as bytes that a stranger chose.
  std::string data;
  // Of an MX.
  uint16_t preference = 0;
};

struct DnsAnswer {
  DnsStatus status = DnsStatus::kTimeout;
  // Of the type that was asked, at the end of the aliases, in the answer's order;
  // filled with kOk only.
  std::vector<DnsRecord> records;
  // The CNAMEs that led there, in their order.
  std::vector<std::string> aliases;
  // How long this may be kept: the least on the way, or the SOA's for a "no".
  // Absent when nothing says.
  std::optional<absl::Duration> ttl;
  // For people, where the status does not say all.
  std::string detail;
};

// Reads the answer to `question` from a whole message.  Bytes that make no sense
// are kMalformed, also when a part could be read: half an answer is none.
// Records for other names are left out, whatever section they stand in.
DnsAnswer DecodeDnsAnswer(absl::string_view message, const DnsQuestion& question);

// Labels joined by dots, in lower case, without the last dot; dots and unprintable
// bytes inside a label as \. and \DDD.  Absent: not a name in this message.
// `*offset` moves behind the name.
std::optional<std::string> DecodeDnsName(absl::string_view message, size_t* offset);

}  // namespace mailvane
