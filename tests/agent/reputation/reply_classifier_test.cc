#include "agent/reputation/reply_classifier.h"

#include <string>

#include "gtest/gtest.h"

namespace mailvane {
namespace {

TEST(ReplyClassifier, SaysWhoRefusesUsWhyAndWhereToAsk) {
  ReplyClassifier classifier;
  const ReplyVerdict verdict = classifier.Classify(
      {"mx.example.net",
       "host mx.example.net[192.0.2.7] said: 554 5.7.1 Service unavailable; Client host "
       "[198.51.100.1] blocked using zen.spamhaus.org; "
       "https://www.spamhaus.org/query/ip/198.51.100.1 (in reply to RCPT TO command)",
       ""});
  EXPECT_EQ(ReplyClassName(verdict.reply_class), "dnsbl_listed");
  EXPECT_EQ(ReplyScopeName(verdict.scope), "ip");
  EXPECT_EQ(verdict.provider, "other");
  EXPECT_EQ(verdict.temporary, false);
  EXPECT_EQ(verdict.zone, "zen.spamhaus.org");
  EXPECT_EQ(verdict.delist_url, "https://www.spamhaus.org/query/ip/198.51.100.1");
  EXPECT_EQ(verdict.rule, "dnsbl-zone");
}

TEST(ReplyClassifier, WhatWasTakenIsDelivered) {
  ReplyClassifier classifier;
  const ReplyVerdict verdict =
      classifier.Classify({"aspmx.l.google.com", "250 2.0.0 OK", "2.0.0"});
  EXPECT_EQ(ReplyClassName(verdict.reply_class), "delivered");
  EXPECT_EQ(verdict.provider, "google");
  EXPECT_EQ(verdict.temporary, std::nullopt);
}

TEST(ReplyClassifier, ABareCodeMakesNoVerdictAboutUs) {
  ReplyClassifier classifier;
  for (const std::string code : {"421", "450", "451", "550", "553", "554"}) {
    for (const std::string dsn : {"", " 5.7.1", " 5.7.0", " 4.7.0", " 5.0.0", " 4.7.1"}) {
      const ReplyVerdict verdict =
          classifier.Classify({"mx.example.net", code + dsn + " 12345", ""});
      switch (verdict.reply_class) {
        case ReplyClass::kIpBlocked:
        case ReplyClass::kDnsblListed:
        case ReplyClass::kIpReputation:
        case ReplyClass::kDomainReputation:
        case ReplyClass::kRateLimited:
          ADD_FAILURE() << code << dsn << ": " << verdict.rule;
          break;
        default:
          break;
      }
    }
  }
}

}  // namespace
}  // namespace mailvane
