// From a log's text to findings about accounts.
#include "agent/account/account_analyzer.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "agent/analyze/message_tracker.h"
#include "agent/parse/mail.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class Log {
 public:
  Log() : tracker_(MessageTracker::Options(), &analyzer_) {}

  AccountAnalyzer& analyzer() { return analyzer_; }
  absl::Time now() const { return now_; }
  void Wait(absl::Duration pause) { now_ += pause; }

  void Line(absl::string_view program, absl::string_view text) {
    const std::string line = absl::StrCat(
        absl::FormatTime("%Y-%m-%dT%H:%M:%E6S+00:00", now_, absl::UTCTimeZone()), " mx1 ",
        program, "[81]: ", text);
    const std::optional<SyslogLine> head = reader_.Parse(line, now_);
    ASSERT_TRUE(head.has_value()) << line;
    const std::optional<MailLine> mail = ParseMail(*head);
    if (mail) tracker_.Take(*head, *mail);
    for (v1::Finding& finding : analyzer_.TakeFindings()) findings.push_back(finding);
    now_ += absl::Milliseconds(10);
  }

  // One message by Postfix.
  void Postfix(absl::string_view client, absl::string_view from, absl::string_view to,
               absl::string_view answer = "dsn=2.0.0, status=sent (250 2.0.0 Ok)",
               absl::string_view relay = "mx.example.org[198.51.100.1]:25") {
    const std::string id = absl::StrCat("4F", 100000 + ++made_);
    Line("postfix/smtpd", absl::StrCat(id, ": client=", client));
    Line("postfix/cleanup",
         absl::StrCat(id,
                      ": message-id=<0f3b9d1c-77aa-4c1e-9a55-0123456789ab@example.net>"));
    Line("postfix/qmgr",
         absl::StrCat(id, ": from=<", from, ">, size=900, nrcpt=1 (queue active)"));
    Line("postfix/smtp", absl::StrCat(id, ": to=<", to, ">, relay=", relay,
                                      ", delay=1, delays=0/0/0.5/0.5, ", answer));
    Line("postfix/qmgr", absl::StrCat(id, ": removed"));
  }

  void Exim(absl::string_view client, absl::string_view from, absl::string_view to,
            bool unknown) {
    ++made_;
    const std::string id = absl::StrCat("1tA", absl::Dec(100 + made_ % 100), "-000",
                                        absl::Dec(100 + made_ % 800), "-2X");
    const std::string date =
        absl::FormatTime("%Y-%m-%d %H:%M:%E3S ", now_, absl::UTCTimeZone());
    for (const std::string& text :
         {absl::StrCat(
              "<= ", from, " H=(pc) [", client,
              "]:4711 P=esmtpsa A=plain:ann@example.net S=900 id=x1@example.net"),
          unknown ? absl::StrCat(
                        "** ", to,
                        " R=dnslookup T=remote_smtp H=mx.example.org [198.51.100.1]: "
                        "SMTP error from remote mail server after RCPT TO:<",
                        to, ">: 550 5.1.1 User unknown")
                  : absl::StrCat("=> ", to,
                                 " R=dnslookup T=remote_smtp H=mx.example.org "
                                 "[198.51.100.1] C=\"250 Ok\""),
          std::string("Completed")}) {
      const std::string line = absl::StrCat(date, id, " ", text);
      const std::optional<SyslogLine> head = reader_.Parse(line, now_);
      ASSERT_TRUE(head.has_value()) << line;
      const std::optional<MailLine> mail = ParseMail(*head);
      ASSERT_TRUE(mail.has_value()) << line;
      tracker_.Take(*head, *mail);
      for (v1::Finding& finding : analyzer_.TakeFindings()) findings.push_back(finding);
    }
    now_ += absl::Seconds(1);
  }

  void LiveQuietly(int days) {
    for (int i = 0; i < days * 4; ++i) {
      Postfix("home[192.0.2.7], sasl_method=PLAIN, sasl_username=ann@example.net",
              "ann@example.net", absl::StrCat("friend", i % 9, "@example.org"));
      now_ += absl::Hours(6);
    }
  }

  std::vector<v1::Finding> findings;

 private:
  AccountAnalyzer analyzer_{AccountAnalyzer::Options()};
  MessageTracker tracker_;
  SyslogReader reader_{absl::UTCTimeZone()};
  absl::Time now_ = absl::FromUnixSeconds(1767600000);
  int made_ = 0;
};

std::string Stranger(int i) { return absl::StrCat("s", i, "@elsewhere.example"); }
std::string Botnet(int i) { return absl::StrCat(20 + i * 7 % 100, ".", i % 250, ".1.1"); }

TEST(AccountAnalyzer, FindsAStolenAccountInPostfixText) {
  Log log;
  log.LiveQuietly(30);
  ASSERT_TRUE(log.findings.empty());
  for (int i = 0; i < 10; ++i) {
    log.Postfix(absl::StrCat("unknown[", Botnet(i),
                             "], sasl_method=LOGIN, sasl_username=Ann@Example.net"),
                "ann@example.net", Stranger(i));
  }
  ASSERT_FALSE(log.findings.empty());
  EXPECT_EQ(log.findings[0].type(), "account_compromised");
  // As logged: the spelling of the line that it rests on.
  EXPECT_EQ(log.findings[0].subject(), "Ann@Example.net");
  EXPECT_LE(log.findings[0].messages(), 6u);
}

TEST(AccountAnalyzer, FindsAStolenAccountInEximText) {
  Log log;
  for (int i = 0; i < 120; ++i) {
    log.Exim("192.0.2.7", "ann@example.net",
             absl::StrCat("friend", i % 9, "@example.org"), false);
    log.Wait(absl::Hours(6));
  }
  ASSERT_TRUE(log.findings.empty());
  for (int i = 0; i < 20; ++i) {
    log.Exim("203.0.113.9", "ann@example.net", Stranger(i), i % 5 == 2);
  }
  ASSERT_FALSE(log.findings.empty());
  EXPECT_EQ(log.findings[0].type(), "account_compromised");
  EXPECT_LE(log.findings[0].messages(), 12u);
}

TEST(AccountAnalyzer, WhatAStrangerWritesAccusesNobody) {
  Log log;
  log.LiveQuietly(30);
  for (int i = 0; i < 300; ++i) {
    const std::string ip = Botnet(i);
    log.Line(
        "postfix/smtpd",
        absl::StrCat("NOQUEUE: reject: RCPT from unknown[", ip,
                     "]: 550 5.1.1 <x@example.net>: Recipient address rejected: User "
                     "unknown; from=<a@b, sasl_method=PLAIN, "
                     "sasl_username=ann@example.net> to=<x@example.net> proto=ESMTP "
                     "helo=<y], sasl_method=PLAIN, sasl_username=ann@example.net>"));
    log.Postfix(absl::StrCat("unknown[", ip, "]"),
                "sasl_username=ann@example.net, sasl_method=PLAIN@evil.example",
                absl::StrCat("nobody", i, "@example.net"),
                "dsn=5.1.1, status=bounced (unknown user: \"nobody\")", "virtual");
  }
  EXPECT_TRUE(log.findings.empty());
  EXPECT_LT(log.analyzer().detector().Judge("sasl/ann@example.net", log.now())->sum, 1);
  EXPECT_EQ(log.analyzer().detector().stats().at_work, 1u);
}

// A server whose resolver is ill, and a program on it that mails all its errors.
TEST(AccountAnalyzer, NamesThatCannotBeLookedUpAccuseNobody) {
  Log log;
  log.LiveQuietly(30);
  for (int i = 0; i < 300; ++i) {
    const char* client =
        "home[192.0.2.7], sasl_method=PLAIN, sasl_username=ann@example.net";
    if (i % 75 == 74) {
      log.Postfix(client, "ann@example.net", "root@w.example.com",
                  "dsn=5.4.4, status=bounced (Host or domain name not found. Name "
                  "service error for name=w.example.com type=A: Host not found)",
                  "none");
    } else {
      log.Postfix(client, "ann@example.net",
                  absl::StrCat("friend", i % 9, "@example.org"));
    }
    log.Wait(absl::Seconds(4));
  }
  for (const v1::Finding& finding : log.findings) {
    EXPECT_NE(finding.type(), "account_compromised") << finding.DebugString();
  }
}

TEST(AccountAnalyzer, GuessesFromManyAddressesAreNoTheft) {
  Log log;
  log.LiveQuietly(30);
  for (int i = 0; i < 2000; ++i) {
    log.Line("postfix/smtpd",
             absl::StrCat("warning: unknown[", Botnet(i),
                          "]: SASL LOGIN authentication failed: authentication failure, "
                          "sasl_username=ann@example.net"));
  }
  log.LiveQuietly(2);
  EXPECT_TRUE(log.findings.empty());
}

TEST(AccountAnalyzer, OneAccountHasOneKey) {
  // The tracker keeps no more than 255 bytes of a name.
  const std::string longest(10000, 'x');
  const struct {
    std::string logged;
    std::string key;
  } rows[] = {
      {"ann@example.net", "sasl/ann@example.net"},
      {"ANN@Example.NET", "sasl/ann@example.net"},
      {"ann@example.net*master", "sasl/ann@example.net"},
      {"ann, sasl_sender=bob", ""},
      {longest, absl::StrCat("sasl/", longest.substr(0, 200), "#",
                             absl::Hex(Fingerprint(longest.substr(0, 255))))},
  };
  for (const auto& row : rows) {
    Log log;
    log.Postfix(
        absl::StrCat("home[192.0.2.7], sasl_method=PLAIN, sasl_username=", row.logged),
        "ann@example.net", "friend@example.org");
    if (row.key.empty()) continue;
    EXPECT_TRUE(log.analyzer().detector().Judge(row.key, log.now()).has_value())
        << row.logged.substr(0, 100);
  }
}

TEST(AccountAnalyzer, ARefusalOfTheServersAddressAccusesNoAccount) {
  Log log;
  log.LiveQuietly(30);
  for (int i = 0; i < 40; ++i) {
    log.Postfix(
        "home[192.0.2.7], sasl_method=PLAIN, sasl_username=ann@example.net",
        "ann@example.net", Stranger(i),
        "dsn=5.7.1, status=bounced (host mx.example.org[198.51.100.1] said: 554 5.7.1 "
        "Service unavailable; Client host [192.0.2.1] blocked using "
        "zen.spamhaus.org (in reply to RCPT TO command))");
  }
  for (const v1::Finding& finding : log.findings)
    EXPECT_EQ(finding.type(), "account_watch");
}

TEST(AccountAnalyzer, MailFromOutsideIsNobodys) {
  Log log;
  for (int i = 0; i < 500; ++i) {
    log.Postfix(absl::StrCat("unknown[", Botnet(i), "]"),
                absl::StrCat("x@s", i, ".example"),
                absl::StrCat("nobody", i, "@example.net"),
                "dsn=5.1.1, status=bounced (unknown user: \"nobody\")", "virtual");
  }
  EXPECT_TRUE(log.findings.empty());
  EXPECT_EQ(log.analyzer().detector().stats().at_work, 0u);
}

TEST(AccountAnalyzer, KeepsNoPasswordAndNoRecipient) {
  Log log;
  log.LiveQuietly(30);
  log.Line("dovecot",
           "auth-worker(1): Info: pam(ann@example.net,203.0.113.9): Password "
           "mismatch (given password: hunter2)");
  for (int i = 0; i < 10; ++i) {
    log.Postfix(
        absl::StrCat("unknown[", Botnet(i),
                     "], sasl_method=LOGIN, sasl_username=ann@example.net"),
        "ann@example.net", absl::StrCat("secret", i, "@elsewhere.example"),
        "dsn=5.1.1, status=bounced (host mx.example.org[198.51.100.1] said: 550 5.1.1 "
        "<secret@elsewhere.example> unknown)");
  }
  ASSERT_FALSE(log.findings.empty());
  std::string kept;
  for (const v1::Finding& finding : log.findings) kept += finding.DebugString();
  class Writer final : public StateWriter {
   public:
    explicit Writer(std::string* kept) : kept_(kept) {}
    void Put(absl::string_view piece, absl::string_view bytes) override {
      absl::StrAppend(kept_, piece, bytes);
    }
    void Erase(absl::string_view) override {}

   private:
    std::string* const kept_;
  } writer(&kept);
  log.analyzer().Save(&writer);
  EXPECT_THAT(kept, Not(HasSubstr("hunter2")));
  EXPECT_THAT(kept, Not(HasSubstr("secret")));
  EXPECT_THAT(kept, HasSubstr("ann@example.net"));
}

TEST(AccountAnalyzer, ReportsSuspectedOnlyWhenALogIsRead) {
  Log log;
  v1::Snapshot snapshot;
  log.analyzer().Report(&snapshot);
  EXPECT_FALSE(snapshot.has_accounts_suspected());
  log.LiveQuietly(30);
  for (int i = 0; i < 10; ++i) {
    log.Postfix(absl::StrCat("unknown[", Botnet(i),
                             "], sasl_method=LOGIN, sasl_username=ann@example.net"),
                "ann@example.net", Stranger(i));
  }
  log.analyzer().Pass(log.now());
  log.analyzer().Report(&snapshot);
  EXPECT_EQ(snapshot.accounts_suspected(), 1u);
}

}  // namespace
}  // namespace mailvane
