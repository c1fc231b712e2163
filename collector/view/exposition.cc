#include "collector/view/exposition.h"

#include <charconv>
#include <cmath>
#include <cstdint>
#include <cstring>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

void AppendEscaped(absl::string_view text, bool quotes, std::string* out) {
  for (;;) {
    size_t plain = 0;
    while (plain < text.size() && text[plain] != '\\' && text[plain] != '\n' &&
           !(quotes && text[plain] == '"')) {
      ++plain;
    }
    out->append(text.data(), plain);
    if (plain == text.size()) return;
    out->push_back('\\');
    out->push_back(text[plain] == '\n' ? 'n' : text[plain]);
    text.remove_prefix(plain + 1);
  }
}

void AppendLabel(absl::string_view name, absl::string_view value, std::string* out) {
  out->append(name.data(), name.size());
  out->append("=\"", 2);
  AppendEscaped(value, /*quotes=*/true, out);
  out->push_back('"');
}

char* Copy(absl::string_view text, char* to) {
  if (!text.empty()) memcpy(to, text.data(), text.size());
  return to + text.size();
}

// The longest number, "-2.2250738585072014e-308", has 24.
constexpr size_t kValueBytes = 32;

// Writes at most kValueBytes; returns the end.
char* WriteValue(double value, char* to) {
  if (std::isnan(value)) return Copy("NaN", to);
  if (std::isinf(value)) return Copy(value < 0 ? "-Inf" : "+Inf", to);
  char* const end = to + kValueBytes;
  const double magnitude = std::abs(value);
  // Both bounds as printf's %.16g has them, whose text is the custom here.
  if (magnitude < 1e15 && value == static_cast<double>(static_cast<int64_t>(value))) {
    return std::to_chars(to, end, static_cast<int64_t>(value)).ptr;
  }
  const bool fixed = magnitude >= 1e-4 && magnitude < 1e16;
  return std::to_chars(to, end, value,
                       fixed ? std::chars_format::fixed : std::chars_format::scientific)
      .ptr;
}

// How much a media range of an Accept header is wanted, 0 to 1.
double Quality(const std::vector<absl::string_view>& parameters) {
  for (size_t i = 1; i < parameters.size(); ++i) {
    absl::string_view parameter = absl::StripAsciiWhitespace(parameters[i]);
    double quality = 0;
    if (absl::ConsumePrefix(&parameter, "q=")) {
      return absl::SimpleAtod(parameter, &quality) ? quality : 0;
    }
  }
  return 1;
}

}  // namespace

ExpositionFormat NegotiateExposition(absl::string_view accept) {
  double text = 0;
  double open_metrics = 0;
  for (const absl::string_view range : absl::StrSplit(accept, ',')) {
    const std::vector<absl::string_view> parameters = absl::StrSplit(range, ';');
    const absl::string_view type = absl::StripAsciiWhitespace(parameters[0]);
    if (absl::EqualsIgnoreCase(type, "application/openmetrics-text")) {
      open_metrics = std::max(open_metrics, Quality(parameters));
    } else if (absl::EqualsIgnoreCase(type, "text/plain")) {
      text = std::max(text, Quality(parameters));
    }
  }
  return open_metrics > text ? ExpositionFormat::kOpenMetrics : ExpositionFormat::kText;
}

const char* ContentType(ExpositionFormat format) {
  switch (format) {
    case ExpositionFormat::kText:
      return "text/plain; version=0.0.4; charset=utf-8";
    case ExpositionFormat::kOpenMetrics:
      return "application/openmetrics-text; version=1.0.0; charset=utf-8";
  }
  return "";
}

const char* Name(MetricType type) {
  switch (type) {
    case MetricType::kCounter:
      return "counter";
    case MetricType::kGauge:
      return "gauge";
  }
  return "";
}

std::string RenderLabel(absl::string_view name, absl::string_view value) {
  std::string out;
  AppendLabel(name, value, &out);
  return out;
}

void AppendMetricValue(double value, std::string* out) {
  char buffer[kValueBytes];
  out->append(buffer, WriteValue(value, buffer) - buffer);
}

void Exposition::Family(absl::string_view name, MetricType type, absl::string_view help) {
  name_.assign(name.data(), name.size());
  // OpenMetrics names a counter's family without the _total of its samples.
  absl::string_view family = name;
  if (format_ == ExpositionFormat::kOpenMetrics && type == MetricType::kCounter) {
    absl::ConsumeSuffix(&family, "_total");
  }
  pending_ = absl::StrCat("# HELP ", family, " ");
  AppendEscaped(help, /*quotes=*/format_ == ExpositionFormat::kOpenMetrics, &pending_);
  absl::StrAppend(&pending_, "\n# TYPE ", family, " ", mailvane::Name(type), "\n");
}

void Exposition::Sample(absl::string_view shared,
                        std::initializer_list<MetricLabel> labels, double value) {
  if (!pending_.empty()) {
    text_.append(pending_);
    pending_.clear();
  }
  // A line is put together on the stack and appended at once, which halves the
  // time of appending each piece.  Escaping may double a value.
  size_t most = name_.size() + shared.size() + kValueBytes + 4;
  for (const MetricLabel& label : labels) {
    most += label.name.size() + 2 * label.value.size() + 4;
  }
  char line[512];
  std::string long_line;
  char* const begin =
      most <= sizeof(line) ? line : (long_line.resize(most), &long_line[0]);
  char* end = Copy(name_, begin);
  if (!shared.empty() || labels.size() > 0) {
    *end++ = '{';
    end = Copy(shared, end);
    bool first = shared.empty();
    for (const MetricLabel& label : labels) {
      if (!first) *end++ = ',';
      first = false;
      end = Copy(label.name, end);
      *end++ = '=';
      *end++ = '"';
      for (const char c : label.value) {
        if (c == '\\' || c == '"' || c == '\n') *end++ = '\\';
        *end++ = c == '\n' ? 'n' : c;
      }
      *end++ = '"';
    }
    *end++ = '}';
  }
  *end++ = ' ';
  end = WriteValue(value, end);
  *end++ = '\n';
  text_.append(begin, end - begin);
}

std::string Exposition::Finish() && {
  if (format_ == ExpositionFormat::kOpenMetrics) text_.append("# EOF\n");
  return std::move(text_);
}

}  // namespace mailvane
