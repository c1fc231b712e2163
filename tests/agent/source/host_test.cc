#include "agent/source/host.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "tests/agent/source/map_file_system.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

std::string Stanza(absl::string_view package, absl::string_view version,
                   absl::string_view status = "install ok installed") {
  return absl::StrCat("Package: ", package, "\nStatus: ", status,
                      "\nPriority: optional\nConffiles:\n /etc/x 0123\nVersion: ",
                      version, "\nDescription: a thing\n Package: of no meaning\n\n");
}

// A host with some of everything.
MapFileSystem Debian() {
  MapFileSystem files;
  files.files["/proc/sys/kernel/hostname"] = "nc027.example.net\n";
  files.files["/proc/uptime"] = "350735.47 234388.90\n";
  files.files["/etc/os-release"] =
      "NAME=\"Debian GNU/Linux\"\nPRETTY_NAME=\"Debian GNU/Linux 12 (bookworm)\"\n";
  files.files["/var/lib/dpkg/status"] =
      Stanza("bash", "5.2.15-2+b2") + Stanza("postfix", "3.7.11-0+deb12u1") +
      Stanza("dovecot-core", "1:2.3.19.1+dfsg1-2.1+deb12u1");
  files.files["/proc/1/comm"] = "systemd\n";
  files.files["/proc/800/comm"] = "master\n";
  files.files["/proc/meminfo"] = "";
  files.files["/var/spool/postfix/pid/master.pid"] = "                 800\n";
  return files;
}

HostReader Reader(const MapFileSystem* files, std::vector<std::string> addresses = {}) {
  return HostReader(files, "/var/spool/postfix", [addresses] { return addresses; });
}

// What /proc/locks says, where master.pid is inode 4711 of device fe:01.
void Lock(MapFileSystem* files, const char* locks) {
  files->ids["/var/spool/postfix/pid/master.pid"] = {makedev(0xfe, 0x01), 4711, 0};
  files->files["/proc/locks"] = locks;
}

// "postfix 3.7.11 up, dovecot 2.3 down, exim ?"
std::string Programs(const v1::Host& host) {
  return absl::StrJoin(host.programs(), ", ",
                       [](std::string* out, const v1::MailProgram& program) {
                         absl::StrAppend(out, program.name(), " ", program.version(), " ",
                                         !program.has_running() ? "?"
                                         : program.running()    ? "up"
                                                                : "down");
                       });
}

TEST(HostReader, SaysWhatTheHostIs) {
  const MapFileSystem files = Debian();
  const v1::Host host = Reader(&files, {"127.0.0.1", "203.0.113.7", "10.0.0.1", "::1",
                                        "fe80::1", "2001:db8::1", "203.0.113.7"})
                            .Read();
  EXPECT_EQ(host.name(), "nc027.example.net");
  EXPECT_EQ(host.os(), "Debian GNU/Linux 12 (bookworm)");
  EXPECT_EQ(host.uptime().seconds(), 350735);
  EXPECT_THAT(host.public_addresses(), ElementsAre("2001:db8::1", "203.0.113.7"));
  EXPECT_EQ(Programs(host), "dovecot 2.3.19.1 down, postfix 3.7.11 up");
}

TEST(HostReader, LeavesOutWhatItCannotSee) {
  const MapFileSystem nothing;
  const v1::Host host = Reader(&nothing).Read();
  EXPECT_EQ(host.name(), "");
  EXPECT_EQ(host.os(), "");
  EXPECT_FALSE(host.has_uptime());
  EXPECT_THAT(host.programs(), IsEmpty());
}

TEST(HostReader, ReadsTheSystemsName) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } kRows[] = {
      {"quoted", "PRETTY_NAME=\"A B\"\n", "A B"},
      {"in single quotes", "PRETTY_NAME='A B'\n", "A B"},
      {"not quoted", "PRETTY_NAME=Alpine\n", "Alpine"},
      {"escaped", "PRETTY_NAME=\"A \\\"B\\\" \\$C\"\n", "A \"B\" $C"},
      {"a control character", "PRETTY_NAME=\"A\x1b[2J\xff\"\n", "A?[2J?"},
      {"no such line", "NAME=A\n", ""},
  };
  for (const auto& row : kRows) {
    MapFileSystem files;
    files.files["/etc/os-release"] = row.text;
    EXPECT_EQ(Reader(&files).Read().os(), row.want) << row.name;
  }
  MapFileSystem files;
  files.files["/usr/lib/os-release"] = "PRETTY_NAME=Elsewhere\n";
  EXPECT_EQ(Reader(&files).Read().os(), "Elsewhere");
}

TEST(HostReader, JudgesOnlyWhatItSees) {
  struct Row {
    const char* name;
    void (*change)(MapFileSystem*);
    const char* want;
  };
  const Row kRows[] = {
      {"stopped, its pid left behind",
       [](MapFileSystem* f) { f->files.erase("/proc/800/comm"); }, "postfix 3.7.11 down"},
      {"its pid is another's now",
       [](MapFileSystem* f) { f->files["/proc/800/comm"] = "cat\n"; },
       "postfix 3.7.11 down"},
      {"somebody's master, perhaps a container's",
       [](MapFileSystem* f) {
         f->files["/proc/800/comm"] = "cat\n";
         f->files["/proc/900/comm"] = "master\n";
       },
       "postfix 3.7.11 ?"},
      {"in a container that shares the queue: its pid is another there",
       [](MapFileSystem* f) {
         f->files["/proc/800/comm"] = "cat\n";
         f->files["/proc/900/comm"] = "master\n";
         Lock(f, "1: FLOCK  ADVISORY  WRITE 900 fe:01:4711 0 EOF\n");
       },
       "postfix 3.7.11 up"},
      {"hidden processes, and a lock",
       [](MapFileSystem* f) {
         f->files["/var/spool/postfix/pid/master.pid"] =
             absl::PermissionDeniedError("no");
         f->files.erase("/proc/1/comm");
         f->files.erase("/proc/800/comm");
         Lock(f,
              "1: POSIX  ADVISORY  READ 5 00:1a:9 0 EOF\n"
              "2: FLOCK  ADVISORY  WRITE 800 fe:01:4711 0 EOF\n");
       },
       "postfix 3.7.11 up"},
      {"locks of other files",
       [](MapFileSystem* f) {
         f->files.erase("/proc/800/comm");
         Lock(f,
              "1: FLOCK  ADVISORY  WRITE 1 fe:01:4712 0 EOF\n"
              "2: FLOCK  ADVISORY  WRITE 1 fe:02:4711 0 EOF\n"
              "2: -> FLOCK  ADVISORY  WRITE 1 fe:02:4711 0 EOF\n"
              "nonsense\n3: FLOCK fe:01:4711\n");
       },
       "postfix 3.7.11 down"},
      {"a pid file for root only",
       [](MapFileSystem* f) {
         f->files["/var/spool/postfix/pid/master.pid"] =
             absl::PermissionDeniedError("no");
       },
       "postfix 3.7.11 up"},
      {"no pid file",
       [](MapFileSystem* f) {
         f->files.erase("/var/spool/postfix/pid/master.pid");
         f->files.erase("/proc/800/comm");
       },
       "postfix 3.7.11 down"},
      {"hidden processes, the first one too",
       [](MapFileSystem* f) {
         f->files.erase("/proc/1/comm");
         f->files.erase("/proc/800/comm");
       },
       "postfix 3.7.11 ?"},
      {"processes that may not be looked at",
       [](MapFileSystem* f) {
         f->files["/proc/800/comm"] = absl::PermissionDeniedError("no");
       },
       "postfix 3.7.11 ?"},
      {"hidden, and no pid file",
       [](MapFileSystem* f) {
         f->files.erase("/var/spool/postfix/pid/master.pid");
         f->files.erase("/proc/1/comm");
         f->files.erase("/proc/800/comm");
       },
       "postfix 3.7.11 ?"},
      {"nonsense in the pid file",
       [](MapFileSystem* f) {
         f->files["/var/spool/postfix/pid/master.pid"] = "../self";
       },
       "postfix 3.7.11 up"},
      {"not Debian's", [](MapFileSystem* f) { f->files.erase("/var/lib/dpkg/status"); },
       "postfix  up"},
      {"not there at all",
       [](MapFileSystem* f) {
         f->files.erase("/var/lib/dpkg/status");
         f->files.erase("/proc/800/comm");
       },
       ""},
  };
  for (const Row& row : kRows) {
    MapFileSystem files = Debian();
    files.files["/var/lib/dpkg/status"] = Stanza("postfix", "3.7.11-0+deb12u1");
    row.change(&files);
    EXPECT_EQ(Programs(Reader(&files).Read()), row.want) << row.name;
  }
}

TEST(HostReader, ReadsDpkgsFile) {
  const struct {
    const char* name;
    std::string text;
    const char* want;
  } kRows[] = {
      {"exim's light daemon", Stanza("exim4-daemon-light", "4.96-15+deb12u6"),
       "exim 4.96 down"},
      {"exim's heavy daemon", Stanza("exim4-daemon-heavy", "4.96-15+deb12u6"),
       "exim 4.96 down"},
      {"removed", Stanza("postfix", "3.7.11-0", "deinstall ok config-files"), ""},
      {"half installed", Stanza("postfix", "3.7.11-0", "install ok half-installed"), ""},
      {"a relative of it", Stanza("postfix-pcre", "3.7.11-0"), ""},
      {"the last stanza, without an end",
       "Package: postfix\nStatus: install ok installed\nVersion: 3.7.11-0",
       "postfix 3.7.11 down"},
      {"a line without an end", std::string(200'000, 'x'), ""},
      {"a long line before",
       absl::StrCat("Depends: ", std::string(100'000, 'd'), "\n\n",
                    Stanza("postfix", "3.7.11-0")),
       "postfix 3.7.11 down"},
      {"empty", "", ""},
  };
  for (const auto& row : kRows) {
    MapFileSystem files;
    files.files["/proc/1/comm"] = "systemd\n";
    files.files["/var/lib/dpkg/status"] = row.text;
    EXPECT_EQ(Programs(Reader(&files).Read()), row.want) << row.name;
  }
}

TEST(HostReader, ReadsDpkgsFileInPiecesWhereverTheyEnd) {
  for (size_t padding = 65'000; padding < 65'700; padding += 7) {
    MapFileSystem files;
    files.files["/proc/1/comm"] = "systemd\n";
    files.files["/var/lib/dpkg/status"] =
        absl::StrCat("Package: a\nVersion: ", std::string(padding, '1'), "\n\n",
                     Stanza("postfix", "3.7.11-0"));
    ASSERT_EQ(Programs(Reader(&files).Read()), "postfix 3.7.11 down") << padding;
  }
}

TEST(HostReader, ReadsDpkgsFileAgainOnlyWhenItChanged) {
  MapFileSystem files = Debian();
  HostReader reader = Reader(&files);
  reader.Read();
  const int reads = files.reads["/var/lib/dpkg/status"];
  EXPECT_GT(reads, 0);
  reader.Read();
  EXPECT_EQ(files.reads["/var/lib/dpkg/status"], reads);
  files.files["/var/lib/dpkg/status"] = Stanza("postfix", "3.9.1-1");
  files.modified += absl::Seconds(1);
  EXPECT_EQ(Programs(reader.Read()), "postfix 3.9.1 up");
}

TEST(HostReader, DoesNotKeepHalfOfDpkgsFile) {
  MapFileSystem files = Debian();
  files.broken_from["/var/lib/dpkg/status"] =
      files.files["/var/lib/dpkg/status"]->find("Package: dovecot");
  HostReader reader = Reader(&files);
  EXPECT_EQ(Programs(reader.Read()), "postfix  up");
  files.broken_from.clear();
  EXPECT_EQ(Programs(reader.Read()), "dovecot 2.3.19.1 down, postfix 3.7.11 up");
}

TEST(Host, KnowsPublicAddresses) {
  for (const char* address :
       {"8.8.8.8", "203.0.113.7", "100.63.255.255", "100.128.0.0", "172.15.255.255",
        "172.32.0.0", "192.167.255.255", "11.0.0.0", "223.255.255.255", "2001:db8::1",
        "2a01:4f8::1", "3fff::1"}) {
    EXPECT_TRUE(IsPublicAddress(address)) << address;
  }
  for (const char* address : {"0.0.0.0",
                              "10.0.0.1",
                              "10.255.255.255",
                              "100.64.0.0",
                              "100.127.255.255",
                              "127.0.0.1",
                              "169.254.1.1",
                              "172.16.0.0",
                              "172.31.255.255",
                              "192.168.0.0",
                              "192.168.255.255",
                              "224.0.0.1",
                              "255.255.255.255",
                              "::",
                              "::1",
                              "fe80::1",
                              "fc00::1",
                              "fd12::1",
                              "ff02::1",
                              "::ffff:8.8.8.8",
                              "",
                              "name",
                              "1.2.3",
                              "8.8.8.8 "}) {
    EXPECT_FALSE(IsPublicAddress(address)) << address;
  }
}

TEST(Host, KnowsUpstreamVersions) {
  EXPECT_EQ(UpstreamVersion("3.7.11-0+deb12u1"), "3.7.11");
  EXPECT_EQ(UpstreamVersion("1:2.3.19.1+dfsg1-2.1+deb12u1"), "2.3.19.1");
  EXPECT_EQ(UpstreamVersion("4.98~RC1-2"), "4.98");
  EXPECT_EQ(UpstreamVersion("3.9"), "3.9");
  EXPECT_EQ(UpstreamVersion(""), "");
}

TEST(Host, ReadsTheBootId) {
  MapFileSystem files;
  const char kPath[] = "/proc/sys/kernel/random/boot_id";
  EXPECT_THAT(ReadBootId(files), StatusIs(absl::StatusCode::kNotFound));
  files.files[kPath] = "d7b7b8a3-6e0c-4a9b-9d5f-0d3a9b1c2e4f\n";
  const absl::StatusOr<std::string> id = ReadBootId(files);
  ASSERT_OK(id);
  EXPECT_EQ(*id, "\xd7\xb7\xb8\xa3\x6e\x0c\x4a\x9b\x9d\x5f\x0d\x3a\x9b\x1c\x2e\x4f");
  for (const char* text : {"", "d7b7b8a3", "g7b7b8a3-6e0c-4a9b-9d5f-0d3a9b1c2e4f\n"}) {
    files.files[kPath] = text;
    EXPECT_THAT(ReadBootId(files), StatusIs(absl::StatusCode::kInternal)) << text;
  }
}

TEST(Host, ReadsItsOwnUsage) {
  MapFileSystem files;
  EXPECT_FALSE(ReadSelfUsage(files).ok());
  files.files["/proc/self/statm"] = "2891 1205 943 7 0 500 0\n";
  files.files["/proc/self/stat"] =
      "1234 (a b) R) S 1 1 1 0 -1 4194304 100 0 0 0 250 150 0 0 20 0 1 0 99 1 1 1\n";
  const absl::StatusOr<SelfUsage> usage = ReadSelfUsage(files);
  ASSERT_OK(usage);
  EXPECT_EQ(usage->resident_bytes, 1205u * sysconf(_SC_PAGESIZE));
  EXPECT_EQ(usage->cpu, absl::Seconds(400.0 / sysconf(_SC_CLK_TCK)));
  for (const char* text : {"", "1234 (a", "1234 (a) S 1 2 3"}) {
    files.files["/proc/self/stat"] = text;
    EXPECT_THAT(ReadSelfUsage(files), StatusIs(absl::StatusCode::kInternal)) << text;
  }
}

// The real host, where all of this is at least not absurd.
TEST(Host, ReadsTheHostItRunsOn) {
  const HostFileSystem files;
  EXPECT_FALSE(HostReader(&files, "/var/spool/postfix").Read().name().empty());
  EXPECT_OK(ReadBootId(files));
  const absl::StatusOr<SelfUsage> usage = ReadSelfUsage(files);
  ASSERT_OK(usage);
  EXPECT_GT(usage->resident_bytes, 100'000u);
  EXPECT_THAT(InterfaceAddresses(), testing::Each(testing::Not(IsEmpty())));
}

}  // namespace
}  // namespace mailvane
