#include "agent/source/host.h"

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr char kDpkgStatus[] = "/var/lib/dpkg/status";
// Files in /proc say their size is 0; none of these is longer.
constexpr size_t kSmallFile = 64 << 10;
// More than this many addresses would fill the snapshot.
constexpr size_t kMaxAddresses = 64;
constexpr size_t kMaxText = 128;
// Of a line in dpkg's file, what is kept; the fields that count are shorter.
constexpr size_t kMaxLine = 512;

struct MailPackage {
  absl::string_view package;
  absl::string_view program;
};
constexpr MailPackage kPackages[] = {
    {"dovecot-core", "dovecot"},
    {"exim4-daemon-heavy", "exim"},
    {"exim4-daemon-light", "exim"},
    {"postfix", "postfix"},
};

struct Command {
  absl::string_view comm;
  absl::string_view program;
};
// As /proc/<pid>/comm has them.
constexpr Command kCommands[] = {
    {"dovecot", "dovecot"},
    {"exim", "exim"},
    {"exim4", "exim"},
    {"master", "postfix"},
};
constexpr absl::string_view kPrograms[] = {"dovecot", "exim", "postfix"};

// For a proto's string, which must be UTF-8, and a person's terminal.
std::string Plain(absl::string_view text) {
  std::string plain(text.substr(0, kMaxText));
  for (char& c : plain) {
    if (!absl::ascii_isprint(c)) c = '?';
  }
  return plain;
}

struct V4Net {
  uint32_t net;
  int bits;
};
constexpr V4Net kNotPublic[] = {
    {0x00000000, 8},   // this network
    {0x0a000000, 8},   // RFC 1918
    {0x64400000, 10},  // RFC 6598, carriers' NAT
    {0x7f000000, 8},   // loopback
    {0xa9fe0000, 16},  // link-local
    {0xac100000, 12},  // RFC 1918
    {0xc0a80000, 16},  // RFC 1918
    {0xe0000000, 3},   // multicast and reserved
};

// The value of PRETTY_NAME: a word as the shell has it (os-release(5)).
std::string Unquoted(absl::string_view value) {
  const char quote =
      !value.empty() && (value[0] == '"' || value[0] == '\'') ? value[0] : 0;
  if (quote != 0) {
    value.remove_prefix(1);
    if (!value.empty() && value.back() == quote) value.remove_suffix(1);
  }
  std::string text;
  for (size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\\' && quote != '\'' && i + 1 < value.size()) ++i;
    text.push_back(value[i]);
  }
  return text;
}

std::optional<std::string> ReadPrettyName(const FileSystem& files) {
  for (const char* path : {"/etc/os-release", "/usr/lib/os-release"}) {
    const absl::StatusOr<std::string> text = files.ReadAll(path, kSmallFile);
    if (!text.ok()) continue;
    for (absl::string_view line : absl::StrSplit(*text, '\n')) {
      if (absl::ConsumePrefix(&line, "PRETTY_NAME=")) {
        return Plain(Unquoted(absl::StripAsciiWhitespace(line)));
      }
    }
  }
  return std::nullopt;
}

bool IsPid(absl::string_view name) {
  return !name.empty() && std::all_of(name.begin(), name.end(), absl::ascii_isdigit);
}

absl::StatusOr<std::string> ReadComm(const FileSystem& files, absl::string_view pid) {
  absl::StatusOr<std::string> comm =
      files.ReadAll(absl::StrCat("/proc/", pid, "/comm"), kSmallFile);
  if (comm.ok()) absl::StripTrailingAsciiWhitespace(&*comm);
  return comm;
}

// Whether some process has a lock on the file.  /proc/locks has lines
// "1: FLOCK  ADVISORY  WRITE 1234 fe:01:4711 0 EOF": pid, device in hexadecimal
// digits, inode.
bool IsLocked(const FileSystem& files, const std::string& path) {
  const absl::StatusOr<FileStat> stat = files.Stat(path);
  const absl::StatusOr<std::string> locks = files.ReadAll("/proc/locks");
  if (!stat.ok() || !locks.ok()) return false;
  const std::string file = absl::StrFormat("%02x:%02x:%u", major(stat->id.device),
                                           minor(stat->id.device), stat->id.inode);
  for (absl::string_view line : absl::StrSplit(*locks, '\n')) {
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, ' ', absl::SkipEmpty());
    // One that waits for the lock has "->" in front and is one field longer.
    if (fields.size() == 8 && fields[3] == "WRITE" && fields[5] == file) return true;
  }
  return false;
}

// Reads dpkg's file, stanza by stanza, in one buffer.
class DpkgReader {
 public:
  explicit DpkgReader(std::map<std::string, std::string>* versions)
      : versions_(versions) {}

  absl::Status Read(const File& file) {
    std::string line;
    std::vector<char> buffer(64 << 10);
    for (uint64_t offset = 0;;) {
      const absl::StatusOr<size_t> got =
          file.ReadAt(offset, buffer.data(), buffer.size());
      if (!got.ok()) return got.status();
      if (*got == 0) break;
      offset += *got;
      absl::string_view chunk(buffer.data(), *got);
      while (!chunk.empty()) {
        const size_t end = std::min(chunk.find('\n'), chunk.size());
        absl::StrAppend(&line, chunk.substr(0, std::min(end, kMaxLine - line.size())));
        if (end == chunk.size()) break;
        chunk.remove_prefix(end + 1);
        Take(line);
        line.clear();
      }
    }
    Take(line);
    Take("");
    return absl::OkStatus();
  }

 private:
  void Take(absl::string_view line) {
    if (line.empty()) {
      for (const MailPackage& known : kPackages) {
        if (installed_ && package_ == known.package) {
          (*versions_)[std::string(known.program)] = Plain(UpstreamVersion(version_));
        }
      }
      package_.clear();
      version_.clear();
      installed_ = false;
    } else if (absl::ConsumePrefix(&line, "Package: ")) {
      package_ = std::string(line);
    } else if (absl::ConsumePrefix(&line, "Version: ")) {
      version_ = std::string(line);
    } else if (absl::ConsumePrefix(&line, "Status: ")) {
      // "install ok installed"; one that was removed has "config-files".
      installed_ = absl::ConsumeSuffix(&line, " installed");
    }
  }

  std::map<std::string, std::string>* const versions_;
  std::string package_;
  std::string version_;
  bool installed_ = false;
};

}  // namespace

bool IsPublicAddress(absl::string_view text) {
  const std::string address(text);
  in_addr v4{};
  if (inet_pton(AF_INET, address.c_str(), &v4) == 1) {
    const uint32_t number = ntohl(v4.s_addr);
    return std::none_of(std::begin(kNotPublic), std::end(kNotPublic),
                        [number](const V4Net& net) {
                          return number >> (32 - net.bits) == net.net >> (32 - net.bits);
                        });
  }
  in6_addr v6{};
  if (inet_pton(AF_INET6, address.c_str(), &v6) != 1) return false;
  // All that is or will be given out begins with 001 (RFC 4291).
  return v6.s6_addr[0] >> 5 == 1;
}

std::vector<std::string> InterfaceAddresses() {
  std::vector<std::string> addresses;
  ifaddrs* first = nullptr;
  if (getifaddrs(&first) < 0) return addresses;
  for (const ifaddrs* entry = first; entry != nullptr; entry = entry->ifa_next) {
    if (entry->ifa_addr == nullptr) continue;
    char text[INET6_ADDRSTRLEN] = "";
    if (entry->ifa_addr->sa_family == AF_INET) {
      inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in*>(entry->ifa_addr)->sin_addr,
                text, sizeof text);
    } else if (entry->ifa_addr->sa_family == AF_INET6) {
      inet_ntop(AF_INET6,
                &reinterpret_cast<const sockaddr_in6*>(entry->ifa_addr)->sin6_addr, text,
                sizeof text);
    }
    if (*text != '\0') addresses.emplace_back(text);
  }
  freeifaddrs(first);
  return addresses;
}

std::string UpstreamVersion(absl::string_view version) {
  const size_t epoch = version.find(':');
  if (epoch != absl::string_view::npos) version.remove_prefix(epoch + 1);
  version = version.substr(0, version.rfind('-'));
  return std::string(version.substr(0, version.find_first_of("+~")));
}

v1::Host HostReader::Read() {
  v1::Host host;
  absl::StatusOr<std::string> name =
      files_->ReadAll("/proc/sys/kernel/hostname", kSmallFile);
  if (name.ok()) host.set_name(Plain(absl::StripAsciiWhitespace(*name)));
  if (const std::optional<std::string> os = ReadPrettyName(*files_)) host.set_os(*os);

  // "350735.47 234388.90": since boot, and idle.
  const absl::StatusOr<std::string> uptime = files_->ReadAll("/proc/uptime", kSmallFile);
  double seconds = 0;
  if (uptime.ok() &&
      absl::SimpleAtod(absl::string_view(*uptime).substr(0, uptime->find(' ')),
                       &seconds) &&
      seconds >= 0 && seconds < 1e10) {
    *host.mutable_uptime() = ToProto(absl::Milliseconds(int64_t(seconds * 1000)));
  }

  std::vector<std::string> addresses = addresses_();
  std::sort(addresses.begin(), addresses.end());
  addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
  for (const std::string& address : addresses) {
    if (!IsPublicAddress(address)) continue;
    if (static_cast<size_t>(host.public_addresses_size()) == kMaxAddresses) break;
    host.add_public_addresses(address);
  }

  RefreshInstalled();
  const std::map<std::string, bool> running = Running();
  for (absl::string_view known : kPrograms) {
    const std::string program(known);
    const auto runs = running.find(program);
    const bool seen = runs != running.end();
    const bool installed = installed_ && installed_->versions.count(program) > 0;
    if (!installed && !(seen && runs->second)) continue;
    v1::MailProgram* found = host.add_programs();
    found->set_name(program);
    if (installed) found->set_version(installed_->versions[program]);
    if (seen) found->set_running(runs->second);
  }
  return host;
}

void HostReader::RefreshInstalled() {
  const absl::StatusOr<std::unique_ptr<File>> file = files_->Open(kDpkgStatus);
  if (!file.ok()) return installed_.reset();
  const absl::StatusOr<FileStat> stat = (*file)->Stat();
  if (!stat.ok()) return installed_.reset();
  if (installed_ && installed_->stat.id == stat->id &&
      installed_->stat.modified == stat->modified &&
      installed_->stat.size == stat->size) {
    return;
  }
  Installed installed;
  installed.stat = *stat;
  // A file that broke off in the middle says nothing of the rest.
  if (!DpkgReader(&installed.versions).Read(**file).ok()) return installed_.reset();
  installed_ = std::move(installed);
}

std::map<std::string, bool> HostReader::Running() const {
  std::map<std::string, bool> running;
  const absl::StatusOr<std::vector<std::string>> names = files_->List("/proc");
  // Where hidepid hides others' processes, it hides the first.
  bool all_seen = names.ok() && ReadComm(*files_, "1").ok();
  if (names.ok()) {
    for (const std::string& pid : *names) {
      if (!IsPid(pid)) continue;
      const absl::StatusOr<std::string> comm = ReadComm(*files_, pid);
      if (!comm.ok()) {
        // It may have ended since.
        if (absl::IsPermissionDenied(comm.status())) all_seen = false;
        continue;
      }
      for (const Command& command : kCommands) {
        if (*comm == command.comm) running[std::string(command.program)] = true;
      }
    }
  }
  if (all_seen) {
    for (absl::string_view program : kPrograms)
      running.try_emplace(std::string(program), false);
  }

  // The master holds a lock on its pid file, which may be looked at by users who
  // may not read it, and which holds in a container that shares the queue.
  const std::string pid_file = absl::StrCat(queue_directory_, "/pid/master.pid");
  if (IsLocked(*files_, pid_file)) {
    running["postfix"] = true;
    return running;
  }
  // No lock is to be seen on some file systems, so that alone says nothing.  The
  // file's text, "           1234", outlives its process.
  const absl::StatusOr<std::string> text = files_->ReadAll(pid_file, kSmallFile);
  const absl::string_view pid = text.ok() ? absl::StripAsciiWhitespace(*text) : "";
  if (!IsPid(pid)) return running;
  const absl::StatusOr<std::string> comm = ReadComm(*files_, pid);
  if (comm.ok() && *comm == "master") {
    running["postfix"] = true;
  } else if (all_seen && running["postfix"]) {
    // Somebody's master, and not the one that the file names: a container's, or
    // the file has the container's own numbers.
    running.erase("postfix");
  }
  return running;
}

absl::StatusOr<std::string> ReadBootId(const FileSystem& files) {
  constexpr char kPath[] = "/proc/sys/kernel/random/boot_id";
  absl::StatusOr<std::string> text = files.ReadAll(kPath, kSmallFile);
  if (!text.ok()) return text.status();
  // "d7b7b8a3-6e0c-4a9b-9d5f-0d3a9b1c2e4f"
  std::string digits;
  for (char c : absl::StripAsciiWhitespace(*text)) {
    if (c != '-') digits.push_back(c);
  }
  if (digits.size() != 32 ||
      !std::all_of(digits.begin(), digits.end(), absl::ascii_isxdigit)) {
    return absl::InternalError(absl::StrCat("read ", kPath, ": it is no UUID"));
  }
  return absl::HexStringToBytes(digits);
}

absl::StatusOr<SelfUsage> ReadSelfUsage(const FileSystem& files) {
  SelfUsage usage;
  // "2891 1205 943 …" pages: size, resident, …
  absl::StatusOr<std::string> text = files.ReadAll("/proc/self/statm", kSmallFile);
  if (!text.ok()) return text.status();
  const std::vector<absl::string_view> pages = absl::StrSplit(*text, ' ');
  uint64_t resident = 0;
  if (pages.size() < 2 || !absl::SimpleAtoi(pages[1], &resident)) {
    return absl::InternalError("read /proc/self/statm: it makes no sense");
  }
  usage.resident_bytes = resident * sysconf(_SC_PAGESIZE);

  // "1234 (a name) with) R 1 …": what counts comes after the last parenthesis,
  // utime and stime as the 12th and 13th.
  text = files.ReadAll("/proc/self/stat", kSmallFile);
  if (!text.ok()) return text.status();
  const size_t name_end = text->rfind(')');
  const std::vector<absl::string_view> fields = absl::StrSplit(
      absl::string_view(*text).substr(name_end == std::string::npos ? 0 : name_end + 1),
      ' ', absl::SkipEmpty());
  uint64_t user = 0;
  uint64_t kernel = 0;
  if (name_end == std::string::npos || fields.size() < 13 ||
      !absl::SimpleAtoi(fields[11], &user) || !absl::SimpleAtoi(fields[12], &kernel)) {
    return absl::InternalError("read /proc/self/stat: it makes no sense");
  }
  usage.cpu = absl::Seconds(static_cast<double>(user + kernel) /
                            static_cast<double>(sysconf(_SC_CLK_TCK)));
  return usage;
}

}  // namespace mailvane
