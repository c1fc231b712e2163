// A log of numbered lines on a FakeFileSystem, with a writer that is as slow to let
// go as real ones are, and every kind of rotation there is.  It knows which lines
// nobody can read any more; all others must be read once.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <set>
#include <string>

#include "absl/strings/string_view.h"
#include "tests/fakes/fake_file_system.h"

namespace mailvane {

// How this host rotates its log.
struct RotationHabit {
  enum class Kind { kRename, kCopyTruncate, kDated, kSymlink };
  enum class Packing { kNone, kAtOnce, kDelayed };
  enum class Naming { kNumbers, kDates };
  Kind kind = Kind::kRename;
  Packing packing = Packing::kNone;
  Naming naming = Naming::kNumbers;
  // Older files that are kept; those beyond are deleted.
  size_t keep = 1000;
  // Lines that are written between copy and truncation.
  int written_amid = 0;

  std::string Describe() const;
};

class RotatingLog {
 public:
  // A line, without its newline, for a number and so many bytes of filling.
  using LineMaker = std::function<std::string(int64_t, size_t)>;

  static constexpr char kPath[] = "/var/log/mail.log";
  // For Kind::kDated.
  static constexpr char kDatedPath[] = "/var/log/exim/mainlog-%D";

  // Starts with an empty log.  `files` is not owned and must outlive this.
  RotatingLog(FakeFileSystem* files, RotationHabit habit, LineMaker line = Line);

  // What a LogFile is to be given.
  std::string path() const;

  // The next line; completes a half one that was begun.
  void Write(size_t filling);
  // The first `bytes` of the next line; nothing while one is begun.
  void WriteHalf(size_t filling, size_t bytes);
  // What stands where a writer without O_APPEND goes on after a truncation.
  void WriteHole(size_t bytes);
  // The writer stays in the old file until it hangs up; none while it has not.
  // False: nothing was done.
  bool Rotate();
  void HangUp();
  // As "> mail.log", with no copy.
  void Empty();

  // Lines that were completed: 1 to last().
  int64_t last() const { return next_ - 1; }
  // Whether nobody can read `number` any more, save through a descriptor that was
  // open in time.
  bool gone(int64_t number) const { return gone_.count(number) > 0; }
  const RotationHabit& habit() const { return habit_; }
  int truncations() const { return truncations_; }

  // "N 17 xxx ."
  static std::string Line(int64_t number, size_t filling);
  // The number in such a line if it is whole; 0 for what is none.
  static int64_t NumberIn(absl::string_view line);

 private:
  std::string OldName(size_t age) const;
  void Forget(const std::string& path);
  void Pack(const std::string& path);
  void Age();
  void NewLive();

  FakeFileSystem* const files_;
  const RotationHabit habit_;
  const LineMaker line_;
  FakeFileSystem::Handle writer_;
  int64_t next_ = 1;
  std::string half_;
  int truncations_ = 0;
  // Of the older files, the youngest first: paths without ".gz".
  std::deque<std::string> old_;
  int rotations_ = 0;
  std::string live_;
  // Inode → the lines in it.
  std::map<const FakeFileSystem::Inode*, std::set<int64_t>> lines_;
  std::set<int64_t> gone_;
};

}  // namespace mailvane
