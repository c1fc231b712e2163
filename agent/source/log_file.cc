#include "agent/source/log_file.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

constexpr size_t kHeadBytes = 256;
constexpr size_t kTailBytes = 1024;
// A match of fewer bytes than one log line has says little about a file whose
// identity is another one.
constexpr uint64_t kContentMatchMin = 64;
// A writer that was told to reopen its log does so within this: postfix reload
// and rsyslog's HUP take well under a second, a loaded host some more.
constexpr absl::Duration kQuiet = absl::Seconds(10);
constexpr absl::Duration kLongestStay = absl::Seconds(60);

// FNV-1a.  Not against forgery: whoever can write the log can write anything.
uint64_t Hash(absl::string_view bytes) {
  uint64_t hash = 14695981039346656037u;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  }
  return hash;
}

bool IsCompressed(absl::string_view name) {
  for (absl::string_view suffix :
       {".gz", ".bz2", ".xz", ".zst", ".lz4", ".lzma", ".Z", ".tmp"}) {
    if (absl::EndsWith(name, suffix)) return true;
  }
  return false;
}

// "mail.log.1" and "mail.log-20261123" follow "mail.log"; "mail.log.bak", which
// is somebody's copy, does not.
bool IsRotated(absl::string_view suffix) {
  return !suffix.empty() &&
         suffix.find_first_not_of("0123456789.-_") == absl::string_view::npos;
}

// 2 for "mail.log.2"; absent for a date.
std::optional<uint32_t> RotationNumber(absl::string_view path) {
  uint32_t number = 0;
  const size_t dot = path.rfind('.');
  if (dot == absl::string_view::npos || path.size() - dot > 5 ||
      !absl::SimpleAtoi(path.substr(dot + 1), &number)) {
    return std::nullopt;
  }
  return number;
}

bool IsOlder(const FileStat& a, std::optional<uint32_t> a_number, const FileStat& b,
             std::optional<uint32_t> b_number) {
  if (a.id.birth_ns != 0 && b.id.birth_ns != 0) return a.id.birth_ns < b.id.birth_ns;
  // A writer that was slow to let go may have touched the older one last.
  if (a_number.has_value() && b_number.has_value()) return *a_number > *b_number;
  return a.modified < b.modified;
}

absl::StatusOr<std::string> ReadRange(const File& file, uint64_t offset, size_t size) {
  std::string bytes(size, '\0');
  size_t have = 0;
  while (have < size) {
    absl::StatusOr<size_t> got = file.ReadAt(offset + have, &bytes[have], size - have);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    have += *got;
  }
  bytes.resize(have);
  return bytes;
}

// The beginning of the line that `offset` is in.
absl::StatusOr<uint64_t> LineStart(const File& file, uint64_t offset, size_t max_line) {
  const size_t look = std::min<uint64_t>(offset, max_line);
  absl::StatusOr<std::string> before = ReadRange(file, offset - look, look);
  if (!before.ok()) return before.status();
  const size_t newline = before->rfind('\n');
  if (newline != std::string::npos) return offset - look + newline + 1;
  return look == offset ? 0 : offset;
}

}  // namespace

LogFile::LogFile(const FileSystem* files, std::string path, Options options)
    : files_(files),
      path_(std::move(path)),
      directory_(path_.rfind('/') == std::string::npos
                     ? "."
                     : path_.substr(0, std::max<size_t>(path_.rfind('/'), 1))),
      name_(path_.substr(path_.rfind('/') + 1)),
      options_(options) {}

std::vector<std::string> LogFile::WatchDirectories() const { return {directory_}; }

// "1 device inode birth offset modified head tail skip check", skip "-" for none.
std::string LogFile::Checkpoint() const {
  if (!at_.has_value()) return "";
  std::string text = absl::StrCat(
      "1 ", at_->id.device, " ", at_->id.inode, " ", at_->id.birth_ns, " ", at_->offset,
      " ", at_->modified_ns, " ", at_->head_hash, " ", at_->tail_hash, " ",
      at_->skip_from.has_value() ? absl::StrCat(*at_->skip_from) : "-");
  absl::StrAppend(&text, " ", Hash(text));
  return text;
}

absl::Status LogFile::Resume(absl::string_view checkpoint) {
  if (checkpoint.empty()) return absl::OkStatus();
  const std::vector<absl::string_view> fields = absl::StrSplit(checkpoint, ' ');
  Position at;
  uint64_t check = 0;
  uint64_t skip = 0;
  const bool sound = fields.size() == 10 && fields[0] == "1" &&
                     absl::SimpleAtoi(fields[1], &at.id.device) &&
                     absl::SimpleAtoi(fields[2], &at.id.inode) &&
                     absl::SimpleAtoi(fields[3], &at.id.birth_ns) &&
                     absl::SimpleAtoi(fields[4], &at.offset) &&
                     absl::SimpleAtoi(fields[5], &at.modified_ns) &&
                     absl::SimpleAtoi(fields[6], &at.head_hash) &&
                     absl::SimpleAtoi(fields[7], &at.tail_hash) &&
                     (fields[8] == "-" || absl::SimpleAtoi(fields[8], &skip)) &&
                     absl::SimpleAtoi(fields[9], &check) &&
                     check == Hash(checkpoint.substr(0, checkpoint.rfind(' ')));
  if (!sound) {
    NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, std::nullopt, std::nullopt);
    return absl::InvalidArgumentError(
        absl::StrCat("resume ", path_, ": the stored checkpoint is damaged"));
  }
  if (fields[8] != "-") at.skip_from = skip;
  at_ = at;
  return absl::OkStatus();
}

void LogFile::NoteLoss(v1::LossRecord::Cause cause, std::optional<uint64_t> bytes,
                       std::optional<uint64_t> from_offset) {
  losses_.push_back({cause, bytes, from_offset});
}

absl::StatusOr<std::vector<LogFile::Candidate>> LogFile::Siblings() const {
  absl::StatusOr<std::vector<std::string>> names = files_->List(directory_);
  // A directory that may be searched and not listed: the usual name at least.
  if (!names.ok()) names = std::vector<std::string>{name_ + ".1", name_ + ".0"};
  std::vector<Candidate> siblings;
  for (const std::string& name : *names) {
    if (!absl::StartsWith(name, name_) || name == name_ || IsCompressed(name)) continue;
    const std::string path = absl::StrCat(directory_, "/", name);
    const absl::StatusOr<FileStat> stat = files_->Stat(path);
    if (stat.ok() && stat->regular) siblings.push_back({path, *stat});
  }
  // .1 before the rest, so that it is looked at first.
  std::sort(siblings.begin(), siblings.end(), [](const Candidate& a, const Candidate& b) {
    return std::make_pair(a.path.size(), a.path) < std::make_pair(b.path.size(), b.path);
  });
  return siblings;
}

// A copy made after we last looked.  Without birth times: not to be known.
bool LogFile::MadeSince(const Candidate& sibling) const {
  return IsRotated(absl::StripPrefix(sibling.path, path_)) &&
         sibling.stat.id != at_->id && sibling.stat.id.birth_ns > at_->modified_ns;
}

absl::StatusOr<bool> LogFile::Matches(const File& file, const FileStat& stat) const {
  if (stat.size < at_->offset) return false;
  const size_t head_size = std::min<uint64_t>(at_->offset, kHeadBytes);
  const size_t tail_size = std::min<uint64_t>(at_->offset, kTailBytes);
  const absl::StatusOr<std::string> head = ReadRange(file, 0, head_size);
  if (!head.ok()) return head.status();
  if (head->size() != head_size || Hash(*head) != at_->head_hash) return false;
  const absl::StatusOr<std::string> tail =
      ReadRange(file, at_->offset - tail_size, tail_size);
  if (!tail.ok()) return tail.status();
  return tail->size() == tail_size && Hash(*tail) == at_->tail_hash;
}

absl::StatusOr<std::optional<LogFile::Candidate>> LogFile::FindByContent(
    const std::vector<Candidate>& siblings, bool same_id) const {
  for (const Candidate& sibling : siblings) {
    if ((sibling.stat.id == at_->id) != same_id) continue;
    const absl::StatusOr<std::unique_ptr<File>> file = files_->Open(sibling.path);
    if (!file.ok()) continue;
    const absl::StatusOr<FileStat> stat = (*file)->Stat();
    if (!stat.ok() || stat->id != sibling.stat.id) continue;
    const absl::StatusOr<bool> matches = Matches(**file, *stat);
    if (matches.ok() && *matches) return Candidate{sibling.path, *stat};
  }
  return std::optional<Candidate>();
}

// Opens `path` and takes `offset` in it as the place; changes nothing unless all
// of it worked.
absl::Status LogFile::OpenAt(const std::string& path, uint64_t offset, Instant now) {
  absl::StatusOr<std::unique_ptr<File>> file = files_->Open(path);
  if (!file.ok()) return file.status();
  const absl::StatusOr<FileStat> stat = (*file)->Stat();
  if (!stat.ok()) return stat.status();
  if (!stat->regular) {
    return absl::FailedPreconditionError(absl::StrCat("open ", path, ": not a file"));
  }
  const absl::StatusOr<std::string> head =
      ReadRange(**file, 0, std::min<uint64_t>(offset, kHeadBytes));
  if (!head.ok()) return head.status();
  const size_t tail_size = std::min<uint64_t>(offset, kTailBytes);
  const absl::StatusOr<std::string> tail =
      ReadRange(**file, offset - tail_size, tail_size);
  if (!tail.ok()) return tail.status();

  Position at;
  at.id = stat->id;
  at.offset = offset;
  at.modified_ns =
      std::max(absl::ToUnixNanos(stat->modified), at_.has_value() ? at_->modified_ns : 0);
  if (at_.has_value() && at_->offset == offset && offset > 0) {
    at.skip_from = at_->skip_from;
  }
  file_ = *std::move(file);
  head_ = *head;
  tail_ = *tail;
  at.head_hash = Hash(head_);
  at.tail_hash = Hash(tail_);
  at_ = at;
  key_final_ = false;
  finished_ = false;
  denied_at_start_.reset();
  seen_size_.reset();
  pending_read_ = false;
  changed_at_ = now.mono;
  rotated_at_.reset();
  settled_ = false;
  return absl::OkStatus();
}

// The very first start, and each try after it until there is a file.
absl::Status LogFile::OpenFirst(Instant now) {
  const bool first = !first_read_done_;
  first_read_done_ = true;
  absl::StatusOr<std::unique_ptr<File>> file = files_->Open(path_);
  if (!file.ok()) {
    if (first && absl::IsPermissionDenied(file.status())) {
      const absl::StatusOr<FileStat> stat = files_->Stat(path_);
      if (stat.ok()) denied_at_start_.emplace(stat->id, stat->size);
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
  return OpenAt(path_, offset, now);
}

// Looks for the checkpoint's file: under the live name, else under any other; by
// identity, else (a file system that was copied, a device number that changed
// at boot) by content.
absl::Status LogFile::OpenResumed(Instant now) {
  first_read_done_ = true;
  const absl::StatusOr<FileStat> live = files_->Stat(path_);
  if (!live.ok() && !absl::IsNotFound(live.status())) return live.status();
  absl::StatusOr<std::vector<Candidate>> siblings = Siblings();
  if (!siblings.ok()) return siblings.status();
  bool truncated = false;
  std::optional<Candidate> found;
  if (live.ok()) {
    // What can't be opened can't be judged: wait.
    const absl::StatusOr<std::unique_ptr<File>> file = files_->Open(path_);
    if (!file.ok()) return file.status();
    const absl::StatusOr<FileStat> stat = (*file)->Stat();
    if (!stat.ok()) return stat.status();
    const absl::StatusOr<bool> matches = Matches(**file, *stat);
    if (!matches.ok()) return matches.status();
    if (stat->id == at_->id) {
      truncated = !*matches;
      if (*matches) found = Candidate{path_, *stat};
    }
    if (!found.has_value() && !truncated) {
      absl::StatusOr<std::optional<Candidate>> by_id = FindByContent(*siblings, true);
      if (!by_id.ok()) return by_id.status();
      found = *by_id;
      if (!found.has_value() && *matches && at_->offset >= kContentMatchMin) {
        found = Candidate{path_, *stat};
      }
    }
  } else {
    absl::StatusOr<std::optional<Candidate>> by_id = FindByContent(*siblings, true);
    if (!by_id.ok()) return by_id.status();
    found = *by_id;
  }
  if (!found.has_value() && at_->offset >= (truncated ? 1 : kContentMatchMin)) {
    absl::StatusOr<std::optional<Candidate>> copy = FindByContent(*siblings, false);
    if (!copy.ok()) return copy.status();
    found = *copy;
  }

  if (found.has_value()) {
    // At offset 0 nothing shows that a file was emptied meanwhile, save the copy
    // that was made of it.
    if (found->path == path_ && at_->offset == 0 && found->stat.id == at_->id) {
      for (const Candidate& sibling : *siblings) {
        if (MadeSince(sibling)) {
          const absl::Status opened = OpenNext(now, true);
          if (opened.ok()) {
            NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, 0);
          }
          return opened;
        }
      }
    }
    const absl::Status opened = OpenAt(found->path, at_->offset, now);
    if (!opened.ok()) return opened;
    if (truncated) {
      NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, found->stat.size);
      settled_ = true;
    } else if (found->path != path_) {
      settled_ = now.wall - found->stat.modified > kLongestStay;
    }
    return absl::OkStatus();
  }
  if (!live.ok()) return live.status();
  const uint64_t offset = at_->offset;
  const absl::Status opened = OpenNext(now, true);
  if (!opened.ok()) return opened;
  NoteLoss(
      truncated ? v1::LossRecord::CAUSE_TRUNCATED : v1::LossRecord::CAUSE_ROTATED_AWAY,
      std::nullopt, offset);
  return absl::OkStatus();
}

// What was written after the file at at_: the oldest of the newer rotated ones,
// else the live one.  A copy made of an earlier file was last written before it.
absl::Status LogFile::OpenNext(Instant now, bool after_loss) {
  const absl::StatusOr<std::vector<Candidate>> siblings = Siblings();
  if (!siblings.ok()) return siblings.status();
  std::optional<Candidate> next;
  for (const Candidate& sibling : *siblings) {
    const FileId& id = sibling.stat.id;
    const int64_t modified_ns = absl::ToUnixNanos(sibling.stat.modified);
    if (!IsRotated(absl::StripPrefix(sibling.path, path_)) || id == at_->id) continue;
    const bool newer =
        id.birth_ns != 0 && at_->id.birth_ns != 0
            ? id.birth_ns > at_->id.birth_ns && modified_ns >= at_->modified_ns
            : modified_ns > at_->modified_ns;
    if (!newer) continue;
    if (next.has_value() && !IsOlder(sibling.stat, RotationNumber(sibling.path),
                                     next->stat, RotationNumber(next->path))) {
      continue;
    }
    if (at_->offset >= kContentMatchMin) {
      const absl::StatusOr<std::unique_ptr<File>> file = files_->Open(sibling.path);
      if (!file.ok()) continue;
      const absl::StatusOr<bool> copy = Matches(**file, sibling.stat);
      if (!copy.ok() || *copy) continue;
    }
    next = sibling;
  }
  if (next.has_value()) {
    const absl::Status opened = OpenAt(next->path, 0, now);
    settled_ = opened.ok() && now.wall - next->stat.modified > kLongestStay;
    return opened;
  }
  const absl::StatusOr<FileStat> live = files_->Stat(path_);
  if (!live.ok()) return live.status();
  // The same file, called by its old name again.
  const bool same = !after_loss && live->id == at_->id && live->size >= at_->offset;
  return OpenAt(path_, same ? at_->offset : 0, now);
}

// The open file is not any more what it was up to our place.
absl::Status LogFile::Truncated(Instant now, const FileStat& stat) {
  if (at_->offset > 0) {
    const absl::StatusOr<std::vector<Candidate>> siblings = Siblings();
    if (!siblings.ok()) return siblings.status();
    const absl::StatusOr<std::optional<Candidate>> copy = FindByContent(*siblings, false);
    if (!copy.ok()) return copy.status();
    // copytruncate: the rest is in the copy.  What was written between the copy
    // and the truncation is nowhere.
    if (copy->has_value() && OpenAt((*copy)->path, at_->offset, now).ok()) {
      NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, (*copy)->stat.size);
      settled_ = true;
      return absl::OkStatus();
    }
  }
  NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt,
           at_->skip_from.value_or(at_->offset));
  at_->offset = 0;
  at_->modified_ns = std::max(at_->modified_ns, absl::ToUnixNanos(stat.modified));
  at_->skip_from.reset();
  head_.clear();
  tail_.clear();
  at_->head_hash = Hash(head_);
  at_->tail_hash = Hash(tail_);
  key_final_ = false;
  seen_size_.reset();
  changed_at_ = now.mono;
  return absl::OkStatus();
}

// Cuts `fresh`, which begins at the present offset, into lines.  `used`: how
// much of it needs not be read again.
void LogFile::Split(absl::string_view fresh, bool last, LogChunk* chunk, size_t* used) {
  const uint64_t base = at_->offset;
  const auto give = [&](size_t begin, size_t size) {
    LogLine line;
    line.text = fresh.substr(begin, std::min(size, options_.max_line));
    line.offset = base + begin;
    chunk->lines.push_back(line);
    if (size > options_.max_line) {
      NoteLoss(v1::LossRecord::CAUSE_LINE_TOO_LONG, size - options_.max_line,
               base + begin + options_.max_line);
    }
  };
  const auto end_skip = [&](uint64_t end) {
    if (end > *at_->skip_from) {
      NoteLoss(v1::LossRecord::CAUSE_LINE_TOO_LONG, end - *at_->skip_from,
               *at_->skip_from);
    }
    at_->skip_from.reset();
  };
  size_t pos = 0;
  while (pos < fresh.size()) {
    if (fresh[pos] == '\0' && !at_->skip_from.has_value()) {
      const size_t end = std::min(fresh.find_first_not_of('\0', pos), fresh.size());
      chunk->noise_bytes += end - pos;
      pos = end;
      continue;
    }
    const void* newline = memchr(fresh.data() + pos, '\n', fresh.size() - pos);
    if (newline == nullptr) break;
    const size_t end = static_cast<const char*>(newline) - fresh.data();
    if (at_->skip_from.has_value()) {
      end_skip(base + end);
    } else {
      give(pos, end - pos);
    }
    pos = end + 1;
  }
  const size_t rest = fresh.size() - pos;
  if (rest > 0 && at_->skip_from.has_value()) {
    pos = fresh.size();
  } else if (rest > 0 && last) {
    give(pos, rest);
    pos = fresh.size();
  } else if (rest > options_.max_line) {
    LogLine line;
    line.text = fresh.substr(pos, options_.max_line);
    line.offset = base + pos;
    chunk->lines.push_back(line);
    at_->skip_from = base + pos + options_.max_line;
    pos = fresh.size();
  }
  if (last && at_->skip_from.has_value()) end_skip(base + pos);
  *used = pos;
}

absl::Status LogFile::ReadLines(Instant now, const FileStat& stat, bool give_unfinished,
                                LogChunk* chunk) {
  const size_t tail_size = tail_.size();
  const size_t want =
      tail_size + std::min<uint64_t>(options_.max_chunk_bytes, stat.size - at_->offset);
  // One read for what we know and what is new: what is new counts only if what
  // we know is still there.
  std::unique_ptr<char[]> buffer(new char[want]);
  size_t have = 0;
  while (have < want) {
    const absl::StatusOr<size_t> got =
        file_->ReadAt(at_->offset - tail_size + have, buffer.get() + have, want - have);
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    have += *got;
  }
  if (have < tail_size || memcmp(buffer.get(), tail_.data(), tail_size) != 0) {
    chunk->more = true;
    return Truncated(now, stat);
  }
  at_->modified_ns = std::max(at_->modified_ns, absl::ToUnixNanos(stat.modified));
  const absl::string_view fresh(buffer.get() + tail_size, have - tail_size);
  const bool all = at_->offset + fresh.size() >= stat.size;
  if (!fresh.empty()) {
    chunk->lines.reserve(fresh.size() / 128 + 1);
    size_t used = 0;
    Split(fresh, give_unfinished && all, chunk, &used);
    if (head_.size() < kHeadBytes && head_.size() == at_->offset) {
      head_.append(fresh.data(), std::min(used, kHeadBytes - head_.size()));
    }
    const size_t end = tail_size + used;
    const size_t keep = std::min(end, kTailBytes);
    tail_.assign(buffer.get() + end - keep, keep);
    at_->offset += used;
    at_->head_hash = Hash(head_);
    at_->tail_hash = Hash(tail_);
    chunk->buffer = std::move(buffer);
  }
  pending_read_ = !all;
  chunk->more = pending_read_;
  return absl::OkStatus();
}

// The open file is no longer at the path, and read to its end.  True: something
// was done, look again.
absl::StatusOr<bool> LogFile::Leave(Instant now, const FileStat& stat,
                                    const absl::StatusOr<FileStat>& live,
                                    LogChunk* chunk) {
  const absl::Duration quiet = now.mono - std::max(changed_at_, *rotated_at_);
  // Its writer never lets go, while another one writes the new file: what it
  // will still write there is lost, and said to be.
  const bool forced = live.ok() && quiet < kQuiet && !settled_ && live->size > 0 &&
                      now.mono - *rotated_at_ >= kLongestStay;
  const bool stable =
      live.ok() ? settled_ || quiet >= kQuiet || forced : quiet >= kLongestStay;
  if (!stable) return false;
  if (stat.size > at_->offset || at_->skip_from.has_value()) {
    const absl::Status status = ReadLines(now, stat, true, chunk);
    if (!status.ok()) return status;
    return true;
  }
  if (!live.ok()) {
    file_.reset();
    finished_ = true;
    return false;
  }
  const uint64_t offset = at_->offset;
  const absl::Status opened = OpenNext(now, false);
  if (!opened.ok()) return opened;
  if (forced) NoteLoss(v1::LossRecord::CAUSE_ROTATED_AWAY, std::nullopt, offset);
  return true;
}

void LogFile::Finish(LogChunk* chunk) {
  chunk->losses = std::move(losses_);
  losses_.clear();
  chunk->checkpoint = Checkpoint();
  if (!chunk->lines.empty()) {
    if (!key_final_) {
      // The first line does not change any more once it was given.
      const absl::string_view first =
          absl::string_view(head_).substr(0, head_.find('\n'));
      file_key_ = absl::StrCat(at_->id.device, ":", at_->id.inode, ":", at_->id.birth_ns,
                               ":", absl::Hex(Hash(first), absl::kZeroPad16));
      key_final_ = true;
    }
    chunk->file_key = file_key_;
  }
  for (LogLoss& loss : chunk->losses) {
    if (!loss.from_offset) continue;
    loss.file_key =
        !chunk->file_key.empty() ? chunk->file_key
        : at_ ? absl::StrCat(at_->id.device, ":", at_->id.inode, ":", at_->id.birth_ns)
              : path_;
  }
}

absl::StatusOr<LogChunk> LogFile::Read(Instant now) {
  if (file_ == nullptr) {
    const absl::Status opened = !at_.has_value() ? OpenFirst(now)
                                : finished_      ? OpenNext(now, false)
                                                 : OpenResumed(now);
    if (!opened.ok()) return opened;
  }
  LogChunk chunk;
  const absl::StatusOr<FileStat> stat = file_->Stat();
  if (!stat.ok()) return stat.status();
  const absl::StatusOr<FileStat> live = files_->Stat(path_);

  if (stat->size < at_->offset) {
    const absl::Status status = Truncated(now, *stat);
    if (!status.ok()) return status;
    chunk.more = true;
    Finish(&chunk);
    return chunk;
  }
  if (!seen_size_.has_value() || *seen_size_ != stat->size ||
      seen_modified_ != stat->modified) {
    // As above in OpenResumed: the copy is all that shows it.
    if (seen_size_.has_value() && at_->offset == 0 && live.ok() && live->id == at_->id) {
      const absl::StatusOr<std::vector<Candidate>> siblings = Siblings();
      if (!siblings.ok()) return siblings.status();
      for (const Candidate& sibling : *siblings) {
        if (!MadeSince(sibling)) continue;
        const absl::Status opened = OpenNext(now, true);
        if (!opened.ok()) return opened;
        NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, 0);
        chunk.more = true;
        Finish(&chunk);
        return chunk;
      }
    }
    if (seen_size_.has_value()) changed_at_ = now.mono;
    pending_read_ = true;
    seen_size_ = stat->size;
    seen_modified_ = stat->modified;
  }
  if (pending_read_) {
    const absl::Status status = ReadLines(now, *stat, false, &chunk);
    if (!status.ok()) return status;
  }
  lag_ = seen_size_.has_value() ? stat->size - std::min(stat->size, at_->offset) : 0;

  absl::Status trouble;
  if (live.ok() ? live->id == at_->id : !absl::IsNotFound(live.status())) {
    rotated_at_.reset();
    settled_ = false;
    // We still have our file open, but can't see whether it is the right one.
    if (!live.ok()) trouble = live.status();
  } else if (!rotated_at_.has_value()) {
    rotated_at_ = now.mono;
    chunk.more = chunk.more || settled_;
  } else if (!chunk.lines.empty()) {
    chunk.more = chunk.more || settled_;
  } else if (!pending_read_ && !chunk.more) {
    const absl::StatusOr<bool> done = Leave(now, *stat, live, &chunk);
    if (!done.ok()) trouble = done.status();
    if (done.ok() && *done) chunk.more = true;
    if (file_ == nullptr) trouble = live.status();
  }
  if (live.ok() && live->id != at_->id) *lag_ += live->size;
  if (!trouble.ok() && chunk.lines.empty() && losses_.empty()) return trouble;
  Finish(&chunk);
  return chunk;
}

}  // namespace mailvane
