#include "tests/bench/mail_log.h"

#include <cstdio>
#include <map>
#include <random>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace mailvane {
namespace {

constexpr int kAccounts = 3000;
constexpr const char* kRelays[] = {
    "gmail-smtp-in.l.google.com[192.0.2.26]:25",
    "example-net.mail.protection.outlook.com[192.0.2.36]:25",
    "mta5.am0.yahoodns.net[192.0.2.77]:25",
    "mx00.t-online.de[192.0.2.5]:25",
    "mail.customer-of-somebody.example[198.51.100.90]:25",
};

class MailLog {
 public:
  MailLog(const MailLogOptions& options,
          const std::function<void(absl::string_view)>& write)
      : options_(options), write_(write), random_(options.seed) {}

  MailLogTruth Make() {
    while (truth_.lines < options_.lines) {
      milliseconds_ += 1000 / options_.messages_per_second;
      Emit();
      const uint32_t dice = Roll(100);
      if (dice < 12) {
        Refuse();
      } else if (dice < 28) {
        Guess();
      } else {
        Send(dice < 85);
      }
    }
    return truth_;
  }

 private:
  uint32_t Roll(uint32_t sides) { return static_cast<uint32_t>(random_() % sides); }

  void Line(int64_t delay_ms, absl::string_view program, std::string text) {
    lines_.emplace(milliseconds_ + delay_ms, absl::StrCat(" mx1 postfix/", program, "[",
                                                          1000 + Roll(400), "]: ", text));
  }

  // What is due by now.
  void Emit() {
    while (!lines_.empty() && lines_.begin()->first <= milliseconds_ &&
           truth_.lines < options_.lines) {
      const auto& [at, text] = *lines_.begin();
      if (at / 1000 != second_) {
        second_ = at / 1000;
        head_ = absl::FormatTime("%b %e %H:%M:%S",
                                 absl::FromUnixSeconds(1'767'225'600 + second_),
                                 absl::UTCTimeZone());
      }
      line_.assign(head_);
      line_ += text;
      line_ += '\n';
      write_(line_);
      ++truth_.lines;
      Count(text);
      lines_.erase(lines_.begin());
    }
  }

  // What was written counts, not what was meant: the log ends in the midst of things.
  void Count(absl::string_view text) {
    const auto has = [&](absl::string_view what) {
      return text.find(what) != absl::string_view::npos;
    };
    truth_.received += has(": client=");
    truth_.delivered += has("status=sent");
    truth_.deferred_attempts += has("status=deferred");
    truth_.deferred_messages += has("delay=1.7,");  // marks the first of a message
    truth_.bounced += has("status=bounced");
    truth_.rejected += has("NOQUEUE: reject:");
    truth_.auth_failed += has("authentication failed");
  }

  std::string Id() { return absl::StrFormat("%X", 0x4A0000000ull + 7919 * ++messages_); }

  void Refuse() {
    const std::string client = absl::StrFormat("unknown[203.0.113.%d]", Roll(250));
    Line(0, "smtpd", absl::StrCat("connect from ", client));
    Line(40, "smtpd",
         absl::StrFormat(
             "NOQUEUE: reject: RCPT from %s: 554 5.7.1 Service unavailable; "
             "Client host [203.0.113.9] blocked using zen.spamhaus.org; "
             "https://www.spamhaus.org/query/ip/203.0.113.9; from=<a%d@spam.example> "
             "to=<user%d@example.net> proto=ESMTP helo=<pc%d>",
             client, Roll(9999), Roll(500), Roll(99)));
    Line(60, "smtpd",
         absl::StrCat("disconnect from ", client,
                      " ehlo=1 mail=1 rcpt=0/1 quit=1 commands=3/4"));
  }

  void Guess() {
    const std::string client =
        absl::StrFormat("unknown[198.18.%d.%d]", Roll(250), Roll(250));
    Line(0, "submission/smtpd", absl::StrCat("connect from ", client));
    Line(90, "submission/smtpd",
         absl::StrFormat("warning: %s: SASL LOGIN authentication failed: UGFzc3dvcmQ6, "
                         "sasl_username=info%d@example.net",
                         client, Roll(9999)));
    Line(95, "submission/smtpd",
         absl::StrCat("lost connection after AUTH from ", client));
    Line(96, "submission/smtpd",
         absl::StrCat("disconnect from ", client, " ehlo=1 auth=0/1 commands=1/2"));
  }

  void Send(bool submitted) {
    const std::string id = Id();
    const uint32_t account = Roll(kAccounts);
    const std::string client = absl::StrFormat(
        "host%d.example.org[198.51.%d.%d]", account, 100 + account % 100, account % 250);
    const absl::string_view service = submitted ? "submission/smtpd" : "smtpd";
    Line(0, service, absl::StrCat("connect from ", client));
    Line(120, service,
         absl::StrCat(id, ": client=", client,
                      submitted ? absl::StrFormat(", sasl_method=PLAIN, "
                                                  "sasl_username=user%d@example.net",
                                                  account)
                                : ""));
    Line(130, "cleanup",
         absl::StrFormat("%s: message-id=<%08x.%d@mail%d.example.org>", id, Roll(~0u),
                         account, Roll(90)));
    const uint32_t recipients = Roll(20) == 0 ? 2 + Roll(8) : 1;
    const std::string queued =
        absl::StrFormat("%s: from=<user%d@example.net>, size=%d, nrcpt=%d (queue active)",
                        id, account, 900 + Roll(90'000), recipients);
    Line(160, "qmgr", queued);
    Line(
        170, service,
        absl::StrCat("disconnect from ", client,
                     " ehlo=2 starttls=1 auth=1 mail=1 rcpt=1 data=1 quit=1 commands=8"));
    int64_t end = 900 + Roll(2500);
    const uint32_t retries = Roll(15) == 0 ? 1 + Roll(4) : 0;
    for (uint32_t i = 0; i < recipients; ++i) {
      end = Deliver(id, i, i == 0 ? retries : 0, queued, end);
    }
    Line(end + 3, "qmgr", absl::StrCat(id, ": removed"));
  }

  int64_t Deliver(const std::string& id, uint32_t recipient, uint32_t retries,
                  const std::string& queued, int64_t at) {
    const std::string to = absl::StrFormat("to=<friend%d.%d@domain%d.example>", recipient,
                                           Roll(99'999), Roll(5000));
    const char* const relay = kRelays[Roll(5)];
    for (uint32_t i = 0; i < retries; ++i) {
      Line(at, "smtp",
           absl::StrFormat(
               "%s: %s, relay=%s, delay=%s, delays=0.1/0.01/0.6/0.9, dsn=4.7.1, "
               "status=deferred (host mx.example.org[192.0.2.9] said: 451 4.7.1 "
               "Greylisted, try again later (in reply to RCPT TO command))",
               id, to, relay, i == 0 ? "1.7" : "301"));
      at += 300'000 << i;
      Line(at, "qmgr", queued);
      at += 800;
    }
    const bool bounced = Roll(30) == 0;
    Line(at, "smtp",
         bounced ? absl::StrFormat(
                       "%s: %s, relay=%s, delay=1.2, delays=0.1/0.01/0.6/0.5, dsn=5.1.1, "
                       "status=bounced (host mx.example.org[192.0.2.9] said: 550 5.1.1 "
                       "The email account that you tried to reach does not exist (in "
                       "reply to RCPT TO command))",
                       id, to, relay)
                 : absl::StrFormat(
                       "%s: %s, relay=%s, delay=1.2, delays=0.1/0.01/0.6/0.5, dsn=2.0.0, "
                       "status=sent (250 2.0.0 OK  1767225600 a%d-20si1234567edc.1 - "
                       "gsmtp)",
                       id, to, relay, Roll(99'999)));
    return at;
  }

  const MailLogOptions options_;
  const std::function<void(absl::string_view)>& write_;
  std::mt19937_64 random_;
  int64_t milliseconds_ = 0;
  int64_t second_ = -1;
  std::string head_;
  std::string line_;
  uint64_t messages_ = 0;
  std::multimap<int64_t, std::string> lines_;
  MailLogTruth truth_;
};

}  // namespace

MailLogTruth MakeMailLog(const MailLogOptions& options,
                         const std::function<void(absl::string_view)>& write) {
  return MailLog(options, write).Make();
}

}  // namespace mailvane
