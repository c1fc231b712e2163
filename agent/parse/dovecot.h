// Lines of Dovecot (2.2 to 2.4), from syslog or its own file: who logged in, who could
// not, and why.
//
// It can be told to log passwords.  What is behind "given password" is in no field.
#pragma once

#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// False: not of Dovecot.  A line of Dovecot that is none of those we read is kOther.
// `out` is a fresh MailLine.  Never allocates.
bool ParseDovecot(const SyslogLine& line, MailLine* out);

}  // namespace mailvane
