#include "agent/reputation/zone_health.h"

#include "absl/strings/str_cat.h"
#include "tests/agent/reputation/lists.h"
#include "tests/fakes/dns_server.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

DnsAnswer Yes(absl::string_view address = "127.0.0.2") {
  DnsAnswer answer;
  answer.status = DnsStatus::kOk;
  answer.records.push_back(ARecord(std::string(address)));
  return answer;
}
DnsAnswer No(DnsStatus status = DnsStatus::kNxdomain) {
  DnsAnswer answer;
  answer.status = status;
  return answer;
}

TEST(JudgeZone, ByItsTestPoints) {
  const struct {
    const char* name;
    DnsAnswer listed, unlisted, random;
    ZoneState state;
    ListCause cause;
  } kCases[] = {
      {"as it shall be", Yes(), No(), No(), ZoneState::kHealthy, ListCause::kNone},
      {"a no without a record", Yes(), No(DnsStatus::kNoData), No(), ZoneState::kHealthy,
       ListCause::kNone},
      {"it lists what it must not", Yes(), Yes(), No(), ZoneState::kSick,
       ListCause::kListsAll},
      {"it answers for any name", Yes(), No(), Yes(), ZoneState::kSick,
       ListCause::kListsAll},
      {"it lists the world", Yes(), Yes(), Yes(), ZoneState::kSick, ListCause::kListsAll},
      {"the world, though a part was not heard", No(DnsStatus::kTimeout), Yes(), No(),
       ZoneState::kSick, ListCause::kListsAll},
      {"it has died silently", No(), No(), No(), ZoneState::kSick, ListCause::kSilent},
      {"its domain is parked", Yes("203.0.113.9"), Yes("203.0.113.9"), Yes("203.0.113.9"),
       ZoneState::kSick, ListCause::kHijacked},
      {"parked, with 127.0.0.2 left", Yes(), No(), Yes("203.0.113.9"), ZoneState::kSick,
       ListCause::kHijacked},
      {"it refuses", Yes("127.255.255.254"), Yes("127.255.255.254"),
       Yes("127.255.255.254"), ZoneState::kUnknown, ListCause::kRefused},
      {"it refuses, and has no random names", Yes("127.255.255.254"),
       Yes("127.255.255.254"), No(), ZoneState::kUnknown, ListCause::kRefused},
      {"nobody is there", No(DnsStatus::kServfail), No(DnsStatus::kServfail),
       No(DnsStatus::kServfail), ZoneState::kUnknown, ListCause::kNoAnswer},
      {"the test point was not heard", No(DnsStatus::kTimeout), No(), No(),
       ZoneState::kUnknown, ListCause::kNoAnswer},
      {"the other was not heard", Yes(), No(DnsStatus::kTimeout), No(),
       ZoneState::kUnknown, ListCause::kNoAnswer},
  };
  for (const auto& row : kCases) {
    const ZoneHealth health = JudgeZone(ZenList(), {{TestPoint::kListed, row.listed},
                                                    {TestPoint::kUnlisted, row.unlisted},
                                                    {TestPoint::kRandom, row.random}});
    EXPECT_EQ(health.state, row.state) << row.name << ": " << health.why;
    EXPECT_EQ(health.cause, row.cause) << row.name << ": " << health.why;
    EXPECT_EQ(health.why.empty(), health.state == ZoneState::kHealthy) << row.name;
  }
}

TEST(TestQuestions, AreThoseOfTheRfc) {
  const auto labels = [](const BlockList& list, SubjectKind kind) {
    std::vector<std::string> labels;
    for (const TestQuestion& question : TestQuestions(list, kind, "mvx")) {
      labels.push_back(question.label);
    }
    return labels;
  };
  EXPECT_THAT(labels(ZenList(), SubjectKind::kIpv4),
              testing::ElementsAre("2.0.0.127", "1.0.0.127", "mvx"));
  // ::FFFF:7F00:2 and ::FFFF:7F00:1.
  EXPECT_THAT(
      labels(ZenList(), SubjectKind::kIpv6),
      testing::ElementsAre(
          "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
          "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0", "mvx"));
  EXPECT_THAT(labels(StandardList("x.example", true), SubjectKind::kDomain),
              testing::ElementsAre("test", "invalid", "mvx"));
  EXPECT_THAT(labels(*Catalogue::BuiltIn()->Find("list.dnswl.org"), SubjectKind::kIpv4),
              testing::ElementsAre("1.0.0.127", "mvx"))
      << "it has no test point";
}

TEST(Temper, ASickZonesWordIsWorthNothing) {
  const Judgement listed = JudgeAnswer(ZenList(), Yes());
  const Judgement clean = JudgeAnswer(ZenList(), No());
  const ZoneHealth sick = {ZoneState::kSick, ListCause::kListsAll, "it lists the world"};
  const ZoneHealth unknown = {ZoneState::kUnknown, ListCause::kNoAnswer, "no answer"};
  for (const Judgement& judgement : {listed, clean}) {
    EXPECT_EQ(Temper(sick, judgement).verdict, ListVerdict::kZoneSick);
    EXPECT_THAT(Temper(sick, judgement).codes, IsEmpty());
    EXPECT_EQ(Temper(sick, judgement).why, "it lists the world");
    EXPECT_EQ(Temper(unknown, judgement).verdict, ListVerdict::kUnknown);
    EXPECT_EQ(Temper({ZoneState::kHealthy, ListCause::kNone, ""}, judgement).verdict,
              judgement.verdict);
  }
}

TEST(JudgeResolver, IsOneFinding) {
  const ZoneHealth good = {ZoneState::kHealthy, ListCause::kNone, ""};
  const ZoneHealth refused = {ZoneState::kUnknown, ListCause::kRefused, "refuses"};
  const ZoneHealth silent = {ZoneState::kUnknown, ListCause::kNoAnswer, "timeout"};
  const ZoneHealth parked = {ZoneState::kSick, ListCause::kHijacked, "parked"};
  const auto many = [](const ZoneHealth& health, int count) {
    static std::vector<std::string> zones;
    while (zones.size() < 60) zones.push_back(absl::StrCat("z", zones.size()));
    std::vector<ZoneReport> reports;
    for (int i = 0; i < count; ++i) reports.push_back({zones[i], health});
    return reports;
  };
  EXPECT_EQ(JudgeResolver(No(), many(good, 60)).state, ResolverState::kUsable);
  EXPECT_THAT(JudgeResolver(No(), many(good, 60)).why, IsEmpty());

  std::vector<ZoneReport> some = many(good, 40);
  for (const ZoneReport& report : many(refused, 20)) some.push_back(report);
  EXPECT_EQ(JudgeResolver(No(), some).state, ResolverState::kRefused);
  EXPECT_THAT(JudgeResolver(No(), some).why, HasSubstr("and 12 more"));
  EXPECT_EQ(JudgeResolver(No(), {{"two.example", refused}, {"two.example", refused}}).why,
            JudgeResolver(No(), {{"two.example", refused}}).why)
      << "a list that is asked in two forms is one list";

  EXPECT_EQ(JudgeResolver(Yes("203.0.113.9"), many(good, 60)).state,
            ResolverState::kInvents);
  EXPECT_EQ(JudgeResolver(No(), many(parked, 3)).state, ResolverState::kInvents);
  some = many(good, 40);
  some.push_back({"parked.example", parked});
  EXPECT_EQ(JudgeResolver(No(), some).state, ResolverState::kUsable)
      << "one parked domain is not the resolver's fault";

  EXPECT_EQ(JudgeResolver(No(DnsStatus::kTimeout), many(silent, 60)).state,
            ResolverState::kNoAnswer);
  EXPECT_EQ(JudgeResolver(No(), many(silent, 60)).state, ResolverState::kNoAnswer)
      << "it answers by itself, and gets nothing from outside";
  some = many(silent, 59);
  some.push_back({"good.example", good});
  EXPECT_EQ(JudgeResolver(No(), some).state, ResolverState::kUsable)
      << "fifty-nine lists that are down are fifty-nine lists that are down";
  EXPECT_EQ(JudgeResolver(No(), {}).state, ResolverState::kUnknown);
}

}  // namespace
}  // namespace mailvane
