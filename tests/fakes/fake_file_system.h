// Files in memory, which a test can rotate, truncate, refuse and reuse.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "platform/file_system.h"

namespace mailvane {

class FakeFileSystem final : public FileSystem {
 public:
  struct Inode {
    FileId id;
    std::string data;
    absl::Time modified;
    bool regular = true;
    // Where its number goes when the last name and the last opener are gone.
    std::set<uint64_t>* freed = nullptr;
    ~Inode() {
      if (freed != nullptr) freed->insert(id.inode);
    }
  };
  using Handle = std::shared_ptr<Inode>;

  // The device's clock: what births and changes are stamped with.
  absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  // False: as on file systems without birth times.
  bool has_birth = true;
  // Calls of Open, Stat and List, of File::Stat, and of File::ReadAt.
  mutable int path_calls = 0;
  mutable int stat_calls = 0;
  mutable int read_calls = 0;

  ~FakeFileSystem() override;

  // A new, empty file under `path`, in the place of any that is there; the number
  // is the lowest that is free.
  Handle Create(const std::string& path);
  // Creates the file if there is none.
  void Append(const std::string& path, absl::string_view text);
  // Through an open file, whatever it is called now.
  void Append(const Handle& handle, absl::string_view text);
  Handle Get(const std::string& path) const;
  void Rename(const std::string& from, const std::string& to);
  void Remove(const std::string& path);
  void Truncate(const std::string& path, size_t size);
  // As cp does.
  void Copy(const std::string& from, const std::string& to);
  bool Exists(const std::string& path) const { return names_.count(path) > 0; }
  // Opening it is refused; a directory's denial refuses all below it.
  void Deny(const std::string& path) { denied_.insert(path); }
  void Allow(const std::string& path) { denied_.erase(path); }

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) const override;
  absl::StatusOr<FileStat> Stat(const std::string& path) const override;
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& directory) const override;

 private:
  absl::StatusOr<Handle> Find(const std::string& path, const char* what) const;

  std::map<std::string, Handle> names_;
  std::set<std::string> denied_;
  std::set<uint64_t> free_inodes_;
  uint64_t next_inode_ = 11;
};

}  // namespace mailvane
