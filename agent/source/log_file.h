// Makes one path look like one endless stream of lines, whatever rotates,
// truncates, replaces or hides the file behind it.
//
//   LogFile log(&files, "/var/log/mail.log", {});
//   log.Resume(stored_checkpoint);
//   for (;;) { auto chunk = log.Read(clock.Now()); ... store, then read again }
//
// No thread, no timer, no wake-up: who calls decides when (inotify on
// WatchDirectories, else every second).  Belongs to one thread.
//
// How it knows a file again: device, inode and birth time; a hash of its first
// 256 bytes; a hash of the last 1 KiB before the place where reading stopped.
// The last of these is what sees a file that was truncated and has grown past
// that place before anyone looked.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/source/log_chunk.h"
#include "platform/clock.h"
#include "platform/file_system.h"

namespace mailvane {

class LogFile {
 public:
  struct Options {
    // Most bytes of one Read.  Raising it costs memory and makes each
    // transaction longer.
    size_t max_chunk_bytes = 256 * 1024;
    // What is beyond in a line is dropped, and counted as a loss.
    size_t max_line = 8 * 1024;
    // Without a checkpoint, begin with what is written from now on.  A file that
    // appears after the first Read is read from its beginning in any case.
    bool start_at_end = true;
  };

  // `files` is not owned and must outlive this.
  LogFile(const FileSystem* files, std::string path, Options options);
  LogFile(const LogFile&) = delete;
  LogFile& operator=(const LogFile&) = delete;

  // Before the first Read.  An empty checkpoint is the very first start.  A
  // checkpoint that makes no sense gives kInvalidArgument, for the log only: the
  // next chunk carries the loss, and reading starts as without one.
  absl::Status Resume(absl::string_view checkpoint);

  // Errors: kNotFound (no file at the path, and none that we still have open),
  // kPermissionDenied, else what the file system said.  Each may go away by
  // itself: call again.  Nothing is lost by an error.
  absl::StatusOr<LogChunk> Read(Instant now);

  // Unread bytes as of the last Read; absent before the first.
  std::optional<uint64_t> lag_bytes() const { return lag_; }

  // A change in one of these is a reason to Read.
  std::vector<std::string> WatchDirectories() const;

 private:
  // A place in a file, with all that shows that it is that file.
  struct Position {
    FileId id;
    uint64_t offset = 0;
    // The newest writing that we have seen, in this file or one before it.
    int64_t modified_ns = 0;
    // Of the first min(256, offset) bytes and the last min(1024, offset) before
    // the offset.
    uint64_t head_hash = 0;
    uint64_t tail_hash = 0;
    // Where the dropped rest of a line that was too long begins.
    std::optional<uint64_t> skip_from;
  };
  struct Candidate {
    std::string path;
    FileStat stat;
  };

  absl::Status OpenFirst(Instant now);
  absl::Status OpenResumed(Instant now);
  absl::Status OpenNext(Instant now, bool after_loss);
  absl::Status OpenAt(const std::string& path, uint64_t offset, Instant now);
  absl::Status LoadEnds();
  absl::Status Truncated(Instant now, const FileStat& stat);
  bool MadeSince(const Candidate& sibling) const;
  absl::StatusOr<bool> Matches(const File& file, const FileStat& stat) const;
  absl::StatusOr<std::vector<Candidate>> Siblings() const;
  absl::StatusOr<std::optional<Candidate>> FindByContent(
      const std::vector<Candidate>& siblings, bool same_id) const;
  absl::StatusOr<bool> Leave(Instant now, const FileStat& stat,
                             const absl::StatusOr<FileStat>& live, LogChunk* chunk);
  absl::Status ReadLines(Instant now, const FileStat& stat, bool give_unfinished,
                         LogChunk* chunk);
  void Split(absl::string_view fresh, bool last, LogChunk* chunk, size_t* used);
  void NoteLoss(v1::LossRecord::Cause cause, std::optional<uint64_t> bytes,
                std::optional<uint64_t> from_offset);
  void Finish(LogChunk* chunk);
  std::string Checkpoint() const;

  // Constant after construction.
  const FileSystem* const files_;
  const std::string path_;
  const std::string directory_;
  const std::string name_;
  const Options options_;

  std::unique_ptr<File> file_;
  // Present from the first success, or from Resume.
  std::optional<Position> at_;
  // The file at at_ was read to its end and closed; what comes next is new.
  bool finished_ = false;
  bool first_read_done_ = false;
  // Where a file begins for us that was there at the first Read, and could not
  // be opened then.
  std::optional<std::pair<FileId, uint64_t>> denied_at_start_;

  // The open file's first bytes (at most 256 below the offset) and those just
  // before the offset (at most 1 KiB).
  std::string head_;
  std::string tail_;
  std::string file_key_;
  bool key_final_ = false;

  // The open file, as it was when it was last read.
  std::optional<uint64_t> seen_size_;
  absl::Time seen_modified_;
  bool pending_read_ = false;
  absl::Duration changed_at_;
  // When it was first seen not to be at the path any more.
  std::optional<absl::Duration> rotated_at_;
  // A copy, or long since left by its writer: nothing more will come.
  bool settled_ = false;

  std::vector<LogLoss> losses_;
  std::optional<uint64_t> lag_;
};

}  // namespace mailvane
