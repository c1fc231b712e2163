#include "agent/analyze/expiry.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ExpiryTest : public testing::Test {
 protected:
  void Expire(const std::string& from, uint32_t recipients = 1) {
    MailMessage message;
    message.from = from;
    message.has_from = true;
    RecipientFate fate;
    fate.message = &message;
    fate.time = now_;
    fate.status = DeliveryStatus::kExpired;
    fate.recipients = recipients;
    analyzer_.Settle(fate);
  }

  ExpiryAnalyzer analyzer_{ExpiryAnalyzer::Options()};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(ExpiryTest, ManySendersMailThatIsGivenUpIsAFinding) {
  for (const char* from : {"ann@x", "bob@x", "cid@x", "dan@x"}) Expire(from, 7);
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "mass_expiry");
  EXPECT_THAT(findings[0].evidence(0),
              HasSubstr("21 recipients were given up within 60 min, of 3 senders"));
}

TEST_F(ExpiryTest, ANewslettersDeadAddressesAreNone) {
  for (int i = 0; i < 500; ++i)
    Expire("news-u" + std::to_string(i) + "=x.example@lists.x");
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(ExpiryTest, BouncesThatNobodyWantsAreNone) {
  for (int i = 0; i < 500; ++i) Expire("");
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(ExpiryTest, AFewADayAreNone) {
  for (int i = 0; i < 500; ++i) {
    now_ += absl::Minutes(20);
    Expire(i % 3 == 0 ? "ann@x" : i % 3 == 1 ? "bob@x" : "cid@x", 5);
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST(SenderFamily, LeavesOutWhatIsTheRecipients) {
  EXPECT_EQ(SenderFamily("News-ann=example.org@Lists.example.net"),
            "news@lists.example.net");
  EXPECT_EQ(SenderFamily("bounce+17@x"), "bounce@x");
  EXPECT_EQ(SenderFamily("ann@x"), "ann@x");
  EXPECT_EQ(SenderFamily("17"), "");
}

}  // namespace
}  // namespace mailvane
