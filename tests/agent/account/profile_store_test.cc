#include "agent/account/profile_store.h"

#include <gtest/gtest.h>

#include <map>
#include <string>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

ProfileStore::Options Small() {
  ProfileStore::Options options;
  options.most_at_work = 20;
  options.most_packed_bytes = 20000;
  return options;
}

std::string Name(int i) { return absl::StrCat("sasl/user", i, "@example.net"); }

std::map<std::string, std::string> SaveAll(ProfileStore* store,
                                           std::vector<std::string>* erased = nullptr) {
  std::map<std::string, std::string> saved;
  store->Save(
      [&](absl::string_view account, absl::string_view packed) {
        saved[std::string(account)] = std::string(packed);
      },
      [&](absl::string_view account) {
        if (erased != nullptr) erased->emplace_back(account);
      });
  return saved;
}

TEST(ProfileStore, WakesWhatItPackedAway) {
  ProfileStore store(Small());
  for (int i = 0; i < 50; ++i) store.FindOrMake(Name(i)).messages = 100 + i;
  EXPECT_EQ(store.stats().at_work, 20u);
  EXPECT_EQ(store.stats().packed, 30u);
  for (int i = 0; i < 50; ++i) {
    Profile* const profile = store.Find(Name(i));
    ASSERT_NE(profile, nullptr) << i;
    EXPECT_EQ(profile->messages, 100u + i);
  }
  EXPECT_EQ(store.Find("sasl/nobody"), nullptr);
  EXPECT_EQ(store.stats().damaged, 0u);
}

TEST(ProfileStore, IsBoundedUnderAFloodOfNames) {
  ProfileStore store(Small());
  store.FindOrMake(Name(0));
  const size_t one = store.stats().bytes;
  for (int i = 0; i < 100000; ++i) store.FindOrMake(absl::StrCat("webmail/", i));
  EXPECT_LT(store.stats().bytes, one + 80000);
  EXPECT_GT(store.stats().forgotten, 90000u);
}

TEST(ProfileStore, AFloodLeavesAccountsAtWorkThatReallySend) {
  ProfileStore store(Small());
  for (int i = 0; i < 10; ++i) {
    store.FindOrMake(Name(i)).messages = 50;
    store.Find(Name(i));
  }
  for (int i = 0; i < 100000; ++i) store.FindOrMake(absl::StrCat("webmail/", i));
  for (int i = 0; i < 10; ++i) {
    Profile* const profile = store.Find(Name(i));
    ASSERT_NE(profile, nullptr) << i;
    EXPECT_EQ(profile->messages, 50u);
  }
}

TEST(ProfileStore, SavesOnlyWhatChanged) {
  ProfileStore store(Small());
  store.FindOrMake(Name(1));
  store.FindOrMake(Name(2));
  EXPECT_EQ(SaveAll(&store).size(), 2u);
  EXPECT_EQ(SaveAll(&store).size(), 0u);
  store.Find(Name(2))->messages = 9;
  const auto saved = SaveAll(&store);
  ASSERT_EQ(saved.size(), 1u);
  ProfileStore other(Small());
  ASSERT_TRUE(other.Restore(saved.begin()->first, saved.begin()->second));
  EXPECT_EQ(other.Find(Name(2))->messages, 9u);
}

TEST(ProfileStore, TellsWhoseCopyIsToGo) {
  ProfileStore store(Small());
  store.FindOrMake(Name(1));
  SaveAll(&store);
  for (int i = 0; i < 1000; ++i) store.FindOrMake(absl::StrCat("webmail/", i));
  std::vector<std::string> erased;
  SaveAll(&store, &erased);
  // Those that nobody has a copy of are not worth telling.
  EXPECT_EQ(erased, std::vector<std::string>{Name(1)});
}

TEST(ProfileStore, RefusesDamagedProfiles) {
  ProfileStore store(Small());
  EXPECT_FALSE(store.Restore(Name(1), "MVA\1 and something else"));
  EXPECT_EQ(store.stats().damaged, 1u);
  EXPECT_EQ(store.Find(Name(1)), nullptr);
}

TEST(ProfileStore, ALargerMemoryGoesWithItsProfile) {
  ProfileStore store(Small());
  Profile& heavy = store.FindOrMake(Name(0));
  heavy.messages = 10;
  store.Rent(&heavy);
  ASSERT_EQ(store.Extension(heavy).size(), kExtensionCells);
  store.Extension(heavy)[33] = 77;
  for (int i = 1; i < 60; ++i) {
    Profile& other = store.FindOrMake(Name(i));
    other.messages = 10;
  }
  EXPECT_EQ(store.stats().extensions, 0u);
  Profile* const woken = store.Find(Name(0));
  ASSERT_EQ(store.Extension(*woken).size(), kExtensionCells);
  EXPECT_EQ(store.Extension(*woken)[33], 77);
}

TEST(ProfileStore, OnlyAFewCanRent) {
  ProfileStore store(Small());
  int rented = 0;
  for (int i = 0; i < 20; ++i) {
    Profile& profile = store.FindOrMake(Name(i));
    store.Rent(&profile);
    rented += profile.extension >= 0;
  }
  EXPECT_EQ(rented, 4);
}

}  // namespace
}  // namespace mailvane
