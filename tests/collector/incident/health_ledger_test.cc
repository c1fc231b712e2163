#include "collector/incident/health_ledger.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <ostream>
#include <random>

namespace mailvane {

// Found by argument-dependent lookup, so not unnamed.
bool operator==(const HealthSpan& a, const HealthSpan& b) {
  return a.system == b.system && a.from == b.from && a.until == b.until &&
         a.health == b.health;
}
std::ostream& operator<<(std::ostream& out, const HealthSpan& span) {
  return out << span.system << " " << span.from << ".." << span.until << " "
             << Name(span.health);
}

namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// 2026-03-14 00:00:00 UTC.
constexpr int64_t kMidnight = 1773446400;

// A clock whose hands a test moves.
struct TestClock {
  Instant now = {absl::FromUnixSeconds(kMidnight), absl::Hours(5)};
  void Pass(absl::Duration time) {
    now.wall += time;
    now.mono += time;
  }
};

class LedgerTest : public testing::Test {
 protected:
  // Looks once a second, `seconds` times, and then once more.
  void Watch(Health health, int seconds) {
    for (int i = 0; i < seconds; ++i) {
      ledger_.Observe(clock_.now, "NC027", health);
      clock_.Pass(absl::Seconds(1));
    }
    ledger_.Observe(clock_.now, "NC027", health);
  }
  std::vector<HealthSpan> All() {
    return ledger_.Spans("NC027", absl::UnixEpoch(), clock_.now.wall + absl::Hours(99));
  }
  HealthSpan Span(int64_t from, int64_t until, Health health) {
    return {"NC027", kMidnight + from, kMidnight + until, health};
  }
  DayShares Today() { return ledger_.Days("NC027", 1, clock_.now.wall).back(); }

  TestClock clock_;
  HealthLedger ledger_{HealthLedger::Options()};
};

TEST_F(LedgerTest, ASpanLastsAsLongAsItIsLookedAt) {
  Watch(Health::kOperational, 100);
  Watch(Health::kMajorOutage, 20);
  Watch(Health::kOperational, 30);
  EXPECT_THAT(All(), ElementsAre(Span(0, 100, Health::kOperational),
                                 Span(100, 120, Health::kMajorOutage),
                                 Span(120, 150, Health::kOperational)));
  EXPECT_EQ(Today().up, 130);
  EXPECT_EQ(Today().down, 20);
  EXPECT_EQ(Today().unknown, 0);
}

TEST_F(LedgerTest, WhatNobodyLookedAtIsUnknown) {
  Watch(Health::kOperational, 60);
  clock_.Pass(absl::Seconds(31));
  Watch(Health::kOperational, 60);
  EXPECT_THAT(All(), ElementsAre(Span(0, 60, Health::kOperational),
                                 Span(91, 151, Health::kOperational)));
  EXPECT_EQ(Today().unknown, 31);
}

TEST_F(LedgerTest, UnknownHealthIsNoSpan) {
  Watch(Health::kOperational, 60);
  Watch(Health::kUnknown, 40);
  Watch(Health::kDegraded, 10);
  EXPECT_EQ(Today().up, 70);
  EXPECT_EQ(Today().unknown, 40);
}

TEST_F(LedgerTest, AClockSetForwardMakesNoTime) {
  Watch(Health::kOperational, 60);
  clock_.now.wall += absl::Hours(1);
  Watch(Health::kOperational, 60);
  EXPECT_EQ(Today().up, 120);
  EXPECT_EQ(Today().unknown, 3600);
}

TEST_F(LedgerTest, AClockSetBackCountsNoSecondTwice) {
  Watch(Health::kOperational, 600);
  clock_.now.wall -= absl::Minutes(5);
  Watch(Health::kMajorOutage, 400);
  EXPECT_THAT(All(), ElementsAre(Span(0, 600, Health::kOperational),
                                 Span(600, 700, Health::kMajorOutage)));
}

TEST_F(LedgerTest, ASpanThatNeverLastedASecondIsNone) {
  for (const Health health :
       {Health::kOperational, Health::kMajorOutage, Health::kDegraded}) {
    ledger_.Observe(clock_.now, "NC027", health);
    clock_.Pass(absl::Milliseconds(100));
  }
  EXPECT_THAT(All(), IsEmpty());
  clock_.Pass(absl::Seconds(1));
  ledger_.Observe(clock_.now, "NC027", Health::kDegraded);
  EXPECT_THAT(All(), ElementsAre(Span(0, 1, Health::kDegraded)));
}

TEST_F(LedgerTest, ChangesAreTakenOnceAndReplaceWhatWasTaken) {
  Watch(Health::kOperational, 10);
  EXPECT_THAT(ledger_.TakeChanged(), ElementsAre(Span(0, 10, Health::kOperational)));
  EXPECT_THAT(ledger_.TakeChanged(), IsEmpty());
  Watch(Health::kOperational, 5);
  Watch(Health::kMajorOutage, 5);
  Watch(Health::kOperational, 1);
  EXPECT_THAT(ledger_.TakeChanged(), ElementsAre(Span(0, 15, Health::kOperational),
                                                 Span(15, 20, Health::kMajorOutage),
                                                 Span(20, 21, Health::kOperational)));
}

TEST_F(LedgerTest, ARestartGoesOnFromTheStoreAndTheGapIsUnknown) {
  Watch(Health::kOperational, 50);
  HealthLedger next{HealthLedger::Options()};
  for (HealthSpan& span : ledger_.TakeChanged()) next.Restore(span);
  // Meanwhile the host was started again: its monotonic clock began anew.
  clock_.Pass(absl::Seconds(10));
  clock_.now.mono = absl::Seconds(3);
  next.Observe(clock_.now, "NC027", Health::kOperational);
  clock_.Pass(absl::Seconds(5));
  next.Observe(clock_.now, "NC027", Health::kOperational);
  const DayShares day = next.Days("NC027", 1, clock_.now.wall).back();
  EXPECT_EQ(day.up, 55);
  EXPECT_EQ(day.unknown, 10);
}

TEST_F(LedgerTest, WhatMakesNoSenseInTheStoreIsIgnoredAndCounted) {
  ledger_.Restore(Span(100, 200, Health::kOperational));
  ledger_.Restore(Span(150, 250, Health::kMajorOutage));
  ledger_.Restore(Span(300, 300, Health::kMajorOutage));
  ledger_.Restore(Span(300, 310, Health::kUnknown));
  EXPECT_EQ(ledger_.dropped(), 3u);
  EXPECT_EQ(All().size(), 1u);
}

TEST_F(LedgerTest, ASystemThatWasNeverSeenIsUnknownAllDay) {
  clock_.Pass(absl::Hours(6));
  const std::vector<DayShares> days = ledger_.Days("NC999", 90, clock_.now.wall);
  ASSERT_EQ(days.size(), 90u);
  EXPECT_EQ(days.front().day, absl::CivilDay(2025, 12, 15));
  EXPECT_EQ(days.front().unknown, 86'400);
  EXPECT_EQ(days.back().unknown, 6 * 3600);
}

TEST_F(LedgerTest, TheNumberOfSpansIsBounded) {
  HealthLedger::Options options;
  options.most_spans = 100;
  HealthLedger ledger(options);
  for (int i = 0; i < 1000; ++i) {
    ledger.Observe(clock_.now, "NC027",
                   i % 2 == 0 ? Health::kOperational : Health::kMajorOutage);
    clock_.Pass(absl::Seconds(1));
  }
  EXPECT_LE(
      ledger.Spans("NC027", absl::UnixEpoch(), clock_.now.wall + absl::Hours(1)).size(),
      100u);
  EXPECT_EQ(ledger.dropped(), 900u);
}

// Whatever happens to the clocks, the collector and the system, each day's seconds sum
// up, no second is counted twice, and a restart between any two looks changes nothing
// but to add unknown time.
TEST(LedgerProperty, ADaySumsUpWhateverHappens) {
  for (uint32_t seed = 0; seed < 300; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    TestClock clock;
    auto ledger = std::make_unique<HealthLedger>(HealthLedger::Options());
    std::map<int64_t, HealthSpan> store;
    const auto save = [&] {
      for (HealthSpan& span : ledger->TakeChanged()) store[span.from] = span;
    };
    for (int look = 0; look < 600; ++look) {
      ledger->Observe(clock.now, "A", static_cast<Health>(random() % 6));
      clock.Pass(absl::Milliseconds(random() % 2500));
      switch (random() % 40) {
        case 0:
          clock.Pass(absl::Minutes(random() % 2000));
          break;
        case 1:
          clock.now.wall += absl::Minutes(static_cast<int>(random() % 600) - 300);
          break;
        case 2:
          clock.now.mono += absl::Minutes(3);
          break;
        case 3: {
          save();
          auto next = std::make_unique<HealthLedger>(HealthLedger::Options());
          for (const auto& [from, span] : store) next->Restore(span);
          EXPECT_EQ(next->dropped(), 0u);
          ledger = std::move(next);
          break;
        }
        default:
          save();
      }
    }
    const std::vector<HealthSpan> spans =
        ledger->Spans("A", absl::UnixEpoch(), clock.now.wall + absl::Hours(999));
    for (size_t i = 0; i < spans.size(); ++i) {
      EXPECT_LT(spans[i].from, spans[i].until);
      if (i == 0) continue;
      EXPECT_LE(spans[i - 1].until, spans[i].from);
    }
    const absl::Time end = clock.now.wall + absl::Hours(48);
    for (const DayShares& day : ledger->Days("A", 60, end)) {
      const int64_t start =
          absl::ToUnixSeconds(absl::FromCivil(day.day, absl::UTCTimeZone()));
      EXPECT_EQ(day.up + day.down + day.maintenance + day.unknown,
                std::min<int64_t>(86'400, absl::ToUnixSeconds(end) - start));
      EXPECT_GE(day.unknown, 0);
    }
  }
}

}  // namespace
}  // namespace mailvane
