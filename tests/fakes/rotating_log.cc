#include "tests/fakes/rotating_log.h"

#include <algorithm>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailvane {
namespace {

// A day for each rotation; months of 28.
int Date(int rotations) {
  return 20260101 + rotations % 28 + rotations / 28 * 100;
}

}  // namespace

std::string RotationHabit::Describe() const {
  static constexpr const char* kKinds[] = {"rename", "copytruncate", "dated", "symlink"};
  static constexpr const char* kPackings[] = {"", ", packed at once", ", packed later"};
  return absl::StrCat(kKinds[static_cast<int>(kind)],
                      kPackings[static_cast<int>(packing)],
                      naming == Naming::kDates ? ", by date" : "", ", keeps ", keep,
                      written_amid > 0 ? ", written amid" : "");
}

RotatingLog::RotatingLog(FakeFileSystem* files, RotationHabit habit, LineMaker line)
    : files_(files), habit_(habit), line_(std::move(line)) {
  NewLive();
  writer_ = files_->Get(live_);
}

std::string RotatingLog::path() const {
  return habit_.kind == RotationHabit::Kind::kDated ? kDatedPath : kPath;
}

void RotatingLog::NewLive() {
  switch (habit_.kind) {
    case RotationHabit::Kind::kDated:
      live_ = absl::StrCat("/var/log/exim/mainlog-", Date(rotations_));
      break;
    case RotationHabit::Kind::kSymlink:
      live_ = absl::StrCat("/srv/log/mail-", Date(rotations_));
      break;
    default:
      live_ = kPath;
  }
  files_->Create(live_);
  if (habit_.kind == RotationHabit::Kind::kSymlink) files_->Link(kPath, live_);
}

std::string RotatingLog::Line(int64_t number, size_t filling) {
  return absl::StrCat("N ", number, " ", std::string(filling, 'x'), " .");
}

int64_t RotatingLog::NumberIn(absl::string_view line) {
  const std::vector<absl::string_view> words = absl::StrSplit(line, ' ');
  int64_t number = 0;
  const bool whole = words.size() == 4 && words[0] == "N" && words[3] == "." &&
                     absl::SimpleAtoi(words[1], &number);
  return whole ? number : 0;
}

void RotatingLog::Write(size_t filling) {
  const std::string line =
      half_.empty() ? line_(next_, filling) : std::exchange(half_, "");
  files_->Append(writer_, line + "\n");
  lines_[writer_.get()].insert(next_++);
}

void RotatingLog::WriteHalf(size_t filling, size_t bytes) {
  if (!half_.empty()) return;
  const std::string line = line_(next_, filling);
  bytes = std::min(std::max<size_t>(bytes, 1), line.size() - 1);
  files_->Append(writer_, line.substr(0, bytes));
  half_ = line.substr(bytes);
}

void RotatingLog::WriteHole(size_t bytes) {
  if (half_.empty()) files_->Append(writer_, std::string(bytes, '\0'));
}

void RotatingLog::Forget(const std::string& path) {
  const auto lines = lines_.find(files_->Get(path).get());
  if (lines == lines_.end()) return;
  gone_.insert(lines->second.begin(), lines->second.end());
  lines_.erase(lines);
}

void RotatingLog::Empty() {
  Forget(live_);
  files_->Truncate(live_, 0);
  ++truncations_;
  half_.clear();
}

std::string RotatingLog::OldName(size_t age) const {
  return habit_.naming == RotationHabit::Naming::kDates
             ? absl::StrCat(live_, "-", Date(rotations_))
             : absl::StrCat(live_, ".", age);
}

// Makes room for a new youngest one.
void RotatingLog::Age() {
  const auto real = [this](const std::string& path) {
    return files_->Exists(path) ? path : path + ".gz";
  };
  while (old_.size() >= habit_.keep && !old_.empty()) {
    const std::string oldest = real(old_.back());
    Forget(oldest);
    files_->Remove(oldest);
    old_.pop_back();
  }
  if (habit_.naming == RotationHabit::Naming::kNumbers &&
      (habit_.kind == RotationHabit::Kind::kRename ||
       habit_.kind == RotationHabit::Kind::kCopyTruncate)) {
    for (size_t i = old_.size(); i-- > 0;) {
      const std::string from = real(old_[i]);
      const std::string to = absl::StrCat(live_, ".", i + 2);
      files_->Rename(from, from == old_[i] ? to : to + ".gz");
      old_[i] = to;
    }
  }
  if (habit_.packing == RotationHabit::Packing::kDelayed && !old_.empty() &&
      files_->Exists(old_[0])) {
    Pack(old_[0]);
  }
}

void RotatingLog::Pack(const std::string& path) {
  std::set<int64_t> lines = std::move(lines_[files_->Get(path).get()]);
  lines_.erase(files_->Get(path).get());
  files_->Compress(path);
  lines_[files_->Get(path + ".gz").get()] = std::move(lines);
}

bool RotatingLog::Rotate() {
  if (files_->Get(live_) != writer_) return false;
  if (habit_.keep == 0 && habit_.kind == RotationHabit::Kind::kRename) {
    Forget(live_);
    files_->Remove(live_);
    files_->now += absl::Milliseconds(1);
    NewLive();
    return true;
  }
  Age();
  ++rotations_;
  const std::string old = habit_.kind == RotationHabit::Kind::kDated ||
                                  habit_.kind == RotationHabit::Kind::kSymlink
                              ? live_
                              : OldName(1);
  if (habit_.kind == RotationHabit::Kind::kCopyTruncate) {
    files_->Copy(live_, old);
    std::set<int64_t>& lines = lines_[writer_.get()];
    lines_[files_->Get(old).get()] = std::exchange(lines, {});
    for (int i = 0; i < habit_.written_amid; ++i) Write(40);
    files_->now += absl::Milliseconds(1);
    Empty();
  } else {
    if (old != live_) files_->Rename(live_, old);
    files_->now += absl::Milliseconds(1);
    NewLive();
  }
  old_.push_front(old);
  if (habit_.packing == RotationHabit::Packing::kAtOnce) {
    // Who packs at once has told the writer before.
    if (habit_.kind != RotationHabit::Kind::kCopyTruncate) HangUp();
    Pack(old);
  }
  return true;
}

void RotatingLog::HangUp() {
  if (files_->Get(live_) == writer_) return;
  // It begins its line anew in the other file.
  half_.clear();
  writer_ = files_->Get(live_);
}

}  // namespace mailvane
