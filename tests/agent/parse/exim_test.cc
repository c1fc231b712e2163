#include "agent/parse/exim.h"

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
  SplitProgram("exim", &line);
  line.text = row.text;
  MailLine mail;
  ASSERT_TRUE(ParseExim(line, &mail));
  EXPECT_EQ(Describe(mail), row.want);
}

TEST(Exim, ReadsItsLines) {
  const Row rows[] = {
      // Arrivals.
      {"1rVDhn-0001bo-D3 <= a@example.net H=(x) [192.0.2.7]:4711 I=[198.51.100.1]:25 "
       "P=esmtp L.- S=9 M8S=0 RT=0.005s T=\"hi\" from <a@example.net> for b@example.org",
       "queued id=1rVDhn-0001bo-D3 ip=192.0.2.7 port=4711 from=<a@example.net> helo=x "
       "proto=esmtp size=9 nrcpt=1"},
      {"1rVDhn-0001bo-D3 <= ann@example.net H=mx.example.net (helo.example.net) "
       "[192.0.2.7]:4711 I=[198.51.100.1]:587 P=esmtpsa X=TLS1.3:ECDHE:256 CV=no "
       "A=dovecot_login:ann@example.net S=1234 id=abc@example.net T=\"a \\\"b\\\" "
       "A=x:y\" "
       "from <ann@example.net> for bob@example.org \"c d\"@example.org",
       "queued id=1rVDhn-0001bo-D3 host=mx.example.net ip=192.0.2.7 port=4711 "
       "account=ann@example.net method=dovecot_login mid=abc@example.net "
       "from=<ann@example.net> helo=helo.example.net proto=esmtpsa size=1234 nrcpt=2"},
      {"1rVDhn-000000001bo-D342 <= ann@example.net H=(x) [2001:db8::7] P=esmtpsa L K "
       "A=plain:ann:bob@example.net S=9",
       "queued id=1rVDhn-000000001bo-D342 ip=2001:db8::7 account=ann method=plain "
       "sasl_sender=bob@example.net from=<ann@example.net> helo=x proto=esmtpsa size=9"},
      {"1rVDhn-0001bo-D3 <= www-data@example.net U=www-data P=local S=320 "
       "id=E1rVDhn-0001bo-D3@example.net",
       "queued id=1rVDhn-0001bo-D3 mid=E1rVDhn-0001bo-D3@example.net "
       "from=<www-data@example.net> proto=local user=www-data size=320"},
      {"1rVDhn-0001bo-D3 <= <> R=1rVDhm-0001bk-2F U=Debian-exim P=local S=320",
       "queued id=1rVDhn-0001bo-D3 other=1rVDhm-0001bk-2F from=<> proto=local "
       "user=Debian-exim size=320"},
      {"1rVDhn-0001bo-D3 (= ann@example.net H=[192.0.2.7] P=smtp S=1",
       "queued id=1rVDhn-0001bo-D3 ip=192.0.2.7 from=<ann@example.net> proto=smtp "
       "size=1"},
      // Deliveries.
      {"1rVDhn-0001bo-D3 => bob@example.org <info@example.net> F=<ann@example.net> "
       "P=<ann@example.net> R=dnslookup T=remote_smtp S=99 H=mx.example.org "
       "[192.0.2.9]:25 X=TLS1.3:x:256 CV=yes DN=\"CN=mx\" A=login K C=\"250 2.0.0 "
       "\\\"ok\\\"\" "
       "QT=1m2.5s DT=1s",
       "delivery id=1rVDhn-0001bo-D3 from=<ann@example.net> to=bob@example.org "
       "orig_to=info@example.net transport=remote_smtp status=sent relay=mx.example.org "
       "relay_ip=192.0.2.9 relay_port=25 delay=62.5 dsn=2.0.0 reply=250 2.0.0 "
       "\\\"ok\\\""},
      {"1rVDhn-0001bo-D3 -> c@example.org R=dnslookup T=remote_smtp H=mx.example.org "
       "[192.0.2.9]",
       "delivery id=1rVDhn-0001bo-D3 to=c@example.org transport=remote_smtp status=sent "
       "relay=mx.example.org relay_ip=192.0.2.9"},
      {"1rVDhn-0001bo-D3 >> bob@example.org R=r T=t H=mx.example.org [192.0.2.9] C=\"250 "
       "ok\"",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.org transport=t status=sent "
       "relay=mx.example.org relay_ip=192.0.2.9 reply=250 ok"},
      {"1rVDhn-0001bo-D3 *> bob@example.org R=r T=t", "other id=1rVDhn-0001bo-D3"},
      {"1rVDhn-0001bo-D3 => bob <bob@example.net> R=localuser T=local_delivery",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.net transport=local_delivery "
       "status=sent"},
      {"1rVDhn-0001bo-D3 => |/usr/bin/x --to y (bob@example.net) <bob@example.net> "
       "R=userforward T=address_pipe",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.net transport=address_pipe "
       "status=sent"},
      // A local part that needs quotes is shown without them.
      {"1rVDhn-0001bo-D3 => a => b@example.org <\"a => b\"@example.org> R=r T=t C=\"250 "
       "ok\"",
       "delivery id=1rVDhn-0001bo-D3 to=\"a => b\"@example.org transport=t status=sent "
       "reply=250 ok"},
      {"1rVDhn-0001bo-D3 ** a\"b@example.org <\"a\\\"b\"@Example.ORG>: no",
       "delivery id=1rVDhn-0001bo-D3 to=\"a\\\"b\"@Example.ORG status=bounced reply=no"},
      // In a queue with a name.
      {"1rVDhn-0001bo-D3 == b@example.org Q=bulk R=r T=t defer (-54): retry time not "
       "reached for any host for 'example.org'",
       "delivery own-pause id=1rVDhn-0001bo-D3 to=b@example.org transport=t "
       "status=deferred "
       "reply=retry time not reached for any host for 'example.org'"},
      {"1rVDhn-0001bo-D3 => :blackhole: <bob@example.net> R=system_aliases",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.net status=sent"},
      {"1rVDhn-0001bo-D3 ** bob@example.org R=dnslookup T=remote_smtp H=mx.example.org "
       "[192.0.2.9]: SMTP error from remote mail server after RCPT "
       "TO:<bob@example.org>: 550 5.1.1 no: 250 2.0.0 x",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.org transport=remote_smtp "
       "status=bounced relay=mx.example.org relay_ip=192.0.2.9 dsn=5.1.1 reply=SMTP "
       "error from remote mail server after RCPT TO:<bob@example.org>: 550 5.1.1 no: 250 "
       "2.0.0 x"},
      {"1rVDhn-0001bo-D3 ** bob@example.org R=dnslookup T=remote_smtp: SMTP error from "
       "remote mail server after MAIL FROM:<a@example.net>: host mx.example.org "
       "[192.0.2.9]: 550-5.7.1 no",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.org transport=remote_smtp "
       "status=bounced relay=mx.example.org relay_ip=192.0.2.9 dsn=5.7.1 reply=SMTP "
       "error from remote mail server after MAIL FROM:<a@example.net>: host "
       "mx.example.org [192.0.2.9]: 550-5.7.1 no"},
      {"1rVDhn-0001bo-D3 ** nobody@example.net: Unrouteable address",
       "delivery id=1rVDhn-0001bo-D3 to=nobody@example.net status=bounced "
       "reply=Unrouteable address"},
      {"1rVDhn-0001bo-D3 ** bob@example.org R=dnslookup T=remote_smtp: retry timeout "
       "exceeded",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.org transport=remote_smtp "
       "status=expired reply=retry timeout exceeded"},
      {"1rVDhn-0001bo-D3 == bob@example.org R=dnslookup T=remote_smtp defer (-44) "
       "H=mx.example.org [192.0.2.9]: SMTP error from remote mail server after RCPT "
       "TO:<bob@example.org>: 451 4.7.1 later",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.org transport=remote_smtp "
       "status=deferred relay=mx.example.org relay_ip=192.0.2.9 dsn=4.7.1 reply=SMTP "
       "error from remote mail server after RCPT TO:<bob@example.org>: 451 4.7.1 later"},
      {"1rVDhn-0001bo-D3 == bob@example.org R=dnslookup T=remote_smtp H=mx.example.org "
       "[192.0.2.9] defer (111): Connection refused",
       "delivery id=1rVDhn-0001bo-D3 to=bob@example.org transport=remote_smtp "
       "status=deferred relay=mx.example.org relay_ip=192.0.2.9 reply=Connection "
       "refused"},
      {"1rVDhn-0001bo-D3 == bob@example.org routing defer (-51): retry time not reached",
       "delivery own-pause id=1rVDhn-0001bo-D3 to=bob@example.org status=deferred "
       "reply=retry time "
       "not reached"},
      {"1rVDhn-0001bo-D3 F=ann@example.net H=x.example.net (y) [192.0.2.7] P=smtp "
       "rejected by local_scan(): Rejected",
       "reject id=1rVDhn-0001bo-D3 host=x.example.net ip=192.0.2.7 helo=y "
       "stage=local_scan() "
       "reply=Rejected"},
      {"1rVDhn-0001bo-D3 H=mx.example.org [192.0.2.9]: SMTP error from remote mail "
       "server after initial connection: 421 4.3.2 busy",
       "interim_failure id=1rVDhn-0001bo-D3 relay=mx.example.org relay_ip=192.0.2.9 "
       "dsn=4.3.2 reply=SMTP error from remote mail server after initial connection: 421 "
       "4.3.2 busy"},
      {"1rVDhn-0001bo-D3 H=mx.example.org [192.0.2.9] Connection timed out",
       "interim_failure id=1rVDhn-0001bo-D3 relay=mx.example.org relay_ip=192.0.2.9 "
       "reply=Connection timed out"},
      {"1rVDhn-0001bo-D3 mx.example.org [2001:db8::9] Network is unreachable",
       "interim_failure id=1rVDhn-0001bo-D3 relay=mx.example.org relay_ip=2001:db8::9 "
       "reply=Network is unreachable"},
      // The rest of a message's life.
      {"1rVDhn-0001bo-D3 Completed", "removed id=1rVDhn-0001bo-D3"},
      {"1rVDhn-0001bo-D3 Completed QT=3s", "removed id=1rVDhn-0001bo-D3"},
      {"1rVDhn-0001bo-D3 Message is frozen", "held id=1rVDhn-0001bo-D3"},
      {"1rVDhn-0001bo-D3 Frozen (delivery error message)", "held id=1rVDhn-0001bo-D3"},
      {"1rVDhn-0001bo-D3 Unfrozen by errmsg timer",
       "other id=1rVDhn-0001bo-D3 action=released"},
      // cPanel's.
      {"1rVDhn-0001bo-D3 Sender identification U=ann D=example.net S=ann@example.net",
       "pickup id=1rVDhn-0001bo-D3 from=<ann@example.net> user=ann"},
      {"cwd=/home/ann/public_html 3 args: /usr/sbin/sendmail -t -i", "other"},
      // Refusals.
      {"H=mx.example.net (x) [192.0.2.7]:4711 I=[198.51.100.1]:25 X=TLS1.3:x:256 CV=no "
       "F=<a@example.net> A=login:ann temporarily rejected RCPT <b@example.org>: "
       "greylisted",
       "reject host=mx.example.net ip=192.0.2.7 port=4711 account=ann method=login "
       "from=<a@example.net> to=b@example.org helo=x stage=RCPT reply=greylisted"},
      {"1rVDhn-0001bo-D3 H=([192.0.2.1]) [192.0.2.7] F=<\"a> b\"@example.net> rejected "
       "after DATA: spam",
       "reject id=1rVDhn-0001bo-D3 ip=192.0.2.7 from=<\"a> b\"@example.net> "
       "helo=[192.0.2.1] stage=DATA reply=spam"},
      {"H=[192.0.2.7] rejected connection in \"connect\" ACL: 554 5.7.1 no",
       "reject ip=192.0.2.7 stage=CONNECT dsn=5.7.1 reply=554 5.7.1 no"},
      {"rejected HELO from [192.0.2.7]: syntactically invalid argument(s): a b",
       "reject ip=192.0.2.7 stage=HELO"},
      {"H=(x) [192.0.2.7] F=<a@example.net> rejected RCPT <b@example.org>",
       "reject ip=192.0.2.7 from=<a@example.net> to=b@example.org helo=x stage=RCPT"},
      {"rejected MAIL FROM:<a@example.net> H=(x) [192.0.2.7]:4711: message too big: "
       "size=999999 max=20480",
       "reject ip=192.0.2.7 port=4711 from=<a@example.net> helo=x stage=MAIL "
       "reply=message too big: size=999999 max=20480"},
      {"too many recipients: excess temporarily rejected: sender=<a@example.net> H=(x) "
       "[192.0.2.7]",
       "reject ip=192.0.2.7 from=<a@example.net> helo=x stage=RCPT reply=too many "
       "recipients"},
      {"too many recipients: message rejected: sender=<> H=(x) [192.0.2.7]",
       "reject ip=192.0.2.7 from=<> helo=x stage=DATA reply=too many recipients"},
      {"H=(x) [192.0.2.7] Warning: unknown recipient", "other"},
      // Authentication.
      {"dovecot_login authenticator failed for H=mx.example.net (x) [192.0.2.7]:4711 "
       "I=[198.51.100.1]:587: 535 Incorrect authentication data (set_id=ann b)",
       "auth_failed host=mx.example.net ip=192.0.2.7 port=4711 account=ann b "
       "method=dovecot_login helo=x reply=535 Incorrect authentication data"},
      {"plain authenticator failed for (x) [192.0.2.7]: 435 Unable to authenticate at "
       "present (set_id=ann): failed to connect",
       "auth_failed ip=192.0.2.7 account=ann method=plain helo=x reply=435 Unable to "
       "authenticate at present"},
      {"login authenticator failed for [192.0.2.7]: 501 Invalid base64 data",
       "auth_failed ip=192.0.2.7 method=login reply=501 Invalid base64 data"},
      // Connections.
      {"SMTP connection from [192.0.2.7]:4711 (TCP/IP connection count = 1)",
       "connect ip=192.0.2.7 port=4711"},
      {"SMTP connection from (x) [192.0.2.7]:4711 lost D=2s",
       "disconnect ip=192.0.2.7 port=4711 helo=x stage=lost"},
      {"SMTP connection from mx.example.net [192.0.2.7] I=[198.51.100.1]:25 closed by "
       "QUIT",
       "disconnect host=mx.example.net ip=192.0.2.7"},
      {"unexpected disconnection while reading SMTP command from (x) [192.0.2.7] D=1s",
       "disconnect ip=192.0.2.7 helo=x stage=command"},
      // Through syslog: a second timestamp, and pieces.
      {"2026-05-06 09:25:41.123 +0200 [812] 1rVDhn-0001bo-D3 Completed",
       "removed id=1rVDhn-0001bo-D3"},
      {"[1/2] 2026-05-06 09:25:41 1rVDhn-0001bo-D3 => b@example.org R=r T=t",
       "delivery id=1rVDhn-0001bo-D3 to=b@example.org transport=t status=sent"},
      {"[2/2] 1rVDhn-0001bo-D3 => ceo@example.org R=r T=t", "other"},
      {"[1\\3] 2026-05-06 09:25:41 1rVDhn-0001bo-D3 Completed",
       "removed id=1rVDhn-0001bo-D3"},
      {"Start queue run: pid=812", "other"},
  };
  for (const Row& row : rows) Check(row);
}

TEST(Exim, BelievesNothingThatAStrangerCouldHaveWritten) {
  const Row rows[] = {
      // HELO names, where junk is accepted.
      {"1rVDhn-0001bo-D3 <= a@example.net H=(x) [192.0.2.1] P=esmtpsa A=login:ceo S=1) "
       "[192.0.2.7] P=esmtp S=9",
       "queued AMBIGUOUS id=1rVDhn-0001bo-D3 from=<a@example.net>"},
      {"H=(x) [192.0.2.1] F=<a@example.net> A=login:ceo rejected RCPT <b@example.org>: "
       ") [192.0.2.7] F=<c@example.net> rejected RCPT <b@example.org>: no",
       "reject AMBIGUOUS"},
      {"login authenticator failed for (x) [192.0.2.1]: 535 no (set_id=ceo) [192.0.2.7]: "
       "535 no (set_id=me)",
       "auth_failed AMBIGUOUS"},
      // Senders and recipients.
      {"1rVDhn-0001bo-D3 <= \"a H=x [192.0.2.1] A=login:ceo\"@example.net H=(y) "
       "[192.0.2.7] P=esmtp S=9",
       "queued id=1rVDhn-0001bo-D3 ip=192.0.2.7 from=<\"a H=x [192.0.2.1] "
       "A=login:ceo\"@example.net> helo=y proto=esmtp size=9"},
      {"1rVDhn-0001bo-D3 => \"b R=x T=y: 550\"@example.org R=r T=t C=\"250 ok\"",
       "delivery id=1rVDhn-0001bo-D3 to=\"b R=x T=y: 550\"@example.org transport=t "
       "status=sent reply=250 ok"},
      // Ident answers.
      {"1rVDhn-0001bo-D3 <= a@example.net H=(x) [192.0.2.7] U=u P=esmtpsa A=login:ceo "
       "S=1 P=esmtp S=9",
       "queued AMBIGUOUS id=1rVDhn-0001bo-D3 from=<a@example.net>"},
      {"1rVDhn-0001bo-D3 => ceo@example.net R=x T=y C=250@example.org "
       "<\"ceo@example.net R=x T=y C=250\"@example.org> R=r T=t C=\"250 ok\"",
       "delivery id=1rVDhn-0001bo-D3 to=\"ceo@example.net R=x T=y C=250\"@example.org "
       "transport=t status=sent reply=250 ok"},
      // An alias to such an address.
      {"1rVDhn-0001bo-D3 => a => b@example.org <info@example.net> R=r T=t",
       "delivery AMBIGUOUS id=1rVDhn-0001bo-D3 status=sent"},
      // User names.
      {"login authenticator failed for (x) [192.0.2.7]: 435 no (set_id=ceo): x): down",
       "auth_failed AMBIGUOUS ip=192.0.2.7 reply=435 no"},
      {"1rVDhn-0001bo-D3 <= a@example.net H=(x) [192.0.2.7] P=esmtpsa A=login:a b S=9",
       "queued AMBIGUOUS id=1rVDhn-0001bo-D3 from=<a@example.net>"},
      {"login authenticator failed for (x) [192.0.2.7]: 535 no (set_id=x (set_id=ceo)",
       "auth_failed AMBIGUOUS ip=192.0.2.7 reply=535 no"},
      // Subjects.
      {"1rVDhn-0001bo-D3 <= a@example.net H=(x) [192.0.2.7] P=esmtp S=9 T=\"\\\" "
       "A=login:ceo \"",
       "queued id=1rVDhn-0001bo-D3 ip=192.0.2.7 from=<a@example.net> helo=x proto=esmtp "
       "size=9"},
  };
  for (const Row& row : rows) Check(row);
}

TEST(Exim, LeavesOtherProgramsAlone) {
  for (const char* program : {"", "postfix/smtpd", "eximstats"}) {
    SyslogLine line;
    SplitProgram(program, &line);
    line.text = "1rVDhn-0001bo-D3 Completed";
    MailLine mail;
    EXPECT_FALSE(ParseExim(line, &mail)) << program;
  }
}

}  // namespace
}  // namespace mailvane
