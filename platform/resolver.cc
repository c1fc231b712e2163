#include "platform/resolver.h"

#include <ares.h>
#include <arpa/nameser.h>
#include <sys/epoll.h>
#include <unistd.h>

#include <algorithm>
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailvane {
namespace {

// Each has a UDP port of its own, so that who wants to forge an answer has to
// guess the port besides the number.
constexpr size_t kPorts = 8;
// More are in no resolv.conf (MAXNS of <resolv.h>).
constexpr size_t kMostServers = 3;
// What passes everywhere without fragments (DNS flag day 2020).
constexpr int kUdpBytes = 1232;
constexpr int kReceiveBuffer = 1 << 20;
constexpr char kDefaultPort[] = "53";

// "127.0.0.1" → "127.0.0.1:53", "::1" → "[::1]:53"; empty: no address.
std::string WithPort(absl::string_view server) {
  absl::string_view host = server;
  absl::string_view port = kDefaultPort;
  if (!server.empty() && server.front() == '[') {
    const size_t end = server.find(']');
    if (end == absl::string_view::npos) return "";
    host = server.substr(1, end - 1);
    const absl::string_view rest = server.substr(end + 1);
    if (!rest.empty() && rest[0] != ':') return "";
    if (!rest.empty()) port = rest.substr(1);
  } else if (std::count(server.begin(), server.end(), ':') == 1) {
    const size_t colon = server.find(':');
    host = server.substr(0, colon);
    port = server.substr(colon + 1);
  }
  unsigned char address[16];
  int number = 0;
  if (!absl::SimpleAtoi(port, &number) || number < 1 || number > 65535) return "";
  const std::string text(host);
  if (ares_inet_pton(AF_INET, text.c_str(), address) == 1) {
    return absl::StrCat(text, ":", number);
  }
  if (ares_inet_pton(AF_INET6, text.c_str(), address) == 1) {
    return absl::StrCat("[", text, "]:", number);
  }
  return "";
}

DnsAnswer Failed(DnsStatus status, absl::string_view detail = "") {
  DnsAnswer answer;
  answer.status = status;
  answer.detail = std::string(detail);
  return answer;
}

DnsAnswer FromAres(int status) {
  switch (status) {
    case ARES_ESERVFAIL:
      return Failed(DnsStatus::kServfail);
    case ARES_EREFUSED:
      return Failed(DnsStatus::kRefused);
    case ARES_ENOTIMP:
      return Failed(DnsStatus::kOtherError, "NOTIMP");
    case ARES_EFORMERR:
      return Failed(DnsStatus::kOtherError, "FORMERR");
    case ARES_ETIMEOUT:
      return Failed(DnsStatus::kTimeout);
    case ARES_ECONNREFUSED:
      return Failed(DnsStatus::kUnreachable);
    case ARES_EBADNAME:
    case ARES_EBADQUERY:
      return Failed(DnsStatus::kMalformed, "no name that can be asked");
    default:
      return Failed(DnsStatus::kOtherError, ares_strerror(status));
  }
}

class AresResolver final : public Resolver {
 public:
  AresResolver(const ResolverOptions& options, Random* random)
      : options_(options), random_(random) {}

  ~AresResolver() override {
    closing_ = true;
    // Calls back for everything under way.
    for (Channel& channel : channels_) {
      if (channel.ares != nullptr) ares_destroy(channel.ares);
    }
    if (epoll_ >= 0) close(epoll_);
  }

  absl::Status Open() {
    std::vector<std::string> servers;
    for (const std::string& server : options_.servers) {
      servers.push_back(WithPort(server));
      if (servers.back().empty()) {
        return absl::InvalidArgumentError(
            absl::StrCat(server, ": is no address of a resolver (try 127.0.0.1:53)"));
      }
    }
    // Once a process; it counts its callers.
    if (ares_library_init(ARES_LIB_INIT_ALL) != ARES_SUCCESS) {
      return absl::InternalError("c-ares does not start");
    }
    epoll_ = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_ < 0) return absl::ResourceExhaustedError("no descriptor for epoll");
    // The first of them reads /etc/resolv.conf where nobody named servers.
    absl::Status status = OpenChannel(servers);
    if (!status.ok()) return status;
    if (servers.empty()) servers = ServersOf(channels_[0].ares);
    if (servers.size() > kMostServers) servers.resize(kMostServers);
    while (status.ok() && channels_.size() < kPorts * servers.size()) {
      if (channels_.size() % kPorts == 0) {
        std::rotate(servers.begin(), servers.begin() + 1, servers.end());
      }
      status = OpenChannel(servers);
    }
    return status;
  }

  void Ask(Instant now, uint64_t id, const DnsQuestion& question) override {
    waiting_.push_back({id, question});
    SendWaiting(now.mono);
  }

  std::vector<DnsReply> Poll(Instant now) override {
    epoll_event events[64];
    int ready = 0;
    do {
      ready = epoll_wait(epoll_, events, std::size(events), 0);
      for (int i = 0; i < ready; ++i) Process(events[i]);
    } while (ready == static_cast<int>(std::size(events)));
    for (Channel& channel : channels_) {
      ares_process_fd(channel.ares, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
    }
    GiveUp(now.mono);
    SendWaiting(now.mono);
    return std::exchange(replies_, {});
  }

  std::vector<int> Descriptors() const override { return {epoll_}; }

  absl::Duration NextDeadline() const override {
    const absl::Duration now = SystemClock().Now().mono;
    if (!replies_.empty()) return now;
    if (under_way_.empty()) return absl::InfiniteDuration();
    absl::Duration next = under_way_.begin()->second->deadline;
    for (const Channel& channel : channels_) {
      timeval until;
      if (ares_timeout(channel.ares, nullptr, &until) != nullptr) {
        next = std::min(next, now + absl::DurationFromTimeval(until));
      }
    }
    return next;
  }

  std::string Servers() const override {
    return absl::StrJoin(ServersOf(channels_[0].ares), ", ");
  }

 private:
  struct Channel {
    AresResolver* owner = nullptr;
    uint32_t index = 0;
    ares_channel ares = nullptr;
  };
  struct Waiting {
    uint64_t id;
    DnsQuestion question;
  };
  // Lives until c-ares calls back, which it does once.
  struct UnderWay {
    AresResolver* owner;
    uint64_t number;  // key in under_way_
    uint64_t id;
    DnsQuestion question;
    absl::Duration deadline;
    // Servers that have failed.
    size_t failed = 0;
  };

  // Asks `servers` in their order; those of /etc/resolv.conf when there are none.
  absl::Status OpenChannel(const std::vector<std::string>& servers) {
    Channel& channel = channels_.emplace_back();
    channel.owner = this;
    channel.index = channels_.size() - 1;
    ares_options options = {};
    // NOCHECKRESP: what a server says is for us to judge; c-ares would ask a single
    // one again and again after SERVFAIL, and then call it unreachable.
    options.flags = ARES_FLAG_EDNS | ARES_FLAG_NOSEARCH | ARES_FLAG_NOCHECKRESP;
    options.ednspsz = kUdpBytes;
    options.timeout = static_cast<int>(absl::ToInt64Milliseconds(options_.first_try));
    options.tries = options_.tries;
    options.socket_receive_buffer_size = kReceiveBuffer;
    options.sock_state_cb = &AresResolver::SocketChanged;
    options.sock_state_cb_data = &channel;
    const int status = ares_init_options(
        &channel.ares, &options,
        ARES_OPT_FLAGS | ARES_OPT_EDNSPSZ | ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES |
            ARES_OPT_SOCK_RCVBUF | ARES_OPT_SOCK_STATE_CB | ARES_OPT_NOROTATE);
    if (status != ARES_SUCCESS) {
      return absl::InternalError(absl::StrCat("c-ares: ", ares_strerror(status)));
    }
    if (servers.empty()) return absl::OkStatus();
    const std::string joined = absl::StrJoin(servers, ",");
    const int set = ares_set_servers_ports_csv(channel.ares, joined.c_str());
    if (set == ARES_SUCCESS) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat(joined, ": ", ares_strerror(set)));
  }

  // "127.0.0.1:53", in their order.
  static std::vector<std::string> ServersOf(ares_channel channel) {
    ares_addr_port_node* servers = nullptr;
    std::vector<std::string> names;
    if (ares_get_servers_ports(channel, &servers) != ARES_SUCCESS) return names;
    for (ares_addr_port_node* server = servers; server; server = server->next) {
      char text[64] = "";
      ares_inet_ntop(server->family, &server->addr, text, sizeof text);
      const int port = server->udp_port == 0 ? 53 : server->udp_port;
      names.push_back(server->family == AF_INET6 ? absl::StrCat("[", text, "]:", port)
                                                 : absl::StrCat(text, ":", port));
    }
    ares_free_data(servers);
    return names;
  }

  static void SocketChanged(void* data, ares_socket_t socket, int readable,
                            int writable) {
    Channel& channel = *static_cast<Channel*>(data);
    epoll_event event = {};
    event.events = (readable != 0 ? uint32_t{EPOLLIN} : 0) |
                   (writable != 0 ? uint32_t{EPOLLOUT} : 0);
    // Which channel, and which socket: c-ares asks for both.
    event.data.u64 = uint64_t{channel.index} << 32 | static_cast<uint32_t>(socket);
    const int epoll = channel.owner->epoll_;
    if (event.events == 0) {
      epoll_ctl(epoll, EPOLL_CTL_DEL, socket, nullptr);
    } else if (epoll_ctl(epoll, EPOLL_CTL_MOD, socket, &event) != 0) {
      epoll_ctl(epoll, EPOLL_CTL_ADD, socket, &event);
    }
  }

  void Process(const epoll_event& event) {
    const auto socket = static_cast<ares_socket_t>(event.data.u64 & 0xffffffff);
    Channel& channel = channels_[event.data.u64 >> 32];
    // An error is found by reading.
    const bool readable = (event.events & ~static_cast<uint32_t>(EPOLLOUT)) != 0;
    const bool writable = (event.events & EPOLLOUT) != 0;
    ares_process_fd(channel.ares, readable ? socket : ARES_SOCKET_BAD,
                    writable ? socket : ARES_SOCKET_BAD);
  }

  void SendWaiting(absl::Duration now) {
    while (!waiting_.empty() && under_way_.size() < options_.max_in_flight) {
      Waiting next = std::move(waiting_.front());
      waiting_.pop_front();
      Begin(now, std::move(next));
    }
  }

  void Begin(absl::Duration now, Waiting next) {
    auto* const query = new UnderWay{this, next_number_++, next.id,
                                     std::move(next.question), now + options_.timeout};
    under_way_.emplace(query->number, query);
    Send(query);
  }

  // May call back at once.
  void Send(UnderWay* query) {
    const uint64_t chance = random_->Next();
    unsigned char* message = nullptr;
    int size = 0;
    const int made = ares_create_query(
        query->question.name.c_str(), ns_c_in, static_cast<int>(query->question.type),
        static_cast<uint16_t>(chance), /*rd=*/1, &message, &size, kUdpBytes);
    if (made != ARES_SUCCESS) {
      Answered(query, made, 0, nullptr, 0);
      return;
    }
    const size_t channel = query->failed * kPorts + (chance >> 16) % kPorts;
    ares_send(channels_[channel].ares, message, size, &Answered, query);
    ares_free_string(message);
  }

  static void Answered(void* data, int status, int /*timeouts*/, unsigned char* message,
                       int size) {
    std::unique_ptr<UnderWay> query(static_cast<UnderWay*>(data));
    AresResolver& self = *query->owner;
    // Not there: it was given up before.
    if (self.closing_ || self.under_way_.count(query->number) == 0) return;
    DnsAnswer answer = status == ARES_SUCCESS && message != nullptr
                           ? DecodeDnsAnswer({reinterpret_cast<const char*>(message),
                                              static_cast<size_t>(size)},
                                             query->question)
                           : FromAres(status);
    const bool failed = answer.status == DnsStatus::kServfail ||
                        answer.status == DnsStatus::kRefused ||
                        answer.status == DnsStatus::kOtherError;
    if (failed && (query->failed + 1) * kPorts < self.channels_.size()) {
      ++query->failed;
      self.Send(query.release());
      return;
    }
    self.under_way_.erase(query->number);
    self.replies_.push_back({query->id, std::move(answer)});
  }

  // The oldest come first: all have the same time.
  void GiveUp(absl::Duration now) {
    while (!under_way_.empty() && under_way_.begin()->second->deadline <= now) {
      replies_.push_back({under_way_.begin()->second->id, Failed(DnsStatus::kTimeout)});
      under_way_.erase(under_way_.begin());
    }
  }

  // Constant after Open.
  const ResolverOptions options_;
  Random* const random_;
  int epoll_ = -1;
  // kPorts that begin with the first server, then as many that begin with the
  // second, and so on.  A deque, since c-ares holds their addresses.
  std::deque<Channel> channels_;

  bool closing_ = false;
  std::deque<Waiting> waiting_;
  // By number, which rises.  Owned by c-ares' callback.
  std::map<uint64_t, UnderWay*> under_way_;
  uint64_t next_number_ = 0;
  std::vector<DnsReply> replies_;
};

}  // namespace

bool IsResolverAddress(absl::string_view server) { return !WithPort(server).empty(); }

absl::StatusOr<std::unique_ptr<Resolver>> MakeResolver(const ResolverOptions& options,
                                                       Random* random) {
  auto resolver = std::make_unique<AresResolver>(options, random);
  absl::Status status = resolver->Open();
  if (!status.ok()) return status;
  return resolver;
}

}  // namespace mailvane
