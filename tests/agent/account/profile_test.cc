#include "agent/account/profile.h"

#include <gtest/gtest.h>

#include <cstring>
#include <limits>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

uint64_t Hash(int i) { return Fingerprint(absl::StrCat("friend", i, "@example.net")); }

TEST(Fingerprint, IsTheSameForEver) {
  // Fingerprints are on disk: another value would make every friend a stranger.
  EXPECT_EQ(Fingerprint("ann@example.net"), Fingerprint("ann@example.net"));
  EXPECT_NE(Fingerprint("ann@example.net"), Fingerprint("ann@example.nex"));
  EXPECT_NE(Fingerprint("a"), Fingerprint(absl::string_view("a\0", 2)));
  EXPECT_EQ(Fingerprint("ann@example.net") >> 32, 0xE1265D82u);
}

TEST(Rate, ForgetsWhatIsLongAgo) {
  Rate rate;
  for (int i = 0; i < 300; ++i) rate.Learn(true, 1);
  for (int i = 0; i < 2000; ++i) rate.Learn(false, 1);
  EXPECT_LT(rate.Expect(0.5f, 1), 0.02f);
}

TEST(Rate, IsThePopulationsWhileItKnowsLittle) {
  Rate rate;
  rate.Learn(true, 1);
  EXPECT_NEAR(rate.Expect(0.1f, 12), 0.17f, 0.01f);
}

TEST(RecipientMemory, TrustsAfterTwoAges) {
  std::vector<uint16_t> cells(Profile::kRecipientCells);
  RecipientMemory memory(absl::MakeSpan(cells));
  EXPECT_EQ(memory.LookUp(Hash(1)), Acquaintance::kNew);
  memory.Insert(Hash(1));
  EXPECT_EQ(memory.LookUp(Hash(1)), Acquaintance::kFresh);
  memory.PassAge();
  EXPECT_EQ(memory.LookUp(Hash(1)), Acquaintance::kFresh);
  memory.PassAge();
  EXPECT_EQ(memory.LookUp(Hash(1)), Acquaintance::kTrusted);
}

TEST(RecipientMemory, AFloodOfStrangersPushesFewFriendsOut) {
  std::vector<uint16_t> cells(Profile::kRecipientCells);
  RecipientMemory memory(absl::MakeSpan(cells));
  for (int i = 0; i < 60; ++i) memory.Insert(Hash(i));
  memory.TrustAll();
  for (int i = 1000; i < 20000; ++i) memory.Insert(Hash(i));
  int known = 0;
  for (int i = 0; i < 60; ++i) known += memory.LookUp(Hash(i)) == Acquaintance::kTrusted;
  EXPECT_GE(known, 50);
}

Profile Filled() {
  Profile profile;
  profile.messages = 77;
  profile.recipients[5] = 0xABCD;
  profile.stranger = {3, 70};
  profile.networks[2] = {1, 3, 5, 7, 9, 11};
  profile.score[1] = 4.5f;
  return profile;
}

TEST(Serialization, GivesBackTheSame) {
  const Profile profile = Filled();
  std::vector<uint16_t> extension(kExtensionCells);
  extension[17] = 4711;
  for (bool extended : {false, true}) {
    const std::string packed =
        SerializeProfile(profile, extended ? absl::MakeConstSpan(extension)
                                           : absl::Span<const uint16_t>());
    Profile parsed;
    std::vector<uint16_t> parsed_extension;
    ASSERT_TRUE(ParseProfile(packed, &parsed, &parsed_extension));
    EXPECT_EQ(std::memcmp(&parsed, &profile, sizeof(profile)), 0);
    EXPECT_EQ(parsed_extension.empty(), !extended);
    if (extended) {
      EXPECT_EQ(parsed_extension, extension);
    }
  }
}

TEST(Serialization, IsSmallForWhoHasDoneLittle) {
  EXPECT_LT(SerializeProfile(Filled(), {}).size(), 150u);
}

TEST(Serialization, NoticesEveryFlippedByte) {
  const std::string packed = SerializeProfile(Filled(), {});
  for (size_t i = 0; i < packed.size(); ++i) {
    std::string damaged = packed;
    damaged[i] = static_cast<char>(damaged[i] ^ 1);
    Profile profile;
    profile.messages = 1;
    std::vector<uint16_t> extension;
    EXPECT_FALSE(ParseProfile(damaged, &profile, &extension)) << i;
    EXPECT_EQ(profile.messages, 1u);
    EXPECT_FALSE(ParseProfile(packed.substr(0, i), &profile, &extension)) << i;
  }
}

TEST(Serialization, TakesNoNumbersThatPoisonEverySum) {
  Profile profile = Filled();
  profile.score[0] = std::numeric_limits<float>::quiet_NaN();
  Profile parsed;
  std::vector<uint16_t> extension;
  EXPECT_FALSE(ParseProfile(SerializeProfile(profile, {}), &parsed, &extension));
}

}  // namespace
}  // namespace mailvane
