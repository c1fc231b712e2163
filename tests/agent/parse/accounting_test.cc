#include "agent/parse/accounting.h"

#include <gtest/gtest.h>

#include "tests/agent/parse/describe.h"

namespace mailvane {
namespace {

struct Row {
  const char* text;
  const char* want;
};

TEST(Accounting, ReadsSendmail) {
  const Row rows[] = {
      {"4A5B9c7d012345: from=<a@example.net>, size=9, class=0, nrcpts=2, "
       "msgid=<x@example.net>, proto=ESMTPA, daemon=MTA, relay=mx.example.net "
       "[192.0.2.7]",
       "queued id=4A5B9c7d012345 host=mx.example.net ip=192.0.2.7 mid=<x@example.net> "
       "from=<a@example.net> proto=ESMTPA size=9 nrcpt=2"},
      {"4A5B9c7d012345: to=<b@example.org>, ctladdr=<a@example.net> (8/8), "
       "delay=1+00:01:02, xdelay=00:00:01, mailer=esmtp, pri=9, relay=mx.example.org. "
       "[192.0.2.9], dsn=2.0.0, stat=Sent (ok, delay=x)",
       "delivery id=4A5B9c7d012345 to=b@example.org transport=esmtp status=sent "
       "relay=mx.example.org relay_ip=192.0.2.9 delay=86462 dsn=2.0.0 reply=Sent (ok, "
       "delay=x)"},
      {"4A5B9c7d012345: to=<b@example.org>,<c@example.org>, delay=00:00:01, "
       "mailer=esmtp, relay=mx.example.org., dsn=4.0.0, stat=Deferred: Connection "
       "refused",
       "delivery id=4A5B9c7d012345 to=<b@example.org>,<c@example.org> "
       "transport=esmtp nrcpt=2 status=deferred relay=mx.example.org delay=1 dsn=4.0.0 "
       "reply=Deferred: "
       "Connection refused"},
      {"4A5B9c7d012345: to=nobody, delay=00:00:01, mailer=local, pri=9, dsn=5.1.1, "
       "stat=User unknown",
       "delivery id=4A5B9c7d012345 to=nobody transport=local status=bounced delay=1 "
       "dsn=5.1.1 reply=User "
       "unknown"},
      {"4A5B9c7d012345: to=<b@example.org>, delay=00:00:01, mailer=esmtp, stat=queued",
       "other id=4A5B9c7d012345"},
      {"4A5B9c7d012345: ruleset=check_rcpt, arg1=<b@example.org>, relay=[192.0.2.7], "
       "reject=550 5.7.1 <b@example.org>... Relaying denied",
       "reject id=4A5B9c7d012345 ip=192.0.2.7 stage=check_rcpt dsn=5.7.1 reply=550 5.7.1 "
       "<b@example.org>... Relaying denied"},
      {"AUTH=server, relay=mx.example.net [192.0.2.7], authid=ann, mech=PLAIN, bits=0",
       "auth_ok host=mx.example.net ip=192.0.2.7 account=ann method=PLAIN"},
      {"4A5B9c7d012345: from=ann, size=9, class=0, nrcpts=1, msgid=<x@y>, "
       "relay=ann@localhost",
       "queued id=4A5B9c7d012345 mid=<x@y> from=<ann> user=ann size=9 nrcpt=1"},
      {"4A5B9c7d012345: from=<a, size=1, relay=x [192.0.2.1]>, size=9, nrcpts=1, "
       "relay=[192.0.2.7]",
       "queued AMBIGUOUS id=4A5B9c7d012345"},
      {"AUTH=server, relay=[192.0.2.7], authid=x, authid=ceo, mech=PLAIN, bits=0",
       "auth_ok AMBIGUOUS"},
      {"starting daemon (8.17.1): SMTP+queueing@00:10:00", "other"},
  };
  for (const Row& row : rows) {
    SyslogLine line;
    SplitProgram("sm-mta", &line);
    line.text = row.text;
    MailLine mail;
    ASSERT_TRUE(ParseSendmail(line, &mail));
    EXPECT_EQ(Describe(mail), row.want) << row.text;
  }
}

TEST(Accounting, ReadsOpenSmtpd) {
  const Row rows[] = {
      {"0123456789abcdef smtp connected address=192.0.2.7 host=mx.example.net",
       "connect host=mx.example.net ip=192.0.2.7"},
      {"0123456789abcdef smtp authentication user=ann result=ok", "auth_ok account=ann"},
      {"0123456789abcdef smtp authentication user=ann result=ok result=permfail",
       "auth_failed account=ann result=ok"},
      {"0123456789abcdef smtp message msgid=89abcdef size=9 nrcpt=1 proto=ESMTP",
       "queued id=89abcdef proto=ESMTP size=9 nrcpt=1"},
      {"0123456789abcdef smtp failed-command command=\"RCPT TO:<b@example.org>\" "
       "result=\"550 5.1.1 Invalid recipient\"",
       "reject stage=RCPT dsn=5.1.1 reply=550 5.1.1 Invalid recipient"},
      {"0123456789abcdef smtp disconnected reason=quit", "disconnect"},
      {"0123456789abcdef mta delivery evpid=89abcdef01234567 from=<a@example.net> "
       "to=<b@example.org> rcpt=<c@example.net> source=\"198.51.100.1\" "
       "relay=\"192.0.2.9 (mx.example.org)\" delay=3s result=\"Ok\" stat=\"250 2.0.0 "
       "ok\"",
       "delivery id=89abcdef from=<a@example.net> to=b@example.org "
       "orig_to=c@example.net status=sent relay=mx.example.org relay_ip=192.0.2.9 "
       "delay=3 dsn=2.0.0 reply=250 2.0.0 ok"},
      {"0123456789abcdef mta delivery evpid=89abcdef01234567 from=<> to=<b@example.org> "
       "rcpt=<-> source=\"-\" relay=\"192.0.2.9\" delay=1s result=\"TempFail\" "
       "stat=\"451 4.7.1 later\"",
       "delivery id=89abcdef from=<> to=b@example.org status=deferred relay_ip=192.0.2.9 "
       "delay=1 dsn=4.7.1 reply=451 4.7.1 later"},
      {"info: OpenSMTPD 7.0 starting", "other"},
  };
  for (const Row& row : rows) {
    SyslogLine line;
    SplitProgram("smtpd", &line);
    line.text = row.text;
    MailLine mail;
    ASSERT_TRUE(ParseOpenSmtpd(line, &mail));
    EXPECT_EQ(Describe(mail), row.want) << row.text;
  }
}

}  // namespace
}  // namespace mailvane
