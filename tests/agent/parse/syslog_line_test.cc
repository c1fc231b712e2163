#include "agent/parse/syslog_line.h"

#include <gtest/gtest.h>

#include "absl/time/civil_time.h"

namespace mailvane {
namespace {

absl::TimeZone Berlin() {
  absl::TimeZone zone;
  // Tests need no zone files: an hour east all year does as well.
  if (!absl::LoadTimeZone("Europe/Berlin", &zone)) zone = absl::FixedTimeZone(3600);
  return zone;
}

absl::Time Utc(const char* text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, text, &time, &error)) << error;
  return time;
}

TEST(SyslogLine, ReadsEachHeader) {
  struct Row {
    const char* line;
    const char* time;
    const char* host;
    const char* instance;
    const char* service;
    const char* daemon;
    uint32_t pid;
    const char* text;
  };
  const Row rows[] = {
      {"May  6 09:25:41 mx1 postfix/submission/smtpd[812]: connect from x",
       "2026-05-06T09:25:41Z", "mx1", "postfix", "submission", "smtpd", 812,
       "connect from x"},
      {"May 16 09:25:41 mx1 postfix-out/smtp[8]: to=<x>", "2026-05-16T09:25:41Z", "mx1",
       "postfix-out", "", "smtp", 8, "to=<x>"},
      {"<22>May 16 09:25:41 mx1 dovecot: imap-login: Login", "2026-05-16T09:25:41Z",
       "mx1", "", "", "dovecot", 0, "imap-login: Login"},
      {"2026-05-12T00:01:47.478629+02:00 mx1 postfix/qmgr[1]: A: removed",
       "2026-05-11T22:01:47.478629Z", "mx1", "postfix", "", "qmgr", 1, "A: removed"},
      {"2026-05-12T00:01:47Z mx1 exim[1]: x", "2026-05-12T00:01:47Z", "mx1", "", "",
       "exim", 1, "x"},
      {"<22>1 2026-05-12T00:01:47.5-01:30 mx1.example.net postfix/smtpd 77 - - hi",
       "2026-05-12T01:31:47.5Z", "mx1.example.net", "postfix", "", "smtpd", 77, "hi"},
      {"1 2026-05-12T00:01:47Z mx1 postfix/smtpd 77 ID [a b=\"]\\\"\"][c] \xef\xbb\xbfhi",
       "2026-05-12T00:01:47Z", "mx1", "postfix", "", "smtpd", 77, "hi"},
      {"May  6 09:25:41 mx1 last message repeated 3 times", "2026-05-06T09:25:41Z", "mx1",
       "", "", "", 0, "last message repeated 3 times"},
      {"May  6 09:25:41 mx1 postfix/smtpd[1x]: hi", "2026-05-06T09:25:41Z", "mx1", "", "",
       "", 0, "postfix/smtpd[1x]: hi"},
      // journalctl -o short-iso, short-precise, short.
      {"2026-05-12T00:01:47+0200 mx1 postfix/qmgr[1]: A: removed",
       "2026-05-11T22:01:47Z", "mx1", "postfix", "", "qmgr", 1, "A: removed"},
      {"2026-05-12T00:01:47.25-0330 mx1 postfix/qmgr[1]: A: removed",
       "2026-05-12T03:31:47.25Z", "mx1", "postfix", "", "qmgr", 1, "A: removed"},
      {"May 06 09:25:41.250000 mx1 postfix/qmgr[1]: A: removed",
       "2026-05-06T09:25:41.25Z", "mx1", "postfix", "", "qmgr", 1, "A: removed"},
      {"May 06 09:25:41 mx1 postfix/qmgr[1]: A: removed", "2026-05-06T09:25:41Z", "mx1",
       "postfix", "", "qmgr", 1, "A: removed"},
      // A leap second.
      {"2016-12-31T23:59:60Z mx1 postfix/qmgr[1]: A: removed", "2017-01-01T00:00:00Z",
       "mx1", "postfix", "", "qmgr", 1, "A: removed"},
      // Hosts with dots, and of IPv6.
      {"May  6 09:25:41 mx1.example.net postfix/qmgr[1]: x", "2026-05-06T09:25:41Z",
       "mx1.example.net", "postfix", "", "qmgr", 1, "x"},
      {"May  6 09:25:41 2001:db8::25 postfix/qmgr[1]: x", "2026-05-06T09:25:41Z",
       "2001:db8::25", "postfix", "", "qmgr", 1, "x"},
      {"<22>May  6 09:25:41 2001:db8::25 postfix/qmgr[1]: x\r", "2026-05-06T09:25:41Z",
       "2001:db8::25", "postfix", "", "qmgr", 1, "x"},
      // FreeBSD's syslogd -v.
      {"May  6 09:25:41 <mail.info> mx1 postfix/qmgr[1]: x", "2026-05-06T09:25:41Z",
       "mx1", "postfix", "", "qmgr", 1, "x"},
      {"\xef\xbb\xbfMay  6 09:25:41 mx1 postfix/qmgr[1]: x", "2026-05-06T09:25:41Z",
       "mx1", "postfix", "", "qmgr", 1, "x"},
      {"May  6 09:25:41 mx1 postfix/smtpd[1]:\r", "2026-05-06T09:25:41Z", "mx1",
       "postfix", "", "smtpd", 1, ""},
  };
  for (const Row& row : rows) {
    SCOPED_TRACE(row.line);
    SyslogReader reader(absl::UTCTimeZone());
    const auto line = reader.Parse(row.line, Utc("2026-11-23T00:00:00Z"));
    ASSERT_TRUE(line.has_value());
    EXPECT_EQ(line->time, Utc(row.time));
    EXPECT_EQ(line->host, row.host);
    EXPECT_EQ(line->instance, row.instance);
    EXPECT_EQ(line->service, row.service);
    EXPECT_EQ(line->daemon, row.daemon);
    EXPECT_EQ(line->pid, row.pid);
    EXPECT_EQ(line->text, row.text);
  }
}

TEST(SyslogLine, RefusesWhatHasNoHeader) {
  SyslogReader reader(absl::UTCTimeZone());
  for (const char* line : {
           "",
           "May  6 09:25:41",
           "May 32 09:25:41 mx1 x[1]: y",
           "Mai  6 09:25:41 mx1 x[1]: y",
           "May  6 29:25:41 mx1 x[1]: y",
           "2026-13-12T00:01:47Z mx1 x[1]: y",
           "2026-05-12T00:01:47+02 mx1 x[1]: y",
           "May  6 09:25:41.x mx1 x[1]: y",
           "May  6 09:25:41 <mail.info mx1 x[1]: y",
           "2026-05-12T00:01:47 mx1 x[1]: yyyy",
           "2023-13-23 14:06:16 dovecot_login authenticator failed",
           "2023-04-23 14:66:16 dovecot_login authenticator failed",
           "[20-Oct-2020 14:56:10 +0100]: <ca0a80a9> User u",
           "1 2026-05-12T00:01:47Z mx1 postfix/smtpd 77 ID [a b=\"] hi",
       }) {
    EXPECT_FALSE(reader.Parse(line, Utc("2026-11-23T00:00:00Z")).has_value()) << line;
  }
}

// The files that Exim and Dovecot write themselves.
TEST(SyslogLine, KnowsHeadersWithoutAHost) {
  struct Row {
    const char* line;
    const char* time;
    const char* host;
    const char* program;
    const char* text;
  };
  const Row rows[] = {
      {"2023-04-23 14:06:16 dovecot_login authenticator failed", "2023-04-23T12:06:16Z",
       "", "exim", "dovecot_login authenticator failed"},
      {"2023-04-23 14:06:16.250 +0100 [812] 1rVDhn-0001bo-D3 Completed",
       "2023-04-23T13:06:16.25Z", "", "exim", "[812] 1rVDhn-0001bo-D3 Completed"},
      {"2023-04-23 14:06:17 mx1 postfix/smtpd[9]: connect", "2023-04-23T12:06:17Z", "mx1",
       "postfix/smtpd", "connect"},
      {"2023-04-23 14:06:17 imap-login: Info: Login: x", "2023-04-23T12:06:17Z", "",
       "dovecot", "imap-login: Info: Login: x"},
      {"Apr 23 14:06:17 imap-login: Info: Login: x", "2023-04-23T12:06:17Z", "",
       "dovecot", "imap-login: Info: Login: x"},
      {"Apr 23 14:06:17 auth-worker(8): Error: x", "2023-04-23T12:06:17Z", "", "dovecot",
       "auth-worker(8): Error: x"},
      {"Apr 23 14:06:17 postfix/smtpd[9]: connect", "2023-04-23T12:06:17Z", "",
       "postfix/smtpd", "connect"},
  };
  absl::TimeZone berlin;
  ASSERT_TRUE(absl::LoadTimeZone("Europe/Berlin", &berlin));
  for (const Row& row : rows) {
    SyslogReader reader(berlin);
    const auto line = reader.Parse(row.line, Utc("2023-11-23T00:00:00Z"));
    ASSERT_TRUE(line.has_value()) << row.line;
    EXPECT_EQ(absl::FormatTime(absl::RFC3339_full, line->time, absl::UTCTimeZone()),
              absl::FormatTime(absl::RFC3339_full, Utc(row.time), absl::UTCTimeZone()));
    EXPECT_EQ(line->host, row.host) << row.line;
    EXPECT_EQ(line->program, row.program) << row.line;
    EXPECT_EQ(line->text, row.text) << row.line;
  }
}

TEST(SyslogLine, InfersTheYear) {
  struct Row {
    const char* now;
    const char* lines[3];
    const char* times[3];
  };
  const Row rows[] = {
      // The log of a year that ends.
      {"2026-01-02T00:00:00Z",
       {"Dec 31 23:59:59 h p: x", "Jan  1 00:00:00 h p: x", "Dec 31 23:59:58 h p: x"},
       {"2025-12-31T23:59:59Z", "2026-01-01T00:00:00Z", "2025-12-31T23:59:58Z"}},
      // A clock that is an hour ahead of ours.
      {"2025-12-31T23:30:00Z",
       {"Jan  1 00:30:00 h p: x", "Dec 31 23:59:59 h p: x", "Jan  1 00:30:00 h p: x"},
       {"2026-01-01T00:30:00Z", "2025-12-31T23:59:59Z", "2026-01-01T00:30:00Z"}},
      // Only one year near has that day.
      {"2025-03-01T00:00:00Z",
       {"Feb 29 12:00:00 h p: x", "Mar  1 12:00:00 h p: x", "Feb 29 12:00:01 h p: x"},
       {"2024-02-29T12:00:00Z", "2024-03-01T12:00:00Z", "2024-02-29T12:00:01Z"}},
  };
  for (const Row& row : rows) {
    SyslogReader reader(absl::UTCTimeZone());
    for (int i = 0; i < 3; ++i) {
      const auto line = reader.Parse(row.lines[i], Utc(row.now));
      ASSERT_TRUE(line.has_value()) << row.now << " " << row.lines[i];
      EXPECT_EQ(line->time, Utc(row.times[i])) << row.now << " " << row.lines[i];
    }
  }
}

TEST(SyslogLine, OneLineFromTheFutureTakesNoneAlong) {
  struct Row {
    const char* line;
    const char* time;
    bool suspect;
  };
  const Row rows[] = {
      {"May  6 09:25:41 h p: x", "2026-05-06T09:25:41Z", false},
      {"2090-01-01T00:00:00Z h p: x", "2090-01-01T00:00:00Z", true},
      {"May  6 09:25:42 h p: x", "2026-05-06T09:25:42Z", false},
      // Before now, and yet nobody else says so.
      {"Oct 20 09:25:42 h p: x", "2026-10-20T09:25:42Z", true},
      {"May  6 09:26:43 h p: x", "2026-05-06T09:26:43Z", false},
      {"Oct 23 00:20:00 h p: x", "2026-10-23T00:20:00Z", true},
      {"May  6 09:27:43 h p: x", "2026-05-06T09:27:43Z", false},
      // A gap: the second line believes the first.
      {"Oct 22 01:00:00 h p: x", "2026-10-22T01:00:00Z", true},
      {"Oct 22 01:01:00 h p: x", "2026-10-22T01:01:00Z", false},
      {"Oct 23 00:10:00 h p: x", "2026-10-23T00:10:00Z", false},
      {"Oct 23 00:16:00 h p: x", "2026-10-23T00:16:00Z", true},
      {"Oct 22 01:02:00 h p: x", "2026-10-22T01:02:00Z", false},
  };
  SyslogReader reader(absl::UTCTimeZone());
  for (const Row& row : rows) {
    const auto line = reader.Parse(row.line, Utc("2026-10-23T00:00:00Z"));
    ASSERT_TRUE(line.has_value()) << row.line;
    EXPECT_EQ(line->time, Utc(row.time)) << row.line;
    EXPECT_EQ(line->clock_suspect, row.suspect) << row.line;
  }
}

TEST(SyslogLine, AHeaderWithoutAZoneIsInTheHosts) {
  SyslogReader reader(Berlin());
  const auto line =
      reader.Parse("Jan  6 09:25:41 mx1 x[1]: y", Utc("2026-01-23T00:00:00Z"));
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->time, Utc("2026-01-06T08:25:41Z"));
}

TEST(SyslogLine, TheJournalsEntriesHaveTheirHeadBeside) {
  SyslogReader reader(absl::UTCTimeZone());
  const auto line = reader.ParseTagged("postfix/smtpd[7]: hi", absl::UnixEpoch(), "mx1");
  ASSERT_TRUE(line.has_value());
  EXPECT_EQ(line->daemon, "smtpd");
  EXPECT_EQ(line->pid, 7u);
  EXPECT_EQ(line->host, "mx1");
  EXPECT_EQ(line->text, "hi");
}

}  // namespace
}  // namespace mailvane
