#include "agent/analyze/message_tracker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/parse/mail.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::ElementsAreArray;
using ::testing::IsEmpty;

// Writes down what it is told, without what is empty.
class Recorder final : public FlowSink {
 public:
  void Accept(const MailMessage& message) override {
    std::string& line = told.emplace_back(absl::StrCat("accepted ", message.queue_id));
    Describe(message, &line);
    if (message.has_from) absl::StrAppend(&line, " from=<", message.from, ">");
    if (!message.message_id.empty()) absl::StrAppend(&line, " mid=", message.message_id);
    if (message.size) absl::StrAppend(&line, " size=", *message.size);
    if (message.nrcpt) absl::StrAppend(&line, " nrcpt=", *message.nrcpt);
    if (message.reinjected) line += " reinjected";
    if (message.received) line += " received";
    received += message.received;
  }
  void Settle(const RecipientFate& fate) override {
    std::string& line = told.emplace_back(
        absl::StrCat(DeliveryStatusName(fate.status), " ", fate.message->queue_id));
    Describe(*fate.message, &line);
    if (!fate.to.empty()) absl::StrAppend(&line, " to=", fate.to);
    if (!fate.orig_to.empty()) absl::StrAppend(&line, " orig_to=", fate.orig_to);
    if (fate.recipients != 1) absl::StrAppend(&line, " x", fate.recipients);
    if (fate.interim) line += " interim";
    if (fate.own_pause) line += " own_pause";
    if (fate.forwarded) line += " forwarded";
    if (fate.first_deferral) line += " first";
    if (fate.received_twice) line += " twice";
    received -= fate.received_twice;
  }
  void Try(const ClientAttempt& attempt) override {
    constexpr const char* kNames[] = {"refused", "auth_failed", "auth_ok", "login",
                                      "login_failed"};
    std::string& line = told.emplace_back(kNames[static_cast<int>(attempt.kind)]);
    if (!attempt.account.empty()) absl::StrAppend(&line, " account=", attempt.account);
    if (!attempt.client_ip.empty()) absl::StrAppend(&line, " ip=", attempt.client_ip);
    if (!attempt.service.empty()) absl::StrAppend(&line, " service=", attempt.service);
    if (attempt.times != 1) absl::StrAppend(&line, " x", attempt.times);
  }

  std::vector<std::string> told;
  int received = 0;

 private:
  static void Describe(const MailMessage& message, std::string* line) {
    absl::StrAppend(line, " [", MessageOriginName(message.origin));
    if (!message.account.empty()) absl::StrAppend(line, " ", message.account);
    if (!message.local_user.empty()) absl::StrAppend(line, " user ", message.local_user);
    if (!message.client_ip.empty()) absl::StrAppend(line, " ", message.client_ip);
    *line += "]";
  }
};

class MessageTrackerTest : public testing::Test {
 protected:
  // "12 postfix/qmgr[1]: A1: removed": seconds after ten, and the line.
  void Feed(const std::vector<std::string>& lines) {
    for (const std::string& line : lines) {
      const size_t blank = line.find(' ');
      FeedAt(std::stoi(line.substr(0, blank)), "mx1", line.substr(blank + 1));
    }
  }
  void FeedAt(int64_t seconds, absl::string_view host, absl::string_view text) {
    const std::optional<SyslogLine> head =
        reader_.ParseTagged(text, absl::FromUnixSeconds(1'700'000'000 + seconds), host);
    ASSERT_TRUE(head.has_value()) << text;
    const std::optional<MailLine> line = ParseMail(*head);
    ASSERT_TRUE(line.has_value()) << text;
    tracker_.Take(*head, *line);
  }
  std::vector<std::string> Told() { return std::exchange(told_.told, {}); }

  void Restart(MessageTracker::Options options) {
    tracker_.~MessageTracker();
    new (&tracker_) MessageTracker(options, &told_);
  }

  SyslogReader reader_{absl::UTCTimeZone()};
  Recorder told_;
  MessageTracker tracker_{MessageTracker::Options(), &told_};
};

struct Story {
  const char* name;
  std::vector<std::string> lines;
  std::vector<std::string> want;
};

const Story kStories[] = {
    {"a message from outside",
     {
         "0 postfix/smtpd[1]: 4AB01: client=mx.example.org[192.0.2.7]",
         "0 postfix/cleanup[2]: 4AB01: message-id=<m@example.org>",
         "0 postfix/qmgr[3]: 4AB01: from=<a@example.org>, size=512, nrcpt=2 (queue "
         "active)",
         "1 postfix/local[4]: 4AB01: to=<b@example.net>, relay=local, delay=1, "
         "delays=0/0/0/1, dsn=2.0.0, status=sent (delivered to mailbox)",
         "1 postfix/smtp[5]: 4AB01: to=<c@example.com>, "
         "relay=mx.example.com[192.0.2.9]:25, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
         "1 postfix/qmgr[3]: 4AB01: removed",
     },
     {
         "accepted 4AB01 [network 192.0.2.7] from=<a@example.org> mid=<m@example.org> "
         "size=512 nrcpt=2 received",
         "sent 4AB01 [network 192.0.2.7] to=b@example.net",
         "sent 4AB01 [network 192.0.2.7] to=c@example.com forwarded",
     }},
    {"a submitted one that is put off twice is one deferred message, accepted once",
     {
         "0 postfix/submission/smtpd[1]: 4AB02: client=pc[198.51.100.9], "
         "sasl_method=PLAIN, "
         "sasl_username=ann",
         "0 postfix/cleanup[2]: 4AB02: message-id=<m@example.org>",
         "0 postfix/qmgr[3]: 4AB02: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "1 postfix/smtp[5]: 4AB02: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to x: timed out)",
         "900 postfix/qmgr[3]: 4AB02: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "901 postfix/smtp[5]: 4AB02: to=<c@example.com>, relay=none, delay=901, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (connect to x: timed out)",
         "1900 postfix/qmgr[3]: 4AB02: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "1901 postfix/smtp[5]: 4AB02: to=<c@example.com>, "
         "relay=mx.example.com[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
         "status=sent (250 ok)",
         "1901 postfix/qmgr[3]: 4AB02: removed",
     },
     {
         "accepted 4AB02 [submitted ann 198.51.100.9] from=<ann@example.net> "
         "mid=<m@example.org> size=9 nrcpt=1 received",
         "deferred 4AB02 [submitted ann 198.51.100.9] to=c@example.com first",
         "deferred 4AB02 [submitted ann 198.51.100.9] to=c@example.com",
         "sent 4AB02 [submitted ann 198.51.100.9] to=c@example.com",
     }},
    {"a content filter that gives back is one message, of whom it was",
     {
         "0 postfix/submission/smtpd[1]: 4AB03: client=pc[198.51.100.9], "
         "sasl_method=PLAIN, "
         "sasl_username=ann",
         "0 postfix/cleanup[2]: 4AB03: message-id=<m@example.org>",
         "0 postfix/qmgr[3]: 4AB03: from=<ann@example.net>, size=9, nrcpt=2 (queue "
         "active)",
         "1 postfix/smtpd[8]: 4AB04: client=localhost[127.0.0.1]",
         "1 postfix/cleanup[2]: 4AB04: message-id=<m@example.org>",
         "1 postfix/qmgr[3]: 4AB04: from=<ann@example.net>, size=99, nrcpt=2 (queue "
         "active)",
         "1 postfix/smtp[5]: 4AB03: to=<c@example.com>, "
         "relay=127.0.0.1[127.0.0.1]:10024, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 from "
         "MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4AB04)",
         "1 postfix/smtp[5]: 4AB03: to=<d@example.com>, "
         "relay=127.0.0.1[127.0.0.1]:10024, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 from "
         "MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 4AB04)",
         "1 postfix/qmgr[3]: 4AB03: removed",
         "2 postfix/smtp[6]: 4AB04: to=<c@example.com>, "
         "relay=mx.example.com[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
         "status=sent (250 ok: queued as 4AB03)",
     },
     {
         "accepted 4AB03 [submitted ann 198.51.100.9] from=<ann@example.net> "
         "mid=<m@example.org> size=9 nrcpt=2 received",
         "accepted 4AB04 [submitted ann 198.51.100.9] from=<ann@example.net> "
         "mid=<m@example.org> size=99 nrcpt=2 reinjected",
         "sent 4AB03 [submitted ann 198.51.100.9] to=c@example.com interim",
         "sent 4AB03 [submitted ann 198.51.100.9] to=d@example.com interim",
         "sent 4AB04 [submitted ann 198.51.100.9] to=c@example.com",
     }},
    {"a filter that tells whose message it is",
     {
         "0 postfix/smtpd[1]: 4AB05: client=pc[198.51.100.9], sasl_method=PLAIN, "
         "sasl_username=ann",
         "0 postfix/qmgr[3]: 4AB05: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "1 postfix/smtpd[8]: 4AB06: client=localhost[127.0.0.1], orig_queue_id=4AB05, "
         "orig_client=pc[198.51.100.9]",
         "1 postfix/qmgr[3]: 4AB06: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
     },
     {
         "accepted 4AB05 [submitted ann 198.51.100.9] from=<ann@example.net> size=9 "
         "nrcpt=1 received",
         "accepted 4AB06 [submitted ann 198.51.100.9] from=<ann@example.net> size=9 "
         "nrcpt=1 reinjected",
     }},
    {"a proxy before the queue, whose second half knows no account",
     {
         "0 postfix/submission/smtpd[71]: NOQUEUE: client=pc[198.51.100.9], "
         "sasl_method=PLAIN, sasl_username=ann",
         "0 postfix/smtpd[8]: 4AB07: client=localhost[127.0.0.1]",
         "0 postfix/cleanup[2]: 4AB07: message-id=<m@example.org>",
         "0 postfix/qmgr[3]: 4AB07: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "0 postfix/submission/smtpd[71]: proxy-accept: END-OF-MESSAGE: 250 2.0.0 Ok: "
         "queued "
         "as 4AB07; from=<ann@example.net> to=<b@example.org> proto=ESMTP helo=<pc>",
     },
     {
         "accepted 4AB07 [submitted ann 198.51.100.9] from=<ann@example.net> "
         "mid=<m@example.org> size=9 nrcpt=1 received",
     }},
    {"a remote server cannot claim that another message of ours is this one",
     {
         "0 postfix/smtpd[1]: 4AB08: client=mx.example.org[192.0.2.7]",
         "0 postfix/qmgr[3]: 4AB08: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "1 postfix/smtpd[1]: 4AB09: client=mx.example.org[192.0.2.7]",
         "1 postfix/qmgr[3]: 4AB09: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "2 postfix/smtp[5]: 4AB08: to=<c@example.com>, "
         "relay=mx.example.com[192.0.2.9]:25, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok: queued as 4AB09)",
     },
     {
         "accepted 4AB08 [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "received",
         "accepted 4AB09 [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "received",
         "sent 4AB08 [network 192.0.2.7] to=c@example.com forwarded",
     }},
    {"a forward is a delivery where it arrives",
     {
         "0 postfix/smtpd[1]: 4AB0A: client=mx.example.org[192.0.2.7]",
         "0 postfix/cleanup[2]: 4AB0A: message-id=<m@example.org>",
         "0 postfix/qmgr[3]: 4AB0A: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "1 postfix/cleanup[2]: 4AB0B: message-id=<m@example.org>",
         "1 postfix/qmgr[3]: 4AB0B: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "1 postfix/local[5]: 4AB0A: to=<b@example.net>, relay=local, delay=1, "
         "delays=0/0/0/1, dsn=2.0.0, status=sent (forwarded as 4AB0B)",
         "1 postfix/qmgr[3]: 4AB0A: removed",
         "2 postfix/smtp[5]: 4AB0B: to=<b@example.com>, orig_to=<b@example.net>, "
         "relay=mx.example.com[192.0.2.9]:25, delay=1, delays=0/0/0/1, dsn=2.0.0, "
         "status=sent (250 ok)",
     },
     {
         "accepted 4AB0A [network 192.0.2.7] from=<a@example.org> mid=<m@example.org> "
         "size=5 nrcpt=1 received",
         "accepted 4AB0B [network 192.0.2.7] from=<a@example.org> mid=<m@example.org> "
         "size=5 nrcpt=1 reinjected",
         "sent 4AB0A [network 192.0.2.7] to=b@example.net interim",
         "sent 4AB0B [network 192.0.2.7] to=b@example.com orig_to=b@example.net "
         "forwarded",
     }},
    {"a bounce was received from nobody",
     {
         "0 postfix/cleanup[2]: 4AB0D: message-id=<n@example.net>",
         "0 postfix/bounce[7]: 4AB0C: sender non-delivery notification: 4AB0D",
         "0 postfix/qmgr[3]: 4AB0D: from=<>, size=5, nrcpt=1 (queue active)",
     },
     {"accepted 4AB0D [notice] from=<> mid=<n@example.net> size=5 nrcpt=1"}},
    {"expiry counts the recipients that were left",
     {
         "0 postfix/pickup[2]: 4AB0E: uid=33 from=<www-data>",
         "0 postfix/qmgr[3]: 4AB0E: from=<w@example.net>, size=5, nrcpt=3 (queue active)",
         "1 postfix/smtp[5]: 4AB0E: to=<a@example.com>, "
         "relay=mx.example.com[192.0.2.9]:25, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
         "1 postfix/smtp[5]: 4AB0E: to=<b@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
         "1 postfix/smtp[5]: 4AB0E: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
         "2 postfix/qmgr[3]: 4AB0E: from=<w@example.net>, status=expired, returned to "
         "sender",
     },
     {
         "accepted 4AB0E [local_user user 33] from=<w@example.net> size=5 nrcpt=3 "
         "received",
         "sent 4AB0E [local_user user 33] to=a@example.com",
         "deferred 4AB0E [local_user user 33] to=b@example.com first",
         "deferred 4AB0E [local_user user 33] to=c@example.com",
         "expired 4AB0E [local_user user 33] x2",
     }},
    {"a short id is used again at once",
     {
         "0 postfix/smtpd[1]: 4AB0F: client=pc[198.51.100.9], sasl_method=PLAIN, "
         "sasl_username=ann",
         "0 postfix/qmgr[3]: 4AB0F: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "1 postfix/qmgr[3]: 4AB0F: removed",
         "1 postfix/smtpd[1]: 4AB0F: client=mx.example.org[192.0.2.7]",
         "1 postfix/qmgr[3]: 4AB0F: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
     },
     {
         "accepted 4AB0F [submitted ann 198.51.100.9] from=<ann@example.net> size=9 "
         "nrcpt=1 received",
         "accepted 4AB0F [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "received",
     }},
    {"and when its removal was lost",
     {
         "0 postfix/smtpd[1]: 4AB10: client=pc[198.51.100.9], sasl_method=PLAIN, "
         "sasl_username=ann",
         "0 postfix/qmgr[3]: 4AB10: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "60 postfix/smtpd[1]: 4AB10: client=mx.example.org[192.0.2.7]",
         "60 postfix/smtp[5]: 4AB10: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
     },
     {
         "accepted 4AB10 [submitted ann 198.51.100.9] from=<ann@example.net> size=9 "
         "nrcpt=1 received",
         "deferred 4AB10 [network 192.0.2.7] to=c@example.com first",
     }},
    {"two instances may have one id at a time; a service's own name is no instance",
     {
         "0 postfix/qmgr[3]: 4AB99: removed",
         "0 postfix-out/qmgr[3]: 4AB99: removed",
         "1 postfix-submission/smtpd[1]: 4AB11: client=pc[198.51.100.9], "
         "sasl_method=PLAIN, sasl_username=ann",
         "1 postfix/cleanup[1]: 4AB11: message-id=<m@example.org>",
         "1 postfix/qmgr[3]: 4AB11: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "2 postfix-out/smtpd[1]: 4AB11: client=mx.example.org[192.0.2.7]",
         "2 postfix-out/qmgr[3]: 4AB11: from=<a@example.org>, size=5, nrcpt=1 (queue "
         "active)",
         "3 postfix/smtp[5]: 4AB11: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
         "3 postfix-out/smtp[5]: 4AB11: to=<d@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
     },
     {
         "accepted 4AB11 [submitted ann 198.51.100.9] from=<ann@example.net> "
         "mid=<m@example.org> size=9 nrcpt=1 received",
         "accepted 4AB11 [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "received",
         "deferred 4AB11 [submitted ann 198.51.100.9] to=c@example.com first",
         "deferred 4AB11 [network 192.0.2.7] to=d@example.com first",
     }},
    {"a message that was handed from one instance to another",
     {
         "0 postfix/smtpd[1]: 4AB12: client=mx.example.org[192.0.2.7]",
         "0 postfix/qmgr[3]: 4AB12: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "0 postfix-out/smtpd[1]: 4AB13: client=localhost[127.0.0.1]",
         "0 postfix-out/qmgr[3]: 4AB13: from=<a@example.org>, size=5, nrcpt=1 (queue "
         "active)",
         "0 postfix/smtp[5]: 4AB12: to=<c@example.com>, "
         "relay=127.0.0.1[127.0.0.1]:10025, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as "
         "4AB13)",
     },
     {
         "accepted 4AB12 [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "received",
         "accepted 4AB13 [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "reinjected",
         "sent 4AB12 [network 192.0.2.7] to=c@example.com interim",
     }},
    {"a message that is older than the log",
     {
         "0 postfix/smtp[5]: 4AB14: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
         "900 postfix/qmgr[3]: 4AB14: from=<a@example.org>, size=5, nrcpt=1 (queue "
         "active)",
         "901 postfix/smtp[5]: 4AB14: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)",
     },
     {
         "deferred 4AB14 [] to=c@example.com first",
         "accepted 4AB14 [] from=<a@example.org> size=5 nrcpt=1",
         "deferred 4AB14 [] to=c@example.com",
     }},
    {"a delivery before the queue manager's line",
     {
         "0 postfix/smtpd[1]: 4AB15: client=pc[198.51.100.9], sasl_method=PLAIN, "
         "sasl_username=ann",
         "0 postfix/smtp[5]: 4AB15: to=<c@example.com>, "
         "relay=mx.example.com[192.0.2.9]:25, "
         "delay=1, delays=0/0/0/1, dsn=2.0.0, status=sent (250 ok)",
         "0 postfix/qmgr[3]: 4AB15: removed",
         "0 postfix/qmgr[3]: 4AB15: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
     },
     {
         "sent 4AB15 [submitted ann 198.51.100.9] to=c@example.com",
         "accepted 4AB15 [submitted ann 198.51.100.9] from=<ann@example.net> size=9 "
         "nrcpt=1 received",
     }},
    {"mail that waits by the operator's wish",
     {
         "0 postfix/qmgr[3]: 4AB16: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "0 postfix/error[3]: 4AB16: to=<c@example.com>, relay=none, delay=1, "
         "delays=0/0/0/1, dsn=4.3.2, status=deferred (deferred transport)",
     },
     {
         "accepted 4AB16 [] from=<ann@example.net> size=9 nrcpt=1",
         "deferred 4AB16 [] to=c@example.com own_pause",
     }},
    {"webmail on the host is a message of its own when no filter claims it",
     {
         "0 postfix/smtpd[1]: 4AB17: client=localhost[127.0.0.1]",
         "0 postfix/qmgr[3]: 4AB17: from=<ann@example.net>, size=9, nrcpt=1 (queue "
         "active)",
         "6 postfix/anvil[4]: statistics: max cache size 1 at Nov 14 22:13:26",
     },
     {"accepted 4AB17 [loopback 127.0.0.1] from=<ann@example.net> size=9 nrcpt=1 "
      "received"}},
    {"a filter's answer that comes late takes back what was counted",
     {
         "0 postfix/smtpd[1]: 4AB18: client=mx.example.org[192.0.2.7]",
         "0 postfix/qmgr[3]: 4AB18: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "1 postfix/smtpd[8]: 4AB19: client=localhost[127.0.0.1]",
         "1 postfix/qmgr[3]: 4AB19: from=<a@example.org>, size=5, nrcpt=1 (queue active)",
         "9 postfix/lmtp[5]: 4AB18: to=<c@example.com>, "
         "relay=127.0.0.1[127.0.0.1]:10024, "
         "delay=9, delays=0/0/0/9, dsn=2.0.0, status=sent (250 2.0.0 Ok: queued as "
         "4AB19)",
     },
     {
         "accepted 4AB18 [network 192.0.2.7] from=<a@example.org> size=5 nrcpt=1 "
         "received",
         "accepted 4AB19 [loopback 127.0.0.1] from=<a@example.org> size=5 nrcpt=1 "
         "received",
         "sent 4AB18 [network 192.0.2.7] to=c@example.com interim twice",
     }},
    {"Exim, with both kinds of id, a bounce, and times to wait",
     {
         "0 exim[7]: 1rVDhn-0001bo-D3 <= ann@example.net H=pc [198.51.100.9] P=esmtpsa "
         "A=login:ann S=120 id=x@y",
         "1 exim[7]: 1rVDhn-0001bo-D3 == b@example.org R=dns T=remote_smtp defer (-53): "
         "retry time not reached for any host",
         "1 exim[7]: 1rVDhn-0001bo-D3 == b@example.org R=dns T=remote_smtp "
         "H=mx.example.org "
         "[192.0.2.9] defer (-44): SMTP error from remote mail server after RCPT "
         "TO:<b@example.org>: 451 later",
         "2 exim[7]: 1rVDhn-0001bo-D3 => b@example.org R=dns T=remote_smtp "
         "H=mx.example.org [192.0.2.9] C=\"250 ok\"",
         "2 exim[7]: 1rVDhn-0001bo-D3 Completed",
         "3 exim[7]: 1rVDhn-000000001bo-D342 <= <> R=1rVDhn-0001bo-D3 U=Debian-exim "
         "P=local "
         "S=120",
     },
     {
         "accepted 1rVDhn-0001bo-D3 [submitted ann 198.51.100.9] from=<ann@example.net> "
         "mid=x@y size=120 received",
         "deferred 1rVDhn-0001bo-D3 [submitted ann 198.51.100.9] to=b@example.org "
         "own_pause",
         "deferred 1rVDhn-0001bo-D3 [submitted ann 198.51.100.9] to=b@example.org first",
         "sent 1rVDhn-0001bo-D3 [submitted ann 198.51.100.9] to=b@example.org",
         "accepted 1rVDhn-000000001bo-D342 [notice user Debian-exim] from=<> size=120 "
         "received",
     }},
    {"Sendmail that hands over to a Postfix on the host",
     {
         "0 sendmail[7]: 9AB01c7d012345: from=ann, size=9, class=0, nrcpts=1, "
         "msgid=<x@y>, relay=ann@localhost",
         "0 postfix/smtpd[8]: 4AB1A: client=localhost[127.0.0.1]",
         "0 postfix/qmgr[3]: 4AB1A: from=<ann@example.net>, size=5, nrcpt=1 (queue "
         "active)",
         "0 sendmail[7]: 9AB01c7d012345: to=b@example.org, ctladdr=ann (1/1), "
         "delay=00:00:01, xdelay=00:00:01, mailer=relay, pri=30009, relay=[127.0.0.1] "
         "[127.0.0.1], dsn=2.0.0, stat=Sent (Ok: queued as 4AB1A)",
     },
     {
         "accepted 4AB1A [local_user user ann] from=<ann@example.net> size=5 nrcpt=1 "
         "received",
         "sent 9AB01c7d012345 [local_user user ann] to=b@example.org interim",
     }},
    {"attempts of clients",
     {
         "0 postfix/smtpd[1]: NOQUEUE: reject: RCPT from x[192.0.2.7]: 554 5.7.1 <b>: "
         "Relay "
         "access denied; from=<a@x> to=<b@y> proto=ESMTP helo=<h>",
         "0 postfix/smtpd[1]: NOQUEUE: reject_warning: RCPT from x[192.0.2.7]: 554 5.7.1 "
         "<b>: "
         "Relay access denied; from=<a@x> to=<b@y> proto=ESMTP helo=<h>",
         "0 postfix/submission/smtpd[1]: warning: x[192.0.2.7]: SASL LOGIN "
         "authentication "
         "failed: no, sasl_username=ann",
         "0 dovecot: imap-login: Login: user=<ann>, method=PLAIN, rip=192.0.2.7, "
         "lip=192.0.2.1, mpid=1, TLS, session=<x>",
     },
     {
         "refused ip=192.0.2.7 service=smtpd",
         "auth_failed account=ann ip=192.0.2.7 service=submission",
         "login account=ann ip=192.0.2.7 service=imap-login",
     }},
};

TEST_F(MessageTrackerTest, TellsStories) {
  for (const Story& story : kStories) {
    Restart(MessageTracker::Options());
    Feed(story.lines);
    EXPECT_THAT(Told(), ElementsAreArray(story.want)) << story.name;
  }
}

TEST_F(MessageTrackerTest, HostsDoNotShareIds) {
  FeedAt(0, "mx1", "postfix/qmgr[3]: 4AB01: from=<a@x>, size=5, nrcpt=1 (queue active)");
  FeedAt(0, "mx2", "postfix/qmgr[3]: 4AB01: from=<b@x>, size=5, nrcpt=1 (queue active)");
  EXPECT_THAT(Told(), ElementsAre("accepted 4AB01 [] from=<a@x> size=5 nrcpt=1",
                                  "accepted 4AB01 [] from=<b@x> size=5 nrcpt=1"));
}

TEST_F(MessageTrackerTest, WhatIsHeldBackIsToldWhenTheLogEnds) {
  Feed({"0 postfix/smtpd[1]: 4AB17: client=localhost[127.0.0.1]",
        "0 postfix/qmgr[3]: 4AB17: from=<a@x>, size=9, nrcpt=1 (queue active)"});
  EXPECT_THAT(Told(), IsEmpty());
  tracker_.Finish();
  EXPECT_THAT(Told(), ElementsAre("accepted 4AB17 [loopback 127.0.0.1] from=<a@x> size=9 "
                                  "nrcpt=1 received"));
}

TEST_F(MessageTrackerTest, WhatIsArrivingWhenTheLogEndsCounts) {
  Feed({"0 postfix/smtpd[1]: 4AB30: client=x[192.0.2.7]",
        "100 postfix/smtpd[1]: 4AB31: client=x[192.0.2.7]",
        "100 postfix/smtpd[2]: 4AB32: client=x[192.0.2.7]",
        "101 postfix/smtpd[2]: 4AB32: milter-reject: END-OF-MESSAGE from x[192.0.2.7]: "
        "5.7.1 no; from=<a@x> to=<b@y> proto=ESMTP helo=<h>"});
  tracker_.Finish();
  EXPECT_EQ(told_.received, 1) << "not the one that was given up, nor the refused one";
}

TEST_F(MessageTrackerTest, RemovedMessagesAreForgottenAfterAWhile) {
  for (int i = 0; i < 10'000; ++i) {
    const std::string id = absl::StrCat("4AB", 10'000 + i);
    FeedAt(i, "mx1", absl::StrCat("postfix/smtpd[1]: ", id, ": client=x[192.0.2.7]"));
    FeedAt(i, "mx1", absl::StrCat("postfix/qmgr[3]: ", id, ": removed"));
  }
  EXPECT_LT(tracker_.counters().tracked, 60u) << "30 s of them, and what the sweep left";
  EXPECT_EQ(tracker_.counters().forgotten, 0u);
}

TEST_F(MessageTrackerTest, SilentOnesAreForgottenAfterSixDays) {
  for (int i = 0; i < 20; ++i) {
    FeedAt(i * 86'400, "mx1",
           absl::StrCat("postfix/smtpd[1]: 4AB", 100 + i, ": client=x[192.0.2.7]"));
  }
  EXPECT_LE(tracker_.counters().tracked, 8u);
}

TEST_F(MessageTrackerTest, AtTheBoundTheOldestOfAHandfulGoesAndIsCounted) {
  MessageTracker::Options options;
  options.most_messages = 100;
  Restart(options);
  for (int i = 0; i < 1000; ++i) {
    FeedAt(i, "mx1",
           absl::StrCat("postfix/smtpd[1]: 4AB", 1000 + i, ": client=x[192.0.2.7]"));
  }
  EXPECT_EQ(tracker_.counters().tracked, 100u);
  EXPECT_EQ(tracker_.counters().forgotten, 900u);
}

TEST_F(MessageTrackerTest, ALineFromTheFutureForgetsNothing) {
  Feed(
      {"0 postfix/smtpd[1]: 4AB20: client=pc[198.51.100.9], sasl_method=PLAIN, "
       "sasl_username=ann"});
  for (int i = 0; i < 100; ++i) {
    FeedAt(40, "mx1",
           absl::StrCat("postfix/smtpd[1]: 4AC", 100 + i, ": client=x[192.0.2.7]"));
  }
  Feed({"500000000 postfix/smtpd[1]: 4AB21: client=x[192.0.2.7]",
        "1 postfix/smtp[5]: 4AB20: to=<c@example.com>, relay=none, delay=1, "
        "delays=0/0/0/1, dsn=4.4.1, status=deferred (timed out)"});
  EXPECT_THAT(Told(), ElementsAre("deferred 4AB20 [submitted ann 198.51.100.9] "
                                  "to=c@example.com first"));
}

}  // namespace
}  // namespace mailvane
