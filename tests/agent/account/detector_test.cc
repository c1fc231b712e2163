#include "agent/account/detector.h"

#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/agent/account/conduct.h"

namespace mailvane {
namespace {

constexpr auto kHold = Suspicion::kHold;
constexpr auto kWatch = Suspicion::kWatch;

std::string Anywhere(int i) { return absl::StrCat(20 + i * 7 % 200, ".", i, ".1.1"); }

// Messages until the alarm of at least this suspicion; 0: none in `most`.
int MessagesUntil(AccountDetector* detector, Conduct* thief, Suspicion suspicion,
                  int most, absl::Duration pause,
                  const std::function<Letter(int)>& letter) {
  for (int i = 1; i <= most; ++i) {
    thief->Send(letter(i));
    thief->Wait(pause);
    for (const AccountAlarm& alarm : detector->TakeAlarms()) {
      if (alarm.verdict.suspicion >= suspicion) return i;
    }
  }
  return 0;
}

struct Owned {
  Owned() : detector(AccountDetector::Options()), conduct(&detector) {
    conduct.LiveQuietly(60);
    detector.TakeAlarms();
  }
  AccountDetector detector;
  Conduct conduct;
};

Letter ToStranger(Conduct* conduct, std::string ip) {
  Letter letter;
  letter.ip = std::move(ip);
  letter.to = {conduct->NextStranger()};
  return letter;
}

TEST(AccountDetector, AQuietLifeIsNoReasonForSuspicion) {
  AccountDetector detector((AccountDetector::Options()));
  Conduct conduct(&detector);
  conduct.LiveQuietly(200);
  EXPECT_FALSE(detector.has_alarms());
}

TEST(AccountDetector, FindsABotnetWithinSixMessagesAtAnyRate) {
  for (double hourly : {3000.0, 60.0, 5.0}) {
    Owned owned;
    const int messages =
        MessagesUntil(&owned.detector, &owned.conduct, kHold, 50, absl::Hours(1) / hourly,
                      [&](int i) { return ToStranger(&owned.conduct, Anywhere(i)); });
    EXPECT_GT(messages, 1) << hourly;
    EXPECT_LE(messages, 6) << hourly;
  }
}

TEST(AccountDetector, FindsOneForeignServerWithinAboutTen) {
  Owned owned;
  const int messages = MessagesUntil(
      &owned.detector, &owned.conduct, kHold, 50, absl::Minutes(1), [&](int i) {
        Letter letter = ToStranger(&owned.conduct, "203.0.113.9");
        if (i % 6 == 0) letter.outcome = Outcome::kUnknownRecipient;
        return letter;
      });
  EXPECT_GT(messages, 2);
  EXPECT_LE(messages, 12);
}

TEST(AccountDetector, StrangersAndVolumeAloneAreWorthALookOnly) {
  Owned owned;
  std::vector<AccountAlarm> alarms;
  for (int i = 0; i < 300; ++i) {
    owned.conduct.Send(ToStranger(&owned.conduct, "192.0.2.7"));
    for (AccountAlarm& alarm : owned.detector.TakeAlarms()) alarms.push_back(alarm);
  }
  ASSERT_EQ(alarms.size(), 1u);
  EXPECT_EQ(alarms[0].verdict.suspicion, kWatch);
  EXPECT_LE(alarms[0].episode.messages, 20);
}

TEST(AccountDetector, DeadAddressesTellAThiefAtHome) {
  Owned owned;
  const int messages = MessagesUntil(
      &owned.detector, &owned.conduct, kHold, 60, absl::Minutes(1), [&](int i) {
        Letter letter = ToStranger(&owned.conduct, "192.0.2.7");
        if (i % 5 == 0) letter.outcome = Outcome::kUnknownRecipient;
        return letter;
      });
  EXPECT_GT(messages, 5);
  EXPECT_LE(messages, 25);
}

TEST(AccountDetector, GreylistingAndNetworksCountNothing) {
  Owned owned;
  for (int i = 0; i < 200; ++i) {
    Letter letter;
    letter.to = {absl::StrCat("friend", i % 9, "@example.org")};
    letter.outcome = Outcome::kNeutral;
    owned.conduct.Send(letter);
    owned.conduct.Wait(absl::Minutes(20));
  }
  EXPECT_FALSE(owned.detector.has_alarms());
}

TEST(AccountDetector, AnotherProgramAndSenderTellAThiefAtHome) {
  Owned owned;
  const int messages = MessagesUntil(
      &owned.detector, &owned.conduct, kHold, 60, absl::Minutes(1), [&](int i) {
        Letter letter = ToStranger(&owned.conduct, "192.0.2.7");
        letter.message_id = absl::StrCat("9F", 1000 + i, ".", i, "@pc17");
        letter.sender = "service@bank.example";
        return letter;
      });
  EXPECT_GT(messages, 2);
  EXPECT_LE(messages, 20);
}

TEST(AccountDetector, ABurstOfBlindCopiesIsFoundByTheQueueLineAlone) {
  // The recipients of the second are not told yet.
  Owned owned;
  Letter letter;
  letter.ip = "203.0.113.9";
  letter.to.clear();
  for (int i = 0; i < 100; ++i) letter.to.push_back(owned.conduct.NextStranger());
  owned.conduct.Send(letter);
  owned.conduct.Wait(absl::Minutes(2));
  MessageSent second;
  second.time = owned.conduct.now();
  second.account = owned.conduct.ref();
  second.queue_id = "4ZkB";
  second.client_ip = "203.0.113.9";
  second.sender = "ann@example.net";
  second.recipients = 100;
  owned.detector.Consume(second);
  const std::vector<AccountAlarm> alarms = owned.detector.TakeAlarms();
  ASSERT_FALSE(alarms.empty());
  EXPECT_EQ(alarms.back().verdict.suspicion, kHold);
  EXPECT_LE(alarms.back().episode.messages, 2);
}

TEST(AccountDetector, ATripIsNoTheft) {
  Owned owned;
  for (int i = 0; i < 60; ++i) {
    Letter letter;
    letter.ip = i % 2 == 0 ? "203.0.113.9" : "198.51.100.4";
    letter.to = {absl::StrCat("friend", i % 9, "@example.org")};
    if (i % 12 == 0) letter.to = {owned.conduct.NextStranger()};
    owned.conduct.Send(letter);
    owned.conduct.Wait(absl::Hours(2));
  }
  EXPECT_FALSE(owned.detector.has_alarms());
}

TEST(AccountDetector, OneProviderWithManyNetworksIsHome) {
  AccountDetector detector((AccountDetector::Options()));
  Conduct roamer(&detector);
  for (int i = 0; i < 400; ++i) {
    Letter letter;
    letter.ip = absl::StrCat("100.70.", i % 256, ".9");
    letter.to = {absl::StrCat("friend", i % 9, "@example.org")};
    if (i % 9 == 0) letter.to = {roamer.NextStranger()};
    roamer.Send(letter);
    roamer.Wait(absl::Hours(3));
  }
  EXPECT_FALSE(detector.has_alarms());
}

TEST(AccountDetector, LearnsWhoSendsInBulk) {
  AccountDetector detector((AccountDetector::Options()));
  Conduct sender(&detector, "news@example.net");
  std::vector<int> alarms;
  for (int month = 0; month < 8; ++month) {
    for (int i = 0; i < 400; ++i) {
      Letter letter;
      letter.to = {
          absl::StrCat("subscriber", i < 390 ? i : month * 1000 + i, "@example.org")};
      if (i % 80 == 79) letter.outcome = Outcome::kUnknownRecipient;
      sender.Send(letter);
    }
    sender.Wait(absl::Hours(24 * 30));
    int holds = 0;
    int any = 0;
    for (const AccountAlarm& alarm : detector.TakeAlarms()) {
      holds += alarm.verdict.suspicion == kHold;
      ++any;
    }
    EXPECT_EQ(holds, 0) << month;
    alarms.push_back(any);
  }
  EXPECT_EQ(alarms[6] + alarms[7], 0);
}

TEST(AccountDetector, AnAccountThatNobodyKnowsNeedsMore) {
  // A log that begins with 1,000 messages of one sender, to strangers all.
  AccountDetector detector((AccountDetector::Options()));
  Conduct sender(&detector);
  int holds = 0;
  for (int i = 0; i < 1000; ++i) {
    sender.Send(ToStranger(&sender, "127.0.0.1"));
    for (const AccountAlarm& alarm : detector.TakeAlarms()) {
      holds += alarm.verdict.suspicion == kHold;
    }
  }
  EXPECT_EQ(holds, 0);
}

TEST(AccountDetector, GuessesAndLoginsAloneMakeNoAccount) {
  AccountDetector detector((AccountDetector::Options()));
  LoginSeen login;
  login.time = absl::FromUnixSeconds(1767600000);
  login.times = 1000;
  for (int i = 0; i < 1000; ++i) {
    const std::string name = absl::StrCat("sasl/user", i);
    login.account = {AccountKind::kSaslUser, name, name};
    login.client_ip = "203.0.113.9";
    detector.Consume(login);
    login.ok = login.mailbox = i % 2 == 0;
  }
  EXPECT_FALSE(detector.has_alarms());
  EXPECT_EQ(detector.stats().at_work, 0u);
}

TEST(AccountDetector, ASuccessAfterGuessesIsEvidenceAndNoAlarm) {
  float sums[2];
  for (bool guessed : {false, true}) {
    Owned owned;
    if (guessed) {
      LoginSeen login;
      login.time = owned.conduct.now();
      login.client_ip = "203.0.113.9";
      login.times = 5;
      for (const char* name : {"ann@example.net", "bob", "cid", "dan", "eve"}) {
        login.account = {AccountKind::kSaslUser, name, name};
        owned.detector.Consume(login);
      }
    }
    Letter probe = ToStranger(&owned.conduct, "203.0.113.9");
    owned.conduct.Send(probe);
    EXPECT_FALSE(owned.detector.has_alarms());
    sums[guessed] = owned.detector.Judge("ann@example.net", owned.conduct.now())->sum;
  }
  EXPECT_GT(sums[1], sums[0] + 0.9f);
}

TEST(AccountDetector, AThiefWhoWaitsGainsLittle) {
  Owned owned;
  owned.conduct.Send(ToStranger(&owned.conduct, "203.0.113.9"));
  owned.conduct.Wait(absl::Hours(40));
  const int messages = MessagesUntil(
      &owned.detector, &owned.conduct, kHold, 60, absl::Minutes(1), [&](int i) {
        Letter letter = ToStranger(&owned.conduct, "203.0.113.9");
        if (i % 6 == 0) letter.outcome = Outcome::kUnknownRecipient;
        return letter;
      });
  EXPECT_GT(messages, 0);
  EXPECT_LE(messages, 15);
}

TEST(AccountDetector, TheOwnersOwnMailDoesNotHideTheThief) {
  Owned owned;
  const int messages = MessagesUntil(&owned.detector, &owned.conduct, kHold, 200,
                                     absl::Minutes(1), [&](int i) {
                                       if (i % 2 == 0) return Letter();
                                       return ToStranger(&owned.conduct, Anywhere(i));
                                     });
  EXPECT_GT(messages, 0);
  EXPECT_LE(messages, 20);
}

TEST(AccountDetector, TellsOnceADay) {
  Owned owned;
  int alarms = 0;
  for (int i = 0; i < 500; ++i) {
    owned.conduct.Send(ToStranger(&owned.conduct, Anywhere(i)));
    owned.conduct.Wait(absl::Minutes(1));
    alarms += static_cast<int>(owned.detector.TakeAlarms().size());
  }
  EXPECT_EQ(alarms, 1);
  EXPECT_EQ(owned.detector.Suspected(owned.conduct.now()), 1u);
  EXPECT_EQ(owned.detector.Suspected(owned.conduct.now() + absl::Hours(48)), 0u);
}

TEST(AccountDetector, TrustTeaches) {
  Owned owned;
  const auto steal = [&](int i) { return ToStranger(&owned.conduct, Anywhere(i)); };
  const int before =
      MessagesUntil(&owned.detector, &owned.conduct, kHold, 50, absl::Minutes(5), steal);
  ASSERT_GT(before, 0);
  owned.detector.Trust("ann@example.net");
  EXPECT_EQ(owned.detector.Judge("ann@example.net", owned.conduct.now())->sum, 0);
  const int after =
      MessagesUntil(&owned.detector, &owned.conduct, kHold, 50, absl::Minutes(5),
                    [&](int i) { return steal(i + 100); });
  EXPECT_GT(after, before);
}

TEST(AccountDetector, JudgesNobodyWhomItDoesNotKnow) {
  AccountDetector detector((AccountDetector::Options()));
  EXPECT_FALSE(detector.Judge("ann@example.net", absl::FromUnixSeconds(1767600000)));
}

TEST(AccountDetector, DecidesTheSameAfterARestart) {
  Owned owned;
  for (int i = 1; i < 3; ++i) owned.conduct.Send(ToStranger(&owned.conduct, Anywhere(i)));
  AccountDetector restarted((AccountDetector::Options()));
  owned.detector.Save(
      [&](absl::string_view piece, absl::string_view bytes) {
        EXPECT_TRUE(restarted.Restore(piece, bytes)) << piece;
      },
      [](absl::string_view) {});
  Conduct same = owned.conduct;
  const auto steal = [](Conduct* conduct) {
    return [conduct](int i) { return ToStranger(conduct, Anywhere(i + 5)); };
  };
  Conduct other(&restarted);
  other.Wait(owned.conduct.now() - other.now());
  const int before = MessagesUntil(&owned.detector, &owned.conduct, kHold, 50,
                                   absl::Minutes(1), steal(&owned.conduct));
  // The strangers so far are known to both.
  other.NextStranger();
  other.NextStranger();
  const int after =
      MessagesUntil(&restarted, &other, kHold, 50, absl::Minutes(1), steal(&other));
  EXPECT_EQ(after, before);
  EXPECT_GT(before, 0);
}

TEST(AccountDetector, LinesOutOfOrderChangeLittle) {
  Owned owned;
  const int messages = MessagesUntil(
      &owned.detector, &owned.conduct, kHold, 50, absl::Seconds(1), [&](int i) {
        owned.conduct.Wait(i % 2 == 0 ? absl::Seconds(2) : -absl::Seconds(3));
        return ToStranger(&owned.conduct, Anywhere(i));
      });
  EXPECT_GT(messages, 1);
  EXPECT_LE(messages, 6);
}

TEST(AccountDetector, IsBoundedUnderAFloodOfHostileNames) {
  AccountDetector::Options options;
  options.profiles.most_at_work = 100;
  options.profiles.most_packed_bytes = 100000;
  AccountDetector detector(options);
  MessageSent sent;
  sent.time = absl::FromUnixSeconds(1767600000);
  sent.sender = "x@example.net";
  for (int i = 0; i < 50000; ++i) {
    const std::string name = absl::StrCat(std::string(100, 'a'), i, ",\n\x01*", i * 7);
    sent.account = {AccountKind::kWebmail, name, name};
    const std::string ip = Anywhere(i);
    sent.client_ip = ip;
    detector.Consume(sent);
  }
  EXPECT_LT(detector.stats().bytes, 400000u);
}

}  // namespace
}  // namespace mailvane
