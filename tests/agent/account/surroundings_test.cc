#include "agent/account/surroundings.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

namespace mailvane {
namespace {

constexpr uint32_t kHour = 3600;
constexpr uint32_t kDay = 24 * kHour;
constexpr uint32_t kNow = 1767600000;

TEST(NetworkOf, IsThePrefixThatOneProviderGivesOut) {
  const struct {
    const char* a;
    const char* b;
    bool near;
    bool far;
  } rows[] = {
      {"192.0.2.1", "192.0.2.200", true, true},
      {"192.0.2.1", "192.0.3.1", false, true},
      {"192.0.2.1", "192.1.2.1", false, false},
      {"2001:db8:1:1::1", "2001:db8:1:2::9", true, true},
      {"2001:db8:1::1", "2001:db8:2::1", false, true},
      {"2001:db8::1", "2001:db9::1", false, false},
      {"::ffff:192.0.2.1", "192.0.2.9", true, true},
      {"IPv6:2001:db8:1::1", "2001:db8:1::2", true, true},
      {"127.0.0.1", "127.0.1.1", true, true},
      {"127.0.0.1", "::1", true, true},
  };
  for (const auto& row : rows) {
    const ClientNetwork a = NetworkOf(row.a);
    const ClientNetwork b = NetworkOf(row.b);
    EXPECT_EQ(a.near == b.near, row.near) << row.a << " " << row.b;
    EXPECT_EQ(a.far == b.far, row.far) << row.a << " " << row.b;
  }
}

TEST(NetworkOf, OfWhatIsNoAddressThereIsNone) {
  for (const char* text :
       {"", "unknown", "192.0.2", "192.0.2.1.5", "::ffff:1.2.3.", "2001:db8:::1",
        "a string that is longer than any address is"}) {
    EXPECT_EQ(NetworkOf(text).near, 0u) << text;
  }
}

TEST(Surroundings, WhatColleaguesLongUseIsFamiliar) {
  Surroundings all;
  const uint64_t provider = NetworkOf("192.0.2.1").far;
  all.Learn(provider, kNow);
  EXPECT_FALSE(all.LookUp(provider, kNow + kDay).familiar);
  all.Learn(provider, kNow + kHour);
  EXPECT_FALSE(all.LookUp(provider, kNow + kHour).familiar);
  EXPECT_TRUE(all.LookUp(provider, kNow + 2 * kDay).familiar);
}

TEST(Surroundings, CountsThoseWhoBeganOnOneDay) {
  Surroundings all;
  const uint64_t network = NetworkOf("192.0.2.1").near;
  for (int i = 0; i < 3; ++i) all.Learn(network, kNow + i * kHour);
  all.Learn(network, kNow + 3 * kDay);
  EXPECT_EQ(all.LookUp(network, kNow + 3 * kDay).newcomers, 3);
}

TEST(Surroundings, GuessesAreForgottenInTwoDays) {
  Surroundings all;
  const uint64_t network = NetworkOf("192.0.2.1").near;
  for (uint64_t account = 0; account < 5; ++account) {
    all.LearnFailure(network, account << 59, 2, kNow);
  }
  EXPECT_EQ(all.GuessedFrom(network, kNow).failures, 10);
  EXPECT_EQ(all.GuessedFrom(network, kNow).accounts, 5);
  EXPECT_EQ(all.GuessedFrom(network, kNow + 3 * kDay).failures, 0);
  EXPECT_EQ(all.GuessedFrom(network + 1, kNow).failures, 0);
}

TEST(Surroundings, ComeBackFromTheirPieces) {
  Surroundings all;
  const uint64_t provider = NetworkOf("192.0.2.1").far;
  all.Learn(provider, kNow);
  all.Learn(provider, kNow);
  std::map<int, std::string> pieces;
  const auto put = [&](int piece, absl::string_view bytes) {
    pieces[piece] = std::string(bytes);
  };
  all.Save(put);
  ASSERT_EQ(pieces.size(), 1u);
  Surroundings again;
  EXPECT_TRUE(again.Restore(pieces.begin()->first, pieces.begin()->second));
  EXPECT_TRUE(again.LookUp(provider, kNow + 2 * kDay).familiar);
  EXPECT_FALSE(again.Restore(64, pieces.begin()->second));
  EXPECT_FALSE(again.Restore(-1, pieces.begin()->second));
  EXPECT_FALSE(again.Restore(0, "short"));
  pieces.clear();
  all.Save(put);
  EXPECT_TRUE(pieces.empty());
}

}  // namespace
}  // namespace mailvane
