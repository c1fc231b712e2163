#include "agent/analyze/redact.h"

#include "absl/strings/ascii.h"

namespace mailvane {
namespace {

// Whatever may stand in a local part unquoted, and what senders put there.
bool IsLocalPart(char c) {
  return absl::ascii_isalnum(c) ||
         absl::string_view("!#$%&'*+-/=?^_`{|}~.").find(c) != absl::string_view::npos;
}

}  // namespace

std::string Redact(absl::string_view text, size_t limit) {
  std::string out;
  size_t word = 0;  // where the local part that may be under way began, in `out`
  for (size_t i = 0; i < text.size(); ++i) {
    const char c = absl::ascii_isprint(text[i]) ? text[i] : '?';
    if (c == '@' && (word < out.size() || (!out.empty() && out.back() == '"'))) {
      // A quoted local part goes up to its opening quote.
      if (word == out.size()) {
        const size_t open = out.rfind('"', out.size() - 2);
        word = open == std::string::npos ? 0 : open;
      }
      out.replace(word, std::string::npos, "…");
    }
    out += c;
    if (!IsLocalPart(c)) word = out.size();
  }
  if (out.size() > limit) {
    out.resize(limit);
    // Not in the midst of the three bytes of an ellipsis.
    while (!out.empty() && (static_cast<unsigned char>(out.back()) & 0x80) != 0) {
      out.pop_back();
    }
    out += "…";
  }
  return out;
}

}  // namespace mailvane
