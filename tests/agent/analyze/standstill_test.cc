#include "agent/analyze/standstill.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr char kNoAnswer[] =
    "Host or domain name not found. Name service error for name=x.example type=MX: Host "
    "not found, try again";
constexpr char kNoDomain[] =
    "Host or domain name not found. Name service error for name=gmail.com type=A: Host "
    "not "
    "found";

class StandstillTest : public testing::Test {
 protected:
  void Accept(int count, absl::Duration pause) {
    for (int i = 0; i < count; ++i) {
      now_ += pause;
      MailMessage message;
      message.time = now_;
      analyzer_.Accept(message);
      analyzer_.Pass(now_);
    }
  }
  void Settle(DeliveryStatus status, const std::string& to, const char* relay,
              const char* reply = "x", bool first = true) {
    RecipientFate fate;
    const MailMessage message;
    fate.message = &message;
    fate.time = now_;
    fate.status = status;
    fate.to = to;
    fate.relay_host = relay;
    fate.reply = reply;
    fate.first_deferral = first && status == DeliveryStatus::kDeferred;
    analyzer_.Settle(fate);
  }
  static std::string At(int domain) {
    return "joe@d" + std::to_string(domain) + ".example";
  }

  StandstillAnalyzer analyzer_{StandstillAnalyzer::Options()};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(StandstillTest, MailThatComesInAndIsNeverTriedIsStuck) {
  Accept(100, absl::Minutes(1));
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "queue_stuck");
  EXPECT_THAT(findings[0].evidence(0),
              HasSubstr("61 messages came in within 60 min, and not one delivery"));
}

TEST_F(StandstillTest, AQuietServerIsNotStuck) {
  for (int i = 0; i < 200; ++i) {
    Accept(1, absl::Hours(3));
    Settle(DeliveryStatus::kSent, At(1), "local");
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(StandstillTest, WhenEverythingIsPutOffItIsStuck) {
  for (int i = 0; i < 40; ++i) {
    now_ += absl::Minutes(1);
    Settle(DeliveryStatus::kDeferred, At(i % 7), "",
           "connect to x: Connection timed out");
  }
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "queue_stuck");
  EXPECT_THAT(findings[0].evidence(0), HasSubstr("31 messages to 7 domains"));
  EXPECT_THAT(findings[0].evidence(1), HasSubstr("Connection timed out"));
}

TEST_F(StandstillTest, OldMailToDeadHostsIsNotNews) {
  for (int i = 0; i < 1000; ++i) {
    now_ += absl::Minutes(1);
    Settle(DeliveryStatus::kDeferred, At(i % 9), "", "timed out", /*first=*/false);
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(StandstillTest, AListWithDeadDomainsIsNotStuck) {
  for (int i = 0; i < 1000; ++i) {
    now_ += absl::Seconds(30);
    Settle(DeliveryStatus::kDeferred, At(i % 99), "", "timed out");
    if (i % 10 == 0) Settle(DeliveryStatus::kSent, At(500), "mx.example.net");
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(StandstillTest, NamesOfManyDomainsThatAreNotFoundAreOurResolversFault) {
  for (int i = 0; i < 30; ++i) Settle(DeliveryStatus::kDeferred, At(i), "", kNoAnswer);
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "dns_failure");
  EXPECT_EQ(findings[0].messages(), 20u);
}

TEST_F(StandstillTest, OneDomainsBrokenServersAreItsOwnFault) {
  for (int i = 0; i < 500; ++i) Settle(DeliveryStatus::kDeferred, At(3), "", kNoAnswer);
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(StandstillTest, SomeBrokenDomainsOfAListAreTheirOwn) {
  for (int i = 0; i < 60; ++i) {
    Settle(DeliveryStatus::kDeferred, At(i), "", kNoAnswer);
    for (int j = 0; j < 5; ++j) Settle(DeliveryStatus::kSent, At(900), "mx.example.net");
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(StandstillTest, AResolverThatDeniesWhatEverybodyKnowsIsAtFault) {
  for (int i = 0; i < 5; ++i) {
    Settle(DeliveryStatus::kBounced, "joe@gmail.com", "", kNoDomain);
  }
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "dns_failure");
  EXPECT_THAT(findings[0].evidence(1), HasSubstr("gmail.com, which exists"));
}

}  // namespace
}  // namespace mailvane
