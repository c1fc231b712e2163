#include "agent/source/rotated_names.h"

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

constexpr char kDigits[] = "0123456789";

bool IsAllOf(absl::string_view text, const char* set) {
  return text.find_first_not_of(set) == absl::string_view::npos;
}

// ".1", "-20261123", "-20261123-1764000000": what rotation puts into a name.
bool IsRotation(absl::string_view text) {
  return text.size() > 1 && absl::string_view(".-_").find(text[0]) != text.npos &&
         IsAllOf(text, "0123456789.-_");
}

// "-20261123", "-2026112306", "-20261123-1764000000": as logrotate's dateext, the
// year first.  With the day first, the files' times must do.
bool SortsByDate(absl::string_view rotation) {
  return rotation.size() >= 9 && (rotation.substr(1, 2) == "20") &&
         rotation.substr(5, 2) >= "01" && rotation.substr(5, 2) <= "12" &&
         rotation.substr(7, 2) >= "01" && rotation.substr(7, 2) <= "31";
}

bool IsPackedOtherwise(absl::string_view name) {
  for (const char* suffix : {".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".tmp"}) {
    if (absl::EndsWith(name, suffix)) return true;
  }
  return false;
}

}  // namespace

RotatedNames::RotatedNames(std::string live) : live_(std::move(live)) {
  size_t mark = live_.find("%D");
  if (mark != std::string::npos) {
    date_digits_ = 8;
  } else if ((mark = live_.find("%M")) != std::string::npos) {
    date_digits_ = 6;
  }
  front_ = live_.substr(0, mark);
  if (dated()) back_ = live_.substr(mark + 2);
}

RotatedNames RotatedNames::OfTarget(std::string file) {
  for (size_t begin = 0; (begin = file.find_first_of(kDigits, begin)) != file.npos;) {
    const size_t end = std::min(file.find_first_not_of(kDigits, begin), file.size());
    if (end - begin == 8) return RotatedNames(file.replace(begin, 8, "%D"));
    if (end - begin == 6) return RotatedNames(file.replace(begin, 6, "%M"));
    begin = end;
  }
  return RotatedNames(std::move(file));
}

bool RotatedNames::IsDated(absl::string_view name) const {
  return dated() && name.size() == front_.size() + date_digits_ + back_.size() &&
         absl::ConsumePrefix(&name, front_) && absl::ConsumeSuffix(&name, back_) &&
         IsAllOf(name, kDigits);
}

std::optional<RotatedName> RotatedNames::Parse(absl::string_view name) const {
  if (name == live_ || IsPackedOtherwise(name)) return std::nullopt;
  RotatedName parsed;
  parsed.gzip = absl::ConsumeSuffix(&name, ".gz");
  if (dated()) {
    if (!IsDated(name)) return std::nullopt;
    parsed.by_rotation = true;
    parsed.date = std::string(name.substr(front_.size(), date_digits_));
    return parsed;
  }
  // After the name, or before its extension.
  absl::string_view rotation = name;
  const size_t dot = live_.rfind('.');
  if (absl::ConsumePrefix(&rotation, live_)) {
    parsed.by_rotation = IsRotation(rotation);
  } else if (dot != std::string::npos && dot > 0) {
    rotation = name;
    parsed.by_rotation =
        absl::ConsumePrefix(&rotation, absl::string_view(live_).substr(0, dot)) &&
        absl::ConsumeSuffix(&rotation, absl::string_view(live_).substr(dot)) &&
        IsRotation(rotation);
    if (!parsed.by_rotation) return std::nullopt;
  } else {
    return std::nullopt;
  }
  if (parsed.by_rotation && SortsByDate(rotation)) parsed.date = std::string(rotation);
  uint32_t number = 0;
  if (parsed.by_rotation && rotation.size() <= 5 && rotation[0] != '-' &&
      absl::SimpleAtoi(rotation.substr(1), &number)) {
    parsed.number = number;
  }
  return parsed;
}

bool WrittenBefore(const RotationTurn& a, const RotationTurn& b) {
  if (!a.name.date.empty() && a.name.date.size() == b.name.date.size()) {
    return a.name.date < b.name.date;
  }
  // A writer that was slow to let go may have touched the older one last.
  if (a.name.number.has_value() && b.name.number.has_value()) {
    return *a.name.number > *b.name.number;
  }
  // Packing makes a new file, and keeps the time of the last change.
  const bool births = a.id.birth_ns != 0 && b.id.birth_ns != 0;
  if (births && !a.name.gzip && !b.name.gzip) return a.id.birth_ns < b.id.birth_ns;
  return a.modified < b.modified;
}

}  // namespace mailvane
