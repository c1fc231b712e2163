// Files to read, as a door.  The fake in tests/fakes can rotate, truncate and
// refuse them.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailvane {

// Which file it is, whatever it is called now.  An inode number alone does not
// say: ext4 gives a deleted file's number to the next one at once.
struct FileId {
  uint64_t device = 0;
  uint64_t inode = 0;
  // Birth time, nanoseconds since 1970; 0 where the file system has none.
  int64_t birth_ns = 0;

  friend bool operator==(const FileId& a, const FileId& b) {
    return a.device == b.device && a.inode == b.inode && a.birth_ns == b.birth_ns;
  }
  friend bool operator!=(const FileId& a, const FileId& b) { return !(a == b); }
};

struct FileStat {
  FileId id;
  uint64_t size = 0;
  absl::Time modified;
  bool regular = false;
};

// An open file: it stays readable after it was renamed or deleted.
class File {
 public:
  virtual ~File() = default;
  virtual absl::StatusOr<FileStat> Stat() const = 0;
  // Reads at most `size` bytes at `offset` to `into`; returns how many there
  // were, 0 at the end.
  virtual absl::StatusOr<size_t> ReadAt(uint64_t offset, char* into,
                                        size_t size) const = 0;
};

// Errors: kNotFound, kPermissionDenied, else kUnavailable or kInternal; each
// message says what, which and why: "open /var/log/mail.log: permission denied".
class FileSystem {
 public:
  virtual ~FileSystem() = default;
  // Opens for reading, following symbolic links.
  virtual absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) const = 0;
  virtual absl::StatusOr<FileStat> Stat(const std::string& path) const = 0;
  // Names in a directory, without . and .., in no order.
  virtual absl::StatusOr<std::vector<std::string>> List(
      const std::string& directory) const = 0;

  // The whole of a small file; kResourceExhausted when it has more than `limit`
  // bytes.
  absl::StatusOr<std::string> ReadAll(const std::string& path,
                                      size_t limit = 1 << 20) const;
};

// The host's.  Safe for use by several threads.
class HostFileSystem final : public FileSystem {
 public:
  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) const override;
  absl::StatusOr<FileStat> Stat(const std::string& path) const override;
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& directory) const override;
};

// A status for `errno_value`, with the code that tells the caller what to do:
// ErrnoStatus(EACCES, "open /x") is kPermissionDenied "open /x: Permission denied".
absl::Status ErrnoStatus(int errno_value, absl::string_view what);

}  // namespace mailvane
