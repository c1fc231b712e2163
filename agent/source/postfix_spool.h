// The depth of Postfix's queues, by walking its directories: what is new is
// opened once, what is known costs its directory entry.  A queue of 100,000
// messages is looked at again in a few hundredths of a second, where Postfix's
// own tools take seconds.
//
//   PostfixSpool spool("/var/spool/postfix");
//   spool.Start(now);
//   … each turn, while spool.busy():
//   if (std::optional<v1::QueueReading> reading = spool.Poll(now)) …
//
// Needs to read directories of mode 0700: the capability CAP_DAC_READ_SEARCH, or
// Postfix's own user.  Takes no lock and asks no daemon, so it can't hold up
// mail.  Never blocks for longer than a slice.  Belongs to one thread.
//
// The format is Postfix's src/global/rec_type.h and src/cleanup: records of a
// type byte, a length in base 128 (low groups first), and data; 'C' has the
// message's size as its first number, 'T' its arrival in seconds, 'M' ends the
// envelope.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

// What the head of a queue file says.
struct QueueFileHead {
  uint64_t size = 0;    // bytes of content, as postqueue shows it
  int64_t arrived = 0;  // seconds since 1970
};

// Nullopt: no queue file, or not one that is finished.  `bytes` is the file's
// beginning; 4 KiB have always been enough for the two records in question.
std::optional<QueueFileHead> ParseQueueFileHead(absl::string_view bytes);

class PostfixSpool {
 public:
  struct Limits {
    // Directory entries and files looked at in one Poll.
    size_t entries_per_poll = 20'000;
    size_t files_per_poll = 1'000;
    // Messages remembered, 40 bytes each; beyond, they are opened each time.
    size_t messages = 2'000'000;
  };

  explicit PostfixSpool(absl::string_view queue_directory)
      : PostfixSpool(queue_directory, Limits()) {}
  PostfixSpool(absl::string_view queue_directory, const Limits& limits);
  ~PostfixSpool() { CloseDirectories(); }
  PostfixSpool(const PostfixSpool&) = delete;
  PostfixSpool& operator=(const PostfixSpool&) = delete;

  const std::string& path() const { return directory_; }

  // Whether the queues can be walked at all, as of now.
  bool Permitted() const;

  void Start(Instant now);
  bool busy() const { return !waiting_.empty() || open_ != nullptr; }
  // The reading, once all is walked; all six queues, zeros included, or
  // `unavailable` with the reason.
  std::optional<v1::QueueReading> Poll(Instant now);

  // Files opened since this was made: what is new costs, what is known does not.
  uint64_t files_opened() const { return files_opened_; }

 private:
  struct Directory {
    std::string path;
    v1::Queue queue;
  };
  struct Message {
    QueueFileHead head;
    uint32_t walk = 0;  // when it was last seen
  };
  struct Total {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    int64_t oldest = INT64_MAX;
  };

  bool OpenNext();
  void TakeEntry(const char* name, uint64_t inode, unsigned char type);
  void Count(const QueueFileHead& head);
  std::optional<QueueFileHead> ReadHead(const char* name);
  v1::QueueReading Finish(Instant now);
  v1::QueueReading Fail();
  void CloseDirectories();

  const std::string directory_;
  const Limits limits_;

  // Queue id and inode → what its head said.
  absl::flat_hash_map<uint64_t, Message> messages_;
  uint32_t walk_ = 0;
  uint64_t files_opened_ = 0;

  // The walk that is under way.
  std::vector<Directory> waiting_;
  Directory at_;
  void* open_ = nullptr;  // DIR*
  size_t files_left_ = 0;
  absl::flat_hash_map<int, Total> totals_;
  v1::Unavailable failed_ = v1::UNAVAILABLE_UNSPECIFIED;
  std::string failure_;
};

}  // namespace mailvane
