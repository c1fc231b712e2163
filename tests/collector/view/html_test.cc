#include "collector/view/html.h"

#include <gtest/gtest.h>

#include <type_traits>

namespace mailvane {
namespace {

std::string Escape(absl::string_view text) {
  Html out;
  out << Escaped(text);
  return std::move(out).Take();
}

TEST(Html, TextCannotBecomeMarkup) {
  const struct {
    const char* name;
    std::string text;
    const char* want;
  } kRows[] = {
      {"plain", "Amsterdam, Netherlands", "Amsterdam, Netherlands"},
      {"letters of any kind", "Zürich 東京 🇳🇱", "Zürich 東京 🇳🇱"},
      {"script", "<script>alert(1)</script>", "&lt;script&gt;alert(1)&lt;/script&gt;"},
      {"out of an attribute", "\"><img src=x onerror=alert(1)>",
       "&quot;&gt;&lt;img src=x onerror=alert(1)&gt;"},
      {"single quotes", "' onmouseover='x", "&#39; onmouseover=&#39;x"},
      {"a reference stays text", "&lt;b&gt; &amp;", "&amp;lt;b&amp;gt; &amp;amp;"},
      {"line breaks and tabs", "a\r\nb\tc", "a  b c"},
      {"NUL and escape", std::string("a\0b\x1b[31m", 8), "a\uFFFDb\uFFFD[31m"},
      {"DEL and C1", "\x7f\u0085\u009b", "\uFFFD\uFFFD\uFFFD"},
      {"right to left override", "a\u202Egpj.exe", "a\uFFFDgpj.exe"},
      {"isolates and marks", "\u2066\u2069\u200E\u200F\u061C",
       "\uFFFD\uFFFD\uFFFD\uFFFD\uFFFD"},
      {"line separators", "\u2028\u2029", "\uFFFD\uFFFD"},
      {"byte order mark", "\uFEFFx", "\uFFFDx"},
      {"no UTF-8", "a\xff\xfe", "a\uFFFD\uFFFD"},
      {"overlong less-than", "\xc0\xbcscript", "\uFFFD\uFFFDscript"},
      {"overlong in three", "\xe0\x80\xbc", "\uFFFD\uFFFD\uFFFD"},
      {"surrogate", "\xed\xa0\x80", "\uFFFD\uFFFD\uFFFD"},
      {"cut in the middle", "\xe2\x82", "\uFFFD\uFFFD"},
      {"cut before markup", "\xe2<b", "\uFFFD&lt;b"},
      {"beyond Unicode", "\xf4\x90\x80\x80", "\uFFFD\uFFFD\uFFFD\uFFFD"},
  };
  for (const auto& row : kRows) EXPECT_EQ(Escape(row.text), row.want) << row.name;
}

TEST(Html, TakesLiteralsAndNumbersAsTheyAre) {
  Html part;
  part << "<b>" << 42 << "</b>";
  Html out;
  out << "<p>" << part << "</p>";
  EXPECT_EQ(out.text(), "<p><b>42</b></p>");
}

template <typename T, typename = void>
struct CanBeWritten : std::false_type {};
template <typename T>
struct CanBeWritten<T, decltype(std::declval<Html&>() << std::declval<T>(), void())>
    : std::true_type {};

TEST(Html, DataAsMarkupDoesNotCompile) {
  EXPECT_TRUE((CanBeWritten<const char(&)[4]>::value));
  EXPECT_TRUE(CanBeWritten<Escaped>::value);
  EXPECT_FALSE((CanBeWritten<char(&)[4]>::value));
  EXPECT_FALSE(CanBeWritten<const char*>::value);
  EXPECT_FALSE(CanBeWritten<std::string>::value);
  EXPECT_FALSE(CanBeWritten<const std::string&>::value);
  EXPECT_FALSE(CanBeWritten<absl::string_view>::value);
  EXPECT_FALSE(CanBeWritten<char>::value);
  EXPECT_FALSE(CanBeWritten<bool>::value);
}

TEST(Words, TimesSayUtc) {
  const absl::Time time =
      absl::FromCivil(absl::CivilSecond(2026, 3, 4, 5, 6, 7), absl::UTCTimeZone());
  EXPECT_EQ(TimeElement(time).text(),
            "<time datetime=\"2026-03-04T05:06:07Z\">4 Mar 2026 05:06:07 UTC</time>");
  EXPECT_EQ(ClockTime(time), "05:06:07 UTC");
}

TEST(Words, DurationsAreShort) {
  const struct {
    absl::Duration duration;
    const char* want;
  } kRows[] = {
      {absl::Seconds(-3), "0 s"},      {absl::Milliseconds(8900), "8 s"},
      {absl::Seconds(119), "119 s"},   {absl::Seconds(120), "2 min"},
      {absl::Minutes(119), "119 min"}, {absl::Hours(2), "2 h"},
      {absl::Hours(47), "47 h"},       {absl::Hours(100), "4 d"},
  };
  for (const auto& row : kRows) EXPECT_EQ(ShortDuration(row.duration), row.want);
  EXPECT_EQ(RoundTrip(absl::Microseconds(870)), "0.9 ms");
  EXPECT_EQ(RoundTrip(absl::Microseconds(9'960)), "10 ms");
  EXPECT_EQ(RoundTrip(absl::Microseconds(12'400)), "12 ms");
  EXPECT_EQ(RoundTrip(absl::Milliseconds(1500)), "1.5 s");
}

}  // namespace
}  // namespace mailvane
