#include "tests/fakes/full_disk.h"

#include <sqlite3.h>

#include <map>

namespace mailvane {
namespace {

constexpr char kName[] = "full_disk";
bool is_full = false;
sqlite3_vfs* host = nullptr;
sqlite3_vfs full_disk;

// The host's methods, each with a copy that asks whether there is room.  SQLite
// keeps pointers to them for as long as files are open.
std::map<const sqlite3_io_methods*, sqlite3_io_methods>& Patched() {
  static auto* const patched =
      new std::map<const sqlite3_io_methods*, sqlite3_io_methods>;
  return *patched;
}
decltype(sqlite3_io_methods::xWrite) host_write = nullptr;

int Write(sqlite3_file* file, const void* data, int size, sqlite3_int64 offset) {
  return is_full ? SQLITE_FULL : host_write(file, data, size, offset);
}

int Open(sqlite3_vfs*, const char* name, sqlite3_file* file, int flags, int* out_flags) {
  const int code = host->xOpen(host, name, file, flags, out_flags);
  if (code != SQLITE_OK || file->pMethods == nullptr) return code;
  const auto [patched, is_new] = Patched().emplace(file->pMethods, *file->pMethods);
  if (is_new) {
    host_write = patched->second.xWrite;
    patched->second.xWrite = Write;
  }
  file->pMethods = &patched->second;
  return SQLITE_OK;
}

}  // namespace

FullDisk::FullDisk() {
  is_full = false;
  host = sqlite3_vfs_find("unix");
  full_disk = *host;
  full_disk.zName = kName;
  full_disk.pNext = nullptr;
  full_disk.xOpen = Open;
  sqlite3_vfs_register(&full_disk, 0);
}

FullDisk::~FullDisk() { sqlite3_vfs_unregister(&full_disk); }

std::string FullDisk::vfs() const { return kName; }
void FullDisk::Fill() { is_full = true; }
void FullDisk::Clear() { is_full = false; }

}  // namespace mailvane
