// What the programs say to the operator: one line each, to standard error, as
// logfmt or JSON.
//
//   Log(LogLevel::kWarning, "outbox is full", {{"bytes", 67108864}});
//   → ts=2026-05-01T12:00:00Z level=warning msg="outbox is full" bytes=67108864
//
// INFO is start, stop and configuration; WARNING recovered, and the operator
// may care; ERROR lost data or needs a hand.  Nothing is said for each line or
// report: that is counted.  Values are escaped, so that text from a mail log
// stays inside its quotes and off the terminal's controls.
#pragma once

#include <initializer_list>
#include <string>
#include <type_traits>
#include <utility>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace mailvane {

enum class LogLevel { kDebug, kInfo, kWarning, kError };
enum class LogFormat { kLogfmt, kJson };

struct LogField {
  LogField(absl::string_view key, absl::string_view value) : key(key), value(value) {}
  LogField(absl::string_view key, const char* value) : key(key), value(value) {}
  LogField(absl::string_view key, const std::string& value) : key(key), value(value) {}
  LogField(absl::string_view key, const absl::Status& value)
      : key(key), value(value.message()) {}
  template <typename Number, typename = std::enable_if_t<std::is_arithmetic_v<Number>>>
  LogField(absl::string_view key, Number value) : key(key), value(absl::StrCat(value)) {}

  std::string key;
  std::string value;
};

// Set once, before the first thread starts.
void SetLogLevel(LogLevel least);
void SetLogFormat(LogFormat format);
absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name);
absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view name);

// From any thread; a line is written whole.
void Log(LogLevel level, absl::string_view message,
         std::initializer_list<LogField> fields = {});

// The line that Log writes, newline included.
std::string FormatLogLine(LogFormat format, absl::string_view timestamp, LogLevel level,
                          absl::string_view message,
                          std::initializer_list<LogField> fields);

}  // namespace mailvane
