// A line of any mail program that we read.
#pragma once

#include <optional>

#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// Longer texts are kOther: no mail program writes them, and what can't be told from
// a stranger's words costs time to find out.
inline constexpr size_t kLongestMailText = 32 << 10;

// Absent: of no mail program that we know.  Never allocates.
std::optional<MailLine> ParseMail(const SyslogLine& line);

}  // namespace mailvane
