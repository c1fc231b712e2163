#include "platform/ping_round.h"

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

Instant At(double second) {
  return {absl::FromUnixSeconds(1'800'000'000) + absl::Seconds(second),
          absl::Seconds(1000 + second)};
}

std::vector<std::string> Peers(const std::vector<PingRequest>& requests) {
  std::vector<std::string> peers;
  for (const PingRequest& request : requests) peers.push_back(request.peer);
  return peers;
}

PingResult Pass(const std::string& peer, int64_t rtt_us) {
  return {peer, PingVerdict::kPass, PingMethod::kIcmp, absl::Microseconds(rtt_us), ""};
}
PingResult Fail(const std::string& peer) {
  return {peer, PingVerdict::kFail, PingMethod::kIcmp, std::nullopt, ""};
}
PingResult Unknown(const std::string& peer, const std::string& why) {
  return {peer, PingVerdict::kUnknown, PingMethod::kTcp, std::nullopt, why};
}

// "VERDICT rtt age received/sent detail" of a single target.
std::string Only(const PingRounds& rounds, Instant now) {
  const std::vector<v1::PingReading> readings = rounds.Readings(now);
  if (readings.size() != 1) return absl::StrCat(readings.size(), " readings");
  const v1::PingReading& reading = readings[0];
  return absl::StrCat(v1::PingReading::Verdict_Name(reading.verdict()).substr(8), " ",
                      reading.has_rtt_us() ? absl::StrCat(reading.rtt_us()) : "-", " ",
                      reading.age_ms(), " ", reading.received(), "/", reading.sent(), " ",
                      reading.detail());
}

TEST(PingRounds, AsksNobodyWithoutTargets) {
  PingRounds rounds;
  EXPECT_THAT(rounds.Step(At(0)), IsEmpty());
  EXPECT_THAT(rounds.Readings(At(0)), IsEmpty());
  EXPECT_EQ(rounds.NextDeadline(), absl::InfiniteDuration());
}

TEST(PingRounds, KeepsItsRhythmHoweverLateItIsCalled) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}, {"b", "192.0.2.2"}});
  EXPECT_LE(rounds.NextDeadline(), At(0).mono);
  EXPECT_THAT(Peers(rounds.Step(At(0))), ElementsAre("a", "b"));
  EXPECT_EQ(rounds.NextDeadline(), At(10).mono);
  EXPECT_THAT(rounds.Step(At(9.999)), IsEmpty());
  EXPECT_THAT(rounds.Step(At(10.7)), testing::SizeIs(2));
  EXPECT_EQ(rounds.NextDeadline(), At(20).mono);
  // The host slept; three rounds are lost, not made up for.
  EXPECT_THAT(rounds.Step(At(53)), testing::SizeIs(2));
  EXPECT_EQ(rounds.NextDeadline(), At(60).mono);
  EXPECT_THAT(rounds.Step(At(53)), IsEmpty());
}

TEST(PingRounds, SaysWhatTheLastRoundsWereLike) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  EXPECT_EQ(Only(rounds, At(1)), "UNKNOWN - 1000 0/0 not asked yet");
  rounds.Step(At(1));
  rounds.Take(At(1.5), {Pass("a", 1234)});
  EXPECT_EQ(Only(rounds, At(2)), "PASS 1234 500 1/1 ");
  EXPECT_EQ(rounds.Readings(At(2))[0].method(), v1::PingReading::METHOD_ICMP);
  rounds.Step(At(11));
  // Under way: the reading is that of the round before, and ages.
  EXPECT_EQ(Only(rounds, At(12)), "PASS 1234 10500 1/1 ");
  rounds.Take(At(13), {Fail("a")});
  EXPECT_EQ(Only(rounds, At(13)), "FAIL 1234 0 1/2 ");
  // A round in which we could not ask is nobody's loss.
  rounds.Step(At(21));
  rounds.Take(At(21), {Unknown("a", "connect: Network is unreachable")});
  EXPECT_EQ(Only(rounds, At(21)), "UNKNOWN 1234 0 1/2 connect: Network is unreachable");
  EXPECT_EQ(rounds.Readings(At(21))[0].method(), v1::PingReading::METHOD_TCP);
}

TEST(PingRounds, ForgetsAllButTenRounds) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  for (int round = 0; round < 25; ++round) {
    rounds.Step(At(round * 10));
    rounds.Take(At(round * 10 + 1), {round < 18 ? Pass("a", round) : Fail("a")});
    if (round == 17) {
      EXPECT_EQ(Only(rounds, At(171)), "PASS 17 0 10/10 ");
    }
  }
  EXPECT_EQ(Only(rounds, At(241)), "FAIL 17 0 3/10 ");
  for (int round = 25; round < 28; ++round) {
    rounds.Step(At(round * 10));
    rounds.Take(At(round * 10 + 1), {Fail("a")});
  }
  EXPECT_EQ(Only(rounds, At(271)), "FAIL - 0 0/10 ");
}

TEST(PingRounds, ARoundWithoutAResultIsUnknown) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  rounds.Step(At(0));
  rounds.Step(At(10));
  EXPECT_EQ(Only(rounds, At(10)), "UNKNOWN - 0 0/0 the last round has no result");
}

TEST(PingRounds, IgnoresResultsThatNobodyWaitsFor) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  rounds.Take(At(0), {Pass("a", 1)});
  rounds.Step(At(0));
  rounds.Take(At(1), {Pass("b", 1), Pass("a", 2), Pass("a", 3)});
  EXPECT_EQ(Only(rounds, At(1)), "PASS 2 0 1/1 ");
  EXPECT_EQ(rounds.strays(), 3u);
}

TEST(PingRounds, KeepsWhatItKnowsOfTargetsThatStay) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}, {"b", "192.0.2.2"}});
  rounds.Step(At(0));
  rounds.Take(At(1), {Pass("a", 1), Pass("b", 2)});
  rounds.SetTargets(At(5), {{"c", "192.0.2.3"}, {"a", "192.0.2.1"}});
  const std::vector<v1::PingReading> readings = rounds.Readings(At(6));
  ASSERT_EQ(readings.size(), 2u);
  EXPECT_EQ(readings[0].peer(), "c");
  EXPECT_EQ(readings[0].verdict(), v1::PingReading::VERDICT_UNKNOWN);
  EXPECT_EQ(readings[0].age_ms(), 1000u);
  EXPECT_EQ(readings[1].peer(), "a");
  EXPECT_EQ(readings[1].rtt_us(), 1u);
  // The rhythm stays too.
  EXPECT_EQ(rounds.NextDeadline(), At(10).mono);
}

// The old address' answer must not speak for the new one.
TEST(PingRounds, AnotherAddressIsAnotherTarget) {
  PingRounds rounds;
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  rounds.Step(At(0));
  rounds.Take(At(1), {Pass("a", 1)});
  rounds.Step(At(10));
  rounds.SetTargets(At(10), {{"a", "192.0.2.9"}});
  rounds.Take(At(11), {Pass("a", 1)});
  EXPECT_EQ(Only(rounds, At(11)), "UNKNOWN - 1000 0/0 not asked yet");
  EXPECT_THAT(rounds.Step(At(20)), testing::SizeIs(1));
}

TEST(PingRounds, AsksANewAddressOnlyWhenTheOldCanNoLongerAnswer) {
  PingRounds::Options options;
  options.interval = absl::Seconds(2);
  options.timeout = absl::Seconds(2);
  PingRounds rounds(options);
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  EXPECT_THAT(rounds.Step(At(0)), testing::SizeIs(1));
  rounds.SetTargets(At(1), {{"a", "192.0.2.9"}});
  rounds.SetTargets(At(1.5), {{"a", "192.0.2.10"}});
  EXPECT_THAT(rounds.Step(At(2)), IsEmpty());
  EXPECT_THAT(rounds.Step(At(4)), testing::SizeIs(1));
}

TEST(PingRounds, RefusesDoublesAndTooMany) {
  PingRounds rounds;
  std::vector<PingRequest> targets = {{"0", "192.0.2.1"}, {"0", "192.0.2.2"}};
  for (int i = 1; i < 250; ++i) targets.push_back({absl::StrCat(i), "192.0.2.1"});
  rounds.SetTargets(At(0), targets);
  EXPECT_EQ(rounds.Step(At(0)).size(), PingRounds::kMaxTargets);
  EXPECT_EQ(rounds.refused(), 51u);
  EXPECT_EQ(rounds.Readings(At(0)).back().peer(), "199");
  rounds.SetTargets(At(0), {});
  EXPECT_EQ(rounds.refused(), 0u);
  EXPECT_EQ(rounds.NextDeadline(), absl::InfiniteDuration());
}

TEST(PingRounds, NeverReachesIntoTheNextRound) {
  PingRounds::Options options;
  options.interval = absl::ZeroDuration();
  options.timeout = absl::Hours(1);
  PingRounds rounds(options);
  EXPECT_EQ(rounds.timeout(), absl::Seconds(1));
  rounds.SetTargets(At(0), {{"a", "192.0.2.1"}});
  rounds.Step(At(0));
  EXPECT_EQ(rounds.NextDeadline(), At(1).mono);
}

}  // namespace
}  // namespace mailvane
