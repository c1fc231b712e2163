#include "agent/analyze/delivery.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/proto_time.h"
#include "tests/fakes/map_state_writer.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'700'000'000);

class DeliveryTest : public testing::Test {
 protected:
  // The findings that `count` deliveries led to, one second after another.
  std::vector<v1::Finding> Feed(int count, DeliveryStatus status,
                                const char* relay = "mx.example.net",
                                const char* reply = "host said: 550 5.7.1 no") {
    std::vector<v1::Finding> findings;
    for (int i = 0; i < count; ++i) {
      time_ += absl::Seconds(1);
      const MailMessage message;
      RecipientFate fate;
      fate.time = time_;
      fate.message = &message;
      fate.status = status;
      fate.relay_host = relay;
      fate.dsn = status == DeliveryStatus::kSent ? "2.0.0" : "5.7.1";
      fate.reply = reply;
      analyzer_.Settle(fate);
      for (const v1::Finding& finding : analyzer_.TakeFindings()) {
        findings.push_back(finding);
      }
    }
    return findings;
  }

  static std::string State(DeliveryAnalyzer* analyzer) {
    MapStateWriter disk;
    analyzer->Save(&disk);
    return disk.pieces[""];
  }

  DeliveryAnalyzer analyzer_{DeliveryAnalyzer::Options()};
  absl::Time time_ = kStart;
};

TEST_F(DeliveryTest, RaisesOnceWhenMuchIsRefused) {
  EXPECT_TRUE(Feed(30, DeliveryStatus::kSent).empty());
  const auto findings = Feed(100, DeliveryStatus::kBounced);
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
    EXPECT_TRUE(Feed(5, DeliveryStatus::kSent).empty());
    EXPECT_TRUE(Feed(1, DeliveryStatus::kBounced).empty());
  }
}

TEST_F(DeliveryTest, AFewBouncesOnAQuietServerAreNoFinding) {
  EXPECT_TRUE(Feed(19, DeliveryStatus::kBounced).empty());
}

TEST_F(DeliveryTest, DeferralsAndLocalMailSettleNothing) {
  EXPECT_TRUE(Feed(500, DeliveryStatus::kDeferred).empty());
  EXPECT_TRUE(Feed(500, DeliveryStatus::kBounced, "local").empty());
}

TEST_F(DeliveryTest, OldBouncesLeaveTheWindow) {
  EXPECT_TRUE(Feed(15, DeliveryStatus::kBounced).empty());
  time_ += absl::Minutes(11);
  EXPECT_TRUE(Feed(15, DeliveryStatus::kBounced).empty());
}

TEST_F(DeliveryTest, IsNewsAgainWhenItWasOverOrAnHourLater) {
  EXPECT_EQ(Feed(40, DeliveryStatus::kBounced).size(), 1u);
  time_ += absl::Minutes(30);
  EXPECT_EQ(Feed(40, DeliveryStatus::kBounced).size(), 0u) << "still the same";
  time_ += absl::Minutes(31);
  EXPECT_EQ(Feed(40, DeliveryStatus::kBounced).size(), 1u) << "an hour later";
  Feed(500, DeliveryStatus::kSent);
  EXPECT_EQ(Feed(400, DeliveryStatus::kBounced).size(), 1u) << "was over";
}

TEST_F(DeliveryTest, EvidenceNamesNoMailbox) {
  const auto findings = Feed(20, DeliveryStatus::kBounced, "mx.example.net",
                             "550 <joe@example.net> unknown");
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_THAT(findings[0].evidence(1), HasSubstr("<…@example.net>"));
}

TEST_F(DeliveryTest, ReasonsAreBounded) {
  for (int i = 0; i < 1000; ++i) {
    Feed(1, DeliveryStatus::kBounced, "mx.example.net", std::to_string(i).c_str());
  }
  EXPECT_LT(State(&analyzer_).size(), 4096u);
}

TEST_F(DeliveryTest, GoesOnAfterARestartAsIfThereHadBeenNone) {
  Feed(10, DeliveryStatus::kSent);
  Feed(15, DeliveryStatus::kBounced);
  DeliveryAnalyzer restarted{DeliveryAnalyzer::Options()};
  MapStateWriter disk;
  analyzer_.Save(&disk);
  ASSERT_TRUE(disk.GiveBackTo(&restarted));
  const std::string state = State(&restarted);
  EXPECT_EQ(state, disk.pieces[""]);
  for (const char* bad : {"", "2 - -|", "1 - -|x", "1 - -|5,1,1;4,1,1;", "1 q -|"}) {
    EXPECT_FALSE(restarted.Restore("", bad)) << bad;
  }
  restarted.Save(&disk);
  EXPECT_EQ(disk.pieces[""], state) << "a bad state changes nothing";
}

TEST_F(DeliveryTest, SavesOnlyWhatChanged) {
  Feed(1, DeliveryStatus::kBounced);
  MapStateWriter disk;
  analyzer_.Save(&disk);
  disk.pieces.clear();
  analyzer_.Save(&disk);
  EXPECT_TRUE(disk.pieces.empty());
}

TEST_F(DeliveryTest, AHopToAFilterIsNoDeliveryAndOwnPausesAreNoDeferrals) {
  RecipientFate fate;
  const MailMessage message;
  fate.message = &message;
  fate.time = kStart;
  fate.status = DeliveryStatus::kSent;
  fate.interim = true;
  analyzer_.Settle(fate);
  fate.interim = false;
  fate.status = DeliveryStatus::kDeferred;
  fate.own_pause = true;
  analyzer_.Settle(fate);
  v1::Snapshot snapshot;
  analyzer_.Report(&snapshot);
  EXPECT_EQ(snapshot.deliveries_size(), 0);
}

TEST_F(DeliveryTest, CountsByProviderOfTheServerThatTookIt) {
  Feed(2, DeliveryStatus::kSent, "example-net.mail.protection.outlook.com");
  Feed(1, DeliveryStatus::kDeferred, "none");
  std::map<std::string, uint64_t> got;
  v1::Snapshot snapshot;
  analyzer_.Report(&snapshot);
  for (const v1::DeliveryCount& count : snapshot.deliveries()) {
    got[count.provider() + "/" + v1::DeliveryStatus_Name(count.status())] = count.count();
  }
  EXPECT_EQ(got, (std::map<std::string, uint64_t>{
                     {"microsoft365/DELIVERY_STATUS_SENT", 2},
                     {"unknown/DELIVERY_STATUS_DEFERRED", 1},
                 }));
}

}  // namespace
}  // namespace mailvane
