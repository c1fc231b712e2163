// The host's file system as SQLite sees it, with a disk that can be full.
//
//   FullDisk disk;
//   auto outbox = Outbox::Open(path, &random, {limit, disk.vfs()});
//   disk.Fill();   // each write fails with SQLITE_FULL from here on
//   disk.Clear();
#pragma once

#include <string>

namespace mailvane {

// One at a time; for one thread.
class FullDisk {
 public:
  FullDisk();
  ~FullDisk();
  FullDisk(const FullDisk&) = delete;
  FullDisk& operator=(const FullDisk&) = delete;

  std::string vfs() const;
  void Fill();
  void Clear();
};

}  // namespace mailvane
