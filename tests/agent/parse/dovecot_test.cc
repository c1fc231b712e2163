#include "agent/parse/dovecot.h"

#include <gtest/gtest.h>

#include "tests/agent/parse/describe.h"

namespace mailvane {
namespace {

struct Row {
  const char* text;
  const char* want;
};

void Check(const Row& row) {
  SCOPED_TRACE(row.text);
  SyslogLine line;
  SplitProgram("dovecot", &line);
  line.text = row.text;
  MailLine mail;
  ASSERT_TRUE(ParseDovecot(line, &mail));
  EXPECT_EQ(Describe(mail), row.want);
}

TEST(Dovecot, ReadsItsLines) {
  const Row rows[] = {
      {"imap-login: Login: user=<ann@example.net>, method=PLAIN, rip=192.0.2.7, "
       "lip=198.51.100.1, mpid=812, TLS, session=<abc>",
       "login ip=192.0.2.7 account=ann@example.net method=PLAIN service=imap-login"},
      {"pop3-login: Info: Login: user=<ann>, rip=2001:db8::7, lip=::1, secured",
       "login ip=2001:db8::7 account=ann service=pop3-login"},
      {"submission-login: Login: user=<ann>, method=LOGIN, rip=192.0.2.7, lip=x",
       "login ip=192.0.2.7 account=ann method=LOGIN service=submission-login"},
      {"imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<ann>, "
       "method=PLAIN, rip=192.0.2.7, lip=198.51.100.1, TLS, session=<abc>",
       "login_failed ip=192.0.2.7 account=ann method=PLAIN service=imap-login "
       "reply=Disconnected (auth failed, 1 attempts in 6 secs)"},
      {"imap-login: Disconnected: Connection closed (auth failed, 2 attempts in 9 "
       "secs): user=<ann>, method=PLAIN, rip=192.0.2.7, lip=x",
       "login_failed ip=192.0.2.7 account=ann method=PLAIN service=imap-login "
       "reply=Disconnected: Connection closed (auth failed, 2 attempts in 9 secs)"},
      {"imap-login: Login aborted: Logged out (auth failed, 1 attempts in 2 secs) "
       "(auth_failed): user=<ann>, method=PLAIN, rip=192.0.2.7, lip=x, session=<y>",
       "login_failed ip=192.0.2.7 account=ann method=PLAIN service=imap-login "
       "reply=Login aborted: Logged out (auth failed, 1 attempts in 2 secs) "
       "(auth_failed)"},
      {"imap-login: Aborted login (tried to use disallowed plaintext auth): user=<>, "
       "rip=192.0.2.7, lip=x",
       "login_failed ip=192.0.2.7 service=imap-login reply=Aborted login (tried to use "
       "disallowed plaintext auth)"},
      {"imap-login: Aborted login (no auth attempts in 1 secs): user=<>, rip=192.0.2.7, "
       "lip=x, session=<y>",
       "disconnect ip=192.0.2.7 service=imap-login"},
      {"imap-login: Login aborted: Connection closed (no auth attempts in 0 secs) "
       "(no_auth_attempts): user=<>, rip=192.0.2.7, lip=x",
       "disconnect ip=192.0.2.7 service=imap-login"},
      {"imap-login: Disconnected (no auth attempts in 0 secs): rip=192.0.2.7, lip=x",
       "disconnect ip=192.0.2.7 service=imap-login"},
      {"auth: passwd-file(ann,192.0.2.7,<abc>): unknown user",
       "auth_failed ip=192.0.2.7 account=ann service=auth reply=unknown user"},
      {"auth-worker(812): Info: sql(ann@example.net,192.0.2.7): Password mismatch",
       "auth_failed ip=192.0.2.7 account=ann@example.net service=auth-worker "
       "reply=Password mismatch"},
      {"auth-worker(812): conn unix:auth-worker (pid=1,uid=2): auth-worker<6>: "
       "pam(ann,192.0.2.7,<x>): pam_authenticate() failed: Authentication failure "
       "(Password mismatch?)",
       "auth_failed ip=192.0.2.7 account=ann service=auth-worker "
       "reply=pam_authenticate() failed: Authentication failure (Password mismatch?)"},
      {"auth(ann,192.0.2.7,sasl:plain)<812><abc>: sql: Password mismatch",
       "auth_failed ip=192.0.2.7 account=ann method=plain service=auth reply=Password "
       "mismatch"},
      {"auth: sql(ann,192.0.2.7): query: SELECT 1", "other service=auth"},
      {"imap(ann)<812><abc>: Disconnected: Logged out in=1 out=2", "other service=imap"},
      {"master: Dovecot v2.4.0 starting up", "other service=master"},
  };
  for (const Row& row : rows) Check(row);
}

TEST(Dovecot, NeverShowsAPassword) {
  const Row rows[] = {
      {"auth: sql(ann,192.0.2.7): Password mismatch (given password: secret)",
       "auth_failed ip=192.0.2.7 account=ann service=auth reply=Password mismatch"},
      {"auth: sql(ann,192.0.2.7): unknown user (SHA1 of given password: 21bd12)",
       "auth_failed ip=192.0.2.7 account=ann service=auth reply=unknown user"},
      {"auth: sql(ann,192.0.2.7): unknown user (given password: a (given password: b): "
       "c)",
       "auth_failed AMBIGUOUS service=auth"},
      {"auth(ann,192.0.2.7,sasl:plain)<812>: sql: Password mismatch (given password: "
       "secret)",
       "auth_failed ip=192.0.2.7 account=ann method=plain service=auth reply=Password "
       "mismatch"},
      {"auth: Debug: client in: AUTH 1 PLAIN resp=AGFubgBzZWNyZXQ=",
       "other service=auth"},
  };
  for (const Row& row : rows) Check(row);
}

TEST(Dovecot, BelievesNothingThatAStrangerCouldHaveWritten) {
  const Row rows[] = {
      {"imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<ceo>, "
       "method=PLAIN, rip=192.0.2.1, x>, method=PLAIN, rip=192.0.2.7, lip=x",
       "login_failed AMBIGUOUS service=imap-login reply=Disconnected (auth failed, 1 "
       "attempts in 6 secs)"},
      {"imap-login: Disconnected (auth failed, 1 attempts in 6 secs): user=<ceo>, x>, "
       "method=PLAIN, rip=192.0.2.7, lip=x",
       "login_failed AMBIGUOUS service=imap-login reply=Disconnected (auth failed, 1 "
       "attempts in 6 secs)"},
      {"imap-login: Login: user=<user=<ceo>, method=PLAIN, rip=192.0.2.7, lip=x, "
       "user=<y>",
       "login AMBIGUOUS service=imap-login"},
      {"auth: sql(ceo,192.0.2.1): unknown user,192.0.2.7): Password mismatch",
       "auth_failed AMBIGUOUS service=auth"},
      {"auth: sql(ceo,192.0.2.1,192.0.2.7,<x>): Password mismatch",
       "auth_failed AMBIGUOUS service=auth reply=Password mismatch"},
  };
  for (const Row& row : rows) Check(row);
}

}  // namespace
}  // namespace mailvane
