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
// message's size as its first number, 'T' its arrival in seconds, 'A' an attribute,
// 'S' the sender, 'R' a recipient that waits ('D' once it was served) behind 'O', what
// it was before aliases; 'M' ends the envelope.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "agent/source/domain_table.h"
#include "agent/source/queued_message.h"
#include "agent/source/spool_walk.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

// What the head of a queue file says.  The views live as long as its bytes.
struct QueueFileHead {
  uint64_t size = 0;    // bytes of content, as postqueue shows it
  int64_t arrived = 0;  // seconds since 1970
  bool has_sender = false;
  absl::string_view sender;  // empty: the null sender
  bool authenticated = false;
  // The first that waits; empty: none in these bytes.
  absl::string_view recipient;
  // Before aliases; empty: not said.
  absl::string_view orig_recipient;
};

// Nullopt: no queue file, or not one that is finished.  `bytes` is the file's
// beginning; 4 KiB have always been enough for size, arrival and first recipient.
std::optional<QueueFileHead> ParseQueueFileHead(absl::string_view bytes);

// What Postfix last heard about a message's recipients: "host mx.example.org[192.0.2.9]
// said: 451 ...".  `bytes` is its file below defer/, where each recipient has a list of
// name=value; the first reason is given.  Empty: none.
absl::string_view ParseDeferFile(absl::string_view bytes);

class PostfixSpool {
 public:
  struct Limits {
    // Directory entries and files looked at in one Poll.
    size_t entries_per_poll = 20'000;
    size_t files_per_poll = 1'000;
    // Messages remembered, 50 bytes each; beyond, they are opened each time.
    size_t messages = 2'000'000;
    // Of what is opened, and deferred.
    SpoolReasons reasons = SpoolReasons::kLeave;
  };

  // `sink` may be null.
  explicit PostfixSpool(absl::string_view queue_directory, QueueSink sink = nullptr)
      : PostfixSpool(queue_directory, std::move(sink), Limits()) {}
  PostfixSpool(absl::string_view queue_directory, QueueSink sink, const Limits& limits);

  const std::string& path() const { return directory_; }

  // Whether the queues can be walked at all, as of now.
  bool Permitted() const;

  void Start(Instant now);
  bool busy() const { return walk_.busy(); }
  // The reading, once all is walked; all six queues, zeros included, or
  // `unavailable` with the reason.
  std::optional<v1::QueueReading> Poll(Instant now);

  // Files opened since this was made: what is new costs, what is known does not.
  uint64_t files_opened() const { return files_opened_; }

 private:
  struct Message {
    uint64_t bytes = 0;
    int64_t arrived = 0;
    uint32_t to_domain = DomainTable::kUnknown;
    bool is_notice = false;
    bool forwarded = false;
    uint32_t walk = 0;  // when it was last seen
  };
  struct Total {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    int64_t oldest = INT64_MAX;
  };

  void TakeEntry(const SpoolWalk::Entry& entry);
  void Count(absl::string_view id, v1::Queue queue, const Message& message,
             absl::string_view reason = {});
  std::string ReadDeferFile(const SpoolWalk::Entry& entry) const;
  std::optional<Message> ReadHead(const SpoolWalk::Entry& entry);
  v1::QueueReading Finish(Instant now);

  const std::string directory_;
  const QueueSink sink_;
  const Limits limits_;

  // Queue id and inode → what its head said.
  absl::flat_hash_map<uint64_t, Message> messages_;
  DomainTable domains_;
  uint32_t walks_ = 0;
  uint64_t files_opened_ = 0;

  // The walk that is under way.
  SpoolWalk walk_;
  size_t files_left_ = 0;
  absl::flat_hash_map<int, Total> totals_;
};

}  // namespace mailvane
