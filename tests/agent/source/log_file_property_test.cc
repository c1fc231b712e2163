// Numbered lines, random operations on their file, and one rule: each line that
// was completed comes out once, in order, or a reported loss stands where it is
// missing.
#include <gtest/gtest.h>

#include <random>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/source/log_file.h"
#include "tests/fakes/fake_file_system.h"

namespace mailvane {
namespace {

constexpr char kLog[] = "/var/log/mail.log";

std::string Rotated(int n) { return absl::StrCat(kLog, ".", n); }

class Story {
 public:
  explicit Story(uint32_t seed) : random_(seed) {
    // What this host is like.
    copytruncate_ = Dice(3) == 0;
    deletes_ = Dice(3) == 0;
    // Without birth times an empty file that was filled and emptied, or whose number
    // was given out again, is the same file, for all that anyone can see.
    files_.has_birth = deletes_ || copytruncate_ || Dice(5) != 0;
    options_.start_at_end = Dice(2) == 0;
    // Small enough that the limits are met.
    options_.max_chunk_bytes = Dice(2) == 0 ? 512 : 100000;
    options_.max_line = 256;
    writer_ = files_.Create(kLog);
    story_ = absl::StrCat(copytruncate_ ? "copytruncate" : "rename",
                          deletes_ ? ", deletes" : "",
                          files_.has_birth ? "" : ", no birth times");
    log_ = std::make_unique<LogFile>(&files_, kLog, options_);
    Read(true);
  }

  void Go() {
    const int steps = 20 + Dice(60);
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      Pass(absl::Milliseconds(1 + Dice(3000)));
      switch (Dice(12)) {
        case 0:
        case 1:
        case 2:
        case 3:
          for (int i = Dice(12); i >= 0; --i) Write();
          break;
        case 4:
          WriteHalf();
          break;
        case 5:
          if (!deletes_) {
            Rotate();
          } else if (Dice(2) == 0) {
            // Nobody deletes a rotated file within seconds, save while we are away.
            HangUp();
            Settle(15);
            Rotate();
          } else {
            for (int i = Dice(3); i >= 0; --i) {
              Rotate();
              HangUp();
              for (int n = Dice(5); n >= 0; --n) Write();
            }
            Restart();
          }
          break;
        case 6:
          HangUp();
          break;
        case 7:
          Restart();
          break;
        case 8:
          // Time enough to leave a file.
          HangUp();
          Settle(Dice(20));
          break;
        default:
          Read(Dice(4) != 0);
      }
    }
    HangUp();
    for (int i = 0; i < 3; ++i) {
      Pass(absl::Seconds(1));
      Write();
      Settle(90);
    }
    EXPECT_EQ(committed_.last, next_ - 1) << "the last lines never came";
    if (!copytruncate_ && !deletes_) {
      EXPECT_EQ(committed_.losses, 0);
    }
    // Each truncation may be told once, and each restart that found its file gone.
    EXPECT_LE(committed_.losses, truncations_ + restarts_);
  }

 private:
  int Dice(int sides) {
    return std::uniform_int_distribution<int>(0, sides - 1)(random_);
  }

  void Pass(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
    files_.now += time;
    // A writer that is told to reopen does so before we give its file up.
    if (now_.mono - rotated_at_ > absl::Seconds(6)) HangUp();
  }

  void Settle(int seconds) {
    for (; seconds > 0; --seconds) {
      Pass(absl::Seconds(1));
      Read(true);
    }
  }

  void Write() {
    Tell("write");
    const std::string line =
        absl::StrCat("N ", next_, " ", std::string(Dice(60), 'x'), " .\n");
    files_.Append(writer_, half_.empty() ? line : half_ + "\n");
    half_.clear();
    ++next_;
  }

  void WriteHalf() {
    if (!half_.empty()) return;
    const std::string line =
        absl::StrCat("N ", next_, " ", std::string(Dice(60), 'x'), " .");
    const int cut = 1 + Dice(line.size() - 1);
    files_.Append(writer_, line.substr(0, cut));
    half_ = line.substr(cut);
  }

  // The writer begins its line anew in another file.
  void Abandon() { half_.clear(); }

  void Rotate() {
    if (files_.Get(kLog) != writer_) return;
    Tell("rotate");
    const int keep = deletes_ ? 1 : 1000;
    for (int n = oldest_; n >= 1; --n) {
      if (!files_.Exists(Rotated(n))) continue;
      if (n >= keep) {
        files_.Remove(Rotated(n));
      } else {
        files_.Rename(Rotated(n), Rotated(n + 1));
      }
    }
    oldest_ = std::min(oldest_ + 1, keep);
    if (copytruncate_) {
      files_.Copy(kLog, Rotated(1));
      Pass(absl::Milliseconds(1));
      files_.Truncate(kLog, 0);
      ++truncations_;
      Abandon();
      // Regrown before anyone looks: smaller, equal, larger.
      for (int i = Dice(20); i > 0; --i) Write();
      return;
    }
    files_.Rename(kLog, Rotated(1));
    Pass(absl::Milliseconds(1));
    files_.Create(kLog);
    rotated_at_ = now_.mono;
    // Until it is told to, the writer goes on in the old file.
    if (Dice(2) == 0) HangUp();
  }

  void HangUp() {
    if (!files_.Exists(kLog) || files_.Get(kLog) == writer_) return;
    Tell("hang up");
    Abandon();
    writer_ = files_.Get(kLog);
  }

  // What a crash does not take away.
  struct Committed {
    std::string checkpoint;
    int64_t last = 0;
    int losses = 0;
    bool loss_since_last = false;
  };

  void Read(bool commit) {
    for (int i = 0; i < 1000; ++i) {
      const absl::StatusOr<LogChunk> chunk = log_->Read(now_);
      ASSERT_TRUE(chunk.ok()) << chunk.status();
      Committed next = committed_;
      next.checkpoint = chunk->checkpoint;
      for (const LogLoss& loss : chunk->losses) {
        next.loss_since_last = true;
        ++next.losses;
        EXPECT_NE(loss.cause, v1::LossRecord::CAUSE_LINE_TOO_LONG);
      }
      for (const LogLine& line : chunk->lines) {
        const std::vector<absl::string_view> words = absl::StrSplit(line.text, ' ');
        int64_t number = 0;
        // A half line, which its writer gave up.
        if (words.size() != 4 || words[3] != "." || words[0] != "N" ||
            !absl::SimpleAtoi(words[1], &number)) {
          continue;
        }
        ASSERT_GT(number, next.last) << "a line came twice, or late\n" << story_;
        if (number != next.last + 1) {
          ASSERT_TRUE(next.loss_since_last)
              << "lines " << next.last + 1 << " to " << number - 1 << " are missing\n"
              << story_;
        }
        next.last = number;
        next.loss_since_last = false;
      }
      if (!commit) {
        // The agent dies before its transaction ends.
        Restart();
        return;
      }
      if (next.checkpoint != committed_.checkpoint) {
        Tell(absl::StrCat("read to ", next.last,
                          next.loss_since_last ? " with a loss" : "", " at ",
                          next.checkpoint, ", next"));
      }
      committed_ = next;
      if (!chunk->more) return;
    }
    FAIL() << "more, for ever";
  }

  void Restart() {
    Tell("restart");
    ++restarts_;
    log_ = std::make_unique<LogFile>(&files_, kLog, options_);
    ASSERT_TRUE(log_->Resume(committed_.checkpoint).ok());
  }

  void Tell(absl::string_view what) {
    absl::StrAppend(&story_, "\n", absl::ToInt64Milliseconds(now_.mono - absl::Hours(5)),
                    " ", what, " ", next_);
  }

  std::mt19937 random_;
  // What was done, for a person.
  std::string story_;
  bool copytruncate_ = false;
  bool deletes_ = false;
  FakeFileSystem files_;
  FakeFileSystem::Handle writer_;
  LogFile::Options options_;
  std::unique_ptr<LogFile> log_;
  Instant now_{files_.now, absl::Hours(5)};
  int64_t next_ = 1;
  std::string half_;
  int oldest_ = 0;
  absl::Duration rotated_at_;
  int truncations_ = 0;
  int restarts_ = 0;
  Committed committed_;
};

TEST(LogFileProperty, EachLineComesOnceOrIsALoss) {
  for (uint32_t seed = 1; seed <= 4000 && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Story(seed).Go();
  }
}

}  // namespace
}  // namespace mailvane
