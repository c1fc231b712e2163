// Accepts agents' connections in gRPC's place.
//
// gRPC 1.51 stops accepting for ever when the process is out of descriptors once
// (CVE-2023-4785), and has no limit on connections.  This loop has one, and
// survives: beyond it a connection is closed at once, and so is one of an address
// that connects too often.
//
// A thread of its own.  Whoever takes a connection owns its descriptor.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "platform/listener.h"

namespace mailvane {

// How often one address may connect: a bucket of tokens for each, at most so many
// buckets, the one unused for the longest making room.  Pure.
class ConnectionRate {
 public:
  struct Limits {
    // At once: an agent comes back once a second at most, and a site's agents may
    // share an address.
    double burst = 100;
    double per_second = 20;
    size_t addresses = 4096;
  };
  explicit ConnectionRate(const Limits& limits) : limits_(limits) {}

  bool Allow(absl::Duration now, const std::string& address);

 private:
  struct Bucket {
    double tokens = 0;
    absl::Duration at;
  };

  const Limits limits_;
  std::map<std::string, Bucket> buckets_;
};

class Acceptor {
 public:
  struct Options {
    // Descriptors of the process that connections may not take: the store's, the
    // views', gRPC's own.
    int reserved_descriptors = 64;
    ConnectionRate::Limits rate;
  };

  // `take` is called on the acceptor's thread.
  static absl::StatusOr<std::unique_ptr<Acceptor>> Start(absl::string_view listen,
                                                         const Options& options,
                                                         std::function<void(int)> take);
  ~Acceptor();
  Acceptor(const Acceptor&) = delete;
  Acceptor& operator=(const Acceptor&) = delete;

  int port() const { return listener_.port; }
  // Connections closed unheard, since the start.
  uint64_t refused() const { return refused_; }

 private:
  Acceptor(Listener listener, int stop, const Options& options,
           std::function<void(int)> take);

  void Run();
  void AcceptOne();
  void Refuse(int connection);
  // Makes room for one accept when there is no descriptor left, so that what
  // waits is refused and not left hanging.
  void RefuseOneWithReserve();

  const Listener listener_;
  const int stop_;  // readable: end
  const Options options_;
  const std::function<void(int)> take_;
  std::atomic<uint64_t> refused_{0};

  // The thread's.
  ConnectionRate rate_;
  int reserve_ = -1;

  std::thread thread_;
};

}  // namespace mailvane
