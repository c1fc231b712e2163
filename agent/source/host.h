// What kind of machine this is: its name, system, public addresses and mail
// programs; and how much the agent itself uses of it.
//
// All but the addresses is read through the FileSystem door.  What cannot be
// seen is absent: with /proc mounted hidepid, nobody claims that Postfix is down.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailvane/v1/session.pb.h"
#include "platform/file_system.h"

namespace mailvane {

// Whether the world can reach the address: neither loopback, link-local,
// private (RFC 1918, 6598, 4193), multicast nor reserved.  False for anything
// that is no address.
bool IsPublicAddress(absl::string_view text);

// Addresses of this host's interfaces, of all kinds, as text.
std::vector<std::string> InterfaceAddresses();

// Belongs to one thread.
class HostReader {
 public:
  // `files` is not owned and must outlive this.
  HostReader(const FileSystem* files, absl::string_view queue_directory,
             std::function<std::vector<std::string>()> addresses = InterfaceAddresses)
      : files_(files),
        queue_directory_(queue_directory),
        addresses_(std::move(addresses)) {}

  v1::Host Read();

 private:
  struct Installed {
    FileStat stat;
    // Program → version.
    std::map<std::string, std::string> versions;
  };

  void RefreshInstalled();
  // Program → whether it runs; a program that is absent can't be seen.
  std::map<std::string, bool> Running() const;

  const FileSystem* const files_;
  const std::string queue_directory_;
  const std::function<std::vector<std::string>()> addresses_;
  // What dpkg has, until its file changes: it may have ten megabytes.
  std::optional<Installed> installed_;
};

// The kernel's id of this boot, 16 bytes.
absl::StatusOr<std::string> ReadBootId(const FileSystem& files);

// What this process uses.
struct SelfUsage {
  uint64_t resident_bytes = 0;
  // In user and kernel, since it began.
  absl::Duration cpu;
};
absl::StatusOr<SelfUsage> ReadSelfUsage(const FileSystem& files);

// "3.7.11" of Debian's "3.7.11-0+deb12u1", "2.3.19.1" of "1:2.3.19.1+dfsg1-2.1".
std::string UpstreamVersion(absl::string_view debian_version);

}  // namespace mailvane
