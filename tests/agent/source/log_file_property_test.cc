// Numbered lines, every kind of rotation, and one rule: each line that was
// completed comes out once, or nobody could read it and a loss was reported.
#include <gtest/gtest.h>

#include <cstdlib>
#include <random>
#include <set>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/source/log_file.h"
#include "tests/fakes/fake_file_system.h"
#include "tests/fakes/rotating_log.h"

namespace mailvane {
namespace {

using Kind = RotationHabit::Kind;
using Packing = RotationHabit::Packing;
using Naming = RotationHabit::Naming;

// The agent as far as the log goes: it reads, commits what it has read, and starts
// again from there.
class Reader {
 public:
  Reader(const FakeFileSystem* files, const RotatingLog* log, LogFile::Options options)
      : files_(files), log_(log), options_(options) {
    Start();
  }

  void Start() {
    file_ = std::make_unique<LogFile>(files_, log_->path(), options_);
    if (committed_.checkpoint.empty()) return;
    EXPECT_TRUE(file_->Resume(committed_.checkpoint).ok());
  }
  // As `kill -9`: what was not committed did not happen.
  void Stop() { file_.reset(); }
  bool running() const { return file_ != nullptr; }
  void Look(Instant now) { file_->Look(now); }

  // Until there is no more.  False: the transaction failed, and we were killed.
  bool Read(Instant now, bool commit = true) {
    for (int i = 0; i < 5000; ++i) {
      const absl::StatusOr<LogChunk> chunk = file_->Read(now);
      EXPECT_TRUE(chunk.ok()) << chunk.status();
      if (!chunk.ok()) return true;
      Committed next = committed_;
      next.checkpoint = chunk->checkpoint;
      for (const LogLoss& loss : chunk->losses) {
        if (loss.cause != v1::LossRecord::CAUSE_LINE_TOO_LONG) ++next.losses;
      }
      for (const LogLine& line : chunk->lines) {
        const int64_t number = RotatingLog::NumberIn(line.text);
        if (number == 0) continue;  // a half line, which its writer gave up
        EXPECT_TRUE(next.read.insert(number).second) << "line " << number << " twice";
      }
      if (!commit) {
        Stop();
        return false;
      }
      committed_ = std::move(next);
      if (!chunk->more) return true;
    }
    ADD_FAILURE() << "more, for ever";
    return true;
  }

  // What is missing may be, and was said to be.
  void Check(int losses_allowed) const {
    int missing = 0;
    for (int64_t number = 1; number <= log_->last(); ++number) {
      if (committed_.read.count(number) > 0) continue;
      ++missing;
      ASSERT_TRUE(log_->gone(number)) << "line " << number << " is missing";
    }
    if (missing > 0) {
      EXPECT_GT(committed_.losses, 0) << missing << " lost in silence";
    }
    EXPECT_LE(committed_.losses, losses_allowed);
  }
  int losses() const { return committed_.losses; }

 private:
  // What a crash does not take away.
  struct Committed {
    std::string checkpoint;
    std::set<int64_t> read;
    int losses = 0;
  };

  const FakeFileSystem* const files_;
  const RotatingLog* const log_;
  const LogFile::Options options_;
  std::unique_ptr<LogFile> file_;
  Committed committed_;
};

class World {
 public:
  World(RotationHabit habit, LogFile::Options options, bool has_birth = true)
      : births_(SetBirth(has_birth)),
        log(&files, habit),
        reader(&files, &log, options) {
    reader.Read(now);
  }
  void Pass(absl::Duration time) {
    now.mono += time;
    now.wall += time;
    files.now += time;
  }
  void Settle(int seconds, int step = 1) {
    for (; seconds > 0; seconds -= step) {
      Pass(absl::Seconds(step));
      reader.Read(now);
    }
  }

 private:
  bool SetBirth(bool has_birth) { return files.has_birth = has_birth; }

 public:
  FakeFileSystem files;

 private:
  const bool births_;

 public:
  Instant now{files.now, absl::Hours(5)};
  RotatingLog log;
  Reader reader;
};

// ---- Every rotation, at every offset, while running and while stopped ----

struct Regrown {
  const char* name;
  int lines;
  size_t filling;
};

TEST(LogFileAtEveryOffset, NothingIsLostOrDoubled) {
  constexpr size_t kFilling = 26;
  constexpr size_t kLine = kFilling + 8;  // "N 1 xxx .\n"
  const std::vector<Regrown> regrowns = {
      {"empty", 0, 0}, {"smaller", 1, 3}, {"equal", 3, 26}, {"larger", 9, 70}};
  int stories = 0;
  for (const Kind kind :
       {Kind::kRename, Kind::kCopyTruncate, Kind::kDated, Kind::kSymlink}) {
    for (const Packing packing : {Packing::kNone, Packing::kAtOnce}) {
      for (const int rotations : {1, 2}) {
        for (const Regrown& regrown : regrowns) {
          for (const bool running : {true, false}) {
            for (size_t offset = 0; offset <= 3 * kLine; ++offset) {
              RotationHabit habit;
              habit.kind = kind;
              habit.packing = packing;
              SCOPED_TRACE(absl::StrCat(habit.Describe(), ", ", rotations,
                                        " rotations, regrown ", regrown.name,
                                        running ? ", running" : ", stopped",
                                        " at offset ", offset));
              ++stories;
              World world(habit, {});
              world.Pass(absl::Seconds(1));
              // Up to `offset` in three lines of kLine bytes.
              for (size_t i = 0; i < offset / kLine; ++i) world.log.Write(kFilling);
              if (offset % kLine > 0) world.log.WriteHalf(kFilling, offset % kLine);
              world.reader.Read(world.now);
              if (!running) world.reader.Stop();
              world.Pass(absl::Seconds(1));
              for (size_t i = offset / kLine; i < 3; ++i) world.log.Write(kFilling);
              for (int r = 0; r < rotations; ++r) {
                world.log.Rotate();
                world.log.HangUp();
                world.Pass(absl::Seconds(1));
                for (int i = 0; i < regrown.lines; ++i) world.log.Write(regrown.filling);
                if (running && r == 0) world.reader.Read(world.now);
                world.Pass(absl::Seconds(1));
              }
              if (!running) world.reader.Start();
              world.reader.Read(world.now);
              world.log.Write(40);
              world.reader.Read(world.now);
              world.Settle(700, 20);
              // A truncation may have taken something with it, and a packed file of which
              // next to nothing had been read is not known again.
              const bool unknowable = !running && offset < 2 * kLine && packing != Packing::kNone;
              world.reader.Check(kind == Kind::kCopyTruncate ? rotations
                                                             : (unknowable ? 1 : 0));
              if (testing::Test::HasFailure()) return;
            }
          }
        }
      }
    }
  }
  EXPECT_GT(stories, 6000);
}

// ---- Anything, in any order ----

class Story {
 public:
  explicit Story(uint32_t seed) : random_(seed) {
    RotationHabit habit;
    habit.kind = static_cast<Kind>(Dice(4));
    habit.packing = static_cast<Packing>(Dice(3));
    habit.naming = static_cast<Naming>(Dice(2));
    // Rotating by date, one rotation a day keeps the names apart.
    if (Dice(4) == 0) habit.keep = 1 + Dice(2);
    if (Dice(3) == 0) habit.written_amid = Dice(3);
    deletes_ = habit.keep < 1000;
    // Without birth times an empty file that was filled and emptied, or whose number
    // was given out again, is the same file, for all that anyone can see.
    const bool births = habit.kind != Kind::kRename || deletes_ ||
                        habit.packing != Packing::kNone || Dice(5) != 0;
    LogFile::Options options;
    options.start_at_end = Dice(2) == 0;
    // Small enough that the limits are met.
    options.max_chunk_bytes = Dice(2) == 0 ? 512 : 100000;
    options.max_line = 256;
    world_ = std::make_unique<World>(habit, options, births);
    told_ = absl::StrCat(habit.Describe(), births ? "" : ", no birth times");
  }

  void Go() {
    const int steps = 20 + Dice(60);
    for (int step = 0; step < steps && !testing::Test::HasFailure(); ++step) {
      world_->Pass(absl::Milliseconds(1 + Dice(3000)));
      Step();
    }
    world_->log.HangUp();
    if (!world_->reader.running()) Start();
    for (int i = 0; i < 3; ++i) {
      world_->Pass(absl::Seconds(1));
      world_->log.Write(Dice(60));
      world_->Settle(700, 50);
    }
    const bool whole = world_->log.habit().kind != Kind::kCopyTruncate && !deletes_ &&
                       world_->log.truncations() == 0 &&
                       world_->log.habit().packing == Packing::kNone;
    world_->reader.Check(whole ? 0 : world_->log.truncations() + restarts_ + rotations_);
    if (testing::Test::HasFailure()) printf("%s\n", told_.c_str());
  }

 private:
  int Dice(int sides) {
    return std::uniform_int_distribution<int>(0, sides - 1)(random_);
  }

  void Step() {
    RotatingLog& log = world_->log;
    Reader& reader = world_->reader;
    switch (Dice(14)) {
      case 0:
      case 1:
      case 2:
      case 3:
        Tell("write");
        for (int i = Dice(12); i >= 0; --i) log.Write(20 + Dice(60));
        break;
      case 4:
        Tell("write half");
        log.WriteHalf(Dice(60), 1 + Dice(60));
        break;
      case 5:
        Rotate();
        break;
      case 6:
        Tell("hang up");
        log.HangUp();
        break;
      case 7:
        Tell("stop");
        reader.Stop();
        break;
      case 8:
        log.HangUp();
        if (reader.running()) world_->Settle(Dice(20));
        break;
      case 9:
        if (Dice(4) == 0) {
          Empty();
        } else {
          Tell("hole");
          // A writer makes it with the line behind it.
          log.WriteHole(1 + Dice(700));
          log.Write(30);
        }
        break;
      default:
        if (!reader.running()) Start();
        if (reader.Read(world_->now, Dice(4) != 0)) {
          Tell("read");
        } else {
          Tell("killed");
          Start();
        }
    }
  }

  void Start() {
    Tell("start");
    ++restarts_;
    world_->reader.Start();
  }

  // What nobody has seen anything of can be emptied unseen.
  void Empty() {
    Tell("read and empty");
    world_->log.HangUp();
    world_->log.Write(40);
    if (!world_->reader.running()) Start();
    world_->reader.Read(world_->now);
    if (Dice(2) == 0) world_->log.Write(50);
    world_->Pass(absl::Milliseconds(1));
    world_->log.Empty();
  }

  void Rotate() {
    for (int i = Dice(3); i >= 0; --i) {
      Tell("rotate");
      ++rotations_;
      // Nobody rotates twice within a second.
      world_->Pass(absl::Milliseconds(1100));
      world_->log.Rotate();
      if (Dice(2) == 0) world_->log.HangUp();
      for (int n = Dice(5); n > 0; --n) world_->log.Write(20 + Dice(60));
      // Where nothing may be read, one still looks.
      if (world_->reader.running()) world_->reader.Look(world_->now);
    }
  }

  void Tell(absl::string_view what) {
    absl::StrAppend(&told_, "\n", absl::ToInt64Milliseconds(world_->now.mono), " ", what,
                    " ", world_->log.last());
  }

  std::mt19937 random_;
  // What was done, for a person.
  std::string told_;
  bool deletes_ = false;
  std::unique_ptr<World> world_;
  int restarts_ = 0;
  int rotations_ = 0;
};

TEST(LogFileProperty, EachLineComesOnceOrIsALoss) {
  const char* const more = std::getenv("MAILVANE_SIM_SEEDS");
  uint32_t seeds = 1200;
  if (more != nullptr && !absl::SimpleAtoi(more, &seeds)) FAIL() << more;
  for (uint32_t seed = 1; seed <= seeds && !HasFailure(); ++seed) {
    SCOPED_TRACE(absl::StrCat("seed ", seed));
    Story(seed).Go();
  }
}

}  // namespace
}  // namespace mailvane
