#include "agent/parse/postfix.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// Every field that a line sets, in one text: a table that is read at a glance.
std::string Describe(const MailLine& line) {
  std::string text(MailKindName(line.kind));
  const auto add = [&](const char* name, absl::string_view value) {
    if (!value.empty()) absl::StrAppend(&text, " ", name, "=", value);
  };
  if (line.ambiguous) absl::StrAppend(&text, " AMBIGUOUS");
  if (!line.enforced) absl::StrAppend(&text, " warning-only");
  add("id", line.queue_id);
  add("other", line.other_queue_id);
  add("host", line.client_host);
  add("ip", line.client_ip);
  if (line.client_port != 0) absl::StrAppend(&text, " port=", line.client_port);
  add("orig_ip", line.orig_client_ip);
  add("account", line.account);
  add("method", line.sasl_method);
  add("sasl_sender", line.sasl_sender);
  add("mid", line.message_id);
  if (line.has_from) absl::StrAppend(&text, " from=<", line.from, ">");
  add("to", line.to);
  add("orig_to", line.orig_to);
  add("helo", line.helo);
  add("proto", line.protocol);
  add("stage", line.stage);
  if (line.size.has_value()) absl::StrAppend(&text, " size=", *line.size);
  if (line.nrcpt.has_value()) absl::StrAppend(&text, " nrcpt=", *line.nrcpt);
  add("status", DeliveryStatusName(line.status));
  add("relay", line.relay_host);
  add("relay_ip", line.relay_ip);
  if (line.relay_port != 0) absl::StrAppend(&text, " relay_port=", line.relay_port);
  if (line.delay_seconds.has_value()) {
    absl::StrAppend(&text, " delay=", *line.delay_seconds);
  }
  add("dsn", line.dsn);
  add("reply", line.reply);
  if (line.auth_failures > 0) {
    absl::StrAppend(&text, " auth_failures=", line.auth_failures);
  }
  return text;
}

struct Row {
  const char* daemon;
  const char* text;
  const char* want;
};

void Check(const Row& row) {
  SCOPED_TRACE(row.text);
  SyslogLine line;
  SplitProgram(row.daemon, &line);
  line.text = row.text;
  const std::optional<MailLine> mail = ParsePostfix(line);
  ASSERT_TRUE(mail.has_value());
  EXPECT_EQ(Describe(*mail), row.want);
}

TEST(Postfix, ReadsItsLines) {
  const Row rows[] = {
      {"postfix/smtpd", "connect from mx.example.net[192.0.2.7]",
       "connect host=mx.example.net ip=192.0.2.7"},
      {"postfix/smtpd", "connect from unknown[2001:db8::7]:4711",
       "connect ip=2001:db8::7 port=4711"},
      {"postfix/smtpd", "connect from unknown[unknown]", "connect"},
      {"postfix/smtpd",
       "disconnect from unknown[192.0.2.7] ehlo=1 auth=0/3 quit=1 commands=2/5",
       "disconnect ip=192.0.2.7 auth_failures=3"},
      {"postfix/smtpd", "lost connection after DATA (12 bytes) from unknown[192.0.2.7]",
       "disconnect ip=192.0.2.7 stage=DATA (12 bytes)"},
      {"postfix/smtpd", "NOQUEUE: lost connection after AUTH from unknown[192.0.2.7]",
       "disconnect ip=192.0.2.7 stage=AUTH"},
      {"postfix/submission/smtpd",
       "153053D: client=unknown[192.0.2.7], sasl_method=PLAIN, "
       "sasl_username=ann@example.net",
       "client id=153053D ip=192.0.2.7 account=ann@example.net method=PLAIN"},
      {"postfix/smtpd",
       "3Pt2mN2VXxznjll: client=localhost[127.0.0.1], sasl_method=LOGIN, "
       "sasl_username=ann, sasl_sender=bob@example.net, orig_queue_id=153053D, "
       "orig_client=unknown[192.0.2.7]",
       "client id=3Pt2mN2VXxznjll other=153053D host=localhost ip=127.0.0.1 "
       "orig_ip=192.0.2.7 account=ann method=LOGIN sasl_sender=bob@example.net"},
      {"postfix/smtpd", "NOQUEUE: client=mx.example.net[192.0.2.7]:99",
       "client host=mx.example.net ip=192.0.2.7 port=99"},
      {"postfix/cleanup", "153053D: message-id=<a b@example.net>",
       "message_id id=153053D mid=<a b@example.net>"},
      {"postfix/qmgr",
       "153053D: from=<ann@example.net>, size=494, nrcpt=2 (queue active)",
       "queued id=153053D from=<ann@example.net> size=494 nrcpt=2"},
      {"postfix/qmgr", "153053D: from=<>, size=494, nrcpt=1 (queue active)",
       "queued id=153053D from=<> size=494 nrcpt=1"},
      {"postfix/qmgr",
       "153053D: from=<ann@example.net>, status=expired, returned to sender",
       "delivery id=153053D from=<ann@example.net> status=expired"},
      {"postfix/qmgr", "153053D: removed", "removed id=153053D"},
      {"postfix/postsuper", "153053D: placed on hold", "held id=153053D"},
      {"postfix/pickup", "153053D: uid=33 from=<www-data>",
       "pickup id=153053D from=<www-data> stage=33"},
      {"postfix/smtp",
       "153053D: to=<bob@example.org>, orig_to=<bob>, "
       "relay=mx.example.org[192.0.2.9]:25, "
       "conn_use=3, delay=1.5, delays=0.1/0/1/0.4, dsn=2.0.0, status=sent (250 2.0.0 Ok)",
       "delivery id=153053D to=bob@example.org orig_to=bob status=sent "
       "relay=mx.example.org relay_ip=192.0.2.9 relay_port=25 delay=1.5 dsn=2.0.0 "
       "reply=250 2.0.0 Ok"},
      {"postfix/smtp",
       "153053D: to=<bob@example.org>, relay=none, delay=30, delays=0/0/30/0, dsn=4.4.1, "
       "tls=none, status=deferred (connect to mx[192.0.2.9]:25: Connection timed out)",
       "other id=153053D"},
      {"postfix/smtp",
       "153053D: to=<bob@example.org>, relay=none, delay=30, delays=0/0/30/0, tls=none, "
       "dsn=4.4.1, status=deferred (connect to mx[192.0.2.9]:25: Connection timed out)",
       "delivery id=153053D to=bob@example.org status=deferred delay=30 dsn=4.4.1 "
       "reply=connect to mx[192.0.2.9]:25: Connection timed out"},
      {"postfix/lmtp",
       "153053D: to=<bob@example.org>, relay=mx[private/dovecot-lmtp], delay=1, "
       "delays=0/0/0/1, dsn=5.1.1, status=bounced (host mx said: 550 (no) such user; x)",
       "delivery id=153053D to=bob@example.org status=bounced relay=mx delay=1 dsn=5.1.1 "
       "reply=host mx said: 550 (no) such user; x"},
      {"postfix/local", "153053D: to=bob, relay=local, delay=1, status=sent (mailbox)",
       "delivery id=153053D to=bob status=sent relay=local delay=1 reply=mailbox"},
      {"postfix/smtp",
       "153053D: to=<b@example.org>, relay=none, delay=1, delays=0/0/1/0, dsn=2.1.5, "
       "status=deliverable (250)",
       "other id=153053D to=b@example.org delay=1 dsn=2.1.5 reply=250"},
      {"postfix/smtp",
       "153053D: host mx.example.org[192.0.2.9] said: 451 4.7.1 later (in reply to RCPT "
       "TO "
       "command)",
       "interim_failure id=153053D relay=mx.example.org relay_ip=192.0.2.9 dsn=4.7.1 "
       "reply=451 4.7.1 later (in reply to RCPT TO command)"},
      {"postfix/smtp", "connect to mx.example.org[192.0.2.9]:25: Connection refused",
       "interim_failure relay=mx.example.org relay_ip=192.0.2.9 relay_port=25 "
       "reply=Connection refused"},
      {"postfix/smtpd",
       "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <b@example.org>: Relay "
       "access denied; from=<a@example.net> to=<b@example.org> proto=ESMTP helo=<[x]>",
       "reject ip=192.0.2.7 from=<a@example.net> to=b@example.org helo=[x] proto=ESMTP "
       "stage=RCPT dsn=5.7.1 reply=554 5.7.1 <b@example.org>: Relay access denied"},
      {"postfix/smtpd",
       "NOQUEUE: reject_warning: RCPT from unknown[192.0.2.7]: 450 4.7.1 no; from=<> "
       "to=<b@example.org> proto=ESMTP helo=<h> sasl_method=PLAIN sasl_username=ann",
       "reject warning-only ip=192.0.2.7 account=ann method=PLAIN from=<> "
       "to=b@example.org helo=h proto=ESMTP stage=RCPT dsn=4.7.1 reply=450 4.7.1 no"},
      {"postfix/smtpd",
       "NOQUEUE: reject: CONNECT from unknown[192.0.2.7]: 554 5.7.1 blocked; no; "
       "proto=SMTP",
       "reject ip=192.0.2.7 proto=SMTP stage=CONNECT dsn=5.7.1 reply=554 5.7.1 blocked; "
       "no"},
      {"postfix/cleanup",
       "153053D: milter-reject: END-OF-MESSAGE from unknown[192.0.2.7]: 5.7.1 spam; "
       "from=<a@example.net> to=<b@example.org> proto=ESMTP helo=<h>",
       "reject id=153053D ip=192.0.2.7 from=<a@example.net> to=b@example.org helo=h "
       "proto=ESMTP stage=END-OF-MESSAGE dsn=5.7.1 reply=5.7.1 spam"},
      {"postfix/smtpd",
       "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: UGFzc3dvcmQ6",
       "auth_failed ip=192.0.2.7 method=LOGIN reply=UGFzc3dvcmQ6"},
      {"postfix/smtpd",
       "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: (reason "
       "unavailable), sasl_username=ann@example.net",
       "auth_failed ip=192.0.2.7 account=ann@example.net method=LOGIN reply=(reason "
       "unavailable)"},
      {"postfix/bounce", "153053D: sender non-delivery notification: 2EF0A11",
       "bounce_notice id=153053D other=2EF0A11"},
      {"postfix/anvil", "statistics: max connection rate 4/60s for (smtp:192.0.2.7) at x",
       "other"},
      {"postfix/smtpd", "warning: hostname x does not resolve to address 192.0.2.7",
       "other"},
  };
  for (const Row& row : rows) Check(row);
}

// Each text is what a stranger can have logged by choosing an address, a HELO name,
// a user name, or an answer.
TEST(Postfix, BelievesNothingThatAStrangerCouldHaveWritten) {
  const Row rows[] = {
      // HELO names.
      {"postfix/smtpd",
       "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no; from=<a@x> to=<b@x> "
       "proto=ESMTP helo=<x, sasl_username=ceo@example.com>",
       "reject ip=192.0.2.7 from=<a@x> to=b@x helo=x, sasl_username=ceo@example.com "
       "proto=ESMTP stage=RCPT dsn=5.7.1 reply=554 5.7.1 no"},
      {"postfix/smtpd",
       "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no; from=<a@x> to=<b@x> "
       "proto=ESMTP helo=<x> sasl_method=LOGIN sasl_username=ceo@example.com>",
       "reject AMBIGUOUS ip=192.0.2.7 stage=RCPT dsn=5.7.1"},
      {"postfix/smtpd",
       "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no; from=<a@x> to=<b@x> "
       "proto=ESMTP helo=<x> sasl_method=LOGIN sasl_username=ceo> sasl_method=PLAIN "
       "sasl_username=me",
       "reject AMBIGUOUS ip=192.0.2.7 stage=RCPT dsn=5.7.1"},
      // Senders and recipients.
      {"postfix/smtpd",
       "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 <\"; from=<ceo@x> "
       "to=<y> "
       "proto=SMTP helo=<z\"@x>: no; from=<a@x> to=<b@x> proto=ESMTP helo=<h>",
       "reject AMBIGUOUS ip=192.0.2.7 stage=RCPT dsn=5.7.1"},
      {"postfix/smtpd",
       "NOQUEUE: reject: RCPT from unknown[192.0.2.7]: 554 5.7.1 no; from=<\"> "
       "to=<c\"@x> "
       "to=<b@x> proto=ESMTP helo=<h>",
       "reject AMBIGUOUS ip=192.0.2.7 stage=RCPT dsn=5.7.1"},
      {"postfix/qmgr",
       "153053D: from=<\"x>, size=1, nrcpt=1 (queue active)\"@x>, size=7, nrcpt=3 (queue "
       "active)",
       "queued id=153053D from=<\"x>, size=1, nrcpt=1 (queue active)\"@x> size=7 "
       "nrcpt=3"},
      {"postfix/qmgr",
       "153053D: from=<x>, status=expired, returned to sender>, size=7, nrcpt=3 (queue "
       "active)",
       "queued id=153053D from=<x>, status=expired, returned to sender> size=7 nrcpt=3"},
      // A recipient that looks like a delivery.
      {"postfix/smtp",
       "153053D: to=<a>, relay=ok[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
       "status=sent (250 <\"@x>, relay=none, delay=1, delays=0/0/0/1, dsn=5.1.1, "
       "status=bounced (no)",
       "delivery AMBIGUOUS id=153053D"},
      {"postfix/smtp",
       "153053D: to=<\"a>, relay=evil[192.0.2.1]:25\"@x>, relay=none, delay=1, "
       "delays=0/0/0/1, dsn=5.1.1, status=bounced (no)",
       "delivery id=153053D to=\"a>, relay=evil[192.0.2.1]:25\"@x status=bounced delay=1 "
       "dsn=5.1.1 reply=no"},
      {"postfix/smtp",
       "153053D: to=<\"a>, orig_to=<ceo\"@x>, orig_to=<b>, relay=none, delay=1, "
       "delays=0/0/0/1, dsn=5.1.1, status=bounced (no)",
       "delivery AMBIGUOUS id=153053D status=bounced delay=1 dsn=5.1.1 reply=no"},
      // An answer that does.
      {"postfix/smtp",
       "153053D: to=<a@x>, relay=mx[192.0.2.1]:25, delay=1, delays=0/0/0/1, dsn=5.1.1, "
       "status=bounced (550 >, relay=none, status=sent (250 ok))",
       "delivery id=153053D to=a@x status=bounced relay=mx relay_ip=192.0.2.1 "
       "relay_port=25 delay=1 dsn=5.1.1 reply=550 >, relay=none, status=sent (250 ok)"},
      // User names.
      {"postfix/smtpd",
       "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: no, "
       "sasl_username=x, sasl_username=ceo@example.com",
       "auth_failed AMBIGUOUS ip=192.0.2.7 method=LOGIN"},
      {"postfix/smtpd",
       "warning: x[192.0.2.7]: SASL LOGIN: SASL PLAIN authentication failed: no",
       "other"},
      {"postfix/smtpd",
       "153053D: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=x, "
       "sasl_username=ceo",
       "client AMBIGUOUS id=153053D ip=192.0.2.7 method=PLAIN"},
      {"postfix/smtpd",
       "153053D: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=ann, "
       "orig_client=",
       "client AMBIGUOUS id=153053D ip=192.0.2.7 method=PLAIN"},
      // English words are no queue ids.
      {"postfix/smtpd", "warning: client=unknown[192.0.2.7]", "other"},
      {"postfix/smtpd", "fatal: to=<a>, relay=none, delay=1, status=sent (x)", "other"},
  };
  for (const Row& row : rows) Check(row);
}

TEST(Postfix, LeavesOtherProgramsAlone) {
  for (const char* program :
       {"", "dovecot", "spamd", "smtpd", "amavis/smtp-in", "opendkim"}) {
    SyslogLine line;
    SplitProgram(program, &line);
    line.text = "connect from mx.example.net[192.0.2.7]";
    EXPECT_FALSE(ParsePostfix(line).has_value()) << program;
  }
  SyslogLine line;
  SplitProgram("mta-out/submission/smtpd", &line);
  EXPECT_TRUE(ParsePostfix(line).has_value());
}

}  // namespace
}  // namespace mailvane
