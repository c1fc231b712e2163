#include "agent/reputation/listing_book.h"

#include "absl/strings/str_cat.h"
#include "platform/proto_time.h"
#include "platform/random.h"
#include "tests/agent/reputation/lists.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const ZoneHealth kGood = {ZoneState::kHealthy, ListCause::kNone, ""};
const ZoneHealth kWild = {ZoneState::kSick, ListCause::kListsAll, "it lists the world"};

Judgement Listed(const std::string& code = "127.0.0.2", int ttl = 300) {
  Judgement judgement;
  judgement.verdict = ListVerdict::kListed;
  judgement.tier = Tier::kPage;
  judgement.codes = {{code, "sends spam"}};
  judgement.reason = "because";
  judgement.ttl = absl::Seconds(ttl);
  return judgement;
}
Judgement Clean() {
  Judgement judgement;
  judgement.verdict = ListVerdict::kClean;
  judgement.ttl = absl::Seconds(300);
  return judgement;
}
Judgement Unknown() { return Judgement(); }
Judgement Sick() { return Temper(kWild, Listed()); }

class ListingBookTest : public testing::Test {
 protected:
  // What the list says of the address; returns the types of the findings.
  std::vector<std::string> Say(Judgement judgement, const ZoneHealth& health = kGood) {
    ListPass pass;
    pass.list = &list_;
    pass.health = {{SubjectKind::kIpv4, health}};
    pass.verdicts = {{subject_, std::move(judgement)}};
    outcome_ = book_.TakePass(now_, pass, ResolverState::kUsable);
    std::vector<std::string> types;
    for (const v1::Finding& finding : outcome_.findings) types.push_back(finding.type());
    return types;
  }
  std::vector<std::string> SayAfter(absl::Duration time, Judgement judgement) {
    Wait(time);
    return Say(std::move(judgement));
  }
  void Wait(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
  }
  v1::Listing::State State() {
    const v1::BlocklistReading reading = book_.Reading(10);
    return reading.listings().empty() ? v1::Listing::STATE_UNSPECIFIED
                                      : reading.listings(0).state();
  }
  v1::Listing Listing() { return book_.Reading(10).listings(0); }

  BlockList list_ = *Catalogue::BuiltIn()->Find("bl.spamcop.net");
  Subject subject_ = *ParseSubject("198.51.100.7");
  Instant now_{absl::FromUnixSeconds(1'800'000'000), absl::Hours(9)};
  ListingBook book_;
  ListingBook::Outcome outcome_;
};

TEST_F(ListingBookTest, IsToldWhenItWasSeenTwiceBeyondTheTtl) {
  EXPECT_THAT(Say(Listed()), IsEmpty());
  EXPECT_EQ(State(), v1::Listing::STATE_SUSPECTED);
  ASSERT_THAT(outcome_.ask_again, SizeIs(1));
  EXPECT_EQ(outcome_.ask_again[0].first, "bl.spamcop.net");
  EXPECT_EQ(outcome_.ask_again[0].second, now_.mono + absl::Seconds(300));
  EXPECT_THAT(SayAfter(absl::Seconds(299), Listed()), IsEmpty())
      << "the resolver's memory is no second witness";
  EXPECT_THAT(SayAfter(absl::Seconds(1), Listed()), ElementsAre("dnsbl_listed"));
  EXPECT_EQ(State(), v1::Listing::STATE_CONFIRMED);
  const v1::Finding& finding = outcome_.findings[0];
  EXPECT_EQ(finding.level(), v1::LEVEL_CRITICAL);
  EXPECT_EQ(finding.subject(), "198.51.100.7 bl.spamcop.net");
  EXPECT_THAT(finding.evidence(0), HasSubstr("127.0.0.2"));
  EXPECT_EQ(FromProto(Listing().earliest_end()),
            FromProto(Listing().first_seen()) + absl::Hours(24));
  for (int hour = 0; hour < 30; ++hour) {
    EXPECT_THAT(SayAfter(absl::Hours(1), Listed()), IsEmpty()) << "told once";
  }
  EXPECT_FALSE(Listing().has_earliest_end()) << "there was another report";
  EXPECT_EQ(FromProto(Listing().last_seen()), now_.wall);
}

TEST_F(ListingBookTest, ASecondWitnessConfirmsAtOnce) {
  Say(Listed());
  EXPECT_THAT(book_.TakeWitness(now_, "198.51.100.7", "other.example").findings,
              IsEmpty());
  EXPECT_THAT(book_.TakeWitness(now_, "198.51.100.7", "bl.spamcop.net").findings,
              SizeIs(1));
  EXPECT_EQ(State(), v1::Listing::STATE_CONFIRMED);
  EXPECT_THAT(book_.TakeWitness(now_, "198.51.100.7", "bl.spamcop.net").findings,
              IsEmpty());
}

TEST_F(ListingBookTest, WhatWasSeenOnceIsNothing) {
  Say(Listed());
  EXPECT_THAT(SayAfter(absl::Minutes(6), Clean()), IsEmpty());
  EXPECT_EQ(State(), v1::Listing::STATE_UNSPECIFIED);
}

TEST_F(ListingBookTest, EndsWhenItIsGoneTwice) {
  Say(Listed());
  SayAfter(absl::Minutes(6), Listed());
  EXPECT_THAT(SayAfter(absl::Hours(1), Clean()), IsEmpty());
  EXPECT_EQ(State(), v1::Listing::STATE_CLEARING);
  EXPECT_THAT(outcome_.ask_again, SizeIs(1));
  EXPECT_THAT(SayAfter(absl::Minutes(5), Clean()), ElementsAre("dnsbl_cleared"));
  EXPECT_EQ(State(), v1::Listing::STATE_CLEARED);
  EXPECT_EQ(outcome_.findings[0].level(), v1::LEVEL_INFO);
  EXPECT_THAT(SayAfter(absl::Hours(1), Clean()), IsEmpty());
  EXPECT_EQ(book_.Reading(10).listings_size(), 1) << "kept as history";
}

TEST_F(ListingBookTest, AGapOfOneAnswerIsNoEnd) {
  Say(Listed());
  SayAfter(absl::Minutes(6), Listed());
  SayAfter(absl::Hours(1), Clean());
  EXPECT_THAT(SayAfter(absl::Minutes(5), Listed()), IsEmpty());
  EXPECT_EQ(State(), v1::Listing::STATE_CONFIRMED);
}

TEST_F(ListingBookTest, WhatCanNotBeToldChangesNothing) {
  for (const Judgement& silence : {Unknown(), Sick()}) {
    book_ = ListingBook();
    Say(Listed());
    SayAfter(absl::Minutes(6), Listed());
    const absl::Time seen = now_.wall;
    for (int i = 0; i < 100; ++i) {
      EXPECT_THAT(SayAfter(absl::Hours(1), silence), IsEmpty());
    }
    EXPECT_EQ(State(), v1::Listing::STATE_CONFIRMED);
    EXPECT_EQ(FromProto(Listing().last_seen()), seen);
  }
}

TEST_F(ListingBookTest, OtherCodesAreToldUnderTheSameIncident) {
  Say(Listed("127.0.0.2"));
  SayAfter(absl::Minutes(6), Listed("127.0.0.2"));
  const absl::Time first = FromProto(Listing().first_seen());
  EXPECT_THAT(SayAfter(absl::Hours(1), Listed("127.0.0.4")), ElementsAre("dnsbl_listed"));
  EXPECT_THAT(Listing().codes(), ElementsAre("127.0.0.4"));
  EXPECT_EQ(FromProto(Listing().first_seen()), first);
}

TEST_F(ListingBookTest, WithinADayItIsTheSameIncidentAndLaterAnother) {
  Say(Listed());
  SayAfter(absl::Minutes(6), Listed());
  const absl::Time first = FromProto(Listing().first_seen());
  const auto clear = [this] {
    std::vector<std::string> told;
    while (told.empty()) told = SayAfter(absl::Hours(1), Clean());
    EXPECT_THAT(told, ElementsAre("dnsbl_cleared"));
  };
  clear();
  EXPECT_THAT(SayAfter(absl::Hours(20), Listed()), IsEmpty());
  EXPECT_THAT(SayAfter(absl::Minutes(6), Listed()), ElementsAre("dnsbl_listed"));
  EXPECT_EQ(FromProto(Listing().first_seen()), first);
  EXPECT_EQ(Listing().relistings(), 1u);
  clear();
  SayAfter(absl::Hours(25), Listed());
  EXPECT_EQ(FromProto(Listing().first_seen()), now_.wall);
  EXPECT_EQ(Listing().relistings(), 0u);
}

TEST_F(ListingBookTest, FlappingIsDamped) {
  int told = 0;
  for (int day = 0; day < 24 * 7; ++day) {
    told += static_cast<int>(SayAfter(absl::Minutes(30), Listed()).size());
    told += static_cast<int>(SayAfter(absl::Minutes(30), Clean()).size());
  }
  EXPECT_LE(told, 2);
}

TEST_F(ListingBookTest, ASickListIsToldOnceWhenItLasts) {
  EXPECT_THAT(Say(Sick(), kWild), IsEmpty());
  EXPECT_THAT(outcome_.ask_again, SizeIs(1));
  Wait(absl::Minutes(5));
  EXPECT_THAT(Say(Sick(), kWild), ElementsAre("dnsbl_zone_sick"));
  for (int i = 0; i < 48; ++i) {
    Wait(absl::Hours(1));
    EXPECT_THAT(Say(Sick(), kWild), IsEmpty());
  }
  Wait(absl::Hours(1));
  EXPECT_THAT(Say(Clean()), ElementsAre("dnsbl_zone_sick"));
  EXPECT_THAT(outcome_.findings[0].evidence(0), HasSubstr("well again"));
}

TEST_F(ListingBookTest, AResolverThatInventsIsOneFindingAndNoLists) {
  const ResolverHealth invents = {ResolverState::kInvents, "it invents"};
  EXPECT_THAT(book_.TakeResolver(now_, invents).findings, IsEmpty());
  Wait(absl::Minutes(10));
  EXPECT_THAT(book_.TakeResolver(now_, invents).findings, SizeIs(1));
  EXPECT_THAT(book_.TakeResolver(now_, invents).findings, IsEmpty());
  ListPass pass;
  pass.list = &list_;
  pass.health = {{SubjectKind::kIpv4, kWild}};
  pass.verdicts = {{subject_, Listed()}};
  for (int i = 0; i < 5; ++i) {
    Wait(absl::Hours(1));
    EXPECT_THAT(book_.TakePass(now_, pass, ResolverState::kInvents).findings, IsEmpty());
  }
  EXPECT_EQ(State(), v1::Listing::STATE_UNSPECIFIED);
}

TEST_F(ListingBookTest, FiftyAddressesOnSixtyListsAndOneTurnsWild) {
  const std::vector<BlockList>& lists = Catalogue::BuiltIn()->lists();
  ASSERT_GE(lists.size(), 60u);
  std::vector<std::string> told;
  for (int hour = 0; hour < 24; ++hour) {
    for (int number = 0; number < 60; ++number) {
      const bool wild = hour >= 3 && number == 17;
      ListPass pass;
      pass.list = &lists[number];
      pass.health = {{SubjectKind::kIpv4, wild ? kWild : kGood}};
      for (int i = 0; i < 50; ++i) {
        pass.verdicts.emplace_back(*ParseSubject(absl::StrCat("198.51.100.", i)),
                                   wild ? Temper(kWild, Listed()) : Clean());
      }
      for (const v1::Finding& finding :
           book_.TakePass(now_, pass, ResolverState::kUsable).findings) {
        told.push_back(finding.type());
      }
    }
    Wait(absl::Hours(1));
  }
  EXPECT_THAT(told, ElementsAre("dnsbl_zone_sick"));
}

TEST_F(ListingBookTest, RemembersOverARestart) {
  Say(Listed());
  SayAfter(absl::Minutes(6), Listed());
  Wait(absl::Minutes(5));
  ListingBook after;
  ASSERT_TRUE(after.Restore(book_.State()));
  EXPECT_EQ(after.State(), book_.State());
  book_ = after;
  EXPECT_THAT(Say(Listed()), IsEmpty()) << "told before the restart";
  EXPECT_FALSE(after.Restore("no state at all"));
}

TEST_F(ListingBookTest, AnAddressThatWasGivenUpIsForgotten) {
  Say(Listed());
  SayAfter(absl::Minutes(6), Listed());
  Wait(absl::Hours(25));
  book_.KeepOnly(now_, {subject_});
  EXPECT_EQ(State(), v1::Listing::STATE_CONFIRMED);
  Say(Listed());
  book_.KeepOnly(now_, {});
  EXPECT_EQ(State(), v1::Listing::STATE_CONFIRMED) << "its interface may be down";
  Wait(absl::Hours(25));
  book_.KeepOnly(now_, {*ParseSubject("198.51.100.8")});
  EXPECT_EQ(State(), v1::Listing::STATE_UNSPECIFIED);
}

// Whatever comes, "listed" and "cleared" are told in turns, and never by silence.
TEST_F(ListingBookTest, AnyStoryIsToldInOrder) {
  for (uint64_t seed = 0; seed < 300; ++seed) {
    SeededRandom random(seed);
    book_ = ListingBook();
    bool listed = false;
    for (int step = 0; step < 200; ++step) {
      const uint64_t choice = random.Next() % 4;
      std::vector<std::string> told =
          SayAfter(random.Below(absl::Hours(choice == 0 ? 30 : 1)),
                   choice == 0   ? Clean()
                   : choice == 1 ? Listed(absl::StrCat("127.0.0.", random.Next() % 3 + 2))
                   : choice == 2 ? Unknown()
                                 : Listed());
      for (const std::string& type : told) {
        if (type == "dnsbl_cleared") {
          EXPECT_TRUE(listed && choice == 0);
          listed = false;
        } else if (type == "dnsbl_listed") {
          EXPECT_TRUE(choice == 1 || choice == 3);
          listed = true;
        }
      }
      if (random.Next() % 10 == 0) {
        ListingBook after;
        ASSERT_TRUE(after.Restore(book_.State()));
        book_ = after;
      }
    }
  }
}

}  // namespace
}  // namespace mailvane
