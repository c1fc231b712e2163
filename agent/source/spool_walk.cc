#include "agent/source/spool_walk.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mailvane {

v1::Unavailable UnavailableOf(int errno_value) {
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
      return v1::UNAVAILABLE_NOT_FOUND;
    case EACCES:
    case EPERM:
      return v1::UNAVAILABLE_PERMISSION_DENIED;
    default:
      return v1::UNAVAILABLE_OTHER;
  }
}

SpoolWalk::Step SpoolWalk::Next(Entry* entry) {
  while (true) {
    if (open_ == nullptr) {
      if (waiting_.empty()) return Step::kDone;
      at_ = std::move(waiting_.back());
      waiting_.pop_back();
      open_ = opendir(at_.path.c_str());
      const bool absent = errno == ENOENT || errno == ENOTDIR;
      if (open_ == nullptr && !(absent && at_.may_be_absent)) {
        error_ = errno;
        char buffer[128];
        failure_ = absl::StrCat("list ", at_.path, ": ",
                                strerror_r(error_, buffer, sizeof buffer));
        Stop();
        return Step::kFailed;
      }
      continue;
    }
    const dirent* const found = readdir(open_);
    if (found == nullptr) {
      closedir(std::exchange(open_, nullptr));
      continue;
    }
    if (found->d_name[0] == '.') continue;
    *entry = {found->d_name, found->d_ino, found->d_type, &at_, dirfd(open_)};
    return Step::kEntry;
  }
}

void SpoolWalk::Stop() {
  waiting_.clear();
  if (open_ != nullptr) closedir(std::exchange(open_, nullptr));
}

std::optional<SpoolFile> ReadSpoolFile(int directory, const char* name, size_t most_bytes,
                                       SpoolPart part) {
  constexpr int kFlags = O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW;
  int file = openat(directory, name, kFlags | O_NOATIME);
  // Only the owner may ask for that, or root.
  if (file < 0 && errno == EPERM) file = openat(directory, name, kFlags);
  if (file < 0) return std::nullopt;
  std::optional<SpoolFile> read;
  struct stat info {};
  if (fstat(file, &info) == 0 && S_ISREG(info.st_mode)) {
    read.emplace();
    read->size = info.st_size;
    read->mode = info.st_mode;
    read->bytes.resize(std::min<uint64_t>(most_bytes, info.st_size));
    const uint64_t begin = part == SpoolPart::kEnd ? read->size - read->bytes.size() : 0;
    size_t had = 0;
    while (had < read->bytes.size()) {
      const ssize_t got =
          pread(file, &read->bytes[had], read->bytes.size() - had, begin + had);
      if (got < 0 && errno == EINTR) continue;
      if (got <= 0) break;
      had += got;
    }
    read->bytes.resize(had);
  }
  close(file);
  return read;
}

}  // namespace mailvane
