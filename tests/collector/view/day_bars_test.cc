#include "collector/view/day_bars.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

DayShares Day(int up, int down, int maintenance, int unknown) {
  return {absl::CivilDay(2026, 3, 14), up, down, maintenance, unknown};
}
const DayShares kGood = Day(86'400, 0, 0, 0);
const DayShares kSilent = Day(0, 0, 0, 86'400);

TEST(DaysSentence, Table) {
  const struct {
    std::vector<DayShares> days;
    const char* want;
  } kRows[] = {
      {{kGood, kGood}, "100.00 % up in the last 2 days."},
      {{kSilent, kSilent}, "No data in the last 2 days."},
      {{kGood, kSilent}, "100.00 % up in the last 2 days; no data for 1 day."},
      {{Day(86'399, 1, 0, 0), kGood},
       "99.99 % up in the last 2 days; down for 1 s on 1 day."},
      {{Day(0, 86'400, 0, 0)}, "0.00 % up in the last 1 day; down for 24 h on 1 day."},
      // Maintenance and what nobody saw count for neither.
      {{Day(40'000, 0, 6'400, 40'000)}, "100.00 % up in the last 1 day."},
  };
  for (const auto& row : kRows) EXPECT_EQ(DaysSentence(row.days), row.want);
}

TEST(UpShare, IsRoundedDownAndUnknownWhenNothingWasWatched) {
  EXPECT_EQ(UpShare({kSilent}), std::nullopt);
  EXPECT_EQ(UpShare({}), std::nullopt);
  EXPECT_EQ(UpShare(std::vector<DayShares>(90, kGood)), 10'000);
  std::vector<DayShares> days(90, kGood);
  days[3] = Day(86'399, 1, 0, 0);
  EXPECT_EQ(UpShare(days), 9999) << "one second is not nothing";
}

// Nine looks of days, and where their bars stand.
TEST(DayBars, EachLookIsOnePathOfRuns) {
  const std::string bars =
      RenderDayBars({kSilent, kGood, kGood, Day(86'390, 10, 0, 0), kGood,
                     Day(80'000, 6'400, 0, 0), Day(20'000, 0, 66'400, 0)})
          .text();
  EXPECT_THAT(bars, HasSubstr("viewBox=\"0 0 28 24\""));
  EXPECT_THAT(bars, HasSubstr("class=\"none\" stroke-width=\"2\" d=\"M0 23h3\""));
  EXPECT_THAT(bars,
              HasSubstr("class=\"good\" stroke-width=\"24\" d=\"M4 12h7M16 12h3\""));
  EXPECT_THAT(bars, HasSubstr("class=\"bad\" stroke-width=\"14\" d=\"M12 17h3\""));
  EXPECT_THAT(bars, HasSubstr("class=\"worst\" stroke-width=\"7\" d=\"M20 21h3\""));
  EXPECT_THAT(bars, HasSubstr("class=\"plan\" stroke-width=\"20\" d=\"M24 14h3\""));
  EXPECT_THAT(bars, HasSubstr("role=\"img\" aria-label=\""));
}

TEST(DayTable, HasTheDaysThatWereNotUpThroughout) {
  DayShares bad = Day(82'000, 400, 0, 4'000);
  bad.day = absl::CivilDay(2026, 3, 13);
  const std::string table = RenderDayTable({kSilent, bad, kGood}).text();
  EXPECT_THAT(table, HasSubstr("<th scope=\"row\">2026-03-13</th>"));
  EXPECT_THAT(table, HasSubstr("<td class=\"number\">6 min</td>"));
  EXPECT_THAT(table, Not(HasSubstr("2026-03-14")));
  EXPECT_THAT(RenderDayTable({kGood}).text(), HasSubstr("None."));
}

}  // namespace
}  // namespace mailvane
