#include "agent/analyze/queue_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

using testing::ElementsAre;

const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class QueueViewTest : public testing::Test {
 protected:
  QueueViewTest() {
    options_.lifetime = absl::Hours(120);
    options_.notice_lifetime = absl::Hours(24);
    view_ = std::make_unique<QueueView>(options_);
  }

  void Restart() { view_ = std::make_unique<QueueView>(options_); }

  // A line of the log.
  void Deferred(absl::string_view id, absl::string_view to, absl::string_view relay,
                absl::string_view reply, absl::string_view orig_to = "") {
    MailLine line;
    line.kind = MailKind::kDelivery;
    line.status = DeliveryStatus::kDeferred;
    line.queue_id = id;
    line.to = to;
    line.orig_to = orig_to;
    line.relay_host = relay;
    line.reply = reply;
    view_->TakeLine(line);
  }

  void Begin(absl::Duration at = absl::ZeroDuration()) { view_->Begin({kNow, at}); }
  QueuedMessage Message(absl::string_view id, absl::Duration age = absl::Minutes(30)) {
    QueuedMessage message;
    message.key = QueueIdKey(id);
    message.queue = v1::QUEUE_DEFERRED;
    message.bytes = 100;
    message.arrived = absl::ToUnixSeconds(kNow - age);
    return message;
  }
  v1::QueueReading Finish(absl::Duration at = absl::ZeroDuration()) {
    v1::QueueReading reading;
    view_->Finish({kNow, at}, &reading);
    return reading;
  }
  static std::vector<std::string> Causes(const v1::QueueReading& reading) {
    std::vector<std::string> rows;
    for (const v1::QueueCause& cause : reading.causes()) {
      rows.push_back(absl::StrCat(cause.provider(), " ", cause.age(), " ", cause.reason(),
                                  " ", cause.messages()));
    }
    return rows;
  }

  QueueView::Options options_;
  std::unique_ptr<QueueView> view_;
};

constexpr char kGreylisted[] = "451 4.7.1 Greylisted, try again later";

TEST_F(QueueViewTest, JoinsTheLogAndTheQueueByTheId) {
  Deferred("A1", "x@gmail.com", "alt1.gmail-smtp-in.l.google.com", kGreylisted);
  Deferred("A2", "x@gmail.com", "alt1.gmail-smtp-in.l.google.com", kGreylisted);
  Begin();
  view_->Take(Message("A1"));
  view_->Take(Message("A2", absl::Hours(30)));
  view_->Take(Message("A3"));
  EXPECT_THAT(Causes(Finish()),
              ElementsAre("google under_1h greylisted 1", "google under_3d greylisted 1",
                          "unknown under_1h unknown 1"));
}

TEST_F(QueueViewTest, WhoTakesADomainsMailIsRemembered) {
  Deferred("A1", "x@shop.example", "shop-example.mail.protection.outlook.com",
           kGreylisted);
  Begin();
  QueuedMessage message = Message("B1");
  message.to_domain = "shop.example";
  view_->Take(message);
  message.key = QueueIdKey("B2");
  message.queue = v1::QUEUE_ACTIVE;
  view_->Take(message);
  message.key = QueueIdKey("B3");
  message.queue = v1::QUEUE_HOLD;
  view_->Take(message);
  EXPECT_THAT(Causes(Finish()), ElementsAre("microsoft365 under_1h not_tried 1",
                                            "microsoft365 under_1h held 1",
                                            "microsoft365 under_1h unknown 1"));
}

TEST_F(QueueViewTest, AServerNamedTheLineBeforeIsTheOne) {
  MailLine interim;
  interim.kind = MailKind::kInterimFailure;
  interim.queue_id = "A1";
  interim.relay_host = "gmail-smtp-in.l.google.com";
  interim.reply = "Connection refused";
  view_->TakeLine(interim);
  Deferred("A1", "x@gmail.com", "", "Connection refused");
  Begin();
  view_->Take(Message("A1"));
  EXPECT_THAT(Causes(Finish()), ElementsAre("google under_1h network 1"));
}

TEST_F(QueueViewTest, WhatWasSaidHoldsWhileTheProgramOnlyWaits) {
  Deferred("A1", "x@gmail.com", "gmail-smtp-in.l.google.com", kGreylisted);
  MailLine waits;
  waits.kind = MailKind::kDelivery;
  waits.status = DeliveryStatus::kDeferred;
  waits.queue_id = "A1";
  waits.own_pause = true;
  waits.reply = "retry time not reached for any host";
  view_->TakeLine(waits);
  Begin();
  view_->Take(Message("A1"));
  EXPECT_THAT(Causes(Finish()), ElementsAre("google under_1h greylisted 1"));
}

TEST_F(QueueViewTest, TheSocketsReasonIsAsGoodAsTheLogs) {
  Begin();
  QueuedMessage message = Message("A1");
  message.reason =
      "host gmail-smtp-in.l.google.com[192.0.2.9] said: 452 4.2.2 The email "
      "account that you tried to reach is over quota (in reply to RCPT TO "
      "command)";
  view_->Take(message);
  EXPECT_THAT(Causes(Finish()), ElementsAre("google under_1h mailbox_full 1"));
}

TEST_F(QueueViewTest, RowsAreBoundedAndNothingIsMissing) {
  options_.most_causes = 2;
  Restart();
  const char* const relays[] = {"gmail-smtp-in.l.google.com",
                                "x.mail.protection.outlook.com", "mx.example.org",
                                "mta5.am0.yahoodns.net"};
  int id = 0;
  for (int relay = 0; relay < 4; ++relay) {
    for (int i = 0; i <= relay; ++i) {
      Deferred(absl::StrCat(id++), "x@y.example", relays[relay], kGreylisted);
    }
  }
  Begin();
  for (int i = 0; i < id; ++i) view_->Take(Message(absl::StrCat(i)));
  EXPECT_THAT(Causes(Finish()),
              ElementsAre("yahoo under_1h greylisted 4", "other under_1h greylisted 3",
                          "other under_1h other 3"));
}

TEST_F(QueueViewTest, CountsWhatComesAndWhatLeaves) {
  const auto read = [&](std::vector<std::string> ids, absl::Duration at) {
    Begin(at);
    for (const std::string& id : ids) view_->Take(Message(id));
    return Finish(at);
  };
  const v1::QueueReading first = read({"a", "b", "c"}, absl::Seconds(100));
  EXPECT_FALSE(first.has_arrived()) << "there is no time to count over yet";
  const v1::QueueReading second = read({"b", "c", "d", "e"}, absl::Seconds(130));
  EXPECT_EQ(second.arrived(), 2u);
  EXPECT_EQ(second.left(), 1u);
  EXPECT_EQ(second.counted_over_seconds(), 30u);
  const v1::QueueReading third = read({}, absl::Seconds(160));
  EXPECT_EQ(third.arrived(), 2u);
  EXPECT_EQ(third.left(), 5u);
  EXPECT_EQ(third.counted_over_seconds(), 60u);
  // The window forgets.
  for (int i = 1; i <= 30; ++i) read({}, absl::Seconds(160 + 30 * i));
  const v1::QueueReading later = read({}, absl::Seconds(1090));
  EXPECT_EQ(later.left(), 0u);
  EXPECT_LE(later.counted_over_seconds(), 660u);
}

TEST_F(QueueViewTest, AReadingThatFailedIsNoDeparture) {
  Begin();
  view_->Take(Message("a"));
  view_->Take(Message("b"));
  Finish();
  // Met one of them, then failed.
  Begin(absl::Seconds(30));
  view_->Take(Message("a"));
  Begin(absl::Seconds(60));
  view_->Take(Message("a"));
  view_->Take(Message("b"));
  const v1::QueueReading reading = Finish(absl::Seconds(60));
  EXPECT_EQ(reading.left(), 0u);
  EXPECT_EQ(reading.arrived(), 0u);
}

TEST_F(QueueViewTest, SaysWhatExpiresWithinSixHours) {
  Begin();
  view_->Take(Message("a", absl::Hours(113)));
  view_->Take(Message("b", absl::Hours(114)));
  view_->Take(Message("c", absl::Hours(500)));
  QueuedMessage notice = Message("d", absl::Hours(18));
  notice.is_notice = true;
  view_->Take(notice);
  QueuedMessage held = Message("e", absl::Hours(500));
  held.queue = v1::QUEUE_HOLD;
  view_->Take(held);
  EXPECT_EQ(Finish().expiring(), 3u);
}

TEST_F(QueueViewTest, AnUnknownLifetimeIsNoZero) {
  options_.lifetime.reset();
  Restart();
  Begin();
  EXPECT_TRUE(Finish().has_expiring()) << "nothing waits, nothing expires";
  Begin();
  view_->Take(Message("a"));
  EXPECT_FALSE(Finish().has_expiring());
}

TEST_F(QueueViewTest, TellsForwardedMailByFileOrLog) {
  Begin();
  view_->Take(Message("a"));
  EXPECT_FALSE(Finish().has_forwarded()) << "nothing said so";
  Deferred("b", "x@freemail.example", "mx.freemail.example", kGreylisted,
           "info@example.net");
  Begin();
  QueuedMessage message = Message("a");
  message.forwarded = true;
  view_->Take(message);
  view_->Take(Message("b"));
  view_->Take(Message("c"));
  EXPECT_EQ(Finish().forwarded(), 2u);
}

TEST_F(QueueViewTest, WhatTheLogNamesAndNoReadingMeetsIsForgotten) {
  options_.most_messages = 10;
  Restart();
  for (int round = 0; round < 10; ++round) {
    for (int i = 0; i < 3; ++i) {
      Deferred(absl::StrCat(round, ".", i), "x@y.example", "mx.y.example", kGreylisted);
    }
    Begin();
    Finish();
  }
  EXPECT_EQ(view_->forgotten(), 0u);
  for (int i = 0; i < 20; ++i) {
    Deferred(absl::StrCat(i), "x@y.example", "mx.y.example", kGreylisted);
  }
  EXPECT_GT(view_->forgotten(), 0u);
}

TEST_F(QueueViewTest, AnArrivalInTheFutureIsNew) {
  Begin();
  view_->Take(Message("a", -absl::Hours(5)));
  EXPECT_THAT(Causes(Finish()), ElementsAre("unknown under_10m unknown 1"));
}

}  // namespace
}  // namespace mailvane
