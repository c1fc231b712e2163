#include "agent/source/rotated_names.h"

#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// "-": nothing to do with the log; else what is known, in words.
std::string Describe(const std::optional<RotatedName>& name) {
  if (!name) return "-";
  return absl::StrCat(name->by_rotation ? "rotated" : "copy", name->gzip ? " gzip" : "",
                      name->number ? absl::StrCat(" ", *name->number) : "",
                      name->date.empty() ? "" : absl::StrCat(" ", name->date));
}

TEST(RotatedNames, KnowsWhatRotationMakes) {
  struct Row {
    const char* live;
    const char* name;
    const char* want;
  };
  const Row rows[] = {
      {"mail.log", "mail.log", "-"},
      {"mail.log", "mail.log.1", "rotated 1"},
      {"mail.log", "mail.log.12.gz", "rotated gzip 12"},
      {"mail.log", "mail.log-20261123", "rotated -20261123"},
      {"mail.log", "mail.log-20261123.gz", "rotated gzip -20261123"},
      {"mail.log", "mail.log-2026112306", "rotated -2026112306"},
      {"mail.log", "mail.log-20261123-1764000000", "rotated -20261123-1764000000"},
      // The day first: not to be sorted by.
      {"mail.log", "mail.log-23112026", "rotated"},
      {"mail.log", "mail-20261123.log", "rotated -20261123"},
      {"mail.log", "mail.1.log", "rotated 1"},
      {"mail.log", "mail.log.bak", "copy"},
      {"mail.log", "mail.log.", "copy"},
      {"mail.log", "mail.log.1.xz", "-"},
      {"mail.log", "mail.err", "-"},
      {"mail.log", "mail.login", "copy"},
      {"mail.log", "mailman.log", "-"},
      {"maillog", "maillog.0", "rotated 0"},
      {"maillog", "maillog-20261123", "rotated -20261123"},
      {"mainlog-%D", "mainlog-20261123", "rotated 20261123"},
      {"mainlog-%D", "mainlog-20261123.gz", "rotated gzip 20261123"},
      {"mainlog-%D", "mainlog-2026112", "-"},
      {"mainlog-%D", "mainlog-2026112x", "-"},
      {"%M.main", "202611.main", "rotated 202611"},
  };
  for (const Row& row : rows) {
    EXPECT_EQ(Describe(RotatedNames(row.live).Parse(row.name)), row.want)
        << row.live << " " << row.name;
  }
}

TEST(RotatedNames, TheTargetOfALinkMayCarryADate) {
  EXPECT_EQ(RotatedNames::OfTarget("mail-20261123").live(), "mail-%D");
  EXPECT_EQ(RotatedNames::OfTarget("mx12-202611.log").live(), "mx12-%M.log");
  EXPECT_EQ(RotatedNames::OfTarget("mail.log").live(), "mail.log");
}

TEST(RotatedNames, OrderIsByNameElseByBirthElseByTime) {
  const auto turn = [](std::optional<uint32_t> number, std::string date, int64_t birth,
                       int64_t modified, bool gzip) {
    RotationTurn made;
    made.name.number = number;
    made.name.date = std::move(date);
    made.name.gzip = gzip;
    made.id.birth_ns = birth;
    made.modified = absl::FromUnixSeconds(modified);
    return made;
  };
  EXPECT_TRUE(WrittenBefore(turn(2, "", 9, 9, false), turn(1, "", 1, 1, false)));
  EXPECT_TRUE(WrittenBefore(turn({}, "-20261122", 9, 9, false),
                            turn({}, "-20261123", 1, 1, false)));
  // A writer that lingered.
  EXPECT_TRUE(WrittenBefore(turn(1, "", 1, 9, false), turn({}, "", 2, 5, false)));
  // Packed later than it was written.
  EXPECT_TRUE(WrittenBefore(turn(1, "", 9, 3, true), turn({}, "", 2, 5, false)));
  EXPECT_TRUE(WrittenBefore(turn({}, "-2026112306", 0, 3, false),
                            turn({}, "-20261123", 0, 5, false)));
}

}  // namespace
}  // namespace mailvane
