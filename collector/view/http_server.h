// HTTP for reading: GET and HEAD, on one address, without TLS (a proxy in front
// brings that).  Compression, ETags, limits and strict headers are here; what is
// answered is the handler's.
//
//   absl::StatusOr<std::unique_ptr<HttpServer>> server = HttpServer::Start(
//       "127.0.0.1:9470", [](const HttpRequest& request) { … });
//
// One thread for each server, which also runs the handler: it must be quick, and
// is called for one request at a time.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"

struct MHD_Daemon;

namespace mailvane {

struct HttpRequest {
  std::string method;  // "GET" or "HEAD"
  std::string path;    // decoded, without the query
  // Headers as they came; empty when absent.
  std::string host;
  std::string accept;
  std::string accept_encoding;
  std::string if_none_match;
  std::map<std::string, std::string> query;
};

struct HttpResponse {
  int status = 200;
  std::string content_type;
  std::string body;
  std::vector<std::pair<std::string, std::string>> headers;
  // Whether a client may keep it and ask later whether it still holds: it gets
  // an ETag, and 304 while the body is the same.
  bool has_etag = false;
};

class HttpServer {
 public:
  using Handler = std::function<HttpResponse(const HttpRequest&)>;

  struct Options {
    // Further connections are closed at once.
    int connection_limit = 256;
    // A connection with no traffic for so long is closed.
    absl::Duration timeout = absl::Seconds(15);
    // Request line and headers together; more is answered 431 or 414.
    size_t request_limit_bytes = 16 << 10;
  };

  // Listens on "127.0.0.1:9470", "[::1]:80", or ":8080" for all addresses; port 0
  // is one that is free.  kInvalidArgument for another text, and what the system
  // said when the address cannot be had, with the address.
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(absl::string_view listen,
                                                           Handler handler,
                                                           const Options& options);
  static absl::StatusOr<std::unique_ptr<HttpServer>> Start(absl::string_view listen,
                                                           Handler handler) {
    return Start(listen, std::move(handler), Options());
  }

  // Waits for the request that is being answered, and closes all connections.
  ~HttpServer();
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  int port() const { return port_; }

 private:
  friend struct HttpCallbacks;

  explicit HttpServer(Handler handler) : handler_(std::move(handler)) {}

  const Handler handler_;
  int port_ = 0;
  MHD_Daemon* daemon_ = nullptr;
};

// Whether a list of codings ("gzip;q=0.5, br") allows gzip.
bool AcceptsGzip(absl::string_view accept_encoding);

// Whether an If-None-Match header has this ETag, by weak comparison.
bool MatchesEtag(absl::string_view if_none_match, absl::string_view etag);

}  // namespace mailvane
