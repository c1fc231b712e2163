#include "platform/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "platform/file_system.h"

namespace mailvane {
namespace {

struct Address {
  sockaddr_storage storage = {};
  socklen_t size = 0;
  bool all = false;

  const sockaddr* get() const { return reinterpret_cast<const sockaddr*>(&storage); }
};

Address MakeV4(in_addr host, int port) {
  Address address;
  auto* const v4 = reinterpret_cast<sockaddr_in*>(&address.storage);
  v4->sin_family = AF_INET;
  v4->sin_addr = host;
  v4->sin_port = htons(static_cast<uint16_t>(port));
  address.size = sizeof *v4;
  return address;
}

Address MakeV6(in6_addr host, int port) {
  Address address;
  auto* const v6 = reinterpret_cast<sockaddr_in6*>(&address.storage);
  v6->sin6_family = AF_INET6;
  v6->sin6_addr = host;
  v6->sin6_port = htons(static_cast<uint16_t>(port));
  address.size = sizeof *v6;
  return address;
}

absl::StatusOr<Address> Parse(absl::string_view text, int* port) {
  const absl::Status bad = absl::InvalidArgumentError(
      absl::StrCat("\"", absl::CHexEscape(text),
                   "\" is no address to listen on (try 127.0.0.1:9470, [::1]:9470 or "
                   ":9470)"));
  const size_t colon = text.rfind(':');
  if (colon == absl::string_view::npos) return bad;
  if (!absl::SimpleAtoi(text.substr(colon + 1), port) || *port < 0 || *port > 65535) {
    return bad;
  }
  std::string host(text.substr(0, colon));
  if (host.empty() || host == "*") {
    Address address = MakeV6(in6addr_any, *port);
    address.all = true;
    return address;
  }
  if (host == "localhost") host = "127.0.0.1";
  in_addr v4{};
  if (inet_pton(AF_INET, host.c_str(), &v4) == 1) return MakeV4(v4, *port);
  if (host.size() < 2 || host.front() != '[' || host.back() != ']') return bad;
  host = host.substr(1, host.size() - 2);
  in6_addr v6{};
  if (inet_pton(AF_INET6, host.c_str(), &v6) == 1) return MakeV6(v6, *port);
  return bad;
}

absl::StatusOr<Listener> Listen(absl::string_view text, const Address& address) {
  const auto failed = [&] {
    return ErrnoStatus(errno, absl::StrCat("listen on ", text));
  };
  Listener listener;
  listener.descriptor =
      socket(address.storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  if (listener.descriptor < 0) return failed();
  auto close_it = absl::MakeCleanup([&] { close(listener.descriptor); });
  const int on = 1;
  const int off = 0;
  setsockopt(listener.descriptor, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // ":8080" is IPv4 as well; "[::1]:80" is what it says.
  if (address.storage.ss_family == AF_INET6) {
    setsockopt(listener.descriptor, IPPROTO_IPV6, IPV6_V6ONLY, address.all ? &off : &on,
               sizeof on);
  }
  if (bind(listener.descriptor, address.get(), address.size) != 0) return failed();
  if (listen(listener.descriptor, SOMAXCONN) != 0) return failed();
  sockaddr_storage bound{};
  socklen_t size = sizeof bound;
  if (getsockname(listener.descriptor, reinterpret_cast<sockaddr*>(&bound), &size) != 0) {
    return failed();
  }
  listener.port = ntohs(bound.ss_family == AF_INET
                            ? reinterpret_cast<const sockaddr_in*>(&bound)->sin_port
                            : reinterpret_cast<const sockaddr_in6*>(&bound)->sin6_port);
  std::move(close_it).Cancel();
  return listener;
}

}  // namespace

absl::StatusOr<Listener> ListenOn(absl::string_view text) {
  int port = 0;
  absl::StatusOr<Address> address = Parse(text, &port);
  if (!address.ok()) return address.status();
  absl::StatusOr<Listener> listener = Listen(text, *address);
  // A host without IPv6 has no [::].
  if (!listener.ok() && address->all) {
    return Listen(text, MakeV4(in_addr{INADDR_ANY}, port));
  }
  return listener;
}

absl::Status CheckListenAddress(absl::string_view text) {
  int port = 0;
  return Parse(text, &port).status();
}

}  // namespace mailvane
