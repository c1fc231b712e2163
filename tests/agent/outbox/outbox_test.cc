#include "agent/outbox/outbox.h"

#include <cstdio>
#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

class OutboxTest : public testing::Test {
 protected:
  OutboxTest()
      : path_(
            absl::StrCat(testing::TempDir(), "/outbox_",
                         testing::UnitTest::GetInstance()->current_test_info()->name())) {
    for (const char* suffix : {"", "-wal", "-shm", ".corrupt"}) {
      std::remove((path_ + suffix).c_str());
    }
  }

  std::unique_ptr<Outbox> Open(uint64_t max_bytes = 1 << 20) {
    Outbox::Options options;
    options.max_bytes = max_bytes;
    auto outbox = Outbox::Open(path_, &random_, options);
    EXPECT_OK(outbox);
    return outbox.ok() ? *std::move(outbox) : nullptr;
  }

  SeededRandom random_{1};
  const std::string path_;
};

TEST_F(OutboxTest, NumbersEventsFromOneAndKeepsThemOverARestart) {
  std::string epoch;
  {
    auto outbox = Open();
    epoch = outbox->epoch();
    EXPECT_EQ(epoch.size(), 16u);
    EXPECT_TRUE(outbox->empty());
    ASSERT_OK(outbox->Commit({{"a", "bb"}, {{"log", "7"}}, {{"rate", "s"}}}));
    ASSERT_OK(outbox->Commit({{"ccc"}, {{"log", "9"}}, {}}));
  }
  auto outbox = Open();
  EXPECT_EQ(outbox->epoch(), epoch);
  EXPECT_EQ(outbox->first_unacked(), 1u);
  EXPECT_EQ(outbox->next_seq(), 4u);
  EXPECT_EQ(outbox->bytes(), 6u);
  EXPECT_THAT(*outbox->Read(1, 10, 1000), ElementsAre("a", "bb", "ccc"));
  EXPECT_EQ(**outbox->Checkpoint("log"), "9");
  EXPECT_EQ(**outbox->State("rate"), "s");
  EXPECT_EQ(*outbox->Checkpoint("journal"), std::nullopt);
}

TEST_F(OutboxTest, NumbersGoOnAfterEverythingWasAckedAndReopened) {
  {
    auto outbox = Open();
    ASSERT_OK(outbox->Commit({{"a", "b"}, {}, {}}));
    ASSERT_OK(outbox->Acknowledge(2));
    EXPECT_TRUE(outbox->empty());
  }
  auto outbox = Open();
  EXPECT_EQ(outbox->next_seq(), 3u);
  EXPECT_EQ(outbox->first_unacked(), 3u);
  EXPECT_EQ(outbox->bytes(), 0u);
}

TEST_F(OutboxTest, AnAckForgetsWhatItCoversAndNothingElse) {
  auto outbox = Open();
  ASSERT_OK(outbox->Commit({{"a", "b", "c"}, {}, {}}));
  ASSERT_OK(outbox->Acknowledge(2));
  EXPECT_EQ(outbox->first_unacked(), 3u);
  EXPECT_EQ(outbox->bytes(), 1u);
  EXPECT_THAT(*outbox->Read(1, 10, 1000), ElementsAre("c"));
  ASSERT_OK(outbox->Acknowledge(1)) << "an older ack is no news";
  EXPECT_EQ(outbox->first_unacked(), 3u);
}

TEST_F(OutboxTest, RefusesAnAckOfWhatWasNeverGivenOut) {
  auto outbox = Open();
  ASSERT_OK(outbox->Commit({{"a"}, {}, {}}));
  EXPECT_THAT(outbox->Acknowledge(2), StatusIs(StatusCode::kInvalidArgument));
  EXPECT_THAT(*outbox->Read(1, 10, 1000), ElementsAre("a"));
}

TEST_F(OutboxTest, ReadKeepsBothLimitsButGivesAtLeastOne) {
  auto outbox = Open();
  ASSERT_OK(outbox->Commit({{"aaaa", "bbbb", "cccc"}, {}, {}}));
  EXPECT_THAT(*outbox->Read(1, 2, 1000), ElementsAre("aaaa", "bbbb"));
  EXPECT_THAT(*outbox->Read(1, 10, 9), ElementsAre("aaaa", "bbbb"));
  EXPECT_THAT(*outbox->Read(2, 10, 1), ElementsAre("bbbb"));
  EXPECT_THAT(*outbox->Read(4, 10, 1000), IsEmpty());
}

TEST_F(OutboxTest, SaysWhenItIsFullAndStillTakesWhatIsAlreadyMade) {
  auto outbox = Open(/*max_bytes=*/4);
  ASSERT_OK(outbox->Commit({{"aaa"}, {}, {}}));
  EXPECT_FALSE(outbox->full());
  ASSERT_OK(outbox->Commit({{"b"}, {}, {}}));
  EXPECT_TRUE(outbox->full());
  ASSERT_OK(outbox->Commit({{"c"}, {}, {}}));
  ASSERT_OK(outbox->Acknowledge(2));
  EXPECT_FALSE(outbox->full());
}

TEST_F(OutboxTest, ANewEpochNumbersWhatIsLeftFromOne) {
  auto outbox = Open();
  const std::string before = outbox->epoch();
  ASSERT_OK(outbox->Commit({{"a", "b", "c"}, {}, {}}));
  ASSERT_OK(outbox->Acknowledge(1));
  ASSERT_OK(outbox->StartNewEpoch());
  EXPECT_NE(outbox->epoch(), before);
  EXPECT_EQ(outbox->first_unacked(), 1u);
  EXPECT_EQ(outbox->next_seq(), 3u);
  EXPECT_THAT(*outbox->Read(1, 10, 1000), ElementsAre("b", "c"));
  outbox.reset();
  EXPECT_EQ(Open()->next_seq(), 3u);
}

TEST_F(OutboxTest, KnowsACleanStopFromAKill) {
  EXPECT_TRUE(Open()->after_clean_stop()) << "a new outbox follows nobody";
  EXPECT_FALSE(Open()->after_clean_stop());
  ASSERT_OK(Open()->MarkCleanStop());
  EXPECT_TRUE(Open()->after_clean_stop());
  EXPECT_FALSE(Open()->after_clean_stop());
}

// Whatever byte of the file is damaged, the outbox opens: with its events, or
// as a new epoch that says that something was lost.
TEST_F(OutboxTest, OpensWhateverPageOfTheFileIsDamaged) {
  {
    auto outbox = Open();
    for (int i = 0; i < 50; ++i) {
      ASSERT_OK(outbox->Commit({{std::string(200, 'x')}, {{"log", "1"}}, {}}));
    }
  }
  std::ifstream in(path_, std::ios::binary);
  const std::string sound((std::istreambuf_iterator<char>(in)), {});
  ASSERT_GT(sound.size(), 8192u);
  int lost = 0;
  for (size_t at = 0; at < sound.size(); at += 397) {
    std::string damaged = sound;
    for (size_t i = at; i < at + 16 && i < damaged.size(); ++i) damaged[i] ^= 0x5a;
    for (const char* suffix : {"-wal", "-shm"}) std::remove((path_ + suffix).c_str());
    std::ofstream(path_, std::ios::binary | std::ios::trunc) << damaged;
    auto outbox = Open();
    ASSERT_NE(outbox, nullptr) << "damaged at byte " << at;
    if (outbox->lost_previous()) {
      ++lost;
      EXPECT_TRUE(outbox->empty());
    } else {
      EXPECT_EQ(outbox->Read(1, 100, 1 << 20)->size(), outbox->next_seq() - 1);
    }
    ASSERT_OK(outbox->Commit({{"next"}, {}, {}}));
  }
  EXPECT_GT(lost, 5) << "the damage did not reach what matters";
}

TEST_F(OutboxTest, RefusesAFileOfANewerVersionAndLeavesItAlone) {
  Open();
  {
    auto db = Database::Open(path_);
    ASSERT_OK(db);
    ASSERT_OK((*db)->Run("PRAGMA user_version=99"));
  }
  EXPECT_THAT(Outbox::Open(path_, &random_, {}),
              StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_EQ(*(*Database::Open(path_))->QueryInt("PRAGMA user_version"), 99);
}

}  // namespace
}  // namespace mailvane
