#include "agent/reputation/list_checker.h"

#include <functional>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/agent/reputation/lists.h"
#include "tests/fakes/dns_server.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

DnsAnswer Yes(absl::string_view address = "127.0.0.2", int ttl = 60) {
  DnsAnswer answer;
  answer.status = DnsStatus::kOk;
  answer.records.push_back(ARecord(std::string(address)));
  answer.ttl = absl::Seconds(ttl);
  return answer;
}
DnsAnswer No(int ttl = 60) {
  DnsAnswer answer;
  answer.status = DnsStatus::kNxdomain;
  answer.ttl = absl::Seconds(ttl);
  return answer;
}

// A list that works: its test point and whom it lists, and nobody else.
DnsAnswer Healthy(const DnsQuestion& question, const std::set<std::string>& listed) {
  for (const std::string& label : listed) {
    if (!absl::StartsWith(question.name, label + ".")) continue;
    if (question.type == DnsType::kA) return Yes();
    DnsAnswer answer;
    answer.status = DnsStatus::kOk;
    answer.records.push_back(TxtRecord(absl::StrCat("why ", question.name)));
    return answer;
  }
  return absl::StartsWith(question.name, "2.0.0.127.") ? Yes() : No();
}

std::vector<Subject> Subjects(const std::vector<std::string>& texts) {
  std::vector<Subject> subjects;
  for (const std::string& text : texts) subjects.push_back(*ParseSubject(text));
  return subjects;
}

class ListCheckerTest : public testing::Test {
 protected:
  using World = std::function<DnsAnswer(const DnsQuestion&)>;

  void Make(std::vector<BlockList> lists, ListChecker::Options options = {}) {
    std::vector<ListToAsk> asked;
    for (BlockList& list : lists) asked.push_back({std::move(list), ""});
    checker_ = std::make_unique<ListChecker>(std::move(asked), options, &random_);
  }

  // Turns the loop until all questions of now are answered; answers come in a
  // random order.
  std::vector<ListPass> Turn(const World& world) {
    std::vector<ListQuestion> asked;
    while (true) {
      for (ListQuestion& question : checker_->Step(now_)) {
        asked.push_back(std::move(question));
      }
      if (asked.empty()) break;
      std::swap(asked[random_.Next() % asked.size()], asked.back());
      names_.push_back(asked.back().question.name);
      const DnsReply reply = {asked.back().id, world(asked.back().question)};
      asked.pop_back();
      checker_->Take(now_, reply);
    }
    return checker_->TakePasses();
  }

  void Wait(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
  }

  SeededRandom random_{3};
  Instant now_{absl::FromUnixSeconds(1'800'000'000), absl::Hours(9)};
  std::unique_ptr<ListChecker> checker_;
  std::vector<std::string> names_;
};

ListChecker::Options Once() {
  ListChecker::Options options;
  options.once = true;
  return options;
}

TEST_F(ListCheckerTest, AsksAboutAllAtOnceAndSaysWhatEachListSaid) {
  Make({PlainList("a.example"), PlainList("b.example")}, Once());
  checker_->SetSubjects(now_, Subjects({"198.51.100.7", "198.51.100.8"}));
  const std::vector<ListPass> passes = Turn([](const DnsQuestion& question) {
    return Healthy(question, absl::EndsWith(question.name, ".a.example")
                                 ? std::set<std::string>{"7.100.51.198"}
                                 : std::set<std::string>{});
  });
  ASSERT_THAT(passes, SizeIs(2));
  int listed = 0;
  for (const ListPass& pass : passes) {
    ASSERT_THAT(pass.verdicts, SizeIs(2));
    for (const auto& [subject, judgement] : pass.verdicts) {
      if (judgement.verdict != ListVerdict::kListed) {
        EXPECT_EQ(judgement.verdict, ListVerdict::kClean);
        continue;
      }
      ++listed;
      EXPECT_EQ(pass.list->zone, "a.example");
      EXPECT_EQ(subject.text, "198.51.100.7");
      EXPECT_EQ(judgement.reason, "why 7.100.51.198.a.example")
          << "the text of the name that was asked, and of no other";
    }
  }
  EXPECT_EQ(listed, 1);
  EXPECT_TRUE(checker_->idle());
  EXPECT_EQ(checker_->resolver().state, ResolverState::kUsable);
  EXPECT_EQ(checker_->questions(), 1u + 2 * (3 + 2) + 1);
}

TEST_F(ListCheckerTest, DomainListsAreNotAskedForAddressesNorV6ListsForV4) {
  Make({StandardList("domains.example", true),
        MakeList("six.example",
                 "  kind: ip\n  families: [v6]\n  polarity: block\n  tier: warn\n"),
        PlainList("four.example")},
       Once());
  checker_->SetSubjects(now_,
                        Subjects({"198.51.100.7", "2001:db8::1", "mail.example.org"}));
  Turn([](const DnsQuestion&) { return No(); });
  for (const std::string& name : names_) {
    const bool four = absl::StartsWith(name, "7.100.51.198");
    const bool six = absl::StartsWith(name, "1.0.0.0.0.0.0.0.0.0");
    const bool domain = absl::StartsWith(name, "mail.example.org");
    EXPECT_FALSE(absl::EndsWith(name, ".domains.example") && (four || six)) << name;
    EXPECT_FALSE(absl::EndsWith(name, ".six.example") && (four || domain)) << name;
    EXPECT_FALSE(absl::EndsWith(name, ".four.example") && (six || domain)) << name;
  }
  EXPECT_THAT(names_, SizeIs(1 + 3 * 4));
}

TEST_F(ListCheckerTest, AListThatListsTheWorldListsNobody) {
  Make({PlainList("wild.example"), PlainList("good.example")}, Once());
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  for (const ListPass& pass : Turn([](const DnsQuestion& question) {
         return absl::EndsWith(question.name, ".wild.example") ? Yes()
                                                               : Healthy(question, {});
       })) {
    EXPECT_EQ(pass.verdicts[0].second.verdict, pass.list->zone == "wild.example"
                                                   ? ListVerdict::kZoneSick
                                                   : ListVerdict::kClean);
  }
}

TEST_F(ListCheckerTest, AKeyIsPartOfTheNameAndOfNothingElse) {
  const std::shared_ptr<const Catalogue> catalogue = Catalogue::BuiltIn();
  EXPECT_EQ(ListsToAsk(*catalogue, {{"zen.dq.spamhaus.net", "k3y"}}).size(),
            ListsToAsk(*catalogue, {}).size())
      << "it takes the place of the public list";
  std::vector<ListToAsk> lists;
  for (ListToAsk& list : ListsToAsk(*catalogue, {{"zen.dq.spamhaus.net", "k3y"}})) {
    EXPECT_NE(list.list.zone, "zen.spamhaus.org");
    if (list.list.zone == "zen.dq.spamhaus.net") lists.push_back(std::move(list));
  }
  ASSERT_THAT(lists, SizeIs(1));
  lists.push_back({*catalogue->Find("combined.mail.abusix.zone"), ""});
  checker_ = std::make_unique<ListChecker>(lists, Once(), &random_);
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  for (const ListPass& pass :
       Turn([](const DnsQuestion& question) { return Healthy(question, {}); })) {
    const Judgement& judgement = pass.verdicts[0].second;
    if (pass.list->zone == "combined.mail.abusix.zone") {
      EXPECT_EQ(judgement.verdict, ListVerdict::kUnknown);
      EXPECT_EQ(judgement.cause, ListCause::kNoKey);
    } else {
      EXPECT_EQ(judgement.verdict, ListVerdict::kClean);
    }
  }
  for (const std::string& name : names_) {
    EXPECT_FALSE(absl::EndsWith(name, "abusix.zone")) << "asked without its key";
    if (absl::EndsWith(name, "spamhaus.net")) {
      EXPECT_TRUE(absl::EndsWith(name, ".k3y.zen.dq.spamhaus.net")) << name;
    }
  }
}

TEST_F(ListCheckerTest, ThePublicResolverIsOneFinding) {
  std::vector<BlockList> lists;
  for (int i = 0; i < 60; ++i)
    lists.push_back(PlainList(absl::StrCat("l", i, ".example")));
  Make(std::move(lists), Once());
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  for (const ListPass& pass : Turn([](const DnsQuestion& question) {
         return absl::EndsWith(question.name, ".invalid") ? No() : Yes("127.255.255.254");
       })) {
    EXPECT_EQ(pass.verdicts[0].second.verdict, ListVerdict::kUnknown);
  }
  EXPECT_EQ(checker_->resolver().state, ResolverState::kRefused);
}

TEST_F(ListCheckerTest, NothingIsSaidBeforeAllIsHeard) {
  Make({PlainList()}, Once());
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  const std::vector<ListQuestion> asked = checker_->Step(now_);
  ASSERT_THAT(asked, SizeIs(5));
  for (size_t i = 0; i + 1 < asked.size(); ++i) {
    checker_->Take(now_, {asked[i].id, No()});
    EXPECT_THAT(checker_->TakePasses(), IsEmpty());
    EXPECT_FALSE(checker_->idle());
  }
  checker_->Take(now_, {asked.back().id, No()});
  EXPECT_THAT(checker_->TakePasses(), SizeIs(1));
  EXPECT_TRUE(checker_->idle());
  checker_->Take(now_, {asked.back().id, No()});
  checker_->Take(now_, {12345, No()});
  EXPECT_EQ(checker_->strays(), 2u);
}

TEST_F(ListCheckerTest, AHundredAgentsDoNotAskInStep) {
  std::set<absl::Duration> firsts;
  for (int agent = 0; agent < 100; ++agent) {
    Make({PlainList()});
    checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
    checker_->Step(now_);  // the resolver's self-test
    const absl::Duration first = checker_->NextDeadline() - now_.mono;
    EXPECT_LT(first, absl::Minutes(5));
    firsts.insert(absl::Floor(first, absl::Seconds(10)));
  }
  EXPECT_GT(firsts.size(), 20u);
}

TEST_F(ListCheckerTest, KeepsToItsIntervalItsBudgetAndTheTtl) {
  const struct {
    const char* name;
    size_t subjects;
    int ttl;
    absl::Duration least, most;
  } kCases[] = {
      {"an hour, more or less", 1, 60, absl::Minutes(54), absl::Minutes(66)},
      {"answers that hold for three hours", 1, 10800, absl::Hours(3), absl::Hours(3)},
      {"so many subjects that it has to be rarer", 247, 60, absl::Hours(3),
       absl::Hours(3)},
  };
  for (const auto& row : kCases) {
    SCOPED_TRACE(row.name);
    Make({PlainList()});
    std::vector<Subject> subjects;
    for (size_t i = 0; i < row.subjects; ++i) {
      subjects.push_back(*ParseSubject(absl::StrCat("198.51.100.", i)));
    }
    checker_->SetSubjects(now_, subjects);
    Wait(absl::Minutes(5));
    Turn([&](const DnsQuestion&) { return No(row.ttl); });
    absl::Duration next = absl::InfiniteDuration();
    // Not the self-test's.
    for (absl::Duration at = now_.mono; next == absl::InfiniteDuration();) {
      Wait(std::max(checker_->NextDeadline() - now_.mono, absl::ZeroDuration()));
      const size_t questions = checker_->Step(now_).size();
      if (questions > 1) next = now_.mono - at;
    }
    EXPECT_GE(next, row.least);
    EXPECT_LE(next, row.most);
  }
}

TEST_F(ListCheckerTest, AsksAgainSoonerButNotBeyondItsBudget) {
  Make({PlainList()});
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  Wait(absl::Minutes(5));
  ASSERT_THAT(Turn([](const DnsQuestion&) { return No(); }), SizeIs(1));
  checker_->AskAgain("list.example", now_.mono + absl::Seconds(1));
  const absl::Duration wait = checker_->NextDeadline() - now_.mono;
  // Four questions of two thousand a day.
  EXPECT_EQ(wait, absl::Hours(24) * 4 / 2000);
  Wait(wait);
  EXPECT_THAT(Turn([](const DnsQuestion&) { return No(); }), SizeIs(1));
}

TEST_F(ListCheckerTest, ANewAddressDoesNotWaitForTheNextHour) {
  Make({PlainList()});
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  Wait(absl::Minutes(5));
  Turn([](const DnsQuestion&) { return No(); });
  Wait(absl::Minutes(10));
  checker_->SetSubjects(now_, Subjects({"198.51.100.7"}));
  EXPECT_GT(checker_->NextDeadline(), now_.mono + absl::Minutes(30)) << "nothing changed";
  checker_->SetSubjects(now_, Subjects({"198.51.100.7", "198.51.100.9"}));
  EXPECT_LE(checker_->NextDeadline(), now_.mono + absl::Minutes(5));
}

TEST_F(ListCheckerTest, MoreSubjectsThanAHostHasAreLeftOut) {
  Make({PlainList()});
  std::vector<Subject> subjects;
  for (int i = 0; i < 300; ++i) {
    subjects.push_back(*ParseSubject(absl::StrCat("198.51.", i / 250, ".", i % 250)));
  }
  checker_->SetSubjects(now_, subjects);
  EXPECT_THAT(checker_->subjects(), SizeIs(256));
  EXPECT_EQ(checker_->refused_subjects(), 44u);
}

}  // namespace
}  // namespace mailvane
