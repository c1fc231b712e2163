// The rules of reply_rules.txt, read.  The file says what each word means.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/reputation/reply_class.h"

namespace mailvane {

struct ReplyRule {
  std::string name;
  ReplyClass reply_class = ReplyClass::kUnclassified;
  ReplyScope scope = ReplyScope::kNone;
  // Of a reply without a code; absent: can't be told.
  std::optional<bool> temporary;
  std::vector<std::string> phrases;

  // Of its section.  The provider whose words these are; empty: anybody's.
  std::string provider;
  // They are so wherever they turn up; else on that provider's servers alone.
  bool unmistakable = false;
  bool without_code = false;
  // Empty: nowhere that we know.
  std::string delist_url;
  std::string source;
};

// A DNS blocklist as replies name it.
struct NamedZone {
  std::string word;
  std::string suffix;
  // Empty: the list is gone.
  std::string delist_url;
};

struct ReplyRules {
  std::vector<ReplyRule> rules;
  std::vector<NamedZone> zones;
  // A sentence that begins with one of these explains, and is not looked at.
  std::vector<std::string> asides;
};

// InvalidArgument with "line N: what is wrong".
absl::StatusOr<ReplyRules> ParseReplyRules(absl::string_view text);

// The file as it was when the program was built.
absl::string_view BuiltInReplyRules();

}  // namespace mailvane
