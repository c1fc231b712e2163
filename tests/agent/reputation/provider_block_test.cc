#include "agent/reputation/provider_block.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "platform/proto_time.h"
#include "tests/fakes/map_state_writer.h"

namespace mailvane {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

constexpr char kOutlook[] = "hotmail-com.olc.protection.outlook.com";
constexpr char kBlocked[] =
    "host hotmail-com.olc.protection.outlook.com[192.0.2.9] said: 550 5.7.1 "
    "Unfortunately, "
    "messages from [198.51.100.1] weren't sent. Please contact your Internet service "
    "provider since part of their network is on our block list (S3140). (in reply to "
    "MAIL "
    "FROM command)";
constexpr char kListed[] =
    "host mx.example.net[192.0.2.9] said: 554 5.7.1 Service unavailable; Client host "
    "[198.51.100.1] blocked using zen.spamhaus.org (in reply to RCPT TO command)";
constexpr char kSlowed[] =
    "host mta5.am0.yahoodns.net[192.0.2.9] refused to talk to me: 421 4.7.0 [TSS04] "
    "Messages from 198.51.100.1 temporarily deferred due to unexpected volume or user "
    "complaints";

class ProviderBlockTest : public testing::Test {
 protected:
  // One fate a second, each of its own message and recipient.
  std::vector<v1::Finding> Feed(int count, const char* relay, const char* reply,
                                DeliveryStatus status = DeliveryStatus::kBounced) {
    std::vector<v1::Finding> findings;
    for (int i = 0; i < count; ++i) {
      ++number_;
      for (v1::Finding& one : One(relay, reply, status, absl::StrCat("Q", number_),
                                  absl::StrCat("user", number_, "@example.org"))) {
        findings.push_back(std::move(one));
      }
    }
    return findings;
  }

  std::vector<v1::Finding> One(const char* relay, const char* reply,
                               DeliveryStatus status, const std::string& queue_id,
                               const std::string& to) {
    time_ += absl::Seconds(1);
    MailMessage message;
    message.queue_id = queue_id;
    RecipientFate fate;
    fate.time = time_;
    fate.message = &message;
    fate.status = status;
    fate.to = to;
    fate.relay_host = relay;
    fate.reply = reply;
    analyzer_.Settle(fate);
    return analyzer_.TakeFindings();
  }

  std::vector<v1::Finding> Deliver(int count, const char* relay) {
    return Feed(count, relay, "250 2.0.0 Ok", DeliveryStatus::kSent);
  }

  // The states of the roads to `provider`.
  std::vector<v1::Road::State> States(const char* provider) const {
    v1::Snapshot snapshot;
    analyzer_.Report(&snapshot);
    std::vector<v1::Road::State> states;
    for (const v1::Road& road : snapshot.roads()) {
      if (road.provider() == provider) states.push_back(road.state());
    }
    return states;
  }

  ProviderBlockAnalyzer analyzer_{ProviderBlockAnalyzer::Options()};
  absl::Time time_ = absl::FromUnixSeconds(1'700'000'000);
  int number_ = 0;
};

TEST_F(ProviderBlockTest, ABlockIsToldAtItsThirdReplyAndOnce) {
  EXPECT_TRUE(Feed(2, kOutlook, kBlocked).empty()) << "that is no rate";
  const auto findings = Feed(50, kOutlook, kBlocked);
  ASSERT_EQ(findings.size(), 1u);
  const v1::Finding& finding = findings[0];
  EXPECT_EQ(finding.type(), "provider_block");
  EXPECT_EQ(finding.level(), v1::LEVEL_CRITICAL);
  EXPECT_EQ(finding.provider(), "microsoft");
  EXPECT_EQ(finding.scope(), "netblock");
  EXPECT_EQ(finding.messages(), 3u);
  EXPECT_EQ(FromProto(finding.last_seen()) - FromProto(finding.first_seen()),
            absl::Seconds(2));
  EXPECT_THAT(finding.evidence(0),
              HasSubstr("3 replies about 3 recipients of 3 messages"));
  EXPECT_THAT(finding.evidence(), Contains(HasSubstr("LinkID=614866")));
  EXPECT_THAT(finding.evidence(), Contains(HasSubstr("S3140")));
  EXPECT_THAT(States("microsoft"), Contains(v1::Road::STATE_BLOCKED));
}

TEST_F(ProviderBlockTest, DeliveriesOpenTheRoadAndTheNextBlockIsNews) {
  EXPECT_EQ(Feed(5, kOutlook, kBlocked).size(), 1u);
  Deliver(2, kOutlook);
  EXPECT_THAT(States("microsoft"), Contains(v1::Road::STATE_BLOCKED));
  Deliver(1, kOutlook);
  EXPECT_THAT(States("microsoft"), Not(Contains(v1::Road::STATE_BLOCKED)));
  EXPECT_EQ(Feed(10, kOutlook, kBlocked).size(), 1u);
}

TEST_F(ProviderBlockTest, AFewRefusalsAmongManyDeliveriesAreNoBlock) {
  Deliver(40, kOutlook);
  EXPECT_TRUE(Feed(20, kOutlook, kBlocked).empty());
}

TEST_F(ProviderBlockTest, OneCorrespondentOrOneMessageIsNoRate) {
  for (int i = 0; i < 20; ++i) {
    EXPECT_TRUE(One(kOutlook, kBlocked, DeliveryStatus::kDeferred, absl::StrCat("Q", i),
                    "ann@example.org")
                    .empty());
    EXPECT_TRUE(One("mx.gmx.net", kListed, DeliveryStatus::kBounced, "Q1",
                    absl::StrCat("user", i, "@example.org"))
                    .empty());
  }
}

TEST_F(ProviderBlockTest, WhatIsSlowerThanTheWindowIsNoRate) {
  for (int i = 0; i < 20; ++i) {
    time_ += absl::Minutes(31);
    EXPECT_TRUE(Feed(1, kOutlook, kBlocked).empty());
  }
}

TEST_F(ProviderBlockTest, WhatIsNotAboutUsIsNoBlockHoweverOften) {
  for (const char* reply : {
           "550 5.1.1 <ann@example.org>: Recipient address rejected: User unknown",
           "450 4.2.0 <ann@example.org>: Recipient address rejected: Greylisted, try "
           "again "
           "in 5 minutes",
           "550 5.7.513 Service unavailable; Client host blocked by example.org using "
           "Customer Block list (AS16012607)",
           "554 5.7.1 Message rejected as spam by Content Filtering.",
           "552 5.2.2 Mailbox full",
           "550 5.7.1 TRANSPORT.RULES.RejectMessage; the message was rejected by "
           "organization policy",
           "550 5.7.1 rejected",
           "554 5.7.1 <blocked using zen.spamhaus.org@example.org>: no",
           "421 4.7.0 Too many connections from your host",
       }) {
    EXPECT_TRUE(Feed(100, "example-org.mail.protection.outlook.com", reply).empty())
        << reply;
    EXPECT_TRUE(Feed(100, "mx.example.net", reply).empty()) << reply;
  }
}

TEST_F(ProviderBlockTest, ABlocklistIsToldOnceWithItsZoneWhoeverAsksIt) {
  EXPECT_TRUE(Feed(1, "mx.example.net", kListed).empty());
  EXPECT_TRUE(Feed(1, "mx.example.com", kListed).empty());
  const auto findings = Feed(1, "mx1.example.de", kListed);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "dnsbl_rejection");
  EXPECT_EQ(findings[0].subject(), "zen.spamhaus.org");
  EXPECT_THAT(findings[0].evidence(), Contains(HasSubstr("https://check.spamhaus.org/")));
  EXPECT_TRUE(Feed(30, "mx.example.net", kListed).empty());
}

TEST_F(ProviderBlockTest, ARateLimitIsAWarning) {
  EXPECT_TRUE(
      Feed(5, "mta5.am0.yahoodns.net", kSlowed, DeliveryStatus::kDeferred).empty());
  const auto findings =
      Feed(20, "mta5.am0.yahoodns.net", kSlowed, DeliveryStatus::kDeferred);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "rate_limited");
  EXPECT_EQ(findings[0].level(), v1::LEVEL_WARNING);
  EXPECT_EQ(findings[0].provider(), "yahoo");
  EXPECT_THAT(States("yahoo"), Contains(v1::Road::STATE_LIMITED));
}

TEST_F(ProviderBlockTest, EvidenceHasNoMailboxes) {
  const auto findings = Feed(3, "mx.t-online.de",
                             "554 IP=198.51.100.1 - None/bad reputation. ann@example.org "
                             "ask your postmaster (NOWL)");
  ASSERT_EQ(findings.size(), 1u);
  for (const std::string& line : findings[0].evidence()) {
    EXPECT_THAT(line, Not(HasSubstr("ann@")));
  }
}

TEST_F(ProviderBlockTest, AnotherDayNobodyKnows) {
  Feed(5, kOutlook, kBlocked);
  analyzer_.Pass(time_ + absl::Hours(23));
  EXPECT_EQ(States("microsoft").size(), 1u);
  analyzer_.Pass(time_ + absl::Hours(25));
  EXPECT_TRUE(States("microsoft").empty());
}

TEST_F(ProviderBlockTest, ARestartForgetsNothing) {
  MapStateWriter disk;
  Deliver(1, kOutlook);
  Feed(2, kOutlook, kBlocked);
  Feed(2, "mx.example.net", kListed);
  analyzer_.Save(&disk);
  ProviderBlockAnalyzer next{ProviderBlockAnalyzer::Options()};
  ASSERT_TRUE(disk.GiveBackTo(&next));
  MailMessage message;
  message.queue_id = "another";
  RecipientFate fate;
  fate.time = time_ + absl::Seconds(1);
  fate.message = &message;
  fate.status = DeliveryStatus::kBounced;
  fate.to = "another@example.org";
  fate.relay_host = kOutlook;
  fate.reply = kBlocked;
  next.Settle(fate);
  const auto findings = next.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].evidence(0), HasSubstr("beside 1 deliveries"));
  MapStateWriter again;
  next.Save(&again);
  EXPECT_EQ(again.pieces.size(), 1u) << "only what changed is written";
  EXPECT_FALSE(next.Restore("road x", "2 nonsense"));
  EXPECT_FALSE(next.Restore("road x", ""));
}

TEST_F(ProviderBlockTest, IsBounded) {
  for (int i = 0; i < 3000; ++i) {
    Feed(1, absl::StrCat("mx.example", i, ".net").c_str(), kBlocked);
    Deliver(1, absl::StrCat("mx.good", i, ".net").c_str());
  }
  v1::Snapshot snapshot;
  analyzer_.Report(&snapshot);
  EXPECT_LE(snapshot.roads_size(), 64);
  MapStateWriter disk;
  analyzer_.Save(&disk);
  EXPECT_LE(disk.pieces.size(), 1024u + 256u);
}

}  // namespace
}  // namespace mailvane
