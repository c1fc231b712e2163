// Whom a DNS list is asked about: a public address, or a domain that mail is sent
// for.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <tuple>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/reputation/catalogue.h"

namespace mailvane {

struct Subject {
  SubjectKind kind = SubjectKind::kIpv4;
  // As one writes it: "192.0.2.1", "2001:db8::1", "example.org".
  std::string text;
  // What stands before a list's zone: the address backwards, or the domain.
  std::string label;

  friend bool operator<(const Subject& a, const Subject& b) {
    return std::tie(a.kind, a.label) < std::tie(b.kind, b.label);
  }
  friend bool operator==(const Subject& a, const Subject& b) {
    return a.kind == b.kind && a.label == b.label;
  }
};

// kInvalidArgument: neither an address nor a domain, or an address that no list
// can know, as it is nobody's in the Internet ("10.0.0.1: is a private address").
// An IPv4 address inside an IPv6 one is taken for itself.
absl::StatusOr<Subject> ParseSubject(absl::string_view text);

}  // namespace mailvane
