#include "agent/source/postfix_spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <utility>

#include "absl/hash/hash.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

constexpr size_t kHeadBytes = 4096;

// The last is walked first: that is the way mail goes, so that a message that
// moves meanwhile is met again, not missed.
constexpr struct {
  const char* name;
  v1::Queue queue;
} kQueues[] = {
    {"corrupt", v1::QUEUE_CORRUPT},   {"hold", v1::QUEUE_HOLD},
    {"deferred", v1::QUEUE_DEFERRED}, {"active", v1::QUEUE_ACTIVE},
    {"incoming", v1::QUEUE_INCOMING}, {"maildrop", v1::QUEUE_MAILDROP},
};

// The bit with which cleanup and sendmail say that a file is whole.
constexpr mode_t kReady = S_IXUSR;

// "     350   612 …" → 350.
bool ParseFirstNumber(absl::string_view text, uint64_t* number) {
  text = absl::StripLeadingAsciiWhitespace(text);
  return absl::SimpleAtoi(text.substr(0, text.find(' ')), number);
}

v1::Unavailable ToUnavailable(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return v1::UNAVAILABLE_NOT_FOUND;
    case EACCES:
    case EPERM:
      return v1::UNAVAILABLE_PERMISSION_DENIED;
    default:
      return v1::UNAVAILABLE_OTHER;
  }
}

}  // namespace

std::optional<QueueFileHead> ParseQueueFileHead(absl::string_view bytes) {
  QueueFileHead head;
  bool has_size = false;
  bool has_time = false;
  while (bytes.size() >= 2) {
    const char type = bytes[0];
    bytes.remove_prefix(1);
    uint32_t length = 0;
    bool more = true;
    for (int shift = 0; more; shift += 7) {
      if (bytes.empty() || shift > 21) return std::nullopt;
      const unsigned char byte = bytes[0];
      bytes.remove_prefix(1);
      length |= static_cast<uint32_t>(byte & 0x7f) << shift;
      more = (byte & 0x80) != 0;
    }
    if (length > bytes.size()) break;
    const absl::string_view data = bytes.substr(0, length);
    bytes.remove_prefix(length);
    uint64_t number = 0;
    if (type == 'C' && ParseFirstNumber(data, &number)) {
      head.size = number;
      has_size = true;
    } else if (type == 'T' && ParseFirstNumber(data, &number) &&
               number <= static_cast<uint64_t>(INT64_MAX)) {
      head.arrived = static_cast<int64_t>(number);
      has_time = true;
    }
    // A message in maildrop has no 'C' yet: its size is known at the envelope's end.
    if ((has_size && has_time) || type == 'M') break;
  }
  if (!has_time) return std::nullopt;
  return head;
}

PostfixSpool::PostfixSpool(absl::string_view queue_directory, const Limits& limits)
    : directory_(queue_directory), limits_(limits) {}

bool PostfixSpool::Permitted() const {
  DIR* deferred = opendir(absl::StrCat(directory_, "/deferred").c_str());
  if (deferred == nullptr) return false;
  closedir(deferred);
  return true;
}

void PostfixSpool::Start(Instant) {
  if (busy()) return;
  ++walk_;
  totals_.clear();
  failed_ = v1::UNAVAILABLE_UNSPECIFIED;
  for (const auto& [name, queue] : kQueues) {
    waiting_.push_back({absl::StrCat(directory_, "/", name), queue});
    totals_[queue];
  }
}

bool PostfixSpool::OpenNext() {
  at_ = std::move(waiting_.back());
  waiting_.pop_back();
  open_ = opendir(at_.path.c_str());
  if (open_ != nullptr) return true;
  // A hash directory may be gone by now, and Postfix makes corrupt only when it
  // needs it.
  const bool is_top = at_.path.rfind('/') == directory_.size();
  if (errno == ENOENT && (!is_top || at_.queue == v1::QUEUE_CORRUPT)) return true;
  failed_ = ToUnavailable(errno);
  char buffer[128];
  failure_ =
      absl::StrCat("list ", at_.path, ": ", strerror_r(errno, buffer, sizeof buffer));
  return false;
}

std::optional<v1::QueueReading> PostfixSpool::Poll(Instant now) {
  if (!busy()) return std::nullopt;
  size_t entries = limits_.entries_per_poll;
  files_left_ = limits_.files_per_poll;
  while (entries > 0 && files_left_ > 0) {
    if (open_ == nullptr) {
      if (waiting_.empty()) return Finish(now);
      if (!OpenNext()) return Fail();
      continue;
    }
    const dirent* entry = readdir(static_cast<DIR*>(open_));
    if (entry == nullptr) {
      closedir(static_cast<DIR*>(std::exchange(open_, nullptr)));
      if (waiting_.empty()) return Finish(now);
      continue;
    }
    --entries;
    if (entry->d_name[0] != '.') {
      TakeEntry(entry->d_name, entry->d_ino, entry->d_type);
    }
  }
  return std::nullopt;
}

void PostfixSpool::TakeEntry(const char* name, uint64_t inode, unsigned char type) {
  // Hash directories have names of one character; ids are longer.
  if (name[1] == '\0' && (type == DT_DIR || type == DT_UNKNOWN)) {
    waiting_.push_back({absl::StrCat(at_.path, "/", name), at_.queue});
    return;
  }
  // An id comes back soon, and so does an inode number; hardly both.
  const uint64_t key = absl::HashOf(absl::string_view(name), inode);
  const auto known = messages_.find(key);
  if (known != messages_.end()) {
    // Met before in this walk: it moved on.
    if (std::exchange(known->second.walk, walk_) == walk_) return;
    return Count(known->second.head);
  }
  const std::optional<QueueFileHead> head = ReadHead(name);
  // Not there any more, or still being written: it counts when it is whole.
  if (!head) return;
  Count(*head);
  if (messages_.size() < limits_.messages) messages_[key] = {*head, walk_};
}

std::optional<QueueFileHead> PostfixSpool::ReadHead(const char* name) {
  --files_left_;
  ++files_opened_;
  const int fd = openat(dirfd(static_cast<DIR*>(open_)), name,
                        O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW | O_NOATIME);
  const int file = fd >= 0 ? fd
                           : openat(dirfd(static_cast<DIR*>(open_)), name,
                                    O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
  if (file < 0) return std::nullopt;
  struct stat info {};
  char head[kHeadBytes];
  ssize_t got = -1;
  if (fstat(file, &info) == 0 && S_ISREG(info.st_mode) && (info.st_mode & kReady) != 0) {
    got = pread(file, head, sizeof head, 0);
  }
  close(file);
  if (got <= 0) return std::nullopt;
  std::optional<QueueFileHead> parsed =
      ParseQueueFileHead({head, static_cast<size_t>(got)});
  // As showq does: a file without a size of its content counts with its own.
  if (parsed && parsed->size == 0) parsed->size = info.st_size;
  return parsed;
}

void PostfixSpool::Count(const QueueFileHead& head) {
  Total& total = totals_[at_.queue];
  ++total.messages;
  total.bytes += head.size;
  total.oldest = std::min(total.oldest, head.arrived);
}

v1::QueueReading PostfixSpool::Finish(Instant now) {
  absl::erase_if(messages_, [this](const auto& one) { return one.second.walk != walk_; });
  v1::QueueReading reading;
  for (const auto& [name, queue] : kQueues) {
    const Total& total = totals_[queue];
    v1::QueueDepth& depth = *reading.add_depths();
    depth.set_queue(queue);
    depth.set_messages(total.messages);
    depth.set_bytes(total.bytes);
    if (total.messages > 0) {
      depth.set_oldest_age_seconds(
          std::max<int64_t>(0, absl::ToUnixSeconds(now.wall) - total.oldest));
    }
  }
  return reading;
}

v1::QueueReading PostfixSpool::Fail() {
  CloseDirectories();
  v1::QueueReading reading;
  reading.set_unavailable(failed_);
  reading.set_detail(failure_);
  return reading;
}

void PostfixSpool::CloseDirectories() {
  waiting_.clear();
  if (open_ != nullptr) closedir(static_cast<DIR*>(std::exchange(open_, nullptr)));
}

}  // namespace mailvane
