#include "agent/parse/postfix.h"

#include <gtest/gtest.h>

#include "tests/agent/parse/describe.h"

namespace mailvane {
namespace {

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
       "pickup id=153053D from=<www-data> user=33"},
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
      // A milter's refusal has its user name in brackets.  Recorded from 3.7.11.
      {"postfix/smtpd",
       "NOQUEUE: milter-reject: RCPT from unknown[192.0.2.200]: 550 5.7.1 no; thanks; "
       "from=<a@example.net> to=<b@example.org> proto=ESMTP "
       "helo=<x??sasl_username=?ceo> sasl_username=<ann@example.net>",
       "reject ip=192.0.2.200 account=ann@example.net from=<a@example.net> "
       "to=b@example.org helo=x??sasl_username=?ceo proto=ESMTP stage=RCPT dsn=5.7.1 "
       "reply=550 5.7.1 no; thanks"},
      {"postfix/cleanup",
       "153053D: milter-hold: END-OF-MESSAGE from unknown[192.0.2.7]: milter triggers "
       "HOLD action; from=<a@example.net> proto=ESMTP helo=<h>",
       "held id=153053D ip=192.0.2.7 from=<a@example.net> helo=h proto=ESMTP "
       "stage=END-OF-MESSAGE reply=milter triggers HOLD action"},
      {"postfix/smtpd",
       "153053D: hold: RCPT from unknown[192.0.2.7]: <a@example.net>: Sender address "
       "triggers HOLD action; from=<a@example.net> to=<b@example.org> proto=ESMTP "
       "helo=<h>",
       "held id=153053D ip=192.0.2.7 from=<a@example.net> to=b@example.org helo=h "
       "proto=ESMTP stage=RCPT reply=<a@example.net>: Sender address triggers HOLD "
       "action"},
      {"postfix/smtpd",
       "NOQUEUE: proxy-reject: END-OF-MESSAGE: 550 5.7.1 no; from=<a@example.net> "
       "to=<b@example.org> proto=ESMTP helo=<h>",
       "reject from=<a@example.net> to=b@example.org helo=h proto=ESMTP "
       "stage=END-OF-MESSAGE dsn=5.7.1 reply=550 5.7.1 no"},
      {"postfix/cleanup",
       "153053D: reject: header Subject: x from unknown[192.0.2.7]; from=<a@example.net> "
       "to=<b@example.org> proto=ESMTP helo=<h>: 5.7.1 no",
       "reject id=153053D stage=header"},
      {"postfix/cleanup",
       "153053D: warning: header Subject: to=<a>, relay=none, delay=1, status=sent (x) "
       "from local; from=<a@example.net>",
       "other id=153053D"},
      {"postfix/cleanup",
       "153053D: milter-header-reject: header X-Spam: y from unknown[192.0.2.7]; "
       "from=<a@example.net>",
       "reject id=153053D stage=header"},
      {"postfix/smtpd",
       "153053D: lost connection after DATA (9 bytes) from mx.example.net[192.0.2.7]:99",
       "disconnect id=153053D host=mx.example.net ip=192.0.2.7 port=99 stage=DATA (9 "
       "bytes)"},
      {"postfix/smtpd", "too many errors after RCPT from unknown[192.0.2.7]",
       "disconnect ip=192.0.2.7 stage=RCPT"},
      {"postfix/cleanup", "153053D: message-id=<>", "message_id id=153053D"},
      {"postfix/cleanup", "153053D: resent-message-id=<a@example.net>",
       "other id=153053D"},
      {"postfix/qmgr", "153053D: removed (canceled)", "removed id=153053D"},
      {"postfix/qmgr",
       "153053D: from=<a@example.net>, status=force-expired, returned to sender",
       "delivery id=153053D from=<a@example.net> status=expired"},
      {"postfix/postsuper", "153053D: removed", "removed id=153053D"},
      {"postfix/postsuper", "153053D: requeued", "other id=153053D action=requeued"},
      {"postfix/error",
       "153053D: to=<b@example.org>, relay=none, delay=1, delays=1/0/0/0, dsn=4.3.2, "
       "status=deferred (deferred transport)",
       "delivery own-pause id=153053D to=b@example.org status=deferred delay=1 dsn=4.3.2 "
       "reply=deferred transport"},
      {"postfix/submission/smtpd",
       "NOQUEUE: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 153053D; "
       "from=<a@x> "
       "to=<b@y> proto=ESMTP helo=<z>",
       "other from=<a@x> to=b@y helo=z proto=ESMTP stage=END-OF-MESSAGE action=proxied "
       "dsn=2.0.0 reply=250 2.0.0 Ok: queued as 153053D"},
      {"postfix/submission/smtpd",
       "proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: queued as 153053D; from=<a@x>",
       "other from=<a@x> stage=END-OF-MESSAGE action=proxied dsn=2.0.0 "
       "reply=250 2.0.0 Ok: queued as 153053D"},
      {"postfix/postsuper", "153053D: released from hold",
       "other id=153053D action=released"},
      {"postfix/postsuper", "153053D: expired", "other id=153053D action=expired"},
      {"postfix/pickup", "153053D: uid=0 from=<root> orig_id=2EF0A11",
       "pickup id=153053D other=2EF0A11 from=<root> user=0"},
      {"postfix/bounce", "153053D: sender non-delivery notification",
       "bounce_notice id=153053D"},
      {"postfix/bounce", "153053D: postmaster delay notification: 3Pt2mN2VXxznjll",
       "bounce_notice id=153053D other=3Pt2mN2VXxznjll"},
      {"postfix/bounce", "153053D: sender notification failed: x", "other id=153053D"},
      {"postfix/pipe",
       "153053D: to=<b@example.org>, relay=dovecot, delay=0.34, delays=0.1/0/0/0.24, "
       "dsn=2.0.0, status=sent (delivered via dovecot service)",
       "delivery id=153053D to=b@example.org status=sent relay=dovecot delay=0.34 "
       "dsn=2.0.0 reply=delivered via dovecot service"},
      {"postfix/error",
       "153053D: to=<b@example.org>, relay=none, delay=13208, "
       "delays=13178/0.01/30/0, dsn=4.4.1, status=deferred (delivery temporarily "
       "suspended: connect to mx.example.org[192.0.2.9]:25: Connection timed out)",
       "delivery id=153053D to=b@example.org status=deferred delay=13208 dsn=4.4.1 "
       "reply=delivery temporarily suspended: connect to mx.example.org[192.0.2.9]:25: "
       "Connection timed out"},
      {"postfix/virtual",
       "3Pt2mN2VXxznjll: to=<\xc3\xa4nne@ex\xc3\xa4mple.example>, relay=virtual, "
       "delay=0.1, delays=0.1/0/0/0, dsn=2.0.0, status=sent (delivered to maildir)",
       "delivery id=3Pt2mN2VXxznjll to=\xc3\xa4nne@ex\xc3\xa4mple.example status=sent "
       "relay=virtual delay=0.1 dsn=2.0.0 reply=delivered to maildir"},
      {"postfix/smtp",
       "153053D: host mx.example.org[2001:db8::9] refused to talk to me: 421 4.3.2 down",
       "interim_failure id=153053D relay=mx.example.org relay_ip=2001:db8::9 dsn=4.3.2 "
       "reply=421 4.3.2 down"},
      {"postfix/smtp",
       "153053D: lost connection with mx.example.org[192.0.2.9] while sending RCPT TO",
       "interim_failure id=153053D relay=mx.example.org relay_ip=192.0.2.9 reply=while "
       "sending RCPT TO"},
      {"postfix/smtp",
       "153053D: conversation with mx.example.org[192.0.2.9] timed out while receiving "
       "the initial server greeting",
       "interim_failure id=153053D relay=mx.example.org relay_ip=192.0.2.9 reply=timed "
       "out while receiving the initial server greeting"},
      {"postfix/lmtp",
       "connect to mx.example.net[private/dovecot-lmtp]: No such file or directory",
       "interim_failure relay=mx.example.net reply=No such file or directory"},
      {"postfix/smtp", "SSL_connect error to mx.example.org[192.0.2.9]:25: -1",
       "interim_failure relay=mx.example.org relay_ip=192.0.2.9 relay_port=25 reply=-1"},
      // postscreen.
      {"postfix/postscreen", "CONNECT from [192.0.2.7]:4711 to [198.51.100.1]:25",
       "screen ip=192.0.2.7 port=4711 action=connect"},
      {"postfix/postscreen", "PASS NEW [2001:db8::7]:4711",
       "screen ip=2001:db8::7 port=4711 action=pass_new"},
      {"postfix/postscreen", "PASS OLD [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=pass_old"},
      {"postfix/postscreen",
       "PREGREET 14 after 0.06 from [192.0.2.7]:4711: EHLO from [203.0.113.9]:1\\r\\n",
       "screen ip=192.0.2.7 port=4711 action=pregreet"},
      {"postfix/postscreen", "DNSBL rank 3 for [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=dnsbl"},
      {"postfix/postscreen",
       "HANGUP after 0.2 from [192.0.2.7]:4711 in tests before SMTP handshake",
       "screen ip=192.0.2.7 port=4711 action=hangup"},
      {"postfix/postscreen", "DISCONNECT [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=disconnect"},
      {"postfix/postscreen", "WHITELISTED [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=whitelisted"},
      {"postfix/postscreen", "ALLOWLISTED [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=whitelisted"},
      {"postfix/postscreen", "ALLOWLIST VETO [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=whitelist_veto"},
      {"postfix/postscreen", "COMMAND PIPELINING from [192.0.2.7]:4711 after HELO: x",
       "screen ip=192.0.2.7 port=4711 action=pipelining"},
      {"postfix/postscreen",
       "NOQUEUE: reject: RCPT from [192.0.2.7]:4711: 550 5.7.1 Service unavailable; "
       "client [192.0.2.7] blocked using bl.example.org; from=<a@example.net>, "
       "to=<b@example.org>, proto=ESMTP, helo=<h>",
       "reject ip=192.0.2.7 port=4711 from=<a@example.net> to=b@example.org helo=h "
       "proto=ESMTP stage=RCPT dsn=5.7.1 reply=550 5.7.1 Service unavailable; client "
       "[192.0.2.7] blocked using bl.example.org"},
      {"postfix/postscreen",
       "NOQUEUE: reject: CONNECT from [192.0.2.7]:4711: all server ports busy",
       "reject ip=192.0.2.7 port=4711 stage=CONNECT reply=all server ports busy"},
      {"postfix/postscreen", "cache btree:/var/lib/x full cleanup: retained=1", "other"},
      {"postfix/tlsproxy", "CONNECT from [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=tls_connect"},
      {"postfix/tlsproxy", "DISCONNECT [192.0.2.7]:4711",
       "screen ip=192.0.2.7 port=4711 action=tls_disconnect"},
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
      // A refused EHLO is logged as it was said; recorded from 3.7.11.
      {"postfix/smtpd",
       "NOQUEUE: reject_warning: EHLO from unknown[192.0.2.200]: 504 5.5.2 <x> "
       "sasl_username=<ceo>: Helo command rejected: need fully-qualified hostname; "
       "proto=SMTP helo=<x> sasl_username=<ceo>",
       "reject AMBIGUOUS warning-only ip=192.0.2.200 stage=EHLO dsn=5.5.2"},
      {"postfix/smtpd",
       "NOQUEUE: milter-reject: RCPT from unknown[192.0.2.200]: 550 5.7.1 no; from=<a@x> "
       "to=<b@x> proto=ESMTP helo=<a b> sasl_username=<ceo>",
       "reject AMBIGUOUS ip=192.0.2.200 stage=RCPT dsn=5.7.1"},
      {"postfix/postscreen",
       "NOQUEUE: reject: RCPT from [192.0.2.7]:1: 550 5.7.1 no; from=<a@x>, to=<b@x>, "
       "proto=ESMTP, helo=<x>, to=<c@x>, proto=ESMTP, helo=<y>",
       "reject AMBIGUOUS ip=192.0.2.7 port=1 stage=RCPT dsn=5.7.1"},
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
