#include "collector/view/html.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailvane {
namespace {

constexpr absl::string_view kReplacement = "\xEF\xBF\xBD";  // U+FFFD

// The first code point of `text` and its length in bytes; 0xFFFFFFFF and 1 when it
// is not well-formed (RFC 3629: no overlong forms, no surrogates).
struct CodePoint {
  uint32_t value;
  size_t bytes;
};
CodePoint Decode(absl::string_view text) {
  constexpr CodePoint kBad = {0xFFFFFFFF, 1};
  const auto byte = [&](size_t i) { return static_cast<unsigned char>(text[i]); };
  const unsigned char lead = byte(0);
  if (lead < 0x80) return {lead, 1};
  const size_t bytes = lead >= 0xF0 ? 4 : lead >= 0xE0 ? 3 : 2;
  if (lead < 0xC2 || lead > 0xF4 || text.size() < bytes) return kBad;
  uint32_t value = lead & (0x7F >> bytes);
  for (size_t i = 1; i < bytes; ++i) {
    if ((byte(i) & 0xC0) != 0x80) return kBad;
    value = value << 6 | (byte(i) & 0x3F);
  }
  constexpr uint32_t kSmallest[] = {0, 0, 0x80, 0x800, 0x10000};
  if (value < kSmallest[bytes] || value > 0x10FFFF ||
      (value >= 0xD800 && value < 0xE000)) {
    return kBad;
  }
  return {value, bytes};
}

bool IsHarmful(uint32_t c) {
  return c < 0x20 || (c >= 0x7F && c < 0xA0) ||                   // C0, DEL, C1
         c == 0x61C || c == 0x200E || c == 0x200F ||              // direction marks
         (c >= 0x202A && c <= 0x202E) ||                          // embeddings, overrides
         (c >= 0x2066 && c <= 0x2069) ||                          // isolates
         c == 0x2028 || c == 0x2029 ||                            // line separators
         c == 0xFEFF || (c >= 0xFFF9 && c <= 0xFFFB) ||           // marks nobody sees
         (c >= 0xE0000 && c <= 0xE007F) ||                        // tags
         (c & 0xFFFE) == 0xFFFE || (c >= 0xFDD0 && c <= 0xFDEF);  // no characters
}

void AppendClean(absl::string_view text, bool escape, std::string* out) {
  while (!text.empty()) {
    const CodePoint c = Decode(text);
    if (c.value == '\n' || c.value == '\t' || c.value == '\r') {
      out->push_back(' ');
    } else if (c.value == 0xFFFFFFFF || IsHarmful(c.value)) {
      out->append(kReplacement.data(), kReplacement.size());
    } else if (escape && c.value == '&') {
      out->append("&amp;");
    } else if (escape && c.value == '<') {
      out->append("&lt;");
    } else if (escape && c.value == '>') {
      out->append("&gt;");
    } else if (escape && c.value == '"') {
      out->append("&quot;");
    } else if (escape && c.value == '\'') {
      out->append("&#39;");
    } else {
      out->append(text.data(), c.bytes);
    }
    text.remove_prefix(c.bytes);
  }
}

}  // namespace

Html& Html::operator<<(Escaped text) {
  AppendClean(text.text, /*escape=*/true, &text_);
  return *this;
}

Html TimeElement(absl::Time time) {
  Html out;
  out << "<time datetime=\""
      << Escaped(absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", time, absl::UTCTimeZone()))
      << "\">" << Escaped(DateAndTime(time)) << "</time>";
  return out;
}

std::string WithoutControlCharacters(absl::string_view text) {
  std::string out;
  AppendClean(text, /*escape=*/false, &out);
  return out;
}

std::string ClockTime(absl::Time time) {
  return absl::FormatTime("%H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string DateAndTime(absl::Time time) {
  return absl::FormatTime("%-d %b %Y %H:%M:%S UTC", time, absl::UTCTimeZone());
}

std::string ShortDuration(absl::Duration duration) {
  const int64_t seconds = std::max<int64_t>(0, absl::ToInt64Seconds(duration));
  if (seconds < 120) return absl::StrCat(seconds, " s");
  if (seconds < 2 * 3600) return absl::StrCat(seconds / 60, " min");
  if (seconds < 2 * 86'400) return absl::StrCat(seconds / 3600, " h");
  return absl::StrCat(seconds / 86'400, " d");
}

std::string RoundTrip(absl::Duration duration) {
  const double milliseconds = absl::ToDoubleMilliseconds(duration);
  if (milliseconds < 9.95) return absl::StrFormat("%.1f ms", std::max(0.0, milliseconds));
  if (milliseconds < 999.5) return absl::StrFormat("%.0f ms", milliseconds);
  return absl::StrFormat("%.1f s", milliseconds / 1000);
}

}  // namespace mailvane
