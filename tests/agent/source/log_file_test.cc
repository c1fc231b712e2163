#include "agent/source/log_file.h"

#include <algorithm>
#include <cstdio>
#include <fstream>
#include <utility>

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/fakes/fake_file_system.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kLog[] = "/var/log/mail.log";

class LogFileTest : public testing::Test {
 protected:
  LogFileTest() { Reopen(LogFile::Options()); }

  void Reopen(LogFile::Options options) {
    log_ = std::make_unique<LogFile>(&files_, kLog, options);
  }
  void Restart(LogFile::Options options = {}) {
    Reopen(options);
    ASSERT_OK(log_->Resume(checkpoint_));
  }
  void Pass(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
    files_.now += time;
  }
  // Reads until there is no more; what came is in lines_ and losses_.
  absl::Status Drain() {
    for (int i = 0; i < 1000; ++i) {
      absl::StatusOr<LogChunk> chunk = log_->Read(now_);
      if (!chunk.ok()) return chunk.status();
      for (const LogLine& line : chunk->lines) {
        lines_.emplace_back(line.text);
        offsets_.push_back(line.offset);
        keys_.push_back(chunk->file_key);
      }
      for (const LogLoss& loss : chunk->losses) losses_.push_back(loss);
      noise_ += chunk->noise_bytes;
      checkpoint_ = chunk->checkpoint;
      if (!chunk->more) return absl::OkStatus();
    }
    return absl::InternalError("more, for ever");
  }
  std::vector<std::string> Lines() {
    const absl::Status status = Drain();
    if (!status.ok()) return {std::string(status.message())};
    return std::exchange(lines_, {});
  }

  FakeFileSystem files_;
  Instant now_{files_.now, absl::Hours(5)};
  std::unique_ptr<LogFile> log_;
  std::vector<std::string> lines_;
  std::vector<uint64_t> offsets_;
  std::vector<std::string> keys_;
  std::vector<LogLoss> losses_;
  uint64_t noise_ = 0;
  std::string checkpoint_;
};

TEST_F(LogFileTest, StartsAtTheEndAndGivesWhatIsAppended) {
  files_.Append(kLog, "old\n");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Append(kLog, "one\ntwo\n");
  EXPECT_THAT(Lines(), ElementsAre("one", "two"));
  EXPECT_THAT(offsets_, ElementsAre(4, 8));
  EXPECT_EQ(log_->lag_bytes(), 0u);
}

TEST_F(LogFileTest, TheLineBeingWrittenAtTheStartIsNew) {
  files_.Append(kLog, "old\nhal");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Append(kLog, "f\n");
  EXPECT_THAT(Lines(), ElementsAre("half"));
}

TEST_F(LogFileTest, HoldsAPartialLineUntilItsNewline) {
  files_.Create(kLog);
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Append(kLog, "one\ntw");
  EXPECT_THAT(Lines(), ElementsAre("one"));
  EXPECT_EQ(log_->lag_bytes(), 2u);
  Pass(absl::Hours(1));
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Append(kLog, "o\n");
  EXPECT_THAT(Lines(), ElementsAre("two"));
}

TEST_F(LogFileTest, AFileThatAppearsLaterIsReadFromItsBeginning) {
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kNotFound));
  files_.Append(kLog, "one\n");
  EXPECT_THAT(Lines(), ElementsAre("one"));
}

TEST_F(LogFileTest, DeniedIsSaidAndHealsWithNothingLost) {
  files_.Append(kLog, "before\n");
  files_.Deny(kLog);
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kPermissionDenied));
  files_.Append(kLog, "one\n");
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kPermissionDenied));
  files_.Allow(kLog);
  EXPECT_THAT(Lines(), ElementsAre("one"));
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(LogFileTest, ADeniedDirectoryIsSaidWhileTheOpenFileIsStillRead) {
  files_.Append(kLog, "before\n");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Deny("/var/log");
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kPermissionDenied));
  files_.Append(kLog, "one\n");
  EXPECT_THAT(Lines(), ElementsAre("one"));
  files_.Allow("/var/log");
  EXPECT_THAT(Lines(), IsEmpty());
}

TEST_F(LogFileTest, ADeniedCheckpointFileIsWaitedFor) {
  files_.Append(kLog, "before\n");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Append(kLog, "one\n");
  files_.Deny(kLog);
  Restart();
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kPermissionDenied));
  files_.Allow(kLog);
  EXPECT_THAT(Lines(), ElementsAre("one"));
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(LogFileTest, AfterARenameTheOldFileIsReadUntilItIsQuiet) {
  files_.Create(kLog);
  EXPECT_THAT(Lines(), IsEmpty());
  const auto old = files_.Get(kLog);
  files_.Append(old, "one\n");
  files_.Rename(kLog, "/var/log/mail.log.1");
  Pass(absl::Milliseconds(5));
  files_.Append(kLog, "three\n");
  EXPECT_THAT(Lines(), ElementsAre("one"));
  Pass(absl::Seconds(9));
  files_.Append(old, "two\nunfinis");
  EXPECT_THAT(Lines(), ElementsAre("two"));
  Pass(absl::Seconds(9));
  EXPECT_THAT(Lines(), IsEmpty());
  Pass(absl::Seconds(1));
  EXPECT_THAT(Lines(), ElementsAre("unfinis", "three"));
  EXPECT_THAT(losses_, IsEmpty());
  EXPECT_NE(keys_.front(), keys_.back());
}

TEST_F(LogFileTest, AWriterThatNeverLetsGoIsLeftAfterAMinuteAndThatIsSaid) {
  files_.Append(kLog, "zero\n");
  EXPECT_THAT(Lines(), IsEmpty());
  const auto old = files_.Get(kLog);
  files_.Rename(kLog, "/var/log/mail.log.1");
  Pass(absl::Milliseconds(5));
  files_.Append(kLog, "new\n");
  std::vector<std::string> lines;
  for (int i = 0; i < 14 && lines != std::vector<std::string>{"new"}; ++i) {
    Pass(absl::Seconds(5));
    files_.Append(old, "old\n");
    lines = Lines();
    if (i < 11) {
      EXPECT_THAT(lines, ElementsAre("old"));
    }
    lines.erase(std::remove(lines.begin(), lines.end(), "old"), lines.end());
    EXPECT_OK(Drain());
  }
  EXPECT_THAT(lines_, IsEmpty());
  EXPECT_THAT(lines, ElementsAre("new"));
  ASSERT_THAT(losses_, SizeIs(1));
  EXPECT_EQ(losses_[0].cause, v1::LossRecord::CAUSE_ROTATED_AWAY);
}

TEST_F(LogFileTest, AFileThatWasMovedAwayAndNotReplacedIsGivenUpAfterAMinute) {
  files_.Append(kLog, "zero\nunfinished");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Rename(kLog, "/var/log/old");
  EXPECT_THAT(Lines(), IsEmpty());
  Pass(absl::Seconds(59));
  EXPECT_THAT(Lines(), IsEmpty());
  Pass(absl::Seconds(1));
  EXPECT_THAT(log_->Read(now_)->lines, SizeIs(1));
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kNotFound));
  EXPECT_THAT(log_->Read(now_), StatusIs(absl::StatusCode::kNotFound));
  files_.Append(kLog, "one\n");
  EXPECT_THAT(Lines(), ElementsAre("one"));
}

TEST_F(LogFileTest, AtARestartTheRestOfTheRotatedFilesComesFirst) {
  files_.Append(kLog, "one\n");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Append(kLog, "two\n");
  // Twice, with a compressed copy and somebody's own copy beside.
  Pass(absl::Hours(1));
  files_.Copy(kLog, "/var/log/mail.log.3.gz");
  files_.Copy(kLog, "/var/log/mail.log.bak");
  files_.Rename(kLog, "/var/log/mail.log.1");
  files_.Append(kLog, "three\n");
  Pass(absl::Hours(1));
  files_.Rename("/var/log/mail.log.1", "/var/log/mail.log-20261122");
  files_.Rename(kLog, "/var/log/mail.log.1");
  files_.Append(kLog, "four\n");
  Pass(absl::Hours(1));
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("two", "three", "four"));
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(LogFileTest, ACheckpointFileThatIsGoneIsALoss) {
  files_.Append(kLog, "one\n");
  EXPECT_THAT(Lines(), IsEmpty());
  Pass(absl::Hours(1));
  files_.Append(kLog, "two\n");
  files_.Remove(kLog);
  // The number of the deleted file, at once.
  files_.Append(kLog, "three is longer than one\n");
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("three is longer than one"));
  ASSERT_THAT(losses_, SizeIs(1));
  EXPECT_EQ(losses_[0].cause, v1::LossRecord::CAUSE_ROTATED_AWAY);
  EXPECT_EQ(losses_[0].from_offset, 4u);
  EXPECT_EQ(losses_[0].bytes, std::nullopt);
}

TEST_F(LogFileTest, ADeviceThatChangedItsNumberIsNoLoss) {
  const std::string line(100, 'x');
  files_.Append(kLog, line + "\n");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Get(kLog)->id.device = 7;
  files_.Append(kLog, "two\n");
  Restart();
  EXPECT_THAT(Lines(), ElementsAre("two"));
  EXPECT_THAT(losses_, IsEmpty());
}

TEST_F(LogFileTest, ADamagedCheckpointIsALossAndAStart) {
  files_.Append(kLog, "one\n");
  ASSERT_OK(Drain());
  const std::string good = checkpoint_;
  for (const std::string& bad :
       {std::string("x"), good.substr(0, good.size() / 2), std::string(60, '\0'),
        "2" + good.substr(1), good + "1", good + " 1"}) {
    Reopen(LogFile::Options());
    losses_.clear();
    EXPECT_THAT(log_->Resume(bad), StatusIs(absl::StatusCode::kInvalidArgument)) << bad;
    EXPECT_THAT(Lines(), IsEmpty());
    EXPECT_THAT(losses_, SizeIs(1));
    files_.Append(kLog, "two\n");
    EXPECT_THAT(Lines(), ElementsAre("two"));
  }
}

TEST_F(LogFileTest, ATruncatedFileIsSeenHoweverFarItHasGrown) {
  struct Row {
    const char* name;
    std::string regrown;
  };
  const std::vector<Row> rows = {
      {"empty", ""}, {"shorter", "a\n"}, {"equal", "2222\n"}, {"longer", "22222222\n"}};
  for (const bool restart : {false, true}) {
    for (const Row& row : rows) {
      SCOPED_TRACE(absl::StrCat(row.name, restart ? " at a restart" : ""));
      losses_.clear();
      files_.Remove(kLog);
      Reopen(LogFile::Options());
      files_.Append(kLog, "1111\n");
      EXPECT_THAT(Lines(), IsEmpty());
      Pass(absl::Seconds(1));
      files_.Truncate(kLog, 0);
      files_.Append(kLog, row.regrown);
      if (restart) Restart();
      if (row.regrown.empty()) {
        EXPECT_THAT(Lines(), IsEmpty());
        files_.Append(kLog, "3\n");
        Pass(absl::Seconds(1));
        EXPECT_THAT(Lines(), ElementsAre("3"));
      } else {
        EXPECT_THAT(Lines(), ElementsAre(row.regrown.substr(0, row.regrown.size() - 1)));
      }
      ASSERT_THAT(losses_, SizeIs(1));
      EXPECT_EQ(losses_[0].cause, v1::LossRecord::CAUSE_TRUNCATED);
      EXPECT_EQ(losses_[0].from_offset, 5u);
    }
  }
}

TEST_F(LogFileTest, TheRestOfATruncatedFileIsReadFromItsCopy) {
  for (const bool restart : {false, true}) {
    losses_.clear();
    files_.Remove(kLog);
    Reopen(LogFile::Options());
    files_.Append(kLog, "one\n");
    EXPECT_THAT(Lines(), IsEmpty());
    files_.Append(kLog, "two\n");
    Pass(absl::Seconds(1));
    files_.Copy(kLog, "/var/log/mail.log.1");
    files_.Truncate(kLog, 0);
    files_.Append(kLog, "three\n");
    if (restart) Restart();
    EXPECT_THAT(Lines(), ElementsAre("two", "three"));
    // What came between the copy and the truncation, nobody knows.
    ASSERT_THAT(losses_, SizeIs(1));
    EXPECT_EQ(losses_[0].from_offset, 8u);
  }
}

TEST_F(LogFileTest, CutsALongLineAndCountsItsRest) {
  struct Row {
    size_t size;
    size_t step;
  };
  for (const Row& row :
       std::vector<Row>{{8192, 100000}, {8193, 100000}, {700000, 3000}}) {
    losses_.clear();
    files_.Remove(kLog);
    Reopen(LogFile::Options());
    files_.Append(kLog, "0\n");
    EXPECT_THAT(Lines(), IsEmpty());
    std::string text = std::string(row.size, 'x') + "\nnext\n";
    for (size_t pos = 0; pos < text.size(); pos += row.step) {
      Pass(absl::Seconds(1));
      files_.Append(kLog, absl::string_view(text).substr(pos, row.step));
      ASSERT_OK(Drain());
      if (pos == 3 * row.step) Restart();
    }
    const std::vector<std::string> lines = Lines();
    EXPECT_THAT(lines, ElementsAre(std::string(8192, 'x'), "next"));
    if (row.size == 8192) {
      EXPECT_THAT(losses_, IsEmpty());
    } else {
      ASSERT_THAT(losses_, SizeIs(1));
      EXPECT_EQ(losses_[0].cause, v1::LossRecord::CAUSE_LINE_TOO_LONG);
      EXPECT_EQ(losses_[0].bytes, row.size - 8192);
      EXPECT_EQ(losses_[0].from_offset, 2 + 8192u);
    }
  }
}

TEST_F(LogFileTest, SkipsTheHoleThatATruncatedFileHas) {
  files_.Append(kLog, "1111\n");
  EXPECT_THAT(Lines(), IsEmpty());
  files_.Truncate(kLog, 0);
  files_.Append(kLog, std::string(500000, '\0') + "two\n");
  EXPECT_THAT(Lines(), ElementsAre("two"));
  EXPECT_EQ(noise_, 500000u);
  EXPECT_EQ(offsets_.back(), 500000u);
  EXPECT_THAT(losses_, SizeIs(1));
}

TEST_F(LogFileTest, GivesABigFileInBoundedChunks) {
  LogFile::Options options;
  options.start_at_end = false;
  options.max_chunk_bytes = 16384;
  Reopen(options);
  std::string text;
  for (int i = 0; i < 20000; ++i) absl::StrAppend(&text, "line ", i, "\n");
  files_.Append(kLog, text);
  const absl::StatusOr<LogChunk> chunk = log_->Read(now_);
  ASSERT_OK(chunk);
  EXPECT_TRUE(chunk->more);
  EXPECT_GT(log_->lag_bytes(), 100000u);
  const size_t first = chunk->lines.size();
  const std::vector<std::string> lines = Lines();
  EXPECT_EQ(first + lines.size(), 20000u);
  EXPECT_EQ(lines.back(), "line 19999");
}

TEST_F(LogFileTest, TheKeyOfAFileStaysWhateverItIsCalled) {
  LogFile::Options options;
  options.start_at_end = false;
  Reopen(options);
  files_.Append(kLog, "one\n");
  ASSERT_OK(Drain());
  files_.Append(kLog, std::string(3000, 'x') + "\n");
  ASSERT_OK(Drain());
  files_.Rename(kLog, "/var/log/x");
  files_.Rename("/var/log/x", kLog);
  Reopen(options);
  ASSERT_OK(Drain());
  ASSERT_THAT(keys_, SizeIs(4));
  EXPECT_THAT(keys_, testing::Each(keys_[0]));
  EXPECT_THAT(keys_[0], HasSubstr(":"));
}

TEST_F(LogFileTest, IdleCostsOneFstatAndOneStat) {
  files_.Append(kLog, "one\npart");
  ASSERT_OK(Drain());
  ASSERT_OK(Drain());
  files_.path_calls = files_.stat_calls = files_.read_calls = 0;
  ASSERT_OK(Drain());
  EXPECT_EQ(files_.path_calls, 1);
  EXPECT_EQ(files_.stat_calls, 1);
  EXPECT_EQ(files_.read_calls, 0);
}

TEST_F(LogFileTest, WatchesTheDirectory) {
  EXPECT_THAT(log_->WatchDirectories(), ElementsAre("/var/log"));
  EXPECT_THAT(LogFile(&files_, "/x", {}).WatchDirectories(), ElementsAre("/"));
  EXPECT_THAT(LogFile(&files_, "x", {}).WatchDirectories(), ElementsAre("."));
}

// The same on a real file system: inodes, births and times as the kernel gives
// them.
TEST(LogFileOnDisk, FollowsARenameAndATruncation) {
  const std::string path = absl::StrCat(testing::TempDir(), "/mail.log");
  std::remove(path.c_str());
  std::remove((path + ".1").c_str());
  const auto append = [&path](const char* text) {
    std::ofstream(path, std::ios::app) << text;
  };
  HostFileSystem files;
  LogFile log(&files, path, {});
  Instant now{absl::FromUnixSeconds(1'800'000'000), absl::Hours(1)};
  std::vector<LogLoss> losses;
  const auto read = [&] {
    std::vector<std::string> lines;
    bool more = true;
    while (more) {
      const absl::StatusOr<LogChunk> chunk = log.Read(now);
      EXPECT_OK(chunk);
      if (!chunk.ok()) break;
      for (const LogLine& line : chunk->lines) lines.emplace_back(line.text);
      for (const LogLoss& loss : chunk->losses) losses.push_back(loss);
      more = chunk->more;
    }
    return lines;
  };
  append("old\n");
  EXPECT_THAT(read(), IsEmpty());
  append("one\n");
  EXPECT_THAT(read(), ElementsAre("one"));
  ASSERT_EQ(std::rename(path.c_str(), (path + ".1").c_str()), 0);
  append("two\n");
  EXPECT_THAT(read(), IsEmpty());
  now.mono += absl::Seconds(11);
  EXPECT_THAT(read(), ElementsAre("two"));
  EXPECT_THAT(losses, IsEmpty());
  // Truncated, and regrown further than it was.
  std::ofstream(path, std::ios::trunc) << "three and more\n";
  EXPECT_THAT(read(), ElementsAre("three and more"));
  EXPECT_THAT(losses, SizeIs(1));
}

}  // namespace
}  // namespace mailvane
