// One file of a log, and the place in it where reading goes on: cuts what is
// new into lines, and sees when the file is not any more what it was up to there.
// Which file comes next is log_file.h's business.
//
// Belongs to one thread.
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

// A place in a file, with all that shows that it is that file.
struct LogPlace {
  FileId id;
  uint64_t offset = 0;
  // The newest writing that we have seen, in this file or one before it.
  int64_t modified_ns = 0;
  // Of the first min(256, offset) bytes and the last min(1024, offset) before the
  // offset.  The second is what sees a file that was emptied and has grown past
  // the offset before anyone looked.
  uint64_t head_hash = 0;
  uint64_t tail_hash = 0;
  // Where the dropped rest of a line that was too long begins.
  std::optional<uint64_t> skip_from;
  // What the file was called when it was opened, symbolic links followed.
  std::string path;

  // Bytes before the offset by which another file can be known as this one's copy:
  // none when all are NUL, as in a hole.
  uint64_t telling_bytes() const;

  // One word for each field, blanks between; never a newline.
  std::string Encode() const;
  static std::optional<LogPlace> Decode(absl::string_view words);
};

// FNV-1a.  Not against forgery: whoever can write the log can write anything.
uint64_t LogHash(absl::string_view bytes);

// Whether `file` has at `place` what was there.  Its identity is not looked at.
absl::StatusOr<bool> HasPlace(const File& file, const LogPlace& place);

class LogTail {
 public:
  struct Limits {
    size_t max_chunk_bytes;
    size_t max_line;
  };
  struct Start {
    std::unique_ptr<File> file;
    // Its size can't be known before it was read (packed_file.h).
    bool packed = false;
    uint64_t offset = 0;
    // `path`, `modified_ns` and `skip_from` are taken over; the rest is made anew.
    LogPlace place;
  };
  enum class Outcome {
    kUnchanged,
    kRead,     // the chunk has what there was; perhaps no whole line
    kChanged,  // the file is not any more what it was: nothing was read
  };

  // kFailedPrecondition: not a regular file.
  static absl::StatusOr<std::unique_ptr<LogTail>> Open(Start start, Limits limits,
                                                       Instant now);
  LogTail(const LogTail&) = delete;
  LogTail& operator=(const LogTail&) = delete;

  // At most Limits::max_chunk_bytes.  `give_unfinished`: what has no newline at the
  // end of the file is a line, too.
  absl::StatusOr<Outcome> Read(Instant now, bool give_unfinished, LogChunk* chunk);
  // Begins again at the file's first byte, which is new.
  void StartOver(Instant now);

  const LogPlace& place() const { return place_; }
  // LogChunk::file_key; final once there is a whole line.
  const std::string& key();
  // It was read before, and has changed since.
  absl::StatusOr<bool> HasNews() const;
  // Nothing but an unfinished line is left, as of the last Read.
  bool drained() const { return seen_size_.has_value() && !pending_; }
  bool has_unfinished() const {
    return unfinished_ > 0 || place_.skip_from.has_value();
  }
  // Bytes; 0 for a packed file.
  uint64_t unread() const;
  // When it was last seen to change, or opened.
  absl::Duration changed_at() const { return changed_at_; }
  absl::Time modified() const { return modified_; }

  // For who decides when it is left.  When it was first seen not to be the log any
  // more; and that nothing more will come: a copy, packed, long since at rest.
  std::optional<absl::Duration> rotated_at;
  bool settled = false;

 private:
  LogTail(Start start, Limits limits, Instant now);

  void Split(absl::string_view fresh, bool last, LogChunk* chunk, size_t* used);
  void Take(const char* bytes, size_t known, size_t used);
  void NoteLoss(v1::LossRecord::Cause cause, std::optional<uint64_t> bytes,
                uint64_t from, LogChunk* chunk);

  const std::unique_ptr<File> file_;
  const bool packed_;
  const Limits limits_;
  LogPlace place_;
  // The first bytes (at most 256 below the offset), and those just before the
  // offset (at most 1 KiB).
  std::string head_;
  std::string tail_;
  std::string key_;
  bool key_final_ = false;

  // As it was when it was last read.
  std::optional<uint64_t> seen_size_;
  absl::Time modified_;
  bool pending_ = true;
  // Bytes behind the offset that are no whole line.
  size_t unfinished_ = 0;
  bool damaged_ = false;
  absl::Duration changed_at_;
};

}  // namespace mailvane
