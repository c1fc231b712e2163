// Files as a map from path to text, each of which may be an error instead.
#pragma once

#include <algorithm>
#include <cstring>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "platform/file_system.h"

namespace mailvane {

class MapFileSystem final : public FileSystem {
 public:
  std::map<std::string, absl::StatusOr<std::string>> files;
  // Reads of a file fail from this offset on.
  std::map<std::string, uint64_t> broken_from;
  // How often each file was opened and read, in pieces.
  mutable std::map<std::string, int> opened;
  mutable std::map<std::string, int> reads;
  // Ids of files; {} for those without.
  std::map<std::string, FileId> ids;
  // Part of each stat; raise it when a file changes.
  absl::Time modified = absl::FromUnixSeconds(1'700'000'000);

  absl::StatusOr<std::unique_ptr<File>> Open(const std::string& path) const override {
    const auto file = files.find(path);
    if (file == files.end()) return absl::NotFoundError(absl::StrCat("open ", path));
    if (!file->second.ok()) return file->second.status();
    ++opened[path];
    return std::make_unique<OpenFile>(this, path);
  }
  absl::StatusOr<FileStat> Stat(const std::string& path) const override {
    const auto file = files.find(path);
    if (file == files.end()) return absl::NotFoundError(absl::StrCat("stat ", path));
    // What may not be read may still be looked at.
    FileStat stat;
    stat.size = file->second.ok() ? file->second->size() : 0;
    stat.modified = modified;
    stat.regular = true;
    const auto id = ids.find(path);
    if (id != ids.end()) stat.id = id->second;
    return stat;
  }
  absl::StatusOr<std::vector<std::string>> List(
      const std::string& directory) const override {
    std::set<std::string> names;
    for (const auto& [path, text] : files) {
      absl::string_view rest = path;
      if (!absl::ConsumePrefix(&rest, absl::StrCat(directory, "/"))) continue;
      names.insert(std::string(rest.substr(0, rest.find('/'))));
    }
    if (names.empty()) return absl::NotFoundError(absl::StrCat("list ", directory));
    return std::vector<std::string>(names.begin(), names.end());
  }

 private:
  class OpenFile final : public File {
   public:
    OpenFile(const MapFileSystem* owner, std::string path)
        : owner_(owner), path_(std::move(path)) {}
    absl::StatusOr<FileStat> Stat() const override { return owner_->Stat(path_); }
    absl::StatusOr<size_t> ReadAt(uint64_t offset, char* into,
                                  size_t size) const override {
      ++owner_->reads[path_];
      const auto broken = owner_->broken_from.find(path_);
      if (broken != owner_->broken_from.end() && offset >= broken->second) {
        return absl::InternalError(absl::StrCat("read ", path_, ": Input/output error"));
      }
      if (offset >= text().size()) return 0;
      size = std::min<size_t>(size, text().size() - offset);
      if (broken != owner_->broken_from.end()) {
        size = std::min<size_t>(size, broken->second - offset);
      }
      memcpy(into, text().data() + offset, size);
      return size;
    }

   private:
    const std::string& text() const { return *owner_->files.at(path_); }
    const MapFileSystem* const owner_;
    const std::string path_;
  };
};

}  // namespace mailvane
