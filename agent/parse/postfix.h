// Lines of Postfix's daemons, from its source's format strings (2.3 to 3.11).
#pragma once

#include <optional>

#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// False: the program is not a part of Postfix.  A line of Postfix that is none of
// those we read is kOther.  `out` is a fresh MailLine.  Never allocates.
bool ParsePostfix(const SyslogLine& line, MailLine* out);
// The same, absent for false.
std::optional<MailLine> ParsePostfix(const SyslogLine& line);

}  // namespace mailvane
