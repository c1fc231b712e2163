// On loopback only.  ICMP is tried in a network of its own, where everyone may
// send it; where the kernel lets us have none, those tests are skipped.
#include "platform/pinger.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <net/if.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <fstream>
#include <functional>
#include <map>
#include <string>

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;

constexpr absl::Duration kTimeout = absl::Seconds(20);

const Instant kNow = {absl::FromUnixSeconds(1'800'000'000), absl::Seconds(1000)};
Instant After(absl::Duration passed) { return {kNow.wall + passed, kNow.mono + passed}; }

HostPingerOptions TcpOnly() {
  HostPingerOptions options;
  options.allow_icmp = false;
  return options;
}

// Waits for results, by the pinger's own descriptor, until there are `count`.
std::map<std::string, PingResult> Collect(Pinger* pinger, size_t count) {
  std::map<std::string, PingResult> results;
  while (true) {
    for (PingResult& result : pinger->Poll(kNow)) results[result.peer] = result;
    if (results.size() >= count) return results;
    EXPECT_EQ(pinger->Descriptors().size(), 1u);
    pollfd ready{pinger->Descriptors()[0], POLLIN, 0};
    if (poll(&ready, 1, 10'000) != 1) {
      ADD_FAILURE() << "nothing came";
      return results;
    }
  }
}

// A TCP socket on a port of the kernel's choice.
class Port {
 public:
  explicit Port(int family = AF_INET) {
    fd_ = socket(family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_storage address{};
    address.ss_family = static_cast<sa_family_t>(family);
    socklen_t size = sizeof(sockaddr_in6);
    if (family == AF_INET) {
      reinterpret_cast<sockaddr_in&>(address).sin_addr.s_addr = htonl(INADDR_LOOPBACK);
      size = sizeof(sockaddr_in);
    } else {
      reinterpret_cast<sockaddr_in6&>(address).sin6_addr = in6addr_loopback;
    }
    bound_ = bind(fd_, reinterpret_cast<sockaddr*>(&address), size) == 0;
    getsockname(fd_, reinterpret_cast<sockaddr*>(&address), &size);
    number_ = ntohs(reinterpret_cast<sockaddr_in&>(address).sin_port);
  }
  ~Port() { close(fd_); }
  void Listen(int backlog) { ASSERT_EQ(listen(fd_, backlog), 0); }
  bool bound() const { return bound_; }
  int number() const { return number_; }

 private:
  int fd_;
  bool bound_;
  int number_;
};

TEST(HostPingerByTcp, PassesWhenTheHostAnswers) {
  Port open, closed;
  open.Listen(8);
  const std::unique_ptr<Pinger> pinger = MakeHostPinger(TcpOnly());
  EXPECT_EQ(pinger->NextDeadline(), absl::InfiniteDuration());
  pinger->Start(kNow,
                {{"open", "127.0.0.1", open.number()},
                 // Nobody listens: the reset that comes back is the host's.
                 {"closed", "127.0.0.1", closed.number()}},
                kTimeout);
  EXPECT_LE(pinger->NextDeadline(), kNow.mono + kTimeout);
  for (const auto& [peer, result] : Collect(pinger.get(), 2)) {
    EXPECT_EQ(result.verdict, PingVerdict::kPass) << peer << " " << result.detail;
    EXPECT_EQ(result.method, PingMethod::kTcp);
    ASSERT_TRUE(result.rtt.has_value());
    EXPECT_GT(*result.rtt, absl::ZeroDuration());
    EXPECT_LT(*result.rtt, kTimeout);
  }
  EXPECT_EQ(pinger->NextDeadline(), absl::InfiniteDuration());
}

TEST(HostPingerByTcp, SpeaksIpv6) {
  Port open(AF_INET6);
  if (!open.bound()) GTEST_SKIP() << "no IPv6 here";
  open.Listen(8);
  const std::unique_ptr<Pinger> pinger = MakeHostPinger(TcpOnly());
  pinger->Start(kNow, {{"v6", "::1", open.number()}}, kTimeout);
  EXPECT_EQ(Collect(pinger.get(), 1)["v6"].verdict, PingVerdict::kPass);
}

TEST(HostPingerByTcp, FailsWhenTheTimeIsOver) {
  Port crowded;
  crowded.Listen(0);
  const std::unique_ptr<Pinger> pinger = MakeHostPinger(TcpOnly());
  // The queue of the listener has room for one; the kernel is silent to others.
  pinger->Start(kNow, {{"first", "127.0.0.1", crowded.number()}}, kTimeout);
  EXPECT_EQ(Collect(pinger.get(), 1)["first"].verdict, PingVerdict::kPass);
  pinger->Start(kNow, {{"second", "127.0.0.1", crowded.number()}}, kTimeout);
  EXPECT_EQ(pinger->NextDeadline(), kNow.mono + kTimeout);
  EXPECT_TRUE(pinger->Poll(After(kTimeout - absl::Nanoseconds(1))).empty());
  const std::vector<PingResult> results = pinger->Poll(After(kTimeout));
  ASSERT_EQ(results.size(), 1u);
  EXPECT_EQ(results[0].verdict, PingVerdict::kFail);
  EXPECT_EQ(results[0].method, PingMethod::kTcp);
  EXPECT_FALSE(results[0].rtt.has_value());
  EXPECT_EQ(pinger->NextDeadline(), absl::InfiniteDuration());
}

TEST(HostPinger, DoesNotJudgeWhatItCannotAsk) {
  const struct {
    const char* name;
    PingRequest request;
    const char* why;
  } kRows[] = {
      {"a name", {"a", "mail.example.net"}, "no IP address"},
      {"nothing", {"a", ""}, "no IP address"},
      {"an address and more", {"a", "127.0.0.1 "}, "no IP address"},
      {"a network", {"a", "127.0.0.0/8"}, "no IP address"},
      {"any host", {"a", "0.0.0.0"}, "no single host"},
      {"any IPv6 host", {"a", "::"}, "no single host"},
      {"a group", {"a", "224.0.0.1"}, "no single host"},
      {"an IPv6 group", {"a", "ff02::1"}, "no single host"},
      {"everyone", {"a", "255.255.255.255"}, "no single host"},
      {"port 0", {"a", "127.0.0.1", 0}, "port"},
      {"port 65536", {"a", "127.0.0.1", 65536}, "port"},
      {"a negative port", {"a", "127.0.0.1", -1}, "port"},
  };
  for (const auto& row : kRows) {
    const std::unique_ptr<Pinger> pinger = MakeHostPinger(TcpOnly());
    pinger->Start(kNow, {row.request}, kTimeout);
    EXPECT_LE(pinger->NextDeadline(), kNow.mono) << row.name;
    const std::vector<PingResult> results = pinger->Poll(kNow);
    ASSERT_EQ(results.size(), 1u) << row.name;
    EXPECT_EQ(results[0].verdict, PingVerdict::kUnknown) << row.name;
    EXPECT_THAT(results[0].detail, HasSubstr(row.why)) << row.name;
  }
}

TEST(HostPinger, TakesOnlySoManyAtOnce) {
  Port open;
  open.Listen(0);
  // Fills the listener, so that the others stay under way.
  const std::unique_ptr<Pinger> first = MakeHostPinger(TcpOnly());
  first->Start(kNow, {{"first", "127.0.0.1", open.number()}}, kTimeout);
  Collect(first.get(), 1);

  for (bool connections : {false, true}) {
    HostPingerOptions options = TcpOnly();
    (connections ? options.max_connections : options.max_targets) = 2;
    const std::unique_ptr<Pinger> pinger = MakeHostPinger(options);
    std::vector<PingRequest> requests;
    for (int i = 0; i < 5; ++i) {
      requests.push_back({absl::StrCat(i), "127.0.0.1", open.number()});
    }
    pinger->Start(kNow, requests, kTimeout);
    const std::vector<PingResult> refused = pinger->Poll(kNow);
    ASSERT_EQ(refused.size(), 3u);
    for (const PingResult& result : refused) {
      EXPECT_EQ(result.verdict, PingVerdict::kUnknown);
      EXPECT_THAT(result.detail, HasSubstr("too many"));
    }
    EXPECT_EQ(pinger->Poll(After(kTimeout)).size(), 2u);
    // There is room again.
    pinger->Start(kNow, {requests[0]}, kTimeout);
    EXPECT_TRUE(pinger->Poll(kNow).empty());
  }
}

// ----------------------------------------------------- in a network of its own

void Write(const char* path, absl::string_view text, bool* ok) {
  const int fd = open(path, O_WRONLY | O_CLOEXEC);
  if (fd < 0 || write(fd, text.data(), text.size()) < 0) *ok = false;
  if (fd >= 0) close(fd);
}

// Leaves this process in a network that has only loopback.
bool EnterEmptyNetwork(bool icmp_for_all) {
  const std::string uid = absl::StrCat("0 ", geteuid(), " 1");
  const std::string gid = absl::StrCat("0 ", getegid(), " 1");
  if (unshare(CLONE_NEWUSER | CLONE_NEWNET) != 0) return false;
  bool ok = true;
  Write("/proc/self/setgroups", "deny", &ok);
  Write("/proc/self/uid_map", uid, &ok);
  Write("/proc/self/gid_map", gid, &ok);
  if (icmp_for_all) Write("/proc/sys/net/ipv4/ping_group_range", "0 0", &ok);
  const int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  ifreq interface {};
  strcpy(interface.ifr_name, "lo");
  interface.ifr_flags = IFF_UP;
  ok = ok && ioctl(fd, SIOCSIFFLAGS, &interface) == 0;
  close(fd);
  return ok;
}

enum class Outcome { kGood, kBad, kNotPossible };

// Runs `test` in a child, so that this process keeps its network.
Outcome InEmptyNetwork(bool icmp_for_all, const std::function<void()>& test) {
  fflush(stdout);
  const pid_t child = fork();
  if (child == 0) {
    if (!EnterEmptyNetwork(icmp_for_all)) _exit(77);
    test();
    fflush(stdout);
    _exit(testing::Test::HasFailure() ? 1 : 0);
  }
  int status = 0;
  waitpid(child, &status, 0);
  if (WIFEXITED(status) && WEXITSTATUS(status) == 0) return Outcome::kGood;
  if (WIFEXITED(status) && WEXITSTATUS(status) == 77) return Outcome::kNotPossible;
  return Outcome::kBad;
}

#define EXPECT_GOOD(outcome)                                           \
  do {                                                                 \
    const Outcome result = (outcome);                                  \
    if (result == Outcome::kNotPossible) GTEST_SKIP() << "no unshare"; \
    EXPECT_EQ(result, Outcome::kGood) << "see above";                  \
  } while (false)

TEST(HostPingerByIcmp, PassesOnBothFamilies) {
  EXPECT_GOOD(InEmptyNetwork(true, [] {
    const std::unique_ptr<Pinger> pinger = MakeHostPinger();
    std::vector<PingRequest> requests = {{"v6", "::1"}};
    for (int i = 1; i <= 50; ++i) {
      requests.push_back({absl::StrCat("v4-", i), absl::StrCat("127.0.0.", i)});
    }
    for (int round = 0; round < 3; ++round) {
      pinger->Start(kNow, requests, kTimeout);
      const std::map<std::string, PingResult> results =
          Collect(pinger.get(), requests.size());
      EXPECT_EQ(results.size(), requests.size());
      for (const auto& [peer, result] : results) {
        EXPECT_EQ(result.verdict, PingVerdict::kPass) << peer << ": " << result.detail;
        EXPECT_EQ(result.method, PingMethod::kIcmp);
        EXPECT_GT(result.rtt.value_or(absl::ZeroDuration()), absl::ZeroDuration());
      }
      EXPECT_EQ(pinger->NextDeadline(), absl::InfiniteDuration());
    }
  }));
}

TEST(HostPingerByIcmp, FailsInSilence) {
  EXPECT_GOOD(InEmptyNetwork(true, [] {
    bool ok = true;
    Write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1", &ok);
    ASSERT_TRUE(ok);
    const std::unique_ptr<Pinger> pinger = MakeHostPinger();
    pinger->Start(kNow, {{"a", "127.0.0.1"}}, kTimeout);
    EXPECT_EQ(pinger->NextDeadline(), kNow.mono + kTimeout);
    EXPECT_TRUE(pinger->Poll(After(kTimeout / 2)).empty());
    const std::vector<PingResult> results = pinger->Poll(After(kTimeout));
    ASSERT_EQ(results.size(), 1u);
    EXPECT_EQ(results[0].verdict, PingVerdict::kFail);
    EXPECT_EQ(results[0].method, PingMethod::kIcmp);
  }));
}

TEST(HostPinger, SaysNothingOfAHostThatItHasNoRouteTo) {
  for (bool icmp : {true, false}) {
    EXPECT_GOOD(InEmptyNetwork(icmp, [icmp] {
      const std::unique_ptr<Pinger> pinger = MakeHostPinger();
      pinger->Start(kNow, {{"a", "192.0.2.1"}, {"b", "2001:db8::1"}}, kTimeout);
      const std::vector<PingResult> results = pinger->Poll(kNow);
      ASSERT_EQ(results.size(), 2u);
      for (const PingResult& result : results) {
        EXPECT_EQ(result.verdict, PingVerdict::kUnknown);
        EXPECT_EQ(result.method, icmp ? PingMethod::kIcmp : PingMethod::kTcp);
        EXPECT_THAT(result.detail, HasSubstr("unreachable"));
      }
    }));
  }
}

// Where ping_group_range is closed, as it is at first.
TEST(HostPinger, TurnsToTcpWhereItMayNotSendIcmp) {
  EXPECT_GOOD(InEmptyNetwork(false, [] {
    Port open;
    open.Listen(8);
    const std::unique_ptr<Pinger> pinger = MakeHostPinger();
    pinger->Start(kNow, {{"a", "127.0.0.1", open.number()}}, kTimeout);
    const PingResult by_tcp = Collect(pinger.get(), 1)["a"];
    EXPECT_EQ(by_tcp.verdict, PingVerdict::kPass);
    EXPECT_EQ(by_tcp.method, PingMethod::kTcp);

    bool ok = true;
    Write("/proc/sys/net/ipv4/ping_group_range", "0 0", &ok);
    ASSERT_TRUE(ok);
    pinger->Start(kNow, {{"a", "127.0.0.1", open.number()}}, kTimeout);
    EXPECT_EQ(Collect(pinger.get(), 1)["a"].method, PingMethod::kIcmp);
  }));
}

uint16_t Checksum(const uint8_t* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < size; i += 2) sum += bytes[i] << 8 | bytes[i + 1];
  while (sum >> 16) sum = (sum & 0xffff) + (sum >> 16);
  return htons(static_cast<uint16_t>(~sum));
}

TEST(HostPingerByIcmp, BelievesOnlyTheAnswerToItsOwnQuestion) {
  EXPECT_GOOD(InEmptyNetwork(true, [] {
    bool ok = true;
    Write("/proc/sys/net/ipv4/icmp_echo_ignore_all", "1", &ok);
    ASSERT_TRUE(ok);
    const int raw = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
    ASSERT_GE(raw, 0);
    const std::unique_ptr<Pinger> pinger = MakeHostPinger();
    pinger->Start(kNow, {{"a", "127.0.0.9"}}, kTimeout);
    uint8_t packet[512];
    const ssize_t got = recv(raw, packet, sizeof packet, 0);
    const size_t head = (packet[0] & 15) * 4;
    ASSERT_GT(got, static_cast<ssize_t>(head + 8));
    const std::string question(reinterpret_cast<char*>(packet) + head, got - head);
    ASSERT_EQ(question[0], ICMP_ECHO);

    // From `from`; only root of this network may say so.
    const auto answer = [&](const char* from, std::string text) {
      const int fd = socket(AF_INET, SOCK_RAW | SOCK_CLOEXEC, IPPROTO_ICMP);
      sockaddr_in address{};
      address.sin_family = AF_INET;
      inet_pton(AF_INET, from, &address.sin_addr);
      EXPECT_EQ(bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
      text[0] = ICMP_ECHOREPLY;
      text[2] = text[3] = 0;
      const uint16_t sum =
          Checksum(reinterpret_cast<const uint8_t*>(text.data()), text.size());
      memcpy(&text[2], &sum, 2);
      inet_pton(AF_INET, "127.0.0.1", &address.sin_addr);
      EXPECT_EQ(sendto(fd, text.data(), text.size(), 0,
                       reinterpret_cast<sockaddr*>(&address), sizeof address),
                static_cast<ssize_t>(text.size()));
      close(fd);
    };
    std::string token = question, sequence = question;
    token[12] ^= 1;
    sequence[7] ^= 1;
    const struct {
      const char* name;
      const char* from;
      std::string text;
    } kForged[] = {
        {"another token", "127.0.0.9", token},
        {"another sequence", "127.0.0.9", sequence},
        {"a part", "127.0.0.9", question.substr(0, 16)},
        {"too much", "127.0.0.9", question + "more"},
        {"another host", "127.0.0.8", question},
    };
    for (const auto& forged : kForged) {
      answer(forged.from, forged.text);
      pollfd ready{pinger->Descriptors()[0], POLLIN, 0};
      EXPECT_EQ(poll(&ready, 1, 10'000), 1) << forged.name << " did not come";
      EXPECT_TRUE(pinger->Poll(kNow).empty()) << forged.name;
    }

    answer("127.0.0.9", question);
    EXPECT_EQ(Collect(pinger.get(), 1)["a"].verdict, PingVerdict::kPass);
    // Once more is once too often.
    answer("127.0.0.9", question);
    EXPECT_TRUE(pinger->Poll(kNow).empty());
    close(raw);
  }));
}

// ------------------------------------------------------------------- scripted

TEST(ScriptedPinger, AnswersAsTheFileSaysAtEachRound) {
  const std::string path = absl::StrCat(testing::TempDir(), "/pinger_script");
  const auto write = [&path](const char* text) { std::ofstream(path) << text; };
  write(
      "# a "
      "story\n\na\t12.5\nb\tfail\nc\t3000\nd\tsoon\ne\t-1\nf\tnan\ng\nh\t1\r\nh\t2\r\n");
  const std::unique_ptr<Pinger> pinger = MakeScriptedPinger(path);
  EXPECT_EQ(pinger->NextDeadline(), absl::InfiniteDuration());
  std::vector<PingRequest> requests;
  for (const char* peer : {"a", "b", "c", "d", "e", "f", "g", "h", "z"}) {
    requests.push_back({peer, "192.0.2.1"});
  }
  pinger->Start(kNow, requests, absl::Seconds(2));
  EXPECT_LE(pinger->NextDeadline(), kNow.mono);
  std::map<std::string, PingResult> results;
  for (const PingResult& result : pinger->Poll(kNow)) results[result.peer] = result;
  EXPECT_EQ(results.size(), requests.size());
  EXPECT_EQ(results["a"].verdict, PingVerdict::kPass);
  EXPECT_EQ(results["a"].rtt, absl::Microseconds(12500));
  EXPECT_EQ(results["a"].method, PingMethod::kScript);
  EXPECT_EQ(results["b"].verdict, PingVerdict::kFail);
  EXPECT_EQ(results["c"].verdict, PingVerdict::kFail) << "later than the timeout";
  for (const char* peer : {"d", "e", "f", "g"}) {
    EXPECT_EQ(results[peer].verdict, PingVerdict::kUnknown) << peer;
    EXPECT_THAT(results[peer].detail, HasSubstr("neither")) << peer;
  }
  EXPECT_EQ(results["h"].rtt, absl::Milliseconds(2));
  EXPECT_THAT(results["z"].detail, HasSubstr("does not name"));
  EXPECT_TRUE(pinger->Poll(kNow).empty());

  write("a\tfail\n");
  pinger->Start(kNow, {requests[0]}, absl::Seconds(2));
  EXPECT_EQ(pinger->Poll(kNow)[0].verdict, PingVerdict::kFail);

  remove(path.c_str());
  pinger->Start(kNow, {requests[0]}, absl::Seconds(2));
  const PingResult lost = pinger->Poll(kNow)[0];
  EXPECT_EQ(lost.verdict, PingVerdict::kUnknown);
  EXPECT_THAT(lost.detail, HasSubstr(path));
}

}  // namespace
}  // namespace mailvane
