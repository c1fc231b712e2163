// Makes one path look like one endless stream of lines, whatever rotates,
// truncates, replaces, packs or hides the file behind it.
//
//   LogFile log(&files, "/var/log/mail.log", {});
//   log.Resume(stored_checkpoint);
//   for (;;) { auto chunk = log.Read(clock.Now()); ... store, then read again }
//
// A file that was rotated away is read on beside the new one until its writer has
// surely let go.  A log that was packed while nobody read is gone on with inside
// the .gz, at its unpacked offset.
//
// No thread, no timer, no wake-up: who calls decides when (inotify on
// WatchDirectories, else every second).  Belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/source/log_chunk.h"
#include "agent/source/log_tail.h"
#include "agent/source/rotated_names.h"
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

  // `files` is not owned and must outlive this.  A "%D" or "%M" in `path`'s name is
  // a date (rotated_names.h): the log is the newest such file.
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

  // In place of Read while nothing may be read: notes which files come and go, so
  // that one which is gone when reading goes on is known to be lost.
  void Look(Instant now);

  // Unread bytes as of the last Read; absent before the first.
  std::optional<uint64_t> lag_bytes() const { return lag_; }

  // A change in one of these is a reason to Read.
  std::vector<std::string> WatchDirectories() const;

 private:
  // A file that has to do with the log.
  struct Named {
    std::string path;
    FileStat stat;
    RotatedName name;
  };
  // The log itself and its older files, as they were called at one moment.
  struct Scene {
    absl::StatusOr<Named> live = absl::NotFoundError("");
    std::vector<Named> others;
  };
  struct Place {
    std::string directory;
    RotatedNames names;
  };

  // Looking.
  absl::StatusOr<Named> Live() const;
  std::vector<Place> Places() const;
  Scene LookAround(absl::StatusOr<Named> live) const;
  absl::StatusOr<std::unique_ptr<File>> OpenNamed(const Named& named) const;
  RotatedName NameOf(const LogPlace& place) const;
  enum class Identity {
    kSame,
    kOther,
    kCopy,  // another one, since the place's own file has been emptied
  };
  std::optional<Named> Find(const LogPlace& place, const Scene& scene,
                            Identity identity) const;
  bool IsOpen(const Named& other) const;
  bool WasRead(const Named& other, const LogPlace& after) const;
  std::optional<Named> Next(const LogPlace& after, const Scene& scene) const;
  bool MadeSince(const Named& other, const LogPlace& place) const;

  // Moving.  Each changes nothing unless all of it worked.
  absl::StatusOr<std::unique_ptr<LogTail>> OpenTail(Instant now, const Named& named,
                                                    uint64_t offset,
                                                    const LogPlace& before) const;
  absl::Status OpenFirst(Instant now);
  absl::Status OpenResumed(Instant now, const Scene& scene);
  absl::StatusOr<std::unique_ptr<LogTail>> OpenMain(Instant now, const Scene& scene,
                                                    const LogPlace& place);
  absl::StatusOr<std::unique_ptr<LogTail>> OpenNext(Instant now, const Scene& scene,
                                                    const LogPlace& after);
  absl::Status MoveOn(Instant now, const Scene& scene);
  absl::Status Changed(Instant now, LogTail* tail);
  absl::StatusOr<bool> EmptiedAndCopied(Instant now, const absl::StatusOr<Named>& live);
  absl::StatusOr<LogTail*> Leave(Instant now, const absl::StatusOr<Named>& live,
                                 LogChunk* chunk);

  void NoteLive(Instant now, const absl::StatusOr<Named>& live);
  void NoteUnseen(const Named& next);
  void NoteLoss(v1::LossRecord::Cause cause, std::optional<uint64_t> bytes,
                std::optional<uint64_t> from_offset, std::string file_key);
  LogChunk Finish(LogChunk chunk, LogTail* read_from);
  std::string Checkpoint() const;
  LogTail* Main() const { return tails_.back().get(); }
  LogTail::Limits Limits() const {
    return {options_.max_chunk_bytes, options_.max_line};
  }

  // Constant after construction.
  const FileSystem* const files_;
  const std::string path_;
  const std::string directory_;
  const RotatedNames names_;
  const Options options_;

  // The files that are read, the oldest first.  The last is the log itself, or the
  // next one on the way to it.
  std::deque<std::unique_ptr<LogTail>> tails_;
  // From the checkpoint, until they are found; the last is the main one.
  std::vector<LogPlace> resume_;
  // Where the last file was left, when there is none.
  std::optional<LogPlace> left_;

  // Files that were the log after Main() was, in their order.
  std::vector<Named> seen_;
  std::optional<absl::Duration> looked_at_;
  // Nobody looked for so long that files may have come and gone.
  bool blind_ = false;

  bool first_read_done_ = false;
  // Where a file begins for us that was there at the first Read, and could not
  // be opened then.
  std::optional<std::pair<FileId, uint64_t>> denied_at_start_;

  std::vector<LogLoss> losses_;
  std::optional<uint64_t> lag_;
};

}  // namespace mailvane
