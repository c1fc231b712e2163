// What a syslog daemon says in the log about lines that it dropped before they
// came there, because a program wrote too many in too short a time.
//
//   systemd-journald[300]: Suppressed 120 messages from postfix@-.service
//   rsyslogd: imuxsock[pid 812]: 45 messages lost due to rate-limiting (200 allowed ...
//   rsyslogd-2177: imuxsock lost 45 messages from pid 812 due to rate-limiting
//   last message repeated 3 times
//
// The last one's lines are known, and those of the program before; they come from
// daemons that no Debian runs, and are counted as dropped.  rsyslog's "message
// repeated 3 times: [ ... ]" has its line within, and is read (mail.h).
//
// (systemd: src/journal/journald-server.c; rsyslog: runtime/ratelimit.c.)
#pragma once

#include <cstdint>
#include <optional>

#include "agent/parse/syslog_line.h"

namespace mailvane {

// Absent: not such a line, or about a unit of systemd that is no mail program's.
std::optional<uint64_t> LinesDropped(const SyslogLine& line);

}  // namespace mailvane
