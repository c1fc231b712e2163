#include "collector/gateway/acceptor.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "platform/clock.h"
#include "platform/file_system.h"

namespace mailvane {
namespace {

// Out of descriptors and without a reserve: nothing to do but look again.
constexpr int kPauseMs = 100;

std::string AddressOf(const sockaddr_storage& peer) {
  char text[INET6_ADDRSTRLEN] = "";
  if (peer.ss_family == AF_INET) {
    inet_ntop(AF_INET, &reinterpret_cast<const sockaddr_in&>(peer).sin_addr, text,
              sizeof text);
  } else if (peer.ss_family == AF_INET6) {
    inet_ntop(AF_INET6, &reinterpret_cast<const sockaddr_in6&>(peer).sin6_addr, text,
              sizeof text);
  }
  return text;
}

// The kernel gives the lowest number that is free, so a high one says that many
// are taken.
bool IsNearLimit(int descriptor, int reserved) {
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) {
    return false;
  }
  // A tiny limit is shared half and half.
  const rlim_t room = std::min<rlim_t>(reserved, limit.rlim_cur / 2);
  return static_cast<rlim_t>(descriptor) >= limit.rlim_cur - room;
}

}  // namespace

bool ConnectionRate::Allow(absl::Duration now, const std::string& address) {
  auto found = buckets_.find(address);
  if (found == buckets_.end()) {
    if (buckets_.size() >= limits_.addresses) {
      buckets_.erase(std::min_element(
          buckets_.begin(), buckets_.end(),
          [](const auto& a, const auto& b) { return a.second.at < b.second.at; }));
    }
    found = buckets_.emplace(address, Bucket{limits_.burst, now}).first;
  }
  Bucket& bucket = found->second;
  bucket.tokens =
      std::min(limits_.burst, bucket.tokens + absl::ToDoubleSeconds(now - bucket.at) *
                                                  limits_.per_second);
  bucket.at = now;
  if (bucket.tokens < 1) return false;
  bucket.tokens -= 1;
  return true;
}

absl::StatusOr<std::unique_ptr<Acceptor>> Acceptor::Start(absl::string_view listen,
                                                          const Options& options,
                                                          std::function<void(int)> take) {
  absl::StatusOr<Listener> listener = ListenOn(listen);
  if (!listener.ok()) return listener.status();
  const int stop = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (stop < 0) {
    const absl::Status status = ErrnoStatus(errno, "eventfd");
    close(listener->descriptor);
    return status;
  }
  return std::unique_ptr<Acceptor>(
      new Acceptor(*listener, stop, options, std::move(take)));
}

Acceptor::Acceptor(Listener listener, int stop, const Options& options,
                   std::function<void(int)> take)
    : listener_(listener),
      stop_(stop),
      options_(options),
      take_(std::move(take)),
      rate_(options.rate),
      reserve_(open("/dev/null", O_RDONLY | O_CLOEXEC)),
      thread_([this] { Run(); }) {}

Acceptor::~Acceptor() {
  const uint64_t one = 1;
  // An eventfd that is not full takes one more.
  if (write(stop_, &one, sizeof one) == sizeof one) thread_.join();
  close(listener_.descriptor);
  close(stop_);
  if (reserve_ >= 0) close(reserve_);
}

void Acceptor::Run() {
  pollfd waiting[] = {{stop_, POLLIN, 0}, {listener_.descriptor, POLLIN, 0}};
  while (true) {
    if (poll(waiting, 2, -1) < 0 && errno != EINTR) return;
    if (waiting[0].revents != 0) return;
    if (waiting[1].revents != 0) AcceptOne();
  }
}

void Acceptor::AcceptOne() {
  sockaddr_storage peer{};
  socklen_t size = sizeof peer;
  const int connection = accept4(listener_.descriptor, reinterpret_cast<sockaddr*>(&peer),
                                 &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
  if (connection < 0) {
    if (errno == EMFILE || errno == ENFILE) RefuseOneWithReserve();
    // Else the peer was gone before we came, or there is no memory now.
    return;
  }
  if (IsNearLimit(connection, options_.reserved_descriptors) ||
      !rate_.Allow(SystemClock().Now().mono, AddressOf(peer))) {
    return Refuse(connection);
  }
  const int on = 1;
  setsockopt(connection, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  take_(connection);
}

void Acceptor::Refuse(int connection) {
  ++refused_;
  // A reset, so that no refused connection lingers here.
  const linger reset = {1, 0};
  setsockopt(connection, SOL_SOCKET, SO_LINGER, &reset, sizeof reset);
  close(connection);
}

void Acceptor::RefuseOneWithReserve() {
  if (reserve_ >= 0) close(std::exchange(reserve_, -1));
  const int connection = accept4(listener_.descriptor, nullptr, nullptr, SOCK_CLOEXEC);
  if (connection >= 0) Refuse(connection);
  reserve_ = open("/dev/null", O_RDONLY | O_CLOEXEC);
  if (connection < 0) poll(nullptr, 0, kPauseMs);
}

}  // namespace mailvane
