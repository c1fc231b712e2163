#include "agent/source/exim_header.h"

#include <algorithm>
#include <array>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

using absl::string_view;

constexpr string_view kSuffix = "-H";

// False at the end, and for a line without one.
bool TakeLine(string_view* rest, string_view* line) {
  const size_t end = rest->find('\n');
  if (end == string_view::npos) return false;
  *line = rest->substr(0, end);
  rest->remove_prefix(end + 1);
  return true;
}

string_view TakeWord(string_view* rest) {
  const string_view word = rest->substr(0, rest->find(' '));
  rest->remove_prefix(std::min(rest->size(), word.size() + 1));
  return word;
}

// Digits alone.
bool ParseNumber(string_view text, uint64_t* number) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, number);
}

// "-name value" or, when a stranger chose it, "--name value" or "-(quoter)name value";
// a variable's value stands behind the line.
bool TakeOption(string_view line, string_view* rest, EximHeader* header) {
  absl::ConsumePrefix(&line, "-");
  absl::ConsumePrefix(&line, "-");
  if (absl::ConsumePrefix(&line, "(")) {
    const size_t end = line.find(')');
    if (end == string_view::npos) return false;
    line.remove_prefix(end + 1);
  }
  const string_view name = TakeWord(&line);
  if (name == "frozen") {
    header->frozen = true;
  } else if (name == "deliver_firsttime") {
    header->first_attempt = true;
  } else if (name == "auth_id") {
    header->authenticated = true;
  } else if (name == "acl" || name == "aclc" || name == "aclm") {
    TakeWord(&line);
    uint64_t length = 0;
    if (!ParseNumber(line, &length) || length >= rest->size() ||
        (*rest)[length] != '\n') {
      return false;
    }
    rest->remove_prefix(length + 1);
  }
  return true;
}

// The tree of those who have it already, whose first line is `line`.
bool TakeDelivered(string_view line, string_view* rest,
                   absl::flat_hash_set<string_view>* delivered) {
  if (line == "XX") return true;
  for (uint64_t nodes = 1;;) {
    const auto flag = [&](size_t i) { return line[i] == 'Y' ? 1 : 0; };
    if (line.size() < 3 || line[2] != ' ' || (line[0] != 'Y' && line[0] != 'N') ||
        (line[1] != 'Y' && line[1] != 'N')) {
      return false;
    }
    nodes += flag(0) + flag(1);
    delivered->insert(line.substr(3));
    if (--nodes == 0) return true;
    if (!TakeLine(rest, &line)) return false;
  }
}

// "bob@example.org", and perhaps what belongs to it behind a blank: a local part in
// quotes may hold blanks, nothing else may.
string_view AddressOf(string_view line) {
  size_t at = 0;
  if (!line.empty() && line[0] == '"') {
    for (at = 1; at < line.size() && line[at] != '"'; ++at) {
      if (line[at] == '\\') ++at;
    }
  }
  return line.substr(0, line.find(' ', std::min(at, line.size())));
}

std::optional<uint64_t> HeaderBytes(string_view rest) {
  uint64_t sum = 0;
  while (!rest.empty()) {
    const size_t digits =
        std::find_if_not(rest.begin(), rest.end(), absl::ascii_isdigit) - rest.begin();
    uint64_t length = 0;
    // "022F From: ...": the text begins behind the kind and a blank.
    if (!ParseNumber(rest.substr(0, digits), &length) || rest.size() < digits + 2 ||
        length > rest.size() - digits - 2) {
      return std::nullopt;
    }
    if (rest[digits] != '*') sum += length;
    rest.remove_prefix(digits + 2 + length);
  }
  return sum;
}

}  // namespace

EximLastWord ParseEximMessageLog(string_view bytes) {
  EximLastWord word;
  // The server is named by an earlier line when it could not even be reached.
  string_view named;
  string_view line;
  while (TakeLine(&bytes, &line)) {
    const size_t defer = line.find(" defer (");
    const size_t host = line.find("H=", defer == string_view::npos ? 0 : defer);
    string_view relay;
    if (host != string_view::npos && host > 0 && line[host - 1] == ' ') {
      relay = line.substr(host + 2);
      relay = relay.substr(0, relay.find_first_of(" :"));
      named = relay;
    }
    if (defer == string_view::npos) continue;
    const size_t text = line.find(": ", defer);
    if (text == string_view::npos) continue;
    const string_view reason = line.substr(text + 2);
    // Exim only waits: what was said before still holds.
    if (absl::StartsWith(reason, "retry time not reached")) continue;
    word.reason = reason;
    word.relay_host = relay.empty() ? named : relay;
  }
  return word;
}

bool IsEximId(string_view text) {
  for (const auto [size, second] :
       {std::array<size_t, 2>{16, 13}, std::array<size_t, 2>{23, 18}}) {
    if (text.size() != size) continue;
    for (size_t i = 0; i < size; ++i) {
      const bool dash = i == 6 || i == second;
      if (dash ? text[i] != '-' : !absl::ascii_isalnum(text[i])) return false;
    }
    return true;
  }
  return false;
}

std::optional<EximHeader> ParseEximHeader(string_view bytes) {
  EximHeader header;
  string_view line;
  if (!TakeLine(&bytes, &line) || !absl::ConsumeSuffix(&line, kSuffix) ||
      !IsEximId(line)) {
    return std::nullopt;
  }
  if (!TakeLine(&bytes, &line)) return std::nullopt;
  if (!TakeLine(&bytes, &line) || !absl::ConsumePrefix(&line, "<") ||
      !absl::ConsumeSuffix(&line, ">")) {
    return std::nullopt;
  }
  header.sender = line;
  uint64_t number = 0;
  if (!TakeLine(&bytes, &line) || !ParseNumber(TakeWord(&line), &number) ||
      number > static_cast<uint64_t>(INT64_MAX)) {
    return std::nullopt;
  }
  header.arrived = static_cast<int64_t>(number);
  do {
    if (!TakeLine(&bytes, &line)) return std::nullopt;
  } while (!line.empty() && line[0] == '-' && TakeOption(line, &bytes, &header));

  absl::flat_hash_set<string_view> delivered;
  if (!TakeDelivered(line, &bytes, &delivered)) return std::nullopt;
  if (!TakeLine(&bytes, &line) || !ParseNumber(line, &number)) return std::nullopt;
  for (uint64_t i = 0; i < number; ++i) {
    if (!TakeLine(&bytes, &line)) return std::nullopt;
    ++header.recipients;
    const string_view recipient = AddressOf(line);
    if (delivered.contains(recipient)) continue;
    ++header.waiting;
    if (header.first_waiting.empty()) header.first_waiting = recipient;
  }
  if (!TakeLine(&bytes, &line) || !line.empty()) return std::nullopt;
  header.header_bytes = HeaderBytes(bytes);
  return header;
}

}  // namespace mailvane
