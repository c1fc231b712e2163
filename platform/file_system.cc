#include "platform/file_system.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

absl::StatusOr<FileStat> StatAt(int fd, const std::string& path, int flags) {
  struct statx raw {};
  if (statx(fd, path.c_str(), flags, STATX_BASIC_STATS | STATX_BTIME, &raw) < 0) {
    return ErrnoStatus(errno, absl::StrCat("stat ", path));
  }
  FileStat stat;
  stat.id.device = makedev(raw.stx_dev_major, raw.stx_dev_minor);
  stat.id.inode = raw.stx_ino;
  if (raw.stx_mask & STATX_BTIME) {
    stat.id.birth_ns = raw.stx_btime.tv_sec * 1'000'000'000LL + raw.stx_btime.tv_nsec;
  }
  stat.size = raw.stx_size;
  stat.modified = absl::FromUnixSeconds(raw.stx_mtime.tv_sec) +
                  absl::Nanoseconds(raw.stx_mtime.tv_nsec);
  stat.regular = S_ISREG(raw.stx_mode);
  return stat;
}

class HostFile final : public File {
 public:
  HostFile(int fd, std::string path) : fd_(fd), path_(std::move(path)) {}
  ~HostFile() override { close(fd_); }
  HostFile(const HostFile&) = delete;
  HostFile& operator=(const HostFile&) = delete;

  absl::StatusOr<FileStat> Stat() const override {
    return StatAt(fd_, "", AT_EMPTY_PATH);
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* into, size_t size) const override {
    while (true) {
      const ssize_t got = pread(fd_, into, size, static_cast<off_t>(offset));
      if (got >= 0) return static_cast<size_t>(got);
      if (errno != EINTR) return ErrnoStatus(errno, absl::StrCat("read ", path_));
    }
  }

 private:
  const int fd_;
  // As it was called when it was opened.
  const std::string path_;
};

}  // namespace

absl::Status ErrnoStatus(int errno_value, absl::string_view what) {
  char buffer[128];
  const std::string message =
      absl::StrCat(what, ": ", strerror_r(errno_value, buffer, sizeof buffer));
  switch (errno_value) {
    case ENOENT:
    case ENOTDIR:
    case ELOOP:
      return absl::NotFoundError(message);
    case EACCES:
    case EPERM:
      return absl::PermissionDeniedError(message);
    case ETIMEDOUT:
      return absl::DeadlineExceededError(message);
    case ENOSPC:
    case EDQUOT:
    case EMFILE:
    case ENFILE:
      return absl::ResourceExhaustedError(message);
    case EAGAIN:
    case EINTR:
    case EBUSY:
    case ECONNREFUSED:
    case EADDRINUSE:
    case EADDRNOTAVAIL:
      return absl::UnavailableError(message);
    default:
      return absl::InternalError(message);
  }
}

absl::StatusOr<std::string> FileSystem::ReadAll(const std::string& path,
                                                size_t limit) const {
  absl::StatusOr<std::unique_ptr<File>> file = Open(path);
  if (!file.ok()) return file.status();
  std::string text;
  char buffer[16384];
  while (true) {
    absl::StatusOr<size_t> got = (*file)->ReadAt(text.size(), buffer, sizeof buffer);
    if (!got.ok()) return got.status();
    if (*got == 0) return text;
    if (text.size() + *got > limit) {
      return absl::ResourceExhaustedError(
          absl::StrCat("read ", path, ": longer than ", limit, " bytes"));
    }
    text.append(buffer, *got);
  }
}

absl::StatusOr<std::unique_ptr<File>> HostFileSystem::Open(
    const std::string& path) const {
  // O_NONBLOCK: a FIFO under a log's name must not hang the agent.
  const int fd = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
  if (fd < 0) return ErrnoStatus(errno, absl::StrCat("open ", path));
  return std::make_unique<HostFile>(fd, path);
}

absl::StatusOr<FileStat> HostFileSystem::Stat(const std::string& path) const {
  return StatAt(AT_FDCWD, path, 0);
}

absl::StatusOr<std::vector<std::string>> HostFileSystem::List(
    const std::string& directory) const {
  DIR* dir = opendir(directory.c_str());
  if (dir == nullptr) return ErrnoStatus(errno, absl::StrCat("list ", directory));
  std::vector<std::string> names;
  while (const dirent* entry = readdir(dir)) {
    const absl::string_view name = entry->d_name;
    if (name != "." && name != "..") names.emplace_back(name);
  }
  closedir(dir);
  return names;
}

}  // namespace mailvane
