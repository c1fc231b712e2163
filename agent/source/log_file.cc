#include "agent/source/log_file.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/source/packed_file.h"

namespace mailvane {
namespace {

// A match of fewer bytes than a log line's head has says little about a file whose
// identity is another one.
constexpr uint64_t kContentMatchMin = 32;
// A writer that was told to reopen its log does so within seconds: after this, a
// line without an end will not get one.
constexpr absl::Duration kQuiet = absl::Seconds(60);
// One that was never told may write rarely.  Waiting costs a descriptor and one
// fstat a turn.
constexpr absl::Duration kLongestStay = absl::Minutes(10);
constexpr size_t kMostTails = 16;
// In a file that was left to make room, and has been at rest for this long, nothing
// more is expected.
constexpr absl::Duration kLetGo = absl::Seconds(10);
// A rotation cannot come and go unseen in less.
constexpr absl::Duration kBlind = absl::Minutes(10);
// Packers may keep a file's time to the second.
constexpr absl::Duration kTimeGrain = absl::Seconds(1);
constexpr char kVersion[] = "2";

std::string Directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  if (slash == std::string::npos) return ".";
  return path.substr(0, std::max<size_t>(slash, 1));
}

absl::string_view BaseName(absl::string_view path) {
  return path.substr(path.rfind('/') + 1);
}

std::string Join(const std::string& directory, const std::string& name) {
  return absl::StrCat(directory, directory == "/" ? "" : "/", name);
}

// The beginning of the line that `offset` is in.
absl::StatusOr<uint64_t> LineStart(const File& file, uint64_t offset, size_t max_line) {
  const size_t look = std::min<uint64_t>(offset, max_line);
  std::string before(look, '\0');
  const absl::StatusOr<size_t> got = file.ReadAt(offset - look, before.data(), look);
  if (!got.ok()) return got.status();
  const size_t newline = before.substr(0, *got).rfind('\n');
  if (newline != std::string::npos) return offset - look + newline + 1;
  return look == offset ? 0 : offset;
}

}  // namespace

LogFile::LogFile(const FileSystem* files, std::string path, Options options)
    : files_(files),
      path_(std::move(path)),
      directory_(Directory(path_)),
      names_(std::string(BaseName(path_))),
      options_(options) {}

std::vector<std::string> LogFile::WatchDirectories() const {
  std::vector<std::string> directories;
  for (const Place& place : Places()) {
    if (std::find(directories.begin(), directories.end(), place.directory) ==
        directories.end()) {
      directories.push_back(place.directory);
    }
  }
  return directories;
}

// "2, PLACE, PLACE, ..., check": the main one last.
std::string LogFile::Checkpoint() const {
  std::string text = kVersion;
  for (const std::unique_ptr<LogTail>& tail : tails_) {
    absl::StrAppend(&text, ", ", tail->place().Encode());
  }
  if (tails_.empty() && left_.has_value()) {
    absl::StrAppend(&text, ", ", left_->Encode());
  }
  absl::StrAppend(&text, ", ", LogHash(text));
  return text;
}

absl::Status LogFile::Resume(absl::string_view checkpoint) {
  if (checkpoint.empty()) return absl::OkStatus();
  std::vector<absl::string_view> parts = absl::StrSplit(checkpoint, ", ");
  uint64_t check = 0;
  bool sound = parts.size() >= 3 && parts.front() == kVersion &&
               absl::SimpleAtoi(parts.back(), &check) &&
               check == LogHash(checkpoint.substr(0, checkpoint.rfind(", ")));
  std::vector<LogPlace> places;
  for (size_t i = 1; sound && i + 1 < parts.size(); ++i) {
    std::optional<LogPlace> place = LogPlace::Decode(parts[i]);
    sound = place.has_value();
    if (sound) places.push_back(*std::move(place));
  }
  if (!sound) {
    NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, std::nullopt, std::nullopt, "");
    return absl::InvalidArgumentError(
        absl::StrCat("resume ", path_, ": the stored checkpoint is damaged"));
  }
  resume_ = std::move(places);
  return absl::OkStatus();
}

void LogFile::NoteLoss(v1::LossRecord::Cause cause, std::optional<uint64_t> bytes,
                       std::optional<uint64_t> from_offset, std::string file_key) {
  losses_.push_back({cause, bytes, from_offset, std::move(file_key), std::nullopt});
}

// ---- Looking ----

absl::StatusOr<LogFile::Named> LogFile::Live() const {
  Named named;
  named.path = path_;
  if (names_.dated()) {
    const absl::StatusOr<std::vector<std::string>> all = files_->List(directory_);
    if (!all.ok()) return all.status();
    std::string newest;
    for (const std::string& name : *all) {
      if (names_.IsDated(name)) newest = std::max(newest, name);
    }
    if (newest.empty()) {
      return absl::NotFoundError(absl::StrCat("open ", path_, ": no such file"));
    }
    named.path = Join(directory_, newest);
    named.name = *names_.Parse(newest);
  }
  const absl::StatusOr<FileStat> stat = files_->Stat(named.path);
  if (!stat.ok()) return stat.status();
  named.stat = *stat;
  return named;
}

// Where the log's older files may be: beside it; and, when it is a symbolic
// link, beside what it points to, now or at the last look.
std::vector<LogFile::Place> LogFile::Places() const {
  std::vector<Place> places = {{directory_, names_}};
  const auto add = [&](const std::string& path) {
    if (path.empty()) return;
    const std::string directory = Directory(path);
    const std::string name(absl::StripSuffix(BaseName(path), ".gz"));
    for (const Place& place : places) {
      if (place.directory == directory &&
          (place.names.live() == name || place.names.IsDated(name) ||
           place.names.Parse(name).has_value())) {
        return;
      }
    }
    places.push_back({directory, RotatedNames::OfTarget(name)});
  };
  for (const LogPlace& place : resume_) add(place.path);
  if (left_.has_value()) add(left_->path);
  for (const std::unique_ptr<LogTail>& tail : tails_) add(tail->place().path);
  return places;
}

LogFile::Scene LogFile::LookAround(absl::StatusOr<Named> live) const {
  Scene scene;
  scene.live = std::move(live);
  const auto add = [&](const std::string& path, RotatedName name) {
    const absl::StatusOr<FileStat> stat = files_->Stat(path);
    if (!stat.ok() || !stat->regular) return;
    if (scene.live.ok() && stat->id == scene.live->stat.id) return;
    for (const Named& known : scene.others) {
      if (known.path == path) return;
    }
    scene.others.push_back({path, *stat, std::move(name)});
  };
  for (const Place& place : Places()) {
    absl::StatusOr<std::vector<std::string>> names = files_->List(place.directory);
    if (!names.ok()) {
      // A directory that may be searched and not listed: the usual names at least.
      names = std::vector<std::string>();
      for (const char* suffix : {".1", ".0", ".1.gz", ".2.gz"}) {
        names->push_back(absl::StrCat(place.names.live(), suffix));
      }
    }
    for (const std::string& name : *names) {
      const std::optional<RotatedName> parsed = place.names.Parse(name);
      if (parsed.has_value()) add(Join(place.directory, name), *parsed);
    }
    // What a symbolic link pointed to.
    if (!place.names.dated() &&
        (place.directory != directory_ || place.names.live() != names_.live())) {
      add(Join(place.directory, place.names.live()), RotatedName());
    }
  }
  // .1 before the rest, so that it is looked at first.
  std::sort(scene.others.begin(), scene.others.end(), [](const Named& a, const Named& b) {
    return std::make_pair(a.path.size(), a.path) < std::make_pair(b.path.size(), b.path);
  });
  return scene;
}

absl::StatusOr<std::unique_ptr<File>> LogFile::OpenNamed(const Named& named) const {
  absl::StatusOr<std::unique_ptr<File>> file = files_->Open(named.path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<FileStat> stat = (*file)->Stat();
  if (!stat.ok()) return stat.status();
  // Rotated between the look and the opening.
  if (stat->id != named.stat.id) {
    return absl::UnavailableError(absl::StrCat("open ", named.path, ": replaced"));
  }
  return named.name.gzip ? Unpacked(*std::move(file)) : std::move(file);
}

// What a place's file was called, where that says when it was written.
RotatedName LogFile::NameOf(const LogPlace& place) const {
  for (const Place& where : Places()) {
    if (!where.names.dated() || where.directory != Directory(place.path)) continue;
    const std::optional<RotatedName> name = where.names.Parse(BaseName(place.path));
    if (name.has_value()) return *name;
  }
  return RotatedName();
}

// The file that has `place`, among the older ones: with the place's identity, or
// with another one (a copy, packed, a file system that was moved).
std::optional<LogFile::Named> LogFile::Find(const LogPlace& place, const Scene& scene,
                                            Identity identity) const {
  const bool same_id = identity == Identity::kSame;
  const std::string date = NameOf(place).date;
  for (const bool gzip : {false, true}) {
    // Packing makes a new file always, and so does copying: less is enough there.
    const bool other_for_sure = gzip || identity == Identity::kCopy;
    const uint64_t enough = other_for_sure ? 1 : kContentMatchMin;
    for (const Named& other : scene.others) {
      if (other.name.gzip != gzip || (other.stat.id == place.id) != same_id) continue;
      const bool same_date = !date.empty() && other.name.date == date;
      if (!same_id && !same_date && place.telling_bytes() < enough) continue;
      // What was written last in it is known: no need to unpack what is older.
      if (gzip && absl::ToUnixNanos(other.stat.modified + kTimeGrain) < place.modified_ns)
        continue;
      const absl::StatusOr<std::unique_ptr<File>> file = OpenNamed(other);
      if (!file.ok()) continue;
      const absl::StatusOr<bool> has = HasPlace(**file, place);
      if (has.ok() && *has) return other;
    }
  }
  return std::nullopt;
}

// A copy made after we last looked.  Without birth times: not to be known.
bool LogFile::MadeSince(const Named& other, const LogPlace& place) const {
  return other.name.by_rotation && other.stat.id != place.id &&
         other.stat.id.birth_ns > place.modified_ns;
}

bool LogFile::IsOpen(const Named& other) const {
  return std::any_of(tails_.begin(), tails_.end(),
                     [&other](const std::unique_ptr<LogTail>& tail) {
                       return tail->place().id == other.stat.id;
                     });
}

// Whether `other` was copied or packed from a file that is open, or that of `after`.
bool LogFile::WasRead(const Named& other, const LogPlace& after) const {
  std::vector<const LogPlace*> places = {&after};
  for (const std::unique_ptr<LogTail>& tail : tails_) places.push_back(&tail->place());
  const absl::StatusOr<std::unique_ptr<File>> file = OpenNamed(other);
  for (const LogPlace* place : places) {
    if (place->telling_bytes() < (other.name.gzip ? 1 : kContentMatchMin)) continue;
    // What can't be read can't be the next one either.
    if (!file.ok()) return true;
    const absl::StatusOr<bool> has = HasPlace(**file, *place);
    if (!has.ok() || *has) return true;
  }
  return false;
}

// What was written after the file of `after`: the oldest of the newer rotated
// ones.  Absent: the log itself.
std::optional<LogFile::Named> LogFile::Next(const LogPlace& after,
                                            const Scene& scene) const {
  RotationTurn self;
  self.id = after.id;
  self.modified = absl::FromUnixNanos(after.modified_ns);
  self.name = NameOf(after);
  for (const Named& other : scene.others) {
    if (other.stat.id == after.id) self.name = other.name;
  }
  std::optional<Named> next;
  std::optional<RotationTurn> next_turn;
  for (const Named& other : scene.others) {
    const RotationTurn turn{other.name, other.stat.id, other.stat.modified};
    if (!turn.name.by_rotation || turn.id == after.id) continue;
    const bool by_name = (self.name.number.has_value() && turn.name.number.has_value()) ||
                         (!self.name.date.empty() &&
                          self.name.date.size() == turn.name.date.size());
    // A copy made of an earlier file was last written before it.
    if (!WrittenBefore(self, turn) || (!by_name && turn.modified < self.modified)) {
      continue;
    }
    if (next_turn.has_value() && !WrittenBefore(turn, *next_turn)) continue;
    // Where names tell, a newer one can't be what an older one has become.
    if (by_name ? IsOpen(other) : IsOpen(other) || WasRead(other, after)) continue;
    next = other;
    next_turn = turn;
  }
  return next;
}

// ---- Moving ----

absl::StatusOr<std::unique_ptr<LogTail>> LogFile::OpenTail(Instant now,
                                                           const Named& named,
                                                           uint64_t offset,
                                                           const LogPlace& before) const {
  absl::StatusOr<std::unique_ptr<File>> file = OpenNamed(named);
  if (!file.ok()) return file.status();
  LogTail::Start start;
  start.file = *std::move(file);
  start.packed = named.name.gzip;
  start.offset = offset;
  start.place.path = files_->Resolve(named.path).value_or(named.path);
  start.place.modified_ns = before.modified_ns;
  if (offset > 0 && before.offset == offset) start.place.skip_from = before.skip_from;
  absl::StatusOr<std::unique_ptr<LogTail>> tail =
      LogTail::Open(std::move(start), Limits(), now);
  if (tail.ok()) {
    (*tail)->settled =
        named.name.gzip ||
        (named.name.by_rotation && now.wall - named.stat.modified > kLongestStay);
  }
  return tail;
}

// The very first start, and each try after it until there is a file.
absl::Status LogFile::OpenFirst(Instant now) {
  const bool first = !first_read_done_;
  first_read_done_ = true;
  const absl::StatusOr<Named> live = Live();
  if (!live.ok()) return live.status();
  const absl::StatusOr<std::unique_ptr<File>> file = files_->Open(live->path);
  if (!file.ok()) {
    if (first && absl::IsPermissionDenied(file.status())) {
      denied_at_start_.emplace(live->stat.id, live->stat.size);
    }
    return file.status();
  }
  const absl::StatusOr<FileStat> stat = (*file)->Stat();
  if (!stat.ok()) return stat.status();
  uint64_t offset = 0;
  if (options_.start_at_end && stat->regular) {
    uint64_t end = 0;
    if (first) {
      end = stat->size;
    } else if (denied_at_start_.has_value() && denied_at_start_->first == stat->id) {
      end = std::min(denied_at_start_->second, stat->size);
    }
    // The line that is being written now counts as new.
    const absl::StatusOr<uint64_t> start = LineStart(**file, end, options_.max_line);
    if (!start.ok()) return start.status();
    offset = *start;
  }
  absl::StatusOr<std::unique_ptr<LogTail>> tail =
      OpenTail(now, *live, offset, LogPlace());
  if (!tail.ok()) return tail.status();
  tails_.push_back(*std::move(tail));
  denied_at_start_.reset();
  return absl::OkStatus();
}

// After a restart: each file of the checkpoint, as far as it is still there.
absl::Status LogFile::OpenResumed(Instant now, const Scene& scene) {
  first_read_done_ = true;
  const size_t losses_before = losses_.size();
  const auto undo = [&](const absl::Status& status) {
    losses_.resize(losses_before);
    tails_.clear();
    return status;
  };
  for (size_t i = 0; i + 1 < resume_.size(); ++i) {
    const LogPlace& place = resume_[i];
    std::optional<Named> found = Find(place, scene, Identity::kSame);
    if (!found.has_value()) found = Find(place, scene, Identity::kOther);
    if (!found.has_value()) {
      // Its writer may have lingered while we were away.
      NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, std::nullopt, place.offset, "");
      continue;
    }
    absl::StatusOr<std::unique_ptr<LogTail>> tail =
        OpenTail(now, *found, place.offset, place);
    if (!tail.ok()) return undo(tail.status());
    tails_.push_back(*std::move(tail));
  }
  absl::StatusOr<std::unique_ptr<LogTail>> main = OpenMain(now, scene, resume_.back());
  if (!main.ok()) return undo(main.status());
  tails_.push_back(*std::move(main));
  resume_.clear();
  return absl::OkStatus();
}

// Looks for the place's file: under the live name, else under any other; by
// identity, else by content (a file system that was copied, a device number that
// changed at boot).
absl::StatusOr<std::unique_ptr<LogTail>> LogFile::OpenMain(Instant now,
                                                           const Scene& scene,
                                                           const LogPlace& place) {
  if (!scene.live.ok() && !absl::IsNotFound(scene.live.status())) {
    return scene.live.status();
  }
  bool truncated = false;
  std::optional<Named> found;
  bool live_has_place = false;
  if (scene.live.ok()) {
    // What can't be opened can't be judged: wait.
    const absl::StatusOr<std::unique_ptr<File>> file = OpenNamed(*scene.live);
    if (!file.ok()) return file.status();
    const absl::StatusOr<bool> has = HasPlace(**file, place);
    if (!has.ok()) return has.status();
    live_has_place = *has;
    truncated = scene.live->stat.id == place.id && !live_has_place;
    if (scene.live->stat.id == place.id && live_has_place) found = *scene.live;
  }
  if (!found.has_value() && !truncated) found = Find(place, scene, Identity::kSame);
  if (!found.has_value() && live_has_place &&
      place.telling_bytes() >= kContentMatchMin) {
    found = *scene.live;
  }
  if (!found.has_value()) {
    found = Find(place, scene, truncated ? Identity::kCopy : Identity::kOther);
  }
  const v1::LossRecord::Cause cause = truncated ? v1::LossRecord::CAUSE_TRUNCATED
                                                : v1::LossRecord::CAUSE_ROTATED_AWAY;
  if (!found.has_value()) {
    // Emptied first and rotated then: what it has now is new.
    const std::string date = NameOf(place).date;
    for (const Named& other : scene.others) {
      const bool same_date = !date.empty() && other.name.date == date;
      if (!same_date && (other.stat.id != place.id || other.name.gzip)) continue;
      absl::StatusOr<std::unique_ptr<LogTail>> tail = OpenTail(now, other, 0, place);
      if (!tail.ok()) return tail;
      NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, place.offset, "");
      return tail;
    }
    if (!scene.live.ok()) return scene.live.status();
    absl::StatusOr<std::unique_ptr<LogTail>> next = OpenNext(now, scene, place);
    if (next.ok()) NoteLoss(cause, std::nullopt, place.offset, "");
    return next;
  }
  // At offset 0 nothing shows that a file was emptied meanwhile, save the copy
  // that was made of it.
  if (scene.live.ok() && found->path == scene.live->path && place.offset == 0) {
    for (const Named& other : scene.others) {
      if (!MadeSince(other, place)) continue;
      absl::StatusOr<std::unique_ptr<LogTail>> next = OpenNext(now, scene, place);
      if (next.ok()) NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, 0, "");
      return next;
    }
  }
  absl::StatusOr<std::unique_ptr<LogTail>> tail =
      OpenTail(now, *found, place.offset, place);
  if (tail.ok() && truncated) {
    (*tail)->settled = true;
    NoteLoss(cause, std::nullopt,
             found->name.gzip ? std::nullopt : std::optional<uint64_t>(found->stat.size),
             (*tail)->key());
  }
  return tail;
}

absl::StatusOr<std::unique_ptr<LogTail>> LogFile::OpenNext(Instant now,
                                                           const Scene& scene,
                                                           const LogPlace& after) {
  std::optional<Named> next = Next(after, scene);
  if (!next.has_value()) {
    if (!scene.live.ok()) return scene.live.status();
    next = *scene.live;
  }
  LogPlace before;
  before.modified_ns = after.modified_ns;
  absl::StatusOr<std::unique_ptr<LogTail>> tail = OpenTail(now, *next, 0, before);
  if (tail.ok()) NoteUnseen(*next);
  return tail;
}

// The main file is read to its end, and is not the log any more.
absl::Status LogFile::MoveOn(Instant now, const Scene& scene) {
  for (auto tail = tails_.begin(); tail != tails_.end(); ++tail) {
    if (scene.live.ok() && (*tail)->place().id == scene.live->stat.id) {
      // Called by its old name again.
      std::rotate(tail, tail + 1, tails_.end());
      seen_.clear();
      return absl::OkStatus();
    }
  }
  const LogPlace after = tails_.empty() ? *left_ : Main()->place();
  if (tails_.empty() && scene.live.ok() && scene.live->stat.id == after.id) {
    const absl::StatusOr<std::unique_ptr<File>> file = OpenNamed(*scene.live);
    if (!file.ok()) return file.status();
    const absl::StatusOr<bool> has = HasPlace(**file, after);
    if (!has.ok()) return has.status();
    if (*has) {
      absl::StatusOr<std::unique_ptr<LogTail>> same =
          OpenTail(now, *scene.live, after.offset, after);
      if (!same.ok()) return same.status();
      tails_.push_back(*std::move(same));
      left_.reset();
      return absl::OkStatus();
    }
  }
  if (blind_) {
    // A file that is gone took others with it, perhaps: the oldest go first.
    const bool there = Find(after, scene, Identity::kSame).has_value() ||
                       Find(after, scene, Identity::kOther).has_value();
    if (!there) NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, std::nullopt, after.offset,
                         tails_.empty() ? "" : Main()->key());
    blind_ = false;
  }
  absl::StatusOr<std::unique_ptr<LogTail>> next = OpenNext(now, scene, after);
  if (!next.ok()) return next.status();
  tails_.push_back(*std::move(next));
  left_.reset();
  return absl::OkStatus();
}

// An open file is not any more what it was up to our place.
absl::Status LogFile::Changed(Instant now, LogTail* tail) {
  const LogPlace place = tail->place();
  const Scene scene = LookAround(Live());
  absl::StatusOr<std::unique_ptr<LogTail>> instead = absl::NotFoundError("no copy");
  std::optional<uint64_t> from = place.skip_from.value_or(place.offset);
  std::string file_key = tail->key();
  // copytruncate: the rest is in the copy.  What was written between the copy and
  // the truncation is nowhere.
  std::optional<Named> copy;
  if (place.offset > 0) copy = Find(place, scene, Identity::kCopy);
  if (copy.has_value()) {
    instead = OpenTail(now, *copy, place.offset, place);
    if (instead.ok()) {
      (*instead)->settled = true;
      file_key = (*instead)->key();
      from.reset();
      if (!copy->name.gzip) from = copy->stat.size;
    }
  } else if (scene.live.ok() && scene.live->stat.id == place.id &&
             Next(place, scene).has_value()) {
    // Our copy is gone already, and later ones are there.
    instead = OpenNext(now, scene, place);
  }
  NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, from, std::move(file_key));
  if (!instead.ok()) {
    tail->StartOver(now);
    return absl::OkStatus();
  }
  for (std::unique_ptr<LogTail>& one : tails_) {
    if (one.get() == tail) one = *std::move(instead);
  }
  return absl::OkStatus();
}

// As in OpenMain, while we run: the copy is all that shows it.
absl::StatusOr<bool> LogFile::EmptiedAndCopied(Instant now,
                                               const absl::StatusOr<Named>& live) {
  if (Main()->place().offset > 0 || !live.ok() || live->stat.id != Main()->place().id) {
    return false;
  }
  const absl::StatusOr<bool> news = Main()->HasNews();
  if (!news.ok() || !*news) return news;
  const Scene scene = LookAround(live);
  const LogPlace place = Main()->place();
  for (const Named& other : scene.others) {
    if (!MadeSince(other, place)) continue;
    std::unique_ptr<LogTail> old = std::move(tails_.back());
    tails_.pop_back();
    absl::StatusOr<std::unique_ptr<LogTail>> next = OpenNext(now, scene, place);
    if (next.ok()) NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, 0, old->key());
    tails_.push_back(next.ok() ? *std::move(next) : std::move(old));
    if (!next.ok()) return next.status();
    return true;
  }
  return false;
}

// Remembers what became the log, in case that it is gone before it was read.
void LogFile::NoteLive(Instant now, const absl::StatusOr<Named>& live) {
  if (looked_at_.has_value() && now.mono - *looked_at_ > kBlind) blind_ = true;
  looked_at_ = now.mono;
  if (!live.ok() || tails_.empty()) return;
  LogTail& main = *Main();
  if (live->stat.id == main.place().id) {
    main.rotated_at.reset();
    blind_ = false;
    return;
  }
  if (!main.rotated_at.has_value()) main.rotated_at = now.mono;
  if (!seen_.empty() && seen_.back().stat.id == live->stat.id) {
    seen_.back() = *live;
    return;
  }
  if (!seen_.empty()) {
    // The one before has been rotated: how long has it become?
    for (const Named& other : LookAround(live).others) {
      if (other.stat.id == seen_.back().stat.id) seen_.back() = other;
    }
  }
  seen_.push_back(*live);
}

// `next` is read next: what became the log before it, and was not read, is gone.
void LogFile::NoteUnseen(const Named& next) {
  auto turn = seen_.begin();
  for (; turn != seen_.end(); ++turn) {
    if (turn->stat.id == next.stat.id) break;
    // Packed, a file is another one, with the time of its last line.
    if (next.name.gzip && next.stat.modified + kTimeGrain >= turn->stat.modified &&
        (turn + 1 == seen_.end() ||
         absl::ToUnixNanos(next.stat.modified) <= (turn + 1)->stat.id.birth_ns)) {
      break;
    }
  }
  // Came and went between two looks.
  if (turn == seen_.end()) return;
  for (auto gone = seen_.begin(); gone != turn; ++gone) {
    const FileId& id = gone->stat.id;
    NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, gone->stat.size, 0,
             absl::StrCat(id.device, ":", id.inode, ":", id.birth_ns));
  }
  seen_.erase(seen_.begin(), turn + 1);
}

// Files that their writers have left.  The one that gave something, or null.
absl::StatusOr<LogTail*> LogFile::Leave(Instant now, const absl::StatusOr<Named>& live,
                                        LogChunk* chunk) {
  for (auto at = tails_.begin(); at != tails_.end(); ++at) {
    LogTail& tail = **at;
    const bool is_log = live.ok() ? &tail == Main() : !absl::IsNotFound(live.status());
    if (is_log) continue;
    if (!tail.rotated_at.has_value()) tail.rotated_at = now.mono;
    const absl::Duration quiet =
        now.mono - std::max(tail.changed_at(), *tail.rotated_at);
    const bool crowded = tails_.size() > kMostTails && &tail != Main();
    if (tail.has_unfinished() && (tail.settled || quiet >= kQuiet || crowded)) {
      const absl::StatusOr<LogTail::Outcome> outcome = tail.Read(now, true, chunk);
      if (!outcome.ok()) return outcome.status();
      return &tail;
    }
    if (!tail.settled && quiet < kLongestStay && !crowded) continue;
    if (crowded && !tail.settled && quiet < kLetGo) {
      // Its writer never lets go: what it will still write there is lost.
      NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, std::nullopt, tail.place().offset,
               tail.key());
    }
    if (&tail == Main()) left_ = tail.place();
    tails_.erase(at);
    chunk->more = true;
    return nullptr;
  }
  return nullptr;
}

LogChunk LogFile::Finish(LogChunk chunk, LogTail* read_from) {
  losses_.insert(losses_.end(), std::make_move_iterator(chunk.losses.begin()),
                 std::make_move_iterator(chunk.losses.end()));
  chunk.losses = std::exchange(losses_, {});
  chunk.checkpoint = Checkpoint();
  if (read_from != nullptr && !chunk.lines.empty()) chunk.file_key = read_from->key();
  return chunk;
}

void LogFile::Look(Instant now) { NoteLive(now, Live()); }

absl::StatusOr<LogChunk> LogFile::Read(Instant now) {
  const absl::StatusOr<Named> live = Live();
  if (tails_.empty()) {
    const absl::Status opened = left_.has_value()  ? MoveOn(now, LookAround(live))
                                : resume_.empty() ? OpenFirst(now)
                                                  : OpenResumed(now, LookAround(live));
    if (!opened.ok()) return opened;
  }
  NoteLive(now, live);
  LogChunk chunk;
  const absl::StatusOr<bool> emptied = EmptiedAndCopied(now, live);
  if (!emptied.ok()) return emptied.status();
  if (*emptied) {
    chunk.more = true;
    return Finish(std::move(chunk), nullptr);
  }
  // The oldest first, each to its end: lines come in their order, save those that
  // a writer sends late.
  LogTail* read_from = nullptr;
  bool all_drained = true;
  lag_ = 0;
  for (const std::unique_ptr<LogTail>& tail : tails_) {
    if (read_from == nullptr && all_drained) {
      const absl::StatusOr<LogTail::Outcome> outcome = tail->Read(now, false, &chunk);
      if (!outcome.ok()) return outcome.status();
      if (*outcome == LogTail::Outcome::kChanged) {
        const absl::Status status = Changed(now, tail.get());
        if (!status.ok()) return status;
        chunk.more = true;
        return Finish(std::move(chunk), nullptr);
      }
      if (!chunk.lines.empty()) read_from = tail.get();
      all_drained = tail->drained();
    }
    *lag_ += tail->unread();
  }
  const bool behind = live.ok() && live->stat.id != Main()->place().id;
  if (behind) *lag_ += live->stat.size;

  absl::Status trouble;
  if (!all_drained || read_from != nullptr) {
    chunk.more = !all_drained || behind || read_from != Main();
  } else if (behind && Main()->settled && Main()->has_unfinished()) {
    // Nobody will end its last line.
    const absl::StatusOr<LogTail::Outcome> outcome = Main()->Read(now, true, &chunk);
    if (!outcome.ok()) return outcome.status();
    read_from = Main();
    chunk.more = true;
  } else if (behind) {
    trouble = MoveOn(now, LookAround(live));
    chunk.more = trouble.ok();
  } else {
    const absl::StatusOr<LogTail*> left = Leave(now, live, &chunk);
    if (!left.ok()) return left.status();
    read_from = *left;
    chunk.more = chunk.more || read_from != nullptr;
  }
  // We may still have our file open, but can't see whether it is the right one.
  const bool unseen = !live.ok() && !absl::IsNotFound(live.status());
  const bool gone = tails_.empty() || (absl::IsNotFound(live.status()) &&
                                       Main()->rotated_at.has_value() &&
                                       now.mono - *Main()->rotated_at >= kQuiet);
  if (trouble.ok() && (unseen || gone)) trouble = live.status();
  if (!trouble.ok() && chunk.lines.empty() && chunk.losses.empty() && losses_.empty()) {
    return trouble;
  }
  return Finish(std::move(chunk), read_from);
}

}  // namespace mailvane
