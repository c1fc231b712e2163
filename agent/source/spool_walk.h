// A walk through directories of queue files, an entry at a time, so that whoever
// walks can stop at any moment and go on later.
//
// Takes no lock.  What vanishes meanwhile is no error.  Belongs to one thread.
#pragma once

#include <dirent.h>

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "mailvane/v1/finding.pb.h"

namespace mailvane {

// UNSPECIFIED is never returned; the error is that of open(2) or opendir(3).
v1::Unavailable UnavailableOf(int errno_value);

class SpoolWalk {
 public:
  struct Directory {
    std::string path;
    // The walker's own, given back with each entry.
    int tag = 0;
    // If it is not there, there is nothing in it.
    bool may_be_absent = false;
  };
  // Lives until the next call of Next.
  struct Entry {
    const char* name;
    uint64_t inode;
    unsigned char type;  // DT_REG, DT_DIR, DT_UNKNOWN, ...
    const Directory* in;
    int directory;  // its descriptor
  };
  enum class Step { kEntry, kDone, kFailed };

  SpoolWalk() = default;
  ~SpoolWalk() { Stop(); }
  SpoolWalk(const SpoolWalk&) = delete;
  SpoolWalk& operator=(const SpoolWalk&) = delete;

  // The last one added is walked first.
  void Add(Directory directory) { waiting_.push_back(std::move(directory)); }
  bool busy() const { return !waiting_.empty() || open_ != nullptr; }
  // Dot files are passed over.  After kFailed, error() and failure() say which
  // directory, and why; the walk has ended.
  Step Next(Entry* entry);
  void Stop();

  int error() const { return error_; }
  const std::string& failure() const { return failure_; }

 private:
  std::vector<Directory> waiting_;
  Directory at_;
  DIR* open_ = nullptr;
  int error_ = 0;
  std::string failure_;
};

// A part of a queue file, read without following links, waiting or leaving a
// trace in its access time.
struct SpoolFile {
  std::string bytes;
  uint64_t size = 0;
  unsigned mode = 0;
};
enum class SpoolPart { kBeginning, kEnd };
// Absent: gone, no regular file, or not allowed.  `directory` may be AT_FDCWD.
std::optional<SpoolFile> ReadSpoolFile(int directory, const char* name, size_t most_bytes,
                                       SpoolPart part = SpoolPart::kBeginning);

}  // namespace mailvane
