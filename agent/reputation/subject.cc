#include "agent/reputation/subject.h"

#include <arpa/inet.h>

#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailvane {
namespace {

using Bytes = std::array<uint8_t, 16>;

struct Range {
  const char* prefix;
  int bits;
  const char* what;
};

// IANA's registries of special addresses (RFC 6890).  Those of documentation are
// not here: nobody has them, lists answer for them, and examples need some.
constexpr Range kSpecialV4[] = {
    {"0.0.0.0", 8, "is no address of a host"},
    {"10.0.0.0", 8, "is a private address"},
    {"100.64.0.0", 10, "is an address inside a provider's network"},
    {"127.0.0.0", 8, "is this host's own (loopback)"},
    {"169.254.0.0", 16, "is a link-local address"},
    {"172.16.0.0", 12, "is a private address"},
    {"192.0.0.0", 24, "is reserved for protocols"},
    {"192.168.0.0", 16, "is a private address"},
    {"198.18.0.0", 15, "is reserved for benchmarks"},
    {"224.0.0.0", 4, "is a multicast address"},
    {"240.0.0.0", 4, "is reserved"},
};
constexpr Range kSpecialV6[] = {
    {"::1", 128, "is this host's own (loopback)"},
    {"fc00::", 7, "is a private address"},
    {"fe80::", 10, "is a link-local address"},
    {"ff00::", 8, "is a multicast address"},
};
// What is in use (RFC 4291 s.2.4).
constexpr Range kGlobalV6 = {"2000::", 3, ""};

bool IsIn(const uint8_t* address, const uint8_t* prefix, int bits) {
  const int whole = bits / 8;
  if (memcmp(address, prefix, whole) != 0) return false;
  const int rest = bits % 8;
  return rest == 0 || (address[whole] ^ prefix[whole]) >> (8 - rest) == 0;
}

bool IsIn(int family, const uint8_t* address, const Range& range) {
  uint8_t prefix[16];
  inet_pton(family, range.prefix, prefix);
  return IsIn(address, prefix, range.bits);
}

absl::Status NotPublic(absl::string_view text, absl::string_view what) {
  return absl::InvalidArgumentError(
      absl::StrCat(text, ": ", what, ": no list can know it"));
}

// "192.0.2.1" → "1.2.0.192".
absl::StatusOr<Subject> FromIpv4(const uint8_t* bytes) {
  Subject subject;
  subject.text = absl::StrCat(bytes[0], ".", bytes[1], ".", bytes[2], ".", bytes[3]);
  subject.label = absl::StrCat(bytes[3], ".", bytes[2], ".", bytes[1], ".", bytes[0]);
  // The test point that every list must list, to try one out.
  if (subject.text == "127.0.0.2") return subject;
  for (const Range& range : kSpecialV4) {
    if (IsIn(AF_INET, bytes, range)) return NotPublic(subject.text, range.what);
  }
  return subject;
}

// "2001:db8::1" → "1.0.0.0. … .8.b.d.0.1.0.0.2": 32 nibbles (RFC 5782 s.2.4).
absl::StatusOr<Subject> FromIpv6(const uint8_t* bytes) {
  char text[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, bytes, text, sizeof text);
  Subject subject;
  subject.kind = SubjectKind::kIpv6;
  subject.text = text;
  for (int i = 15; i >= 0; --i) {
    absl::StrAppend(&subject.label, absl::Hex(bytes[i] & 0xf), ".",
                    absl::Hex(bytes[i] >> 4), i > 0 ? "." : "");
  }
  for (const Range& range : kSpecialV6) {
    if (IsIn(AF_INET6, bytes, range)) return NotPublic(subject.text, range.what);
  }
  if (!IsIn(AF_INET6, bytes, kGlobalV6)) {
    return NotPublic(subject.text, "is not in use in the Internet");
  }
  return subject;
}

absl::StatusOr<Subject> FromDomain(absl::string_view text) {
  Subject subject;
  subject.kind = SubjectKind::kDomain;
  subject.text = absl::AsciiStrToLower(absl::StripSuffix(text, "."));
  subject.label = subject.text;
  const size_t dot = subject.text.rfind('.');
  if (!IsZoneName(subject.text) || dot == std::string::npos ||
      absl::ascii_isdigit(static_cast<unsigned char>(subject.text[dot + 1]))) {
    return absl::InvalidArgumentError(absl::StrCat(
        text,
        ": is neither an address nor a domain (one in other letters goes by its "
        "xn-- name)"));
  }
  return subject;
}

}  // namespace

absl::StatusOr<Subject> ParseSubject(absl::string_view text) {
  const std::string trimmed(absl::StripAsciiWhitespace(text));
  uint8_t bytes[16];
  if (inet_pton(AF_INET, trimmed.c_str(), bytes) == 1) return FromIpv4(bytes);
  if (inet_pton(AF_INET6, trimmed.c_str(), bytes) == 1) {
    static constexpr uint8_t kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    if (memcmp(bytes, kMapped, sizeof kMapped) == 0) return FromIpv4(bytes + 12);
    return FromIpv6(bytes);
  }
  return FromDomain(trimmed);
}

}  // namespace mailvane
