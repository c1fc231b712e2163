// HTML, written so that data cannot become markup: markup is literals only, and
// everything else is escaped.
//
//   Html out;
//   out << "<td>" << Escaped(system.name) << "</td>";
//
// A std::string or a pointer does not compile on the right of <<.
#pragma once

#include <cstdint>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailvane {

// Markup that stands in the program's text.
class HtmlLiteral {
 public:
  template <size_t N>
  constexpr HtmlLiteral(const char (&text)[N])  // NOLINT: implicit on purpose
      : text_(text, N - 1) {}
  // A buffer is no literal.
  template <size_t N>
  HtmlLiteral(char (&text)[N]) = delete;  // NOLINT
  absl::string_view text() const { return text_; }

 private:
  absl::string_view text_;
};

// Text for an element's content or a quoted attribute's value.  Characters that
// are markup become references; control characters, and those that turn the
// direction of writing, become U+FFFD, as does what is no UTF-8.  Line breaks and
// tabs become spaces.
struct Escaped {
  explicit Escaped(absl::string_view text) : text(text) {}
  absl::string_view text;
};

class Html {
 public:
  Html& operator<<(HtmlLiteral markup) {
    text_.append(markup.text().data(), markup.text().size());
    return *this;
  }
  Html& operator<<(Escaped text);
  template <typename Number,
            typename = std::enable_if_t<std::is_integral<Number>::value &&
                                        !std::is_same<Number, bool>::value &&
                                        !std::is_same<Number, char>::value>>
  Html& operator<<(Number number) {
    text_.append(std::to_string(number));
    return *this;
  }
  Html& operator<<(const Html& part) {
    text_.append(part.text_);
    return *this;
  }

  const std::string& text() const { return text_; }
  std::string Take() && { return std::move(text_); }

 private:
  std::string text_;
};

// <time datetime="2026-03-14T12:45:03Z">14 Mar 2026 12:45:03 UTC</time>
Html TimeElement(absl::Time time);

// As Escaped, as text: for JSON and plain text that people read.
std::string WithoutControlCharacters(absl::string_view text);

// "12:45:03 UTC", "14 Mar 2026 12:45:03 UTC".
std::string ClockTime(absl::Time time);
std::string DateAndTime(absl::Time time);
// "8 s", "4 min", "3 h", "2 d"; never negative.
std::string ShortDuration(absl::Duration duration);
// "0.9 ms", "12 ms", "1.5 s".
std::string RoundTrip(absl::Duration duration);

}  // namespace mailvane
