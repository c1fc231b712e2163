// What the agent has to tell and has not been told is safe: events, numbered,
// in one SQLite file, together with how far each source has been read and what
// the analyzers remember.  All three change in one transaction, so a kill at
// any moment neither loses a finding nor makes one twice.
//
// An epoch is the life of one outbox.  Numbers count 1, 2, … within it.  When
// the file is lost or went back in time, a new epoch begins.
//
// Belongs to one thread.  After any error but kInvalidArgument and
// kResourceExhausted the program must exit and open the outbox again: what a failed fsync
// left on disk is unknown.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "platform/random.h"
#include "platform/sqlite.h"

namespace mailvane {

struct OutboxTransaction {
  // Serialized v1::Event, in order.
  std::vector<std::string> events;
  // Source → opaque checkpoint.
  std::vector<std::pair<std::string, std::string>> checkpoints;
  // Name → opaque state, of which only what changed; no bytes: it is forgotten.
  std::vector<std::pair<std::string, std::string>> states;
};

class Outbox {
 public:
  struct Options {
    // full() from here on; the reader of the log then stops.  An event that is
    // already made is still taken: it would be lost otherwise.
    uint64_t max_bytes = 64 << 20;
    // Name of a registered SQLite VFS; empty for the host's.
    std::string vfs;
  };

  // Opens or makes the file.  One that is corrupt is set aside under another
  // name and a new epoch begins: lost_previous() tells.  `random` is not owned
  // and must outlive the outbox.
  static absl::StatusOr<std::unique_ptr<Outbox>> Open(const std::string& path,
                                                      Random* random,
                                                      const Options& options);

  // 16 bytes.
  const std::string& epoch() const { return epoch_; }
  // What the next event will be numbered.
  uint64_t next_seq() const { return next_seq_; }
  // Lowest number not acked; next_seq() when there is none.
  uint64_t first_unacked() const { return first_unacked_; }
  // Sum of the events' sizes.
  uint64_t bytes() const { return bytes_; }
  // At its limit, or the disk had no room for the last Commit.
  bool full() const { return bytes_ >= options_.max_bytes || disk_full_; }
  bool empty() const { return first_unacked_ == next_seq_; }
  // The file that was there could not be read.
  bool lost_previous() const { return lost_previous_; }
  // The last user said MarkCleanStop; true for a new outbox.
  bool after_clean_stop() const { return after_clean_stop_; }

  // kResourceExhausted: the disk is full and nothing was changed; try again.
  absl::Status Commit(const OutboxTransaction& transaction);

  // Events from `from_seq` on, as many as fit both limits but at least one if
  // there is one.
  absl::StatusOr<std::vector<std::string>> Read(uint64_t from_seq, size_t max_events,
                                                size_t max_bytes) const;

  // Everything up to `upto` is safe elsewhere: forget it.
  absl::Status Acknowledge(uint64_t upto);

  // Numbers what is left from 1 again, under a new epoch.
  absl::Status StartNewEpoch();

  absl::StatusOr<std::optional<std::string>> Checkpoint(absl::string_view source) const;
  absl::StatusOr<std::optional<std::string>> State(absl::string_view name) const;
  // All of them, in the order of their names.
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> States() const;

  absl::Status MarkCleanStop();

 private:
  Outbox(std::unique_ptr<Database> db, Random* random, const Options& options)
      : options_(options), random_(random), db_(std::move(db)) {}

  absl::Status Load();
  absl::Status Append(const OutboxTransaction& transaction);
  absl::Status ForgetEmptyStates(const OutboxTransaction& transaction);
  absl::Status SetMeta(absl::string_view key, absl::string_view value);
  absl::StatusOr<std::optional<std::string>> Lookup(absl::string_view table,
                                                    absl::string_view key) const;

  // Constant after construction.
  const Options options_;
  Random* const random_;

  std::unique_ptr<Database> db_;
  std::string epoch_;
  uint64_t next_seq_ = 1;
  uint64_t first_unacked_ = 1;
  uint64_t bytes_ = 0;
  bool disk_full_ = false;
  bool lost_previous_ = false;
  bool after_clean_stop_ = true;
};

}  // namespace mailvane
