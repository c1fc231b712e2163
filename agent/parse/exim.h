// Lines of Exim's main log, from its own file or through syslog (4.8x to 4.98).
#pragma once

#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// False: not of Exim.  A line of Exim that is none of those we read is kOther.
// `out` is a fresh MailLine.  Never allocates.
bool ParseExim(const SyslogLine& line, MailLine* out);

}  // namespace mailvane
