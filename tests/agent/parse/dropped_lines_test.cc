#include "agent/parse/dropped_lines.h"

#include <gtest/gtest.h>

namespace mailvane {
namespace {

TEST(DroppedLines, AreCountedWhereASyslogDaemonSaysSo) {
  struct Row {
    const char* tagged;
    std::optional<uint64_t> want;
  };
  const Row rows[] = {
      {"systemd-journald[300]: Suppressed 120 messages from postfix@-.service", 120},
      {"systemd-journald[300]: Suppressed 7 messages from "
       "/system.slice/system-postfix.slice/postfix@-.service",
       7},
      {"systemd-journald[300]: Suppressed 120 messages from cron.service", {}},
      {"systemd-journald[300]: Suppressed many messages from exim4.service", {}},
      {"rsyslogd: imuxsock[pid 812]: 45 messages lost due to rate-limiting (200 allowed "
       "within 5 seconds)",
       45},
      {"rsyslogd: imuxsock[pid: 812, name: /usr/sbin/exim4]: 45 messages lost due to "
       "rate-limiting (200 allowed within 5 seconds)",
       45},
      {"rsyslogd: imjournal: 3000 messages lost due to rate-limiting (20000 allowed "
       "within 600 seconds)",
       3000},
      {"rsyslogd-2177: imuxsock lost 45 messages from pid 812 due to rate-limiting", 45},
      {"rsyslogd: imuxsock[pid 812]: begin to drop messages due to rate-limiting", {}},
      {"rsyslogd: imuxsock lost its way", {}},
      {"last message repeated 3 times", 3},
      {"last message repeated once", {}},
      // A stranger's words, in the place of a text.
      {"postfix/smtpd[1]: last message repeated 3 times", {}},
      {"postfix/smtpd[1]: imuxsock lost 45 messages from pid 8 due to rate-limiting", {}},
  };
  for (const Row& row : rows) {
    SyslogReader reader(absl::UTCTimeZone());
    const auto line = reader.ParseTagged(row.tagged, absl::UnixEpoch(), "mx1");
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(LinesDropped(*line), row.want) << row.tagged;
  }
}

}  // namespace
}  // namespace mailvane
