#include "agent/analyze/redact.h"

#include <gtest/gtest.h>

namespace mailvane {
namespace {

TEST(Redact, TakesOutEveryMailboxAndNothingElse) {
  const struct {
    const char* text;
    const char* want;
  } kCases[] = {
      {"550 5.1.1 <joe@example.net>: unknown", "550 5.1.1 <…@example.net>: unknown"},
      {"joe.doe+x@a.example, b@b.example", "…@a.example, …@b.example"},
      {"\"joe doe\"@example.net", "…@example.net"},
      {"host mx.example.net said: no", "host mx.example.net said: no"},
      {"@example.net", "@example.net"},
      {"a@b@c", "…@…@c"},
      {"", ""},
      {"tab\there \x1b[31m \xe2\x80\xae", "tab?here ?[31m ???"},
  };
  for (const auto& [text, want] : kCases) EXPECT_EQ(Redact(text, 100), want) << text;
}

TEST(Redact, CutsWhatIsLong) {
  EXPECT_EQ(Redact("abcdef", 3), "abc…");
  EXPECT_EQ(Redact("abc", 3), "abc");
  EXPECT_EQ(Redact("ab x@y", 4), "ab …") << "not within an ellipsis";
}

}  // namespace
}  // namespace mailvane
