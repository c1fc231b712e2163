#include "agent/analyze/guessing.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "platform/proto_time.h"

namespace mailvane {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using Kind = ClientAttempt::Kind;

class GuessingTest : public testing::Test {
 protected:
  void Try(Kind kind, const std::string& ip, const std::string& account) {
    ClientAttempt attempt;
    attempt.kind = kind;
    attempt.time = now_;
    attempt.client_ip = ip;
    attempt.account = account;
    attempt.service = service_;
    analyzer_.Try(attempt);
  }
  void Unknown(const std::string& ip, const std::string& to) {
    ClientAttempt attempt;
    attempt.time = now_;
    attempt.client_ip = ip;
    attempt.to = to;
    attempt.stage = "RCPT";
    attempt.dsn = "5.1.1";
    analyzer_.Try(attempt);
  }
  void Accept(const std::string& ip) {
    MailMessage message;
    message.time = now_;
    message.origin = MessageOrigin::kNetwork;
    message.client_ip = ip;
    analyzer_.Accept(message);
  }
  static std::string Number(int i) { return std::to_string(i); }

  GuessingAnalyzer analyzer_{GuessingAnalyzer::Options()};
  absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
  std::string service_ = "smtpd";
};

TEST_F(GuessingTest, ManyNamesAreAGuessHoweverSlowly) {
  for (int i = 0; i < 23; ++i) {
    now_ += absl::Minutes(7);
    Try(Kind::kAuthFailed, "192.0.2.7", "user" + Number(i));
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
  now_ += absl::Minutes(7);
  Try(Kind::kAuthFailed, "192.0.2.7", "one more");
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].messages(), 24u);
  EXPECT_THAT(findings[0].evidence(0), HasSubstr("since 2023-11-14"));
}

TEST_F(GuessingTest, AnOfficeInWhichSomebodyGetsInDoesNotGuess) {
  for (int i = 0; i < 60; ++i) {
    now_ += absl::Minutes(7);
    Try(i == 3 ? Kind::kAuthOk : Kind::kAuthFailed, "192.0.2.7", "user" + Number(i));
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(GuessingTest, ManyNamesFromOneNetworkAreAGuess) {
  for (int i = 0; i < 60; ++i) {
    now_ += absl::Seconds(5);
    Try(Kind::kAuthFailed, "192.0.2." + Number(i), "user" + Number(i));
  }
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u) << "once";
  EXPECT_EQ(findings[0].type(), "bruteforce");
  EXPECT_EQ(findings[0].subject(), "192.0.2.0/24");
  EXPECT_EQ(findings[0].level(), v1::LEVEL_INFO);
  EXPECT_EQ(findings[0].messages(), 30u) << "as soon as it is sure";
  EXPECT_THAT(findings[0].evidence(), Contains("none from there succeeded"));
}

TEST_F(GuessingTest, WhoeverGotInAmongThemIsSaid) {
  for (int i = 0; i < 29; ++i) Try(Kind::kLoginFailed, "192.0.2.7", "user" + Number(i));
  Try(Kind::kLogin, "192.0.2.7", "user3");
  Try(Kind::kLoginFailed, "192.0.2.7", "user");
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].level(), v1::LEVEL_WARNING);
  EXPECT_THAT(findings[0].evidence(), Contains("1 from there succeeded"));
}

TEST_F(GuessingTest, APhoneWithAnOldPasswordIsNoGuess) {
  for (int i = 0; i < 500; ++i) {
    now_ += absl::Seconds(20);
    Try(Kind::kAuthFailed, "192.0.2.7", i % 2 ? "ann" : "bob");
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(GuessingTest, WithoutNamesItTakesMore) {
  for (int i = 0; i < 99; ++i) Try(Kind::kAuthFailed, "192.0.2.7", "");
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
  Try(Kind::kAuthFailed, "192.0.2.7", "");
  EXPECT_EQ(analyzer_.TakeFindings().size(), 1u);
}

TEST_F(GuessingTest, ManyNetworksAgainstOneServerAreAGuessTogether) {
  for (int i = 0; i < 200; ++i) {
    now_ += absl::Seconds(10);
    Try(Kind::kAuthFailed, "10.1." + Number(i % 50) + ".7", "user" + Number(i));
  }
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].subject(), "");
  EXPECT_THAT(findings[0].evidence(0),
              HasSubstr("200 logins failed within an hour, from 50"));
}

TEST_F(GuessingTest, TheBackgroundOfTheInternetIsNone) {
  for (int i = 0; i < 2000; ++i) {
    now_ += absl::Seconds(60);
    Try(Kind::kAuthFailed, "10.1." + Number(i % 200) + ".7", "user" + Number(i));
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(GuessingTest, DovecotsTwoLinesAreOneFailure) {
  service_ = "auth";
  for (int i = 0; i < 500; ++i) Try(Kind::kAuthFailed, "192.0.2.7", "user" + Number(i));
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(GuessingTest, ManyNamesThatDoNotExistAreAHarvest) {
  for (int i = 0; i < 30; ++i)
    Unknown("2001:db8:1:2::" + Number(i), "u" + Number(i) + "@x");
  const std::vector<v1::Finding> findings = analyzer_.TakeFindings();
  ASSERT_EQ(findings.size(), 1u);
  EXPECT_EQ(findings[0].type(), "harvest");
  EXPECT_EQ(findings[0].subject(), "2001:db8:1::/48");
}

TEST_F(GuessingTest, ANewsletterWithOldAddressesIsNoHarvest) {
  Unknown("192.0.2.7", "u@x");
  for (int i = 0; i < 200; ++i) {
    now_ += absl::Seconds(5);
    Accept("192.0.2.7");
    if (i % 3 == 0) Unknown("192.0.2.7", "u" + Number(i) + "@x");
  }
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(GuessingTest, OneDeadAddressTriedAgainAndAgainIsNoHarvest) {
  for (int i = 0; i < 200; ++i) Unknown("192.0.2.7", "dead@x");
  EXPECT_THAT(analyzer_.TakeFindings(), IsEmpty());
}

TEST_F(GuessingTest, NetworksAreBounded) {
  GuessingAnalyzer::Options options;
  options.most_networks = 10;
  GuessingAnalyzer small(options);
  ClientAttempt attempt;
  attempt.kind = Kind::kAuthFailed;
  const auto guess = [&](int network, int times) {
    for (int i = 0; i < times; ++i) {
      const std::string ip = "10.9." + Number(network) + ".1", name = "n" + Number(i);
      attempt.time = now_;
      attempt.client_ip = ip;
      attempt.account = name;
      small.Try(attempt);
    }
  };
  for (int network = 0; network < 10; ++network) guess(network, 1);
  guess(200, 60);
  EXPECT_THAT(small.TakeFindings(), IsEmpty()) << "no room for a newcomer";
  now_ += absl::Hours(2);
  small.Pass(now_);
  guess(201, 60);
  EXPECT_EQ(small.TakeFindings().size(), 1u) << "when the old ones are quiet, there is";
}

}  // namespace
}  // namespace mailvane
