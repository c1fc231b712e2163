#include "platform/pinger.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/icmp6.h>
#include <netinet/in.h>
#include <netinet/ip_icmp.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdint>
#include <unordered_map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "platform/file_system.h"

namespace mailvane {
namespace {

// How many datagrams one Poll takes: strangers can send them too.
constexpr int kMaxDatagrams = 4096;

// What an echo carries: nobody who did not see the request can answer it.
struct EchoPacket {
  // Type, code, checksum and id (both filled in by the kernel), sequence; the
  // same in ICMP and ICMPv6.
  uint8_t type = 0;
  uint8_t code = 0;
  uint16_t checksum = 0;
  uint16_t id = 0;
  uint16_t sequence = 0;
  uint8_t token[16] = {};
};
static_assert(sizeof(EchoPacket) == 24);

struct Address {
  sockaddr_storage storage{};
  socklen_t size = 0;
  int family() const { return storage.ss_family; }
  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

std::optional<Address> ParseAddress(const std::string& text, int port) {
  Address address;
  auto* v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  auto* v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  if (inet_pton(AF_INET, text.c_str(), &v4->sin_addr) == 1) {
    v4->sin_family = AF_INET;
    v4->sin_port = htons(static_cast<uint16_t>(port));
    address.size = sizeof *v4;
    return address;
  }
  if (inet_pton(AF_INET6, text.c_str(), &v6->sin6_addr) == 1) {
    v6->sin6_family = AF_INET6;
    v6->sin6_port = htons(static_cast<uint16_t>(port));
    address.size = sizeof *v6;
    return address;
  }
  return std::nullopt;
}

// Whether it can be one host's: neither "any" nor a group's.
bool IsOneHost(const Address& address) {
  if (address.family() == AF_INET) {
    const uint32_t v4 =
        ntohl(reinterpret_cast<const sockaddr_in&>(address.storage).sin_addr.s_addr);
    return v4 >> 24 != 0 && v4 >> 28 != 0xe && v4 != 0xffffffff;
  }
  const in6_addr& v6 = reinterpret_cast<const sockaddr_in6&>(address.storage).sin6_addr;
  return !IN6_IS_ADDR_UNSPECIFIED(&v6) && !IN6_IS_ADDR_MULTICAST(&v6);
}

bool SameHost(const sockaddr_storage& a, const sockaddr_storage& b) {
  if (a.ss_family != b.ss_family) return false;
  if (a.ss_family == AF_INET) {
    return reinterpret_cast<const sockaddr_in&>(a).sin_addr.s_addr ==
           reinterpret_cast<const sockaddr_in&>(b).sin_addr.s_addr;
  }
  return memcmp(&reinterpret_cast<const sockaddr_in6&>(a).sin6_addr,
                &reinterpret_cast<const sockaddr_in6&>(b).sin6_addr,
                sizeof(in6_addr)) == 0;
}

// Round trips are measured here and now: the caller's Instant is as old as its
// turn of the loop.
absl::Duration Stopwatch() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

std::string Why(int error, absl::string_view what) {
  return std::string(ErrnoStatus(error, what).message());
}

class HostPinger final : public Pinger {
 public:
  explicit HostPinger(const HostPingerOptions& options)
      : options_(options), epoll_(epoll_create1(EPOLL_CLOEXEC)) {}
  ~HostPinger() override {
    for (auto& [id, probe] : probes_) {
      if (probe.connection >= 0) close(probe.connection);
    }
    for (const Icmp* icmp : {&v4_, &v6_}) {
      if (icmp->fd >= 0) close(icmp->fd);
    }
    if (epoll_ >= 0) close(epoll_);
  }
  HostPinger(const HostPinger&) = delete;
  HostPinger& operator=(const HostPinger&) = delete;

  void Start(Instant now, const std::vector<PingRequest>& requests,
             absl::Duration timeout) override {
    last_start_ = now.mono;
    for (const PingRequest& request : requests) Ask(request, now.mono + timeout);
  }

  std::vector<PingResult> Poll(Instant now) override {
    if (!probes_.empty() || v4_.fd >= 0 || v6_.fd >= 0) {
      epoll_event events[64];
      // A connection leaves the set when it is judged, a socket when it is read
      // empty, so this ends.
      int datagrams = kMaxDatagrams;
      while (datagrams > 0) {
        const int ready = epoll_wait(epoll_, events, 64, 0);
        if (ready <= 0) break;
        for (int i = 0; i < ready; ++i) {
          const uint64_t id = events[i].data.u64;
          if (id == kV4 || id == kV6) {
            ReadEchoes(id == kV4 ? v4_ : v6_, &datagrams);
          } else {
            JudgeConnection(id);
          }
        }
      }
    }
    for (auto it = probes_.begin(); it != probes_.end();) {
      const auto next = std::next(it);
      if (now.mono >= it->second.deadline) Finish(it, PingVerdict::kFail, "");
      it = next;
    }
    return std::exchange(done_, {});
  }

  std::vector<int> Descriptors() const override {
    if (epoll_ < 0) return {};
    return {epoll_};
  }

  absl::Duration NextDeadline() const override {
    if (!done_.empty()) return last_start_;
    absl::Duration next = absl::InfiniteDuration();
    for (const auto& [id, probe] : probes_) next = std::min(next, probe.deadline);
    return next;
  }

 private:
  // Ids in the epoll set that are no connection's.
  static constexpr uint64_t kV4 = 0;
  static constexpr uint64_t kV6 = 1;

  struct Icmp {
    int family;
    int protocol;
    uint8_t request;
    uint8_t reply;
    uint64_t id;
    int fd = -1;
    // Sequence → probe.
    std::unordered_map<uint16_t, uint64_t> waiting;
    uint16_t next_sequence = 0;
  };

  struct Probe {
    std::string peer;
    Address address;
    PingMethod method = PingMethod::kNone;
    absl::Duration deadline;
    // On Stopwatch's scale.
    absl::Duration sent;
    EchoPacket echo;
    int connection = -1;
  };
  using Probes = std::unordered_map<uint64_t, Probe>;

  void Unknown(const std::string& peer, PingMethod method, std::string detail) {
    done_.push_back(
        {peer, PingVerdict::kUnknown, method, std::nullopt, std::move(detail)});
  }

  void Ask(const PingRequest& request, absl::Duration deadline) {
    if (probes_.size() >= options_.max_targets) {
      return Unknown(request.peer, PingMethod::kNone, "too many targets at once");
    }
    if (epoll_ < 0) {
      return Unknown(request.peer, PingMethod::kNone, "no descriptor to wait on");
    }
    const std::optional<Address> address = ParseAddress(request.address, 0);
    if (!address.has_value()) {
      return Unknown(request.peer, PingMethod::kNone, "its address is no IP address");
    }
    if (!IsOneHost(*address)) {
      return Unknown(request.peer, PingMethod::kNone, "its address is no single host's");
    }
    Probe probe;
    probe.peer = request.peer;
    probe.address = *address;
    probe.deadline = deadline;

    Icmp& icmp = address->family() == AF_INET ? v4_ : v6_;
    const int error = Open(icmp);
    if (error == EACCES || error == EPERM) {
      probe.method = PingMethod::kTcp;
      Connect(request, std::move(probe));
    } else if (error != 0) {
      Unknown(request.peer, PingMethod::kIcmp, Why(error, "open an ICMP socket"));
    } else {
      probe.method = PingMethod::kIcmp;
      SendEcho(icmp, std::move(probe));
    }
  }

  // Returns errno, or 0 when it is open.
  int Open(Icmp& icmp) {
    if (!options_.allow_icmp) return EACCES;
    if (icmp.fd >= 0) return 0;
    const int fd =
        socket(icmp.family, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, icmp.protocol);
    if (fd < 0) return errno;
    epoll_event event{};
    event.events = EPOLLIN;
    event.data.u64 = icmp.id;
    if (epoll_ctl(epoll_, EPOLL_CTL_ADD, fd, &event) < 0) {
      const int error = errno;
      close(fd);
      return error;
    }
    icmp.fd = fd;
    return 0;
  }

  void SendEcho(Icmp& icmp, Probe probe) {
    // Fewer than 65536 wait, by max_targets.
    if (icmp.waiting.size() > 0xf000) {
      return Unknown(probe.peer, PingMethod::kIcmp, "too many targets at once");
    }
    while (icmp.waiting.count(icmp.next_sequence) > 0) ++icmp.next_sequence;
    const uint16_t sequence = icmp.next_sequence++;
    probe.echo.type = icmp.request;
    probe.echo.sequence = htons(sequence);
    if (getrandom(probe.echo.token, sizeof probe.echo.token, GRND_NONBLOCK) !=
        sizeof probe.echo.token) {
      return Unknown(probe.peer, PingMethod::kIcmp, "no random numbers yet");
    }
    probe.sent = Stopwatch();
    ssize_t sent;
    do {
      sent = sendto(icmp.fd, &probe.echo, sizeof probe.echo, MSG_NOSIGNAL,
                    probe.address.get(), probe.address.size);
    } while (sent < 0 && errno == EINTR);
    if (sent < 0) return Unknown(probe.peer, PingMethod::kIcmp, Why(errno, "send"));
    const uint64_t id = next_id_++;
    icmp.waiting.emplace(sequence, id);
    probes_.emplace(id, std::move(probe));
  }

  void ReadEchoes(Icmp& icmp, int* budget) {
    while ((*budget)-- > 0) {
      // With room for a byte too many: these sockets do not honour MSG_TRUNC.
      char packet[sizeof(EchoPacket) + 1];
      sockaddr_storage from{};
      socklen_t from_size = sizeof from;
      const ssize_t got = recvfrom(icmp.fd, packet, sizeof packet, 0,
                                   reinterpret_cast<sockaddr*>(&from), &from_size);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      // What failed was one datagram; the next read has the next one.
      if (got < 0) continue;
      if (got != sizeof(EchoPacket)) continue;
      EchoPacket echo;
      memcpy(&echo, packet, sizeof echo);
      if (echo.type != icmp.reply || echo.code != 0) continue;
      const auto waiting = icmp.waiting.find(ntohs(echo.sequence));
      if (waiting == icmp.waiting.end()) continue;
      const auto probe = probes_.find(waiting->second);
      if (memcmp(echo.token, probe->second.echo.token, sizeof echo.token) != 0 ||
          !SameHost(from, probe->second.address.storage)) {
        continue;
      }
      Finish(probe, PingVerdict::kPass, "");
    }
  }

  void Connect(const PingRequest& request, Probe probe) {
    if (request.tcp_port < 1 || request.tcp_port > 65535) {
      return Unknown(probe.peer, PingMethod::kTcp, "its port is none");
    }
    if (connections_ >= options_.max_connections) {
      return Unknown(probe.peer, PingMethod::kTcp, "too many connections at once");
    }
    probe.address = *ParseAddress(request.address, request.tcp_port);
    probe.connection = socket(probe.address.family(),
                              SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, IPPROTO_TCP);
    if (probe.connection < 0) {
      return Unknown(probe.peer, PingMethod::kTcp, Why(errno, "open a TCP socket"));
    }
    probe.sent = Stopwatch();
    const int error =
        connect(probe.connection, probe.address.get(), probe.address.size) < 0 ? errno
                                                                               : 0;
    ++connections_;
    const uint64_t id = next_id_++;
    const auto it = probes_.emplace(id, std::move(probe)).first;
    if (error == EINPROGRESS || error == EINTR) {
      epoll_event event{};
      event.events = EPOLLOUT;
      event.data.u64 = id;
      if (epoll_ctl(epoll_, EPOLL_CTL_ADD, it->second.connection, &event) < 0) {
        Finish(it, PingVerdict::kUnknown, Why(errno, "wait for a connection"));
      }
    } else if (error == 0 || error == ECONNREFUSED) {
      Finish(it, PingVerdict::kPass, "");
    } else {
      // Said at once, it comes from this host.
      Finish(it, PingVerdict::kUnknown, Why(error, "connect"));
    }
  }

  void JudgeConnection(uint64_t id) {
    const auto probe = probes_.find(id);
    if (probe == probes_.end()) return;
    int error = 0;
    socklen_t size = sizeof error;
    if (getsockopt(probe->second.connection, SOL_SOCKET, SO_ERROR, &error, &size) < 0) {
      error = errno;
    }
    switch (error) {
      case 0:
      case ECONNREFUSED:
      case ECONNRESET:
        return Finish(probe, PingVerdict::kPass, "");
      case EHOSTUNREACH:
      case EHOSTDOWN:
      case ETIMEDOUT:
        // A router's word, or the silence of a neighbour.
        return Finish(probe, PingVerdict::kFail, "");
      default:
        return Finish(probe, PingVerdict::kUnknown, Why(error, "connect"));
    }
  }

  void Finish(Probes::iterator it, PingVerdict verdict, std::string detail) {
    Probe& probe = it->second;
    PingResult result{probe.peer, verdict, probe.method, std::nullopt, std::move(detail)};
    if (verdict == PingVerdict::kPass) result.rtt = Stopwatch() - probe.sent;
    if (probe.connection >= 0) {
      close(probe.connection);
      --connections_;
    } else {
      Icmp& icmp = probe.address.family() == AF_INET ? v4_ : v6_;
      icmp.waiting.erase(ntohs(probe.echo.sequence));
    }
    probes_.erase(it);
    done_.push_back(std::move(result));
  }

  const HostPingerOptions options_;
  const int epoll_;
  Icmp v4_{AF_INET, IPPROTO_ICMP, ICMP_ECHO, ICMP_ECHOREPLY, kV4, -1, {}, 0};
  Icmp v6_{AF_INET6, IPPROTO_ICMPV6, ICMP6_ECHO_REQUEST, ICMP6_ECHO_REPLY, kV6, -1, {},
           0};
  Probes probes_;
  uint64_t next_id_ = kV6 + 1;
  size_t connections_ = 0;
  std::vector<PingResult> done_;
  absl::Duration last_start_;
};

class ScriptedPinger final : public Pinger {
 public:
  explicit ScriptedPinger(std::string path) : path_(std::move(path)) {}

  void Start(Instant now, const std::vector<PingRequest>& requests,
             absl::Duration timeout) override {
    started_ = now.mono;
    const absl::StatusOr<std::string> text = HostFileSystem().ReadAll(path_);
    std::unordered_map<std::string, std::string> answers;
    if (text.ok()) {
      for (absl::string_view line : absl::StrSplit(*text, '\n')) {
        absl::ConsumeSuffix(&line, "\r");
        if (line.empty() || line[0] == '#') continue;
        const std::pair<std::string, std::string> parts =
            absl::StrSplit(line, absl::MaxSplits('\t', 1));
        answers[parts.first] = parts.second;
      }
    }
    for (const PingRequest& request : requests) {
      PingResult result;
      result.peer = request.peer;
      result.method = PingMethod::kScript;
      const auto answer = answers.find(request.peer);
      if (!text.ok()) {
        result.detail = std::string(text.status().message());
      } else if (answer == answers.end()) {
        result.detail = "the script does not name it";
      } else {
        Answer(answer->second, timeout, &result);
      }
      done_.push_back(std::move(result));
    }
  }

  std::vector<PingResult> Poll(Instant) override { return std::exchange(done_, {}); }
  std::vector<int> Descriptors() const override { return {}; }
  absl::Duration NextDeadline() const override {
    return done_.empty() ? absl::InfiniteDuration() : started_;
  }

 private:
  static void Answer(const std::string& text, absl::Duration timeout,
                     PingResult* result) {
    double milliseconds = 0;
    if (text == "fail") {
      result->verdict = PingVerdict::kFail;
    } else if (!absl::SimpleAtod(text, &milliseconds) || !(milliseconds >= 0)) {
      result->detail = "the script's answer is neither milliseconds nor fail";
    } else if (absl::Milliseconds(milliseconds) >= timeout) {
      result->verdict = PingVerdict::kFail;
    } else {
      result->verdict = PingVerdict::kPass;
      result->rtt = absl::Milliseconds(milliseconds);
    }
  }

  const std::string path_;
  std::vector<PingResult> done_;
  absl::Duration started_;
};

}  // namespace

std::unique_ptr<Pinger> MakeHostPinger(const HostPingerOptions& options) {
  return std::make_unique<HostPinger>(options);
}

std::unique_ptr<Pinger> MakeScriptedPinger(std::string path) {
  return std::make_unique<ScriptedPinger>(std::move(path));
}

}  // namespace mailvane
