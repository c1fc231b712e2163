// The accounting lines of Sendmail and OpenSMTPD: as much as counts need, of servers
// whose fleet is otherwise Postfix or Exim.
#pragma once

#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// False: not of this program.  What is none of the lines that we read is kOther.
// `out` is a fresh MailLine.  Neither allocates.
bool ParseSendmail(const SyslogLine& line, MailLine* out);
bool ParseOpenSmtpd(const SyslogLine& line, MailLine* out);

}  // namespace mailvane
