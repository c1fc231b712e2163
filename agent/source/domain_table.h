// Names of domains, kept once however many messages go there.
#pragma once

#include <cstdint>
#include <deque>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/string_view.h"

namespace mailvane {

// Belongs to one thread.
class DomainTable {
 public:
  // Beyond so many, and for what is no name, the number is kUnknown.
  static constexpr size_t kMost = 50'000;
  static constexpr size_t kLongest = 255;  // RFC 1035
  static constexpr uint32_t kUnknown = 0;

  uint32_t NumberOf(absl::string_view domain) {
    if (domain.empty() || domain.size() > kLongest) return kUnknown;
    const std::string name = absl::AsciiStrToLower(domain);
    const auto known = numbers_.find(name);
    if (known != numbers_.end()) return known->second;
    if (names_.size() >= kMost) return kUnknown;
    names_.push_back(name);
    return numbers_[names_.back()] = static_cast<uint32_t>(names_.size());
  }
  // Lives as long as the table; empty for kUnknown.
  absl::string_view NameOf(uint32_t number) const {
    return number == kUnknown ? absl::string_view() : names_[number - 1];
  }

 private:
  // A deque: its strings stay where they are.
  std::deque<std::string> names_;
  absl::flat_hash_map<absl::string_view, uint32_t> numbers_;
};

}  // namespace mailvane
