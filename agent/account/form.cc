#include "agent/account/form.h"

#include <algorithm>
#include <string>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/strip.h"
#include "agent/account/profile.h"

namespace mailvane {
namespace {

using absl::string_view;

// Which kinds of characters there are, how many separators and how long it is, about:
// what stays alike from one id of a program to the next.
uint64_t ShapeOf(string_view text) {
  bool upper = false;
  bool lower = false;
  bool beyond_hex = false;
  bool digit = false;
  int separators[4] = {};
  for (char c : text) {
    upper = upper || absl::ascii_isupper(c);
    lower = lower || absl::ascii_islower(c);
    beyond_hex = beyond_hex || (absl::ascii_isalpha(c) && !absl::ascii_isxdigit(c));
    digit = digit || absl::ascii_isdigit(c);
    if (c == '.') ++separators[0];
    if (c == '-') ++separators[1];
    if (c == '$') ++separators[2];
    if (c == '_') ++separators[3];
  }
  uint64_t shape = upper | lower << 1 | beyond_hex << 2 | digit << 3;
  for (int count : separators) shape = shape << 3 | std::min(count, 5);
  // Lengths by thirds: random ids vary by a few.
  uint64_t length = 0;
  for (size_t size = text.size(); size > 4; size = size * 2 / 3) ++length;
  return shape << 8 | length;
}

string_view DomainOf(string_view address) {
  const size_t at = address.rfind('@');
  return at == string_view::npos ? string_view() : address.substr(at + 1);
}

// "pc-anna", "[192.0.2.1]" and "laptop.lan" are each another kind.
uint64_t HelloKind(string_view helo) {
  if (helo.empty()) return 0;
  if (helo[0] == '[') return 1;
  return helo.find('.') == string_view::npos ? 2 : 3;
}

}  // namespace

uint64_t FormOf(const MessageSent& sent) {
  if (sent.message_id.empty() && sent.sasl_method.empty() && sent.helo.empty()) return 0;
  string_view id = sent.message_id;
  absl::ConsumePrefix(&id, "<");
  absl::ConsumeSuffix(&id, ">");
  const string_view host = DomainOf(id);
  // The host: the sender's domain, a name in it, one without dots, or another's.
  const string_view own = DomainOf(sent.sender);
  uint64_t relation = 0;
  if (!host.empty()) {
    relation = absl::EqualsIgnoreCase(host, own)                     ? 1
               : !own.empty() && absl::EndsWithIgnoreCase(host, own) ? 2
               : host.find('.') == string_view::npos                 ? 3
                                                                     : 4;
  }
  const uint64_t shape =
      id.empty() ? 0 : ShapeOf(id.substr(0, id.size() - host.size())) | uint64_t{1} << 62;
  const uint64_t seed = shape ^ relation << 56 ^ HelloKind(sent.helo) << 52;
  return Fingerprint(sent.sasl_method, seed + 1);
}

uint64_t SenderPrint(string_view sender) {
  const string_view domain = DomainOf(sender);
  string_view local = sender.substr(0, sender.size() - domain.size());
  local = local.substr(0, local.find_first_of("+=-0123456789"));
  std::string plain = absl::AsciiStrToLower(domain.substr(0, 255));
  plain.push_back('@');
  for (char c : local.substr(0, 64)) plain.push_back(absl::ascii_tolower(c));
  return Fingerprint(plain);
}

}  // namespace mailvane
