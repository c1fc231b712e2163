// Lines of Postfix's daemons, from its source's format strings (2.3 to 3.11).
#pragma once

#include <optional>

#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// Absent: the program is not a part of Postfix.  A line of Postfix that is none of
// those we read is kOther.  Never allocates.
std::optional<MailLine> ParsePostfix(const SyslogLine& line);

}  // namespace mailvane
