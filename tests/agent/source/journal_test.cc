#include "agent/source/journal.h"

#include <errno.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/fakes/fake_journal.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

class JournalTest : public testing::Test {
 protected:
  void Restart(Journal::Options options = {}) {
    journal_ = std::make_unique<Journal>(&fake_, options);
    journal_->Resume(checkpoint_);
  }
  std::vector<std::string> Lines() {
    std::vector<std::string> lines;
    for (int i = 0; i < 1000; ++i) {
      const absl::StatusOr<LogChunk> chunk = journal_->Read();
      if (!chunk.ok()) return {std::string(chunk.status().message())};
      for (const LogLine& line : chunk->lines) lines.emplace_back(line.text);
      for (const LogLoss& loss : chunk->losses) losses_.push_back(loss.cause);
      checkpoint_ = chunk->checkpoint;
      if (!chunk->more) break;
    }
    return lines;
  }

  FakeJournal fake_;
  std::unique_ptr<Journal> journal_ =
      std::make_unique<Journal>(&fake_, Journal::Options());
  std::vector<v1::LossRecord::Cause> losses_;
  std::string checkpoint_;
};

TEST_F(JournalTest, StartsAtTheEndAndGivesMailAlone) {
  fake_.AddMail("old");
  EXPECT_THAT(Lines(), IsEmpty());
  fake_.Add({{"SYSLOG_FACILITY", "3"}, {"MESSAGE", "not mail"}});
  fake_.AddMail("one\ntwo");
  const absl::StatusOr<LogChunk> chunk = journal_->Read();
  ASSERT_OK(chunk);
  ASSERT_THAT(chunk->lines, SizeIs(1));
  EXPECT_EQ(chunk->lines[0].text, "postfix/smtpd[7]: one two");
  EXPECT_EQ(chunk->lines[0].host, "mx1");
  EXPECT_EQ(chunk->lines[0].cursor, "3");
  EXPECT_EQ(chunk->lines[0].time, absl::FromUnixMicros(1'800'000'000'000'003));
  EXPECT_EQ(chunk->checkpoint, "3");
}

TEST_F(JournalTest, AnEmptyJournalIsReadFromItsFirstEntry) {
  EXPECT_THAT(Lines(), IsEmpty());
  fake_.AddMail("one");
  EXPECT_THAT(Lines(), ElementsAre("postfix/smtpd[7]: one"));
}

TEST_F(JournalTest, GoesOnAfterARestart) {
  EXPECT_THAT(Lines(), IsEmpty());
  fake_.AddMail("one");
  EXPECT_THAT(Lines(), SizeIs(1));
  fake_.AddMail("two");
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("postfix/smtpd[7]: two"));
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(JournalTest, AVacuumedCursorIsALossAndReadingGoesOnFromTheHead) {
  EXPECT_THAT(Lines(), IsEmpty());
  for (const char* bad : {"", "not a cursor", "999"}) {
    losses_.clear();
    fake_.entries.clear();
    fake_.AddMail("one");
    EXPECT_THAT(Lines(), SizeIs(1));
    fake_.AddMail("two");
    fake_.AddMail("three");
    if (*bad != '\0') checkpoint_ = bad;
    fake_.entries.pop_front();
    Restart();
    EXPECT_THAT(Lines(), ElementsAre("postfix/smtpd[7]: two", "postfix/smtpd[7]: three"));
    EXPECT_THAT(losses_, ElementsAre(v1::LossRecord::CAUSE_JOURNAL_VACUUMED));
  }
}

TEST_F(JournalTest, AFailureReopensFromTheLastEntryGiven) {
  EXPECT_THAT(Lines(), IsEmpty());
  fake_.AddMail("one");
  EXPECT_THAT(Lines(), SizeIs(1));
  fake_.AddMail("two");
  fake_.fail_next = -EBADMSG;
  EXPECT_THAT(journal_->Read(), StatusIs(absl::StatusCode::kInternal));
  EXPECT_EQ(journal_->Descriptor(), -1);
  EXPECT_THAT(Lines(), ElementsAre("postfix/smtpd[7]: two"));
  EXPECT_EQ(journal_->Descriptor(), 99);
  EXPECT_EQ(fake_.opened, 2);
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(JournalTest, RefusalIsSaidAndHeals) {
  fake_.open_status = absl::PermissionDeniedError("open journal: Permission denied");
  EXPECT_THAT(journal_->Read(), StatusIs(absl::StatusCode::kPermissionDenied));
  fake_.open_status = absl::OkStatus();
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(JournalTest, LongEntriesAreCutAndBigJournalsComeInChunks) {
  Journal::Options options;
  options.start_at_end = false;
  options.max_line = 10;
  options.max_chunk_bytes = 100;
  for (int i = 0; i < 50; ++i) fake_.AddMail("0123456789x");
  Restart(options);
  const absl::StatusOr<LogChunk> chunk = journal_->Read();
  ASSERT_OK(chunk);
  EXPECT_TRUE(chunk->more);
  EXPECT_EQ(chunk->losses[0].cause, v1::LossRecord::CAUSE_LINE_TOO_LONG);
  EXPECT_EQ(chunk->losses[0].bytes, 1u);
  EXPECT_THAT(Lines(), SizeIs(50 - chunk->lines.size()));
}

// The real library, on the hosts that have it: an empty directory is a journal
// without entries, and one that is not there is an error.
TEST(HostJournal, OpensADirectory) {
  absl::StatusOr<std::unique_ptr<JournalApi>> api = LoadJournalApi();
  if (!api.ok()) GTEST_SKIP() << api.status();
  Journal::Options options;
  options.directory = testing::TempDir();
  Journal journal(api->get(), options);
  const absl::StatusOr<LogChunk> chunk = journal.Read();
  ASSERT_OK(chunk);
  EXPECT_THAT(chunk->lines, IsEmpty());
  EXPECT_GE(journal.Descriptor(), 0);

  options.directory = "/does/not/exist";
  Journal absent(api->get(), options);
  EXPECT_THAT(absent.Read(), StatusIs(absl::StatusCode::kNotFound));
}

}  // namespace
}  // namespace mailvane
