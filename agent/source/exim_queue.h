// The depth of Exim's queue, by walking its spool: what is new or was written anew is
// opened, what is known costs its directory entry.
//
//   EximSpool spool("/var/spool/exim4");
//   spool.Start(now);
//   … each turn, while spool.busy():
//   if (std::optional<v1::QueueReading> reading = spool.Poll(now)) …
//
// Exim has one queue.  It is told in three parts: what was not tried yet ("incoming"),
// what was ("deferred"), and what is "frozen"; the queues that have names are in
// there, too.
//
// Needs to read directories of mode 0750: the group Debian-exim, or the capability
// CAP_DAC_READ_SEARCH.  Takes no lock and runs no exim, so it can't hold up mail.  Never
// blocks for longer than a slice.  Belongs to one thread.
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

class EximSpool {
 public:
  struct Limits {
    // Directory entries and files looked at in one Poll.
    size_t entries_per_poll = 20'000;
    size_t files_per_poll = 1'000;
    // Messages remembered, 50 bytes each; beyond, they are opened each time.
    size_t messages = 2'000'000;
    // What is known is opened again after so many walks, a part of it each time: a
    // file that was replaced twice may have its old inode.
    uint32_t walks_until_stale = 32;
    // Of what is opened.
    SpoolReasons reasons = SpoolReasons::kLeave;
  };

  // `sink` may be null.
  explicit EximSpool(absl::string_view spool_directory, QueueSink sink = nullptr)
      : EximSpool(spool_directory, std::move(sink), Limits()) {}
  EximSpool(absl::string_view spool_directory, QueueSink sink, const Limits& limits);

  const std::string& path() const { return directory_; }

  // Whether the queue can be walked at all, as of now.
  bool Permitted() const;

  void Start(Instant now);
  bool busy() const { return walk_.busy(); }
  // The reading, once all is walked; the three parts, zeros included, or
  // `unavailable` with the reason.
  std::optional<v1::QueueReading> Poll(Instant now);

  uint64_t files_opened() const { return files_opened_; }

 private:
  struct Message {
    uint64_t inode = 0;
    uint64_t bytes = 0;
    int64_t arrived = 0;
    uint32_t to_domain = DomainTable::kUnknown;
    bool is_notice = false;
    v1::Queue queue = v1::QUEUE_UNSPECIFIED;
    uint32_t walk = 0;    // when it was last seen
    uint32_t opened = 0;  // in which walk it was opened
  };
  struct Total {
    uint64_t messages = 0;
    uint64_t bytes = 0;
    int64_t oldest = INT64_MAX;
  };

  void TakeEntry(const SpoolWalk::Entry& entry);
  std::optional<Message> ReadHeader(const SpoolWalk::Entry& entry, absl::string_view id);
  void Count(absl::string_view id, const Message& message,
             absl::string_view message_log = {});
  std::string ReadMessageLog(const SpoolWalk::Entry& entry, absl::string_view id) const;
  v1::QueueReading Finish(Instant now);

  const std::string directory_;
  const QueueSink sink_;
  const Limits limits_;

  // QueueIdKey → what its header file said.
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
