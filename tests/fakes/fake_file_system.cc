#include "tests/fakes/fake_file_system.h"

#include <string.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

FileStat StatOf(const FakeFileSystem::Inode& inode) {
  FileStat stat;
  stat.id = inode.id;
  stat.size = inode.data.size();
  stat.modified = inode.modified;
  stat.regular = inode.regular;
  return stat;
}

class FakeFile final : public File {
 public:
  FakeFile(const FakeFileSystem* files, FakeFileSystem::Handle inode)
      : files_(files), inode_(std::move(inode)) {}
  absl::StatusOr<FileStat> Stat() const override {
    ++files_->stat_calls;
    return StatOf(*inode_);
  }
  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* into, size_t size) const override {
    ++files_->read_calls;
    if (offset >= inode_->data.size()) return 0;
    const size_t got = std::min<size_t>(size, inode_->data.size() - offset);
    memcpy(into, inode_->data.data() + offset, got);
    return got;
  }

 private:
  const FakeFileSystem* const files_;
  const FakeFileSystem::Handle inode_;
};

}  // namespace

FakeFileSystem::~FakeFileSystem() {
  for (auto& [name, inode] : names_) inode->freed = nullptr;
}

FakeFileSystem::Handle FakeFileSystem::Create(const std::string& path) {
  names_.erase(path);
  auto inode = std::make_shared<Inode>();
  inode->id.device = 1;
  if (free_inodes_.empty()) {
    inode->id.inode = next_inode_++;
  } else {
    inode->id.inode = *free_inodes_.begin();
    free_inodes_.erase(free_inodes_.begin());
  }
  inode->id.birth_ns = has_birth ? absl::ToUnixNanos(now) : 0;
  inode->modified = now;
  inode->freed = &free_inodes_;
  names_[path] = inode;
  return inode;
}

void FakeFileSystem::Append(const std::string& path, absl::string_view text) {
  Append(Exists(path) ? Get(path) : Create(path), text);
}

void FakeFileSystem::Append(const Handle& handle, absl::string_view text) {
  handle->data.append(text.data(), text.size());
  handle->modified = now;
}

FakeFileSystem::Handle FakeFileSystem::Get(const std::string& path) const {
  return names_.at(path);
}

void FakeFileSystem::Rename(const std::string& from, const std::string& to) {
  Handle inode = Get(from);
  names_.erase(from);
  names_[to] = std::move(inode);
}

void FakeFileSystem::Remove(const std::string& path) { names_.erase(path); }

void FakeFileSystem::Truncate(const std::string& path, size_t size) {
  Get(path)->data.resize(size);
  Get(path)->modified = now;
}

void FakeFileSystem::Copy(const std::string& from, const std::string& to) {
  Create(to)->data = Get(from)->data;
}

absl::StatusOr<FakeFileSystem::Handle> FakeFileSystem::Find(const std::string& path,
                                                            const char* what) const {
  ++path_calls;
  for (const std::string& denied : denied_) {
    if (absl::StartsWith(path, denied + "/") ||
        (path == denied && strcmp(what, "stat") != 0)) {
      return absl::PermissionDeniedError(
          absl::StrCat(what, " ", path, ": Permission denied"));
    }
  }
  const auto found = names_.find(path);
  if (found == names_.end()) {
    return absl::NotFoundError(absl::StrCat(what, " ", path, ": No such file"));
  }
  return found->second;
}

absl::StatusOr<std::unique_ptr<File>> FakeFileSystem::Open(
    const std::string& path) const {
  absl::StatusOr<Handle> inode = Find(path, "open");
  if (!inode.ok()) return inode.status();
  return std::make_unique<FakeFile>(this, *std::move(inode));
}

absl::StatusOr<FileStat> FakeFileSystem::Stat(const std::string& path) const {
  const absl::StatusOr<Handle> inode = Find(path, "stat");
  if (!inode.ok()) return inode.status();
  return StatOf(**inode);
}

absl::StatusOr<std::vector<std::string>> FakeFileSystem::List(
    const std::string& directory) const {
  ++path_calls;
  if (denied_.count(directory) > 0) {
    return absl::PermissionDeniedError(
        absl::StrCat("list ", directory, ": Permission denied"));
  }
  std::set<std::string> names;
  for (const auto& [path, inode] : names_) {
    if (!absl::StartsWith(path, directory + "/")) continue;
    const std::string rest = path.substr(directory.size() + 1);
    names.insert(rest.substr(0, rest.find('/')));
  }
  return std::vector<std::string>(names.begin(), names.end());
}

}  // namespace mailvane
