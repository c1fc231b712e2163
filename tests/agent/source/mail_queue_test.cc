#include "agent/source/mail_queue.h"

#include <gtest/gtest.h>

#include "agent/source/main_cf.h"

namespace mailvane {
namespace {

TEST(EximRetryCutoff, IsTheEndOfTheOnlyRule) {
  const struct {
    const char* name;
    const char* text;
    std::optional<absl::Duration> want;
  } rows[] = {
      {"Debian's",
       "begin retry\n\n*    *    F,2h,15m; G,16h,1h,1.5; F,4d,6h\n\nbegin x\n",
       absl::Hours(96)},
      {"one part", "begin retry\n* * F,1d12h,15m\n", absl::Hours(36)},
      {"continued", "begin retry\n* * F,2h,15m; \\\n  F,3d,6h\n", absl::Hours(72)},
      {"another rule for some", "begin retry\nexample.com * F,1h,5m\n* * F,4d,6h\n", {}},
      {"another error", "begin retry\n* quota F,1h,5m\n* * F,4d,6h\n", {}},
      {"a macro", "begin retry\nRULE\n", {}},
      {"no section", "begin routers\n* * F,4d,6h\n", {}},
      {"nonsense", "begin retry\n* * F\n", {}},
  };
  for (const auto& row : rows) {
    EXPECT_EQ(EximRetryCutoff(row.text), row.want) << row.name;
  }
}

TEST(ParsePeriod, ReadsBothPrograms) {
  EXPECT_EQ(ParsePeriod("5d", absl::Hours(24)), absl::Hours(120));
  EXPECT_EQ(ParsePeriod("5", absl::Hours(24)), absl::Hours(120));
  EXPECT_EQ(ParsePeriod("0", absl::Hours(24)), absl::ZeroDuration());
  EXPECT_EQ(ParsePeriod("1w2d3h4m5s", absl::Seconds(1)),
            absl::Hours(9 * 24 + 3) + absl::Minutes(4) + absl::Seconds(5));
  EXPECT_EQ(ParsePeriod("", absl::Hours(24)), std::nullopt);
  EXPECT_EQ(ParsePeriod("d", absl::Hours(24)), std::nullopt);
  EXPECT_EQ(ParsePeriod("5x", absl::Hours(24)), std::nullopt);
  EXPECT_EQ(ParsePeriod("-5d", absl::Hours(24)), std::nullopt);
}

}  // namespace
}  // namespace mailvane
