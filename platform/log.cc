#include "platform/log.h"

#include <unistd.h>

#include <atomic>

#include "absl/strings/escaping.h"
#include "absl/strings/str_format.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace mailvane {
namespace {

std::atomic<LogLevel> least_level{LogLevel::kInfo};
std::atomic<LogFormat> log_format{LogFormat::kLogfmt};

absl::string_view Name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug:
      return "debug";
    case LogLevel::kInfo:
      return "info";
    case LogLevel::kWarning:
      return "warning";
    case LogLevel::kError:
      return "error";
  }
  return "error";
}

bool IsBare(absl::string_view value) {
  if (value.empty()) return false;
  for (unsigned char c : value) {
    if (c <= ' ' || c >= 0x7f || c == '"' || c == '=' || c == '\\') return false;
  }
  return true;
}

// A JSON string, all ASCII: what is not is \u-escaped byte by byte, so that no
// terminal or log reader is led astray by what a stranger wrote.
std::string Quoted(absl::string_view value) {
  std::string out = "\"";
  for (unsigned char c : value) {
    if (c == '"' || c == '\\') {
      out += {'\\', static_cast<char>(c)};
    } else if (c < ' ' || c >= 0x7f) {
      absl::StrAppendFormat(&out, "\\u%04x", c);
    } else {
      out += static_cast<char>(c);
    }
  }
  return out += '"';
}

}  // namespace

void SetLogLevel(LogLevel least) { least_level = least; }
void SetLogFormat(LogFormat format) { log_format = format; }

absl::StatusOr<LogLevel> ParseLogLevel(absl::string_view name) {
  for (LogLevel level :
       {LogLevel::kDebug, LogLevel::kInfo, LogLevel::kWarning, LogLevel::kError}) {
    if (name == Name(level)) return level;
  }
  return absl::InvalidArgumentError(
      absl::StrCat("log level \"", absl::CHexEscape(name),
                   "\": is none of debug, info, warning, error"));
}

absl::StatusOr<LogFormat> ParseLogFormat(absl::string_view name) {
  if (name == "logfmt") return LogFormat::kLogfmt;
  if (name == "json") return LogFormat::kJson;
  return absl::InvalidArgumentError(absl::StrCat("log format \"", absl::CHexEscape(name),
                                                 "\": is neither logfmt nor json"));
}

std::string FormatLogLine(LogFormat format, absl::string_view timestamp, LogLevel level,
                          absl::string_view message,
                          std::initializer_list<LogField> fields) {
  if (format == LogFormat::kJson) {
    std::string line = absl::StrCat("{\"ts\":", Quoted(timestamp), ",\"level\":\"",
                                    Name(level), "\",\"msg\":", Quoted(message));
    for (const LogField& field : fields) {
      absl::StrAppend(&line, ",", Quoted(field.key), ":", Quoted(field.value));
    }
    return line + "}\n";
  }
  std::string line =
      absl::StrCat("ts=", timestamp, " level=", Name(level), " msg=", Quoted(message));
  for (const LogField& field : fields) {
    absl::StrAppend(&line, " ", field.key, "=",
                    IsBare(field.value) ? field.value : Quoted(field.value));
  }
  return line + "\n";
}

void Log(LogLevel level, absl::string_view message,
         std::initializer_list<LogField> fields) {
  if (level < least_level) return;
  const std::string line = FormatLogLine(
      log_format,
      absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", absl::Now(), absl::UTCTimeZone()), level,
      message, fields);
  // One write, so that lines of several threads do not mix.  There is nobody to
  // tell when standard error is gone.
  if (write(STDERR_FILENO, line.data(), line.size()) < 0) return;
}

}  // namespace mailvane
