#include "agent/account/evidence.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/agent/account/conduct.h"

namespace mailvane {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

AccountAlarm Stolen() {
  AccountAlarm alarm;
  alarm.time = absl::FromUnixSeconds(1767600046);
  alarm.account = "info@example.net";
  alarm.verdict.suspicion = Suspicion::kHold;
  alarm.verdict.sum = 15.3f;
  alarm.verdict.threshold = 13;
  alarm.verdict.parts = {6.1f, 4.4f, 1.0f, 3.8f, 0};
  alarm.episode.begun = 1767600000;
  alarm.episode.messages = 9;
  alarm.episode.recipients = 12;
  alarm.episode.to_strangers = 9;
  alarm.episode.strangers = 12;
  alarm.episode.networks = 8;
  alarm.episode.failed_logins = 3;
  alarm.episode.unknown = 2;
  alarm.usual.stranger = 1 / 17.0f;
  alarm.usual.unknown = 0.004f;
  alarm.usual.hourly = 2;
  alarm.usual.networks = 2;
  alarm.exhibits = {"2026-01-05T08:00:01Z to <…@example.org>: 550 5.1.1 User unknown"};
  return alarm;
}

std::vector<std::string> Lines(const v1::Finding& finding) {
  return {finding.evidence().begin(), finding.evidence().end()};
}

TEST(FindingOf, SaysItForAPersonStrongestFirst) {
  const v1::Finding finding = FindingOf(Stolen());
  EXPECT_EQ(finding.type(), "account_compromised");
  EXPECT_EQ(finding.level(), v1::LEVEL_CRITICAL);
  EXPECT_EQ(finding.subject(), "info@example.net");
  EXPECT_EQ(finding.messages(), 9u);
  EXPECT_THAT(
      Lines(finding),
      ::testing::ElementsAre(
          "15.3 where 13.0 is needed",
          "recipients +6.1: 9 of 9 messages to addresses that it never wrote to (usually "
          "1 "
          "of 17), 12 new addresses",
          "origin +4.4: from 8 networks that it never used before, it has 2 usual ones, "
          "after 3 failed logins",
          "outcome +3.8: 2 of 12 new addresses do not exist (usually 1 of 250)",
          "volume +1.0: 9 messages in 46s (usually 2 in an hour in which it sends)",
          "it would not have fired without recipients, or without origin, or without "
          "outcome",
          "released so far: 9 messages to 12 recipients; nothing is held",
          "2026-01-05T08:00:01Z to <…@example.org>: 550 5.1.1 User unknown"));
}

TEST(FindingOf, AWatchSaysThatItMayBeHonest) {
  AccountAlarm alarm = Stolen();
  alarm.verdict.suspicion = Suspicion::kWatch;
  const v1::Finding finding = FindingOf(alarm);
  EXPECT_EQ(finding.type(), "account_watch");
  EXPECT_EQ(finding.level(), v1::LEVEL_WARNING);
  EXPECT_THAT(Lines(finding), Contains(HasSubstr("honest busy day")));
}

TEST(FindingOf, SaysHowOftenSoMuchIsAFalseAlarm) {
  AccountAlarm alarm = Stolen();
  alarm.expected_false_holds = 0.8;
  EXPECT_THAT(FindingOf(alarm).evidence(0), HasSubstr("0.8 of 1,000 accounts a month"));
}

TEST(FindingOf, NamesOfAnyKindAreText) {
  AccountAlarm alarm = Stolen();
  alarm.account =
      "a\x01"
      "b\xff,\n=\"c*master";
  const v1::Finding finding = FindingOf(alarm);
  EXPECT_EQ(finding.subject(), "a?b?,?=\"c*master");
  EXPECT_FALSE(finding.SerializeAsString().empty());
}

TEST(Exhibits, HoldNoNames) {
  AccountDetector detector((AccountDetector::Options()));
  Conduct conduct(&detector);
  conduct.LiveQuietly(60);
  for (int i = 0; i < 20; ++i) {
    Letter letter;
    letter.ip = absl::StrCat(30 + i, ".1.1.1");
    letter.to = {absl::StrCat("secret", i, "@elsewhere.example")};
    letter.outcome = Outcome::kUnknownRecipient;
    conduct.Send(letter);
  }
  const std::vector<AccountAlarm> alarms = detector.TakeAlarms();
  ASSERT_FALSE(alarms.empty());
  EXPECT_FALSE(alarms[0].exhibits.empty());
  for (const std::string& line : Lines(FindingOf(alarms[0]))) {
    EXPECT_THAT(line, Not(HasSubstr("secret")));
    EXPECT_LE(line.size(), 512u);
  }
}

}  // namespace
}  // namespace mailvane
