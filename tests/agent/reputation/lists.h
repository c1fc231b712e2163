// Lists for the tests, each with the traits of a kind of real one.
#pragma once

#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/reputation/catalogue.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailvane {

// A catalogue of one list with these lines, and what every list needs.
inline std::string CatalogueText(absl::string_view zone, absl::string_view lines) {
  return absl::StrCat("dated: \"2026-11-24\"\nlists:\n- zone: ", zone, "\n", lines,
                      "  source: a test\n  verified: \"2026-11-24\"\n"
                      "  expiry: {model: unknown, words: not stated}\n");
}

inline BlockList MakeList(absl::string_view zone, absl::string_view lines) {
  std::vector<ConfigError> errors;
  const std::shared_ptr<const Catalogue> catalogue =
      Catalogue::Parse(CatalogueText(zone, lines), &errors);
  for (const ConfigError& error : errors) ADD_FAILURE() << ToString("test", error);
  return catalogue == nullptr ? BlockList() : catalogue->lists()[0];
}

// Several answers, kinds of refusal, both families.
inline BlockList ZenList() { return *Catalogue::BuiltIn()->Find("zen.spamhaus.org"); }
// Bits, of which the lowest is a refusal.
inline BlockList BitList() { return *Catalogue::BuiltIn()->Find("multi.surbl.org"); }
// Any answer is a listing.
inline BlockList PlainList(absl::string_view zone = "list.example") {
  return MakeList(zone,
                  "  kind: ip\n  families: [v4]\n  polarity: block\n  tier: warn\n");
}

}  // namespace mailvane
