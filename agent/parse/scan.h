// Small steps through the text of a line, for the parsers of this room: each takes
// something off the front (or the back) of a view, or leaves it as it was.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"

namespace mailvane::scan {

inline constexpr size_t kNone = absl::string_view::npos;

inline bool IsDigit(char c) { return c >= '0' && c <= '9'; }
inline bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
inline bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
inline bool IsAlnum(char c) { return IsDigit(c) || IsUpper(c) || IsLower(c); }
inline bool IsHex(char c) {
  return IsDigit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

inline bool StartsWith(absl::string_view text, absl::string_view prefix) {
  return text.size() >= prefix.size() && text.substr(0, prefix.size()) == prefix;
}
inline bool EndsWith(absl::string_view text, absl::string_view suffix) {
  return text.size() >= suffix.size() &&
         text.substr(text.size() - suffix.size()) == suffix;
}
inline bool Take(absl::string_view* rest, absl::string_view prefix) {
  if (!StartsWith(*rest, prefix)) return false;
  rest->remove_prefix(prefix.size());
  return true;
}
inline bool TakeBack(absl::string_view* text, absl::string_view suffix) {
  if (!EndsWith(*text, suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}
template <typename Test>
absl::string_view TakeWhile(absl::string_view* rest, Test test) {
  size_t size = 0;
  while (size < rest->size() && test((*rest)[size])) ++size;
  const absl::string_view taken = rest->substr(0, size);
  rest->remove_prefix(size);
  return taken;
}
// Up to the next blank, which stays.
inline absl::string_view TakeWord(absl::string_view* rest) {
  return TakeWhile(rest, [](char c) { return c != ' '; });
}
// False when there is none, or it does not fit.
template <typename Number>
bool TakeNumber(absl::string_view* rest, Number* number) {
  const absl::string_view digits = TakeWhile(rest, IsDigit);
  if (digits.empty() || digits.size() > 18) return false;
  uint64_t value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  *number = static_cast<Number>(value);
  return *number == value;
}
// The digits at the end.
template <typename Number>
bool TakeNumberBack(absl::string_view* text, Number* number) {
  size_t begin = text->size();
  while (begin > 0 && IsDigit((*text)[begin - 1])) --begin;
  absl::string_view digits = text->substr(begin);
  text->remove_suffix(digits.size());
  return TakeNumber(&digits, number);
}
// "1.25".
inline bool TakeDecimal(absl::string_view* rest, double* value) {
  uint64_t whole = 0;
  if (!TakeNumber(rest, &whole)) return false;
  *value = static_cast<double>(whole);
  if (Take(rest, ".")) {
    uint64_t parts = 0;
    uint64_t unit = 1;
    for (const char c : TakeWhile(rest, IsDigit)) {
      // More than that no double tells apart.
      if (unit >= 1'000'000'000) continue;
      parts = parts * 10 + (c - '0');
      unit *= 10;
    }
    // One division: 1.34 comes out as the double that is written 1.34.
    if (whole < 1'000'000) {
      *value = static_cast<double>(whole * unit + parts) / static_cast<double>(unit);
    }
  }
  return true;
}

// Where the one `needle` in `text` is: kNone when there is none; `*many` when there
// are several, of which a stranger may have written all but one.
inline size_t FindOnly(absl::string_view text, absl::string_view needle, bool* many) {
  const size_t at = text.find(needle);
  if (at != kNone && text.find(needle, at + 1) != kNone) *many = true;
  return at;
}

inline bool LooksLikeIp(absl::string_view text) {
  bool mark = false;
  for (const char c : text) {
    if (!IsHex(c) && c != '.' && c != ':') return false;
    mark = mark || c == '.' || c == ':';
  }
  return mark;
}

// "4.7.1" at the start.
inline absl::string_view TakeDsn(absl::string_view* rest) {
  const absl::string_view at = *rest;
  if (at.size() < 5 || (at[0] != '2' && at[0] != '4' && at[0] != '5') || at[1] != '.') {
    return {};
  }
  size_t size = 2;
  while (size < at.size() && IsDigit(at[size])) ++size;
  const size_t detail = size + 1;
  if (size == 2 || size > 5 || size >= at.size() || at[size] != '.') return {};
  size = detail;
  while (size < at.size() && IsDigit(at[size])) ++size;
  if (size == detail || size > detail + 3) return {};
  rest->remove_prefix(size);
  return at.substr(0, size);
}
// Behind "451 " or "451-" at the start of a reply.
inline absl::string_view DsnOfReply(absl::string_view reply) {
  if (reply.size() > 4 && IsDigit(reply[0]) && IsDigit(reply[1]) && IsDigit(reply[2]) &&
      (reply[3] == ' ' || reply[3] == '-')) {
    reply.remove_prefix(4);
    return TakeDsn(&reply);
  }
  return {};
}

}  // namespace mailvane::scan
