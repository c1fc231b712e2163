#include "agent/source/exim_queue.h"

#include <dirent.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include <algorithm>
#include <string>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/source/exim_header.h"

namespace mailvane {
namespace {

// Enough for the envelope and the headers of nearly every message.
constexpr size_t kHeaderBytes = 8 << 10;
// Exim takes a megabyte of headers at most (header_maxsize), and envelopes of
// 50,000 recipients (recipients_max).
constexpr size_t kMostHeaderBytes = 8 << 20;

// Its end is the last attempt.
constexpr size_t kMessageLogBytes = 4 << 10;

constexpr v1::Queue kParts[] = {v1::QUEUE_INCOMING, v1::QUEUE_DEFERRED, v1::QUEUE_FROZEN};

// What the walk knows of a directory.
enum Place : int {
  kSpool,  // has the input of queues with names, in folders of theirs
  kInput,  // has messages, or folders with messages (split_spool_directory)
  kSplit,
};

bool IsDirectory(const SpoolWalk::Entry& entry) {
  return entry.type == DT_DIR || entry.type == DT_UNKNOWN;
}

// A message's size as `exim -bp` has it: the headers, an empty line, and what stands in
// ID-D behind its first line, "ID-D\n".
uint64_t MessageBytes(uint64_t headers, uint64_t data_file, size_t id) {
  const uint64_t first_line = id + 3;
  return headers + (data_file > first_line ? data_file - first_line : 0) + 1;
}

}  // namespace

EximSpool::EximSpool(absl::string_view spool_directory, QueueSink sink,
                     const Limits& limits)
    : directory_(spool_directory), sink_(std::move(sink)), limits_(limits) {}

bool EximSpool::Permitted() const {
  DIR* input = opendir(absl::StrCat(directory_, "/input").c_str());
  if (input == nullptr) return false;
  closedir(input);
  return true;
}

void EximSpool::Start(Instant) {
  if (busy()) return;
  ++walks_;
  totals_.clear();
  for (const v1::Queue part : kParts) totals_[part];
  walk_.Add({absl::StrCat(directory_, "/input"), kInput});
  walk_.Add({directory_, kSpool});
}

std::optional<v1::QueueReading> EximSpool::Poll(Instant now) {
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

void EximSpool::TakeEntry(const SpoolWalk::Entry& entry) {
  const absl::string_view name = entry.name;
  const auto descend = [&](absl::string_view folder, Place place) {
    walk_.Add({absl::StrCat(entry.in->path, "/", folder), place, /*may_be_absent=*/true});
  };
  switch (static_cast<Place>(entry.in->tag)) {
    case kSpool:
      // Exim's other folders have no input.
      if (IsDirectory(entry)) descend(absl::StrCat(name, "/input"), kInput);
      return;
    case kInput:
      if (name.size() == 1 && IsDirectory(entry)) return descend(name, kSplit);
      break;
    case kSplit:
      break;
  }
  // Of the files of a message this one comes into being last, by a rename.
  if (!absl::EndsWith(name, "-H")) return;
  const absl::string_view id = name.substr(0, name.size() - 2);
  if (!IsEximId(id)) return;
  const uint64_t key = QueueIdKey(id);
  const auto known = messages_.find(key);
  if (known != messages_.end()) {
    Message& message = known->second;
    if (message.walk == walks_) return;
    const bool stale =
        (key + walks_) % limits_.walks_until_stale == 0 && message.opened != walks_;
    // A header file is replaced, never changed: what is in it is in its inode.
    if (message.inode == entry.inode && !stale) {
      message.walk = walks_;
      return Count(id, message);
    }
  }
  const std::optional<Message> message = ReadHeader(entry, id);
  // Not there any more.
  if (!message) return;
  const bool ask = limits_.reasons == SpoolReasons::kRead;
  Count(id, *message, ask ? ReadMessageLog(entry, id) : "");
  if (known != messages_.end()) {
    known->second = *message;
  } else if (messages_.size() < limits_.messages) {
    messages_[key] = *message;
  }
}

std::optional<EximSpool::Message> EximSpool::ReadHeader(const SpoolWalk::Entry& entry,
                                                        absl::string_view id) {
  --files_left_;
  ++files_opened_;
  std::optional<SpoolFile> file =
      ReadSpoolFile(entry.directory, entry.name, kHeaderBytes);
  if (file && file->size > file->bytes.size()) {
    file = ReadSpoolFile(entry.directory, entry.name, kMostHeaderBytes);
  }
  if (!file) return std::nullopt;
  const std::optional<EximHeader> header = ParseEximHeader(file->bytes);
  if (!header) return std::nullopt;
  Message message;
  message.inode = entry.inode;
  struct stat data {};
  if (fstatat(entry.directory, absl::StrCat(id, "-D").c_str(), &data,
              AT_SYMLINK_NOFOLLOW) == 0) {
    message.bytes =
        MessageBytes(header->header_bytes.value_or(0), data.st_size, id.size());
  }
  message.arrived = header->arrived;
  message.to_domain = domains_.NumberOf(DomainOf(header->first_waiting));
  message.is_notice = header->sender.empty();
  message.queue = header->frozen          ? v1::QUEUE_FROZEN
                  : header->first_attempt ? v1::QUEUE_INCOMING
                                          : v1::QUEUE_DEFERRED;
  message.walk = message.opened = walks_;
  return message;
}

// It lies below msglog/ as the message does below input/.
std::string EximSpool::ReadMessageLog(const SpoolWalk::Entry& entry,
                                      absl::string_view id) const {
  std::string path = entry.in->path;
  path.replace(path.rfind("/input"), strlen("/input"), "/msglog");
  std::optional<SpoolFile> file = ReadSpoolFile(
      AT_FDCWD, absl::StrCat(path, "/", id).c_str(), kMessageLogBytes, SpoolPart::kEnd);
  return file ? std::move(file->bytes) : "";
}

void EximSpool::Count(absl::string_view id, const Message& message,
                      absl::string_view message_log) {
  Total& total = totals_[message.queue];
  ++total.messages;
  total.bytes += message.bytes;
  total.oldest = std::min(total.oldest, message.arrived);
  if (sink_ == nullptr) return;
  QueuedMessage queued;
  queued.key = QueueIdKey(id);
  queued.queue = message.queue;
  queued.bytes = message.bytes;
  queued.arrived = message.arrived;
  queued.is_notice = message.is_notice;
  queued.to_domain = domains_.NameOf(message.to_domain);
  const EximLastWord last = ParseEximMessageLog(message_log);
  queued.reason = last.reason;
  queued.relay_host = last.relay_host;
  sink_(queued);
}

v1::QueueReading EximSpool::Finish(Instant now) {
  absl::erase_if(messages_,
                 [this](const auto& one) { return one.second.walk != walks_; });
  v1::QueueReading reading;
  for (const v1::Queue part : kParts) {
    const Total& total = totals_[part];
    v1::QueueDepth& depth = *reading.add_depths();
    depth.set_queue(part);
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
