// A parsed line as `mailvane-agent parse` shows it.  docs/parse.md is the schema; a
// test holds the two together.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// In quotes.  Controls are escaped, and each byte that is no part of UTF-8 becomes
// U+FFFD, so that any bytes give a valid document.
void AppendJsonString(absl::string_view text, std::string* out);

// "2026-05-06T09:25:41.123456Z"; the fraction as far as there is one.
void AppendTime(absl::Time time, std::string* out);

// One object and a newline.  `place` is how it begins, up to the line's number:
// `{"file":"mail.log","line":`.
void AppendMailJson(absl::string_view place, uint64_t number, const SyslogLine& header,
                    const MailLine& line, std::string* out);

// For a person, a row of a table: time (in `zone`), daemon, kind, and the rest as
// name=value.  What would move a terminal's cursor is escaped.
void AppendMailRow(absl::TimeZone zone, const SyslogLine& header, const MailLine& line,
                   std::string* out);

// The names of all fields that a line's object can have, in their order.
std::vector<absl::string_view> MailJsonFields();

}  // namespace mailvane
