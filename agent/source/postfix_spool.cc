#include "agent/source/postfix_spool.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>

#include "absl/hash/hash.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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

}  // namespace

std::optional<QueueFileHead> ParseQueueFileHead(absl::string_view bytes) {
  QueueFileHead head;
  bool has_time = false;
  absl::string_view original;
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
    if (length > bytes.size() || type == 'M') break;
    const absl::string_view data = bytes.substr(0, length);
    bytes.remove_prefix(length);
    uint64_t number = 0;
    switch (type) {
      case 'C':
        if (ParseFirstNumber(data, &number)) head.size = number;
        break;
      case 'T':
        if (!ParseFirstNumber(data, &number)) break;
        if (number > static_cast<uint64_t>(INT64_MAX)) break;
        head.arrived = static_cast<int64_t>(number);
        has_time = true;
        break;
      case 'A':
        if (absl::StartsWith(data, "sasl_username=")) head.authenticated = true;
        break;
      case 'S':
        head.has_sender = true;
        head.sender = data;
        break;
      case 'O':
        original = data;
        break;
      case 'R':
        if (!head.recipient.empty()) break;
        head.recipient = data;
        head.orig_recipient = original;
        break;
      default:
        break;
    }
    if (!head.recipient.empty() && has_time) break;
    if (type == 'D') original = absl::string_view();
  }
  // A message in maildrop has no 'C' yet: its size is known at the envelope's end.
  if (!has_time) return std::nullopt;
  return head;
}

absl::string_view ParseDeferFile(absl::string_view bytes) {
  for (absl::string_view line : absl::StrSplit(bytes, '\n')) {
    if (absl::ConsumePrefix(&line, "reason=")) return line;
  }
  return {};
}

PostfixSpool::PostfixSpool(absl::string_view queue_directory, QueueSink sink,
                           const Limits& limits)
    : directory_(queue_directory), sink_(std::move(sink)), limits_(limits) {}

bool PostfixSpool::Permitted() const {
  DIR* deferred = opendir(absl::StrCat(directory_, "/deferred").c_str());
  if (deferred == nullptr) return false;
  closedir(deferred);
  return true;
}

void PostfixSpool::Start(Instant) {
  if (busy()) return;
  ++walks_;
  totals_.clear();
  for (const auto& [name, queue] : kQueues) {
    // Postfix makes corrupt only when it needs it.
    walk_.Add({absl::StrCat(directory_, "/", name), queue,
               /*may_be_absent=*/queue == v1::QUEUE_CORRUPT});
    totals_[queue];
  }
}

std::optional<v1::QueueReading> PostfixSpool::Poll(Instant now) {
  if (!busy()) return std::nullopt;
  files_left_ = limits_.files_per_poll;
  for (size_t entries = limits_.entries_per_poll; entries > 0 && files_left_ > 0;
       --entries) {
    SpoolWalk::Entry entry;
    switch (walk_.Next(&entry)) {
      case SpoolWalk::Step::kEntry:
        TakeEntry(entry);
        break;
      case SpoolWalk::Step::kDone:
        return Finish(now);
      case SpoolWalk::Step::kFailed: {
        v1::QueueReading reading;
        reading.set_unavailable(UnavailableOf(walk_.error()));
        reading.set_detail(walk_.failure());
        return reading;
      }
    }
  }
  return std::nullopt;
}

void PostfixSpool::TakeEntry(const SpoolWalk::Entry& entry) {
  const auto queue = static_cast<v1::Queue>(entry.in->tag);
  // Hash directories have names of one character; ids are longer.
  if (entry.name[1] == '\0' && (entry.type == DT_DIR || entry.type == DT_UNKNOWN)) {
    // It may be gone when its turn comes.
    return walk_.Add({absl::StrCat(entry.in->path, "/", entry.name), entry.in->tag,
                      /*may_be_absent=*/true});
  }
  // An id comes back soon, and so does an inode number; hardly both.
  const absl::string_view id = entry.name;
  const uint64_t key = absl::HashOf(id, entry.inode);
  const auto known = messages_.find(key);
  if (known != messages_.end()) {
    // Met before in this walk: it moved on.
    if (std::exchange(known->second.walk, walks_) == walks_) return;
    return Count(id, queue, known->second);
  }
  std::optional<Message> message = ReadHead(entry);
  // Not there any more, or still being written: it counts when it is whole.
  if (!message) return;
  message->walk = walks_;
  const bool ask = limits_.reasons == SpoolReasons::kRead && queue == v1::QUEUE_DEFERRED;
  const std::string defer = ask ? ReadDeferFile(entry) : "";
  Count(id, queue, *message, ParseDeferFile(defer));
  if (messages_.size() < limits_.messages) messages_[key] = *message;
}

std::optional<PostfixSpool::Message> PostfixSpool::ReadHead(
    const SpoolWalk::Entry& entry) {
  --files_left_;
  ++files_opened_;
  const std::optional<SpoolFile> file =
      ReadSpoolFile(entry.directory, entry.name, kHeadBytes);
  if (!file || (file->mode & kReady) == 0) return std::nullopt;
  const std::optional<QueueFileHead> head = ParseQueueFileHead(file->bytes);
  if (!head) return std::nullopt;
  Message message;
  // As showq does: a file without a size of its content counts with its own.
  message.bytes = head->size == 0 ? file->size : head->size;
  message.arrived = head->arrived;
  message.is_notice = head->has_sender && head->sender.empty();
  const absl::string_view to = DomainOf(head->recipient);
  message.to_domain = domains_.NumberOf(to);
  const absl::string_view before = DomainOf(head->orig_recipient);
  message.forwarded = !head->authenticated && !to.empty() && !before.empty() &&
                      !absl::EqualsIgnoreCase(to, before);
  return message;
}

// It lies below defer/ as the message does below deferred/.
std::string PostfixSpool::ReadDeferFile(const SpoolWalk::Entry& entry) const {
  const absl::string_view hashed =
      absl::string_view(entry.in->path).substr(directory_.size() + strlen("/deferred"));
  std::optional<SpoolFile> file = ReadSpoolFile(
      AT_FDCWD, absl::StrCat(directory_, "/defer", hashed, "/", entry.name).c_str(),
      kHeadBytes);
  return file ? std::move(file->bytes) : "";
}

void PostfixSpool::Count(absl::string_view id, v1::Queue queue, const Message& message,
                         absl::string_view reason) {
  Total& total = totals_[queue];
  ++total.messages;
  total.bytes += message.bytes;
  total.oldest = std::min(total.oldest, message.arrived);
  if (sink_ == nullptr) return;
  QueuedMessage queued;
  queued.key = QueueIdKey(id);
  queued.queue = queue;
  queued.bytes = message.bytes;
  queued.arrived = message.arrived;
  queued.is_notice = message.is_notice;
  queued.forwarded = message.forwarded;
  queued.to_domain = domains_.NameOf(message.to_domain);
  queued.reason = reason;
  sink_(queued);
}

v1::QueueReading PostfixSpool::Finish(Instant now) {
  absl::erase_if(messages_,
                 [this](const auto& one) { return one.second.walk != walks_; });
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

}  // namespace mailvane
