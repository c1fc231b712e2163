#include "agent/source/log_tail.h"

#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailvane {
namespace {

constexpr size_t kHeadBytes = 256;
constexpr size_t kTailBytes = 1024;

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

}  // namespace

uint64_t LogHash(absl::string_view bytes) {
  uint64_t hash = 14695981039346656037u;
  for (const char byte : bytes) {
    hash = (hash ^ static_cast<unsigned char>(byte)) * 1099511628211u;
  }
  return hash;
}

uint64_t LogPlace::telling_bytes() const {
  const auto hole = [this](size_t most) {
    return LogHash(std::string(std::min<uint64_t>(offset, most), '\0'));
  };
  const bool tells = head_hash != hole(kHeadBytes) || tail_hash != hole(kTailBytes);
  return tells ? offset : 0;
}

// "device inode birth offset modified head tail skip path", "-" for no skip.
std::string LogPlace::Encode() const {
  return absl::StrCat(id.device, " ", id.inode, " ", id.birth_ns, " ", offset, " ",
                      modified_ns, " ", head_hash, " ", tail_hash, " ",
                      skip_from.has_value() ? absl::StrCat(*skip_from) : "-", " ",
                      absl::WebSafeBase64Escape(path));
}

std::optional<LogPlace> LogPlace::Decode(absl::string_view words) {
  const std::vector<absl::string_view> fields = absl::StrSplit(words, ' ');
  LogPlace place;
  uint64_t skip = 0;
  if (fields.size() != 9 || !absl::SimpleAtoi(fields[0], &place.id.device) ||
      !absl::SimpleAtoi(fields[1], &place.id.inode) ||
      !absl::SimpleAtoi(fields[2], &place.id.birth_ns) ||
      !absl::SimpleAtoi(fields[3], &place.offset) ||
      !absl::SimpleAtoi(fields[4], &place.modified_ns) ||
      !absl::SimpleAtoi(fields[5], &place.head_hash) ||
      !absl::SimpleAtoi(fields[6], &place.tail_hash) ||
      (fields[7] != "-" && !absl::SimpleAtoi(fields[7], &skip)) ||
      !absl::WebSafeBase64Unescape(fields[8], &place.path)) {
    return std::nullopt;
  }
  if (fields[7] != "-") place.skip_from = skip;
  return place;
}

absl::StatusOr<bool> HasPlace(const File& file, const LogPlace& place) {
  const size_t head_size = std::min<uint64_t>(place.offset, kHeadBytes);
  const size_t tail_size = std::min<uint64_t>(place.offset, kTailBytes);
  const absl::StatusOr<std::string> head = ReadRange(file, 0, head_size);
  if (!head.ok()) return head.status();
  if (head->size() != head_size || LogHash(*head) != place.head_hash) return false;
  const absl::StatusOr<std::string> tail =
      ReadRange(file, place.offset - tail_size, tail_size);
  if (!tail.ok()) return tail.status();
  return tail->size() == tail_size && LogHash(*tail) == place.tail_hash;
}

absl::StatusOr<std::unique_ptr<LogTail>> LogTail::Open(Start start, Limits limits,
                                                       Instant now) {
  const File& file = *start.file;
  const absl::StatusOr<FileStat> stat = file.Stat();
  if (!stat.ok()) return stat.status();
  if (!stat->regular) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", start.place.path, ": not a file"));
  }
  const uint64_t offset = start.offset;
  absl::StatusOr<std::string> head =
      ReadRange(file, 0, std::min<uint64_t>(offset, kHeadBytes));
  if (!head.ok()) return head.status();
  const size_t tail_size = std::min<uint64_t>(offset, kTailBytes);
  absl::StatusOr<std::string> tail = ReadRange(file, offset - tail_size, tail_size);
  if (!tail.ok()) return tail.status();
  LogPlace& place = start.place;
  place.id = stat->id;
  place.offset = offset;
  place.modified_ns = std::max(place.modified_ns, absl::ToUnixNanos(stat->modified));
  place.head_hash = LogHash(*head);
  place.tail_hash = LogHash(*tail);
  std::unique_ptr<LogTail> opened(new LogTail(std::move(start), limits, now));
  opened->head_ = *std::move(head);
  opened->tail_ = *std::move(tail);
  opened->modified_ = stat->modified;
  return opened;
}

LogTail::LogTail(Start start, Limits limits, Instant now)
    : file_(std::move(start.file)),
      packed_(start.packed),
      limits_(limits),
      place_(std::move(start.place)),
      changed_at_(now.mono) {}

absl::StatusOr<bool> LogTail::HasNews() const {
  if (!seen_size_.has_value() || packed_) return false;
  const absl::StatusOr<FileStat> stat = file_->Stat();
  if (!stat.ok()) return stat.status();
  return *seen_size_ != stat->size || modified_ != stat->modified;
}

void LogTail::StartOver(Instant now) {
  place_.offset = 0;
  place_.skip_from.reset();
  head_.clear();
  tail_.clear();
  place_.head_hash = LogHash(head_);
  place_.tail_hash = LogHash(tail_);
  key_final_ = false;
  seen_size_.reset();
  pending_ = true;
  changed_at_ = now.mono;
}

const std::string& LogTail::key() {
  if (!key_final_) {
    const size_t newline = head_.find('\n');
    const absl::string_view first = absl::string_view(head_).substr(0, newline);
    key_ = absl::StrCat(place_.id.device, ":", place_.id.inode, ":", place_.id.birth_ns,
                        ":", absl::Hex(LogHash(first), absl::kZeroPad16));
    // The first line does not change any more once it is there.
    key_final_ = newline != std::string::npos || head_.size() == kHeadBytes;
  }
  return key_;
}

uint64_t LogTail::unread() const {
  const uint64_t size = packed_ ? 0 : seen_size_.value_or(0);
  return size - std::min(size, place_.offset);
}

void LogTail::NoteLoss(v1::LossRecord::Cause cause, std::optional<uint64_t> bytes,
                       uint64_t from, LogChunk* chunk) {
  chunk->losses.push_back({cause, bytes, from, key(), std::nullopt});
}

// Cuts `fresh`, which begins at the present offset, into lines.  `used`: how
// much of it needs not be read again.
void LogTail::Split(absl::string_view fresh, bool last, LogChunk* chunk, size_t* used) {
  const uint64_t base = place_.offset;
  const auto give = [&](size_t begin, size_t size) {
    LogLine line;
    line.text = fresh.substr(begin, std::min(size, limits_.max_line));
    line.offset = base + begin;
    chunk->lines.push_back(line);
    if (size > limits_.max_line) {
      NoteLoss(v1::LossRecord::CAUSE_LINE_TOO_LONG, size - limits_.max_line,
               base + begin + limits_.max_line, chunk);
    }
  };
  const auto end_skip = [&](uint64_t end) {
    const uint64_t from = *place_.skip_from;
    if (end > from) {
      NoteLoss(v1::LossRecord::CAUSE_LINE_TOO_LONG, end - from, from, chunk);
    }
    place_.skip_from.reset();
  };
  size_t pos = 0;
  while (pos < fresh.size()) {
    if (fresh[pos] == '\0' && !place_.skip_from.has_value()) {
      const size_t end = std::min(fresh.find_first_not_of('\0', pos), fresh.size());
      chunk->noise_bytes += end - pos;
      pos = end;
      continue;
    }
    const void* newline = memchr(fresh.data() + pos, '\n', fresh.size() - pos);
    if (newline == nullptr) break;
    const size_t end = static_cast<const char*>(newline) - fresh.data();
    if (place_.skip_from.has_value()) {
      end_skip(base + end);
    } else {
      give(pos, end - pos);
    }
    pos = end + 1;
  }
  const size_t rest = fresh.size() - pos;
  if (rest > 0 && place_.skip_from.has_value()) {
    pos = fresh.size();
  } else if (rest > 0 && last) {
    give(pos, rest);
    pos = fresh.size();
  } else if (rest > limits_.max_line) {
    LogLine line;
    line.text = fresh.substr(pos, limits_.max_line);
    line.offset = base + pos;
    chunk->lines.push_back(line);
    place_.skip_from = base + pos + limits_.max_line;
    pos = fresh.size();
  }
  if (last && place_.skip_from.has_value()) end_skip(base + pos);
  *used = pos;
}

absl::StatusOr<LogTail::Outcome> LogTail::Read(Instant now, bool give_unfinished,
                                               LogChunk* chunk) {
  const absl::StatusOr<FileStat> stat = file_->Stat();
  if (!stat.ok()) return stat.status();
  if (!packed_ && stat->size < place_.offset) return Outcome::kChanged;
  if (!seen_size_.has_value() ||
      (!packed_ && (*seen_size_ != stat->size || modified_ != stat->modified))) {
    if (seen_size_.has_value()) changed_at_ = now.mono;
    pending_ = true;
    seen_size_ = stat->size;
    modified_ = stat->modified;
  }
  if (!pending_ && !give_unfinished) return Outcome::kUnchanged;

  const size_t known = tail_.size();
  const uint64_t there = packed_ ? limits_.max_chunk_bytes : stat->size - place_.offset;
  const size_t want = known + std::min<uint64_t>(limits_.max_chunk_bytes, there);
  // One read for what we know and what is new: what is new counts only if what
  // we know is still there.
  std::unique_ptr<char[]> buffer(new char[want]);
  size_t have = 0;
  while (have < want) {
    const absl::StatusOr<size_t> got =
        file_->ReadAt(place_.offset - known + have, buffer.get() + have, want - have);
    if (packed_ && !got.ok()) {
      // Its rest is lost; trying again would not bring it back.
      if (!damaged_) {
        NoteLoss(v1::LossRecord::CAUSE_TRUNCATED, std::nullopt, place_.offset, chunk);
      }
      damaged_ = true;
      break;
    }
    if (!got.ok()) return got.status();
    if (*got == 0) break;
    have += *got;
  }
  if (have < known || memcmp(buffer.get(), tail_.data(), known) != 0) {
    if (!packed_) return Outcome::kChanged;
    have = known;
  }
  place_.modified_ns = std::max(place_.modified_ns, absl::ToUnixNanos(stat->modified));
  const absl::string_view fresh(buffer.get() + known, have - known);
  const bool all = packed_ ? have < want : place_.offset + fresh.size() >= stat->size;
  size_t used = 0;
  if (!fresh.empty() || give_unfinished) {
    chunk->lines.reserve(fresh.size() / 128 + 1);
    Split(fresh, give_unfinished && all, chunk, &used);
    Take(buffer.get(), known, used);
    chunk->buffer = std::move(buffer);
  }
  unfinished_ = all ? fresh.size() - used : 0;
  pending_ = !all;
  return Outcome::kRead;
}

// `known` bytes before the offset and `used` behind it: the place moves on.
void LogTail::Take(const char* bytes, size_t known, size_t used) {
  if (head_.size() < kHeadBytes && head_.size() == place_.offset) {
    head_.append(bytes + known, std::min(used, kHeadBytes - head_.size()));
  }
  const size_t end = known + used;
  const size_t keep = std::min(end, kTailBytes);
  tail_.assign(bytes + end - keep, keep);
  place_.offset += used;
  place_.head_hash = LogHash(head_);
  place_.tail_hash = LogHash(tail_);
}

}  // namespace mailvane
