#include "agent/analyze/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/proto_time.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class DeliveryTest : public testing::Test {
 protected:
  // The findings that `count` deliveries led to, one second after another.
  std::vector<v1::Finding> Feed(int count, v1::DeliveryStatus status,
                                const char* relay = "mx.example.net",
                                const char* reply = "host said: 550 5.7.1 no") {
    std::vector<v1::Finding> findings;
    for (int i = 0; i < count; ++i) {
      time_ += absl::Seconds(1);
      DeliverySeen seen;
      seen.time = time_;
      seen.status = status;
      seen.relay_host = relay;
      seen.dsn = status == v1::DELIVERY_STATUS_SENT ? "2.0.0" : "5.7.1";
      seen.reply = reply;
      std::optional<v1::Finding> finding = analyzer_.Consume(seen);
      if (finding) findings.push_back(*finding);
    }
    return findings;
  }

  DeliveryAnalyzer analyzer_{DeliveryAnalyzer::Options()};
  absl::Time time_ = kStart;
};

TEST_F(DeliveryTest, RaisesOnceWhenMuchIsRefused) {
  EXPECT_TRUE(Feed(30, v1::DELIVERY_STATUS_SENT).empty());
  const auto findings = Feed(100, v1::DELIVERY_STATUS_BOUNCED);
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "bounce_rate");
  EXPECT_EQ(findings[0].messages(), 20u) << "as soon as it is sure";
  EXPECT_EQ(FromProto(findings[0].first_seen()), kStart + absl::Seconds(31));
  EXPECT_EQ(FromProto(findings[0].last_seen()), kStart + absl::Seconds(50));
  EXPECT_THAT(findings[0].evidence(),
              ElementsAre("20 of 50 recipients were refused within 10 min (40 %)",
                          "20 × 5.7.1 host said: 550 5.7.1 no"));
}

TEST_F(DeliveryTest, SomeDeadAddressesInAListAreNoFinding) {
  for (int i = 0; i < 100; ++i) {
    EXPECT_TRUE(Feed(5, v1::DELIVERY_STATUS_SENT).empty());
    EXPECT_TRUE(Feed(1, v1::DELIVERY_STATUS_BOUNCED).empty());
  }
}

TEST_F(DeliveryTest, AFewBouncesOnAQuietServerAreNoFinding) {
  EXPECT_TRUE(Feed(19, v1::DELIVERY_STATUS_BOUNCED).empty());
}

TEST_F(DeliveryTest, DeferralsAndLocalMailSettleNothing) {
  EXPECT_TRUE(Feed(500, v1::DELIVERY_STATUS_DEFERRED).empty());
  EXPECT_TRUE(Feed(500, v1::DELIVERY_STATUS_BOUNCED, "local").empty());
}

TEST_F(DeliveryTest, OldBouncesLeaveTheWindow) {
  EXPECT_TRUE(Feed(15, v1::DELIVERY_STATUS_BOUNCED).empty());
  time_ += absl::Minutes(11);
  EXPECT_TRUE(Feed(15, v1::DELIVERY_STATUS_BOUNCED).empty());
}

TEST_F(DeliveryTest, IsNewsAgainWhenItWasOverOrAnHourLater) {
  EXPECT_EQ(Feed(40, v1::DELIVERY_STATUS_BOUNCED).size(), 1u);
  time_ += absl::Minutes(30);
  EXPECT_EQ(Feed(40, v1::DELIVERY_STATUS_BOUNCED).size(), 0u) << "still the same";
  time_ += absl::Minutes(31);
  EXPECT_EQ(Feed(40, v1::DELIVERY_STATUS_BOUNCED).size(), 1u) << "an hour later";
  Feed(500, v1::DELIVERY_STATUS_SENT);
  EXPECT_EQ(Feed(400, v1::DELIVERY_STATUS_BOUNCED).size(), 1u) << "was over";
}

TEST_F(DeliveryTest, EvidenceNamesNoMailbox) {
  const auto findings = Feed(20, v1::DELIVERY_STATUS_BOUNCED, "mx.example.net",
                             "550 <joe@example.net> unknown");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].evidence(1), HasSubstr("<…@example.net>"));
}

TEST_F(DeliveryTest, ReasonsAreBounded) {
  for (int i = 0; i < 1000; ++i) {
    Feed(1, v1::DELIVERY_STATUS_BOUNCED, "mx.example.net", std::to_string(i).c_str());
  }
  EXPECT_LT(analyzer_.State().size(), 4096u);
}

TEST_F(DeliveryTest, GoesOnAfterARestartAsIfThereHadBeenNone) {
  Feed(10, v1::DELIVERY_STATUS_SENT);
  Feed(15, v1::DELIVERY_STATUS_BOUNCED);
  DeliveryAnalyzer restarted{DeliveryAnalyzer::Options()};
  ASSERT_TRUE(restarted.Restore(analyzer_.State()));
  EXPECT_EQ(restarted.State(), analyzer_.State());
  for (const char* bad : {"", "2 - -|", "1 - -|x", "1 - -|5,1,1;4,1,1;", "1 q -|"}) {
    EXPECT_FALSE(restarted.Restore(bad)) << bad;
  }
  EXPECT_EQ(restarted.State(), analyzer_.State());
}

TEST_F(DeliveryTest, CountsByProviderOfTheServerThatTookIt) {
  Feed(2, v1::DELIVERY_STATUS_SENT, "example-net.mail.protection.outlook.com");
  Feed(1, v1::DELIVERY_STATUS_DEFERRED, "none");
  std::map<std::string, uint64_t> got;
  for (const v1::DeliveryCount& count : analyzer_.Counts()) {
    got[count.provider() + "/" + v1::DeliveryStatus_Name(count.status())] = count.count();
  }
  EXPECT_EQ(got, (std::map<std::string, uint64_t>{
                     {"microsoft/DELIVERY_STATUS_SENT", 2},
                     {"local/DELIVERY_STATUS_DEFERRED", 1},
                 }));
}

}  // namespace
}  // namespace mailvane
