#include "collector/view/http_server.h"

#include <microhttpd.h>
#include <signal.h>
#include <unistd.h>
#include <zlib.h>

#include <cstring>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "collector/view/fingerprint.h"
#include "platform/listener.h"

namespace mailvane {
namespace {

// Below this the headers weigh more than what is saved.
constexpr size_t kGzipFromBytes = 1024;

// On every answer.  Nothing is loaded from elsewhere, nothing may frame us.
constexpr std::pair<const char*, const char*> kStrictHeaders[] = {
    {"Content-Security-Policy",
     "default-src 'none'; style-src 'self'; img-src 'self' data:; script-src 'self'; "
     "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "no-referrer"},
};

// Empty when zlib fails: the caller sends the text as it is.
std::string Gzip(const std::string& text) {
  z_stream stream = {};
  // 16: with a gzip header.  Level 1: a page is read once.
  if (deflateInit2(&stream, 1, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY) != Z_OK) {
    return "";
  }
  std::string out(deflateBound(&stream, text.size()), '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = static_cast<uInt>(text.size());
  stream.next_out = reinterpret_cast<Bytef*>(&out[0]);
  stream.avail_out = static_cast<uInt>(out.size());
  const int result = deflate(&stream, Z_FINISH);
  out.resize(stream.total_out);
  deflateEnd(&stream);
  return result == Z_STREAM_END ? out : "";
}

void FreeText(void* text) { delete static_cast<std::string*>(text); }

MHD_Result AddToQuery(void* query, MHD_ValueKind, const char* name, const char* value) {
  (*static_cast<std::map<std::string, std::string>*>(query))[name] =
      value == nullptr ? "" : value;
  return MHD_YES;
}

MHD_Result Send(MHD_Connection* connection, const HttpRequest& request,
                HttpResponse response) {
  std::vector<std::pair<std::string, std::string>> headers = std::move(response.headers);
  if (response.has_etag && response.status == 200) {
    // Weak: with gzip and without are the same page.
    const std::string etag = absl::StrFormat("W/\"%016x\"", Fingerprint(response.body));
    headers.emplace_back("ETag", etag);
    if (MatchesEtag(request.if_none_match, etag)) {
      response.status = 304;
      response.body.clear();
      response.content_type.clear();
    }
  }
  if (response.body.size() > kGzipFromBytes) {
    headers.emplace_back("Vary", "Accept-Encoding");
    std::string packed;
    if (AcceptsGzip(request.accept_encoding)) packed = Gzip(response.body);
    if (!packed.empty()) {
      response.body = std::move(packed);
      headers.emplace_back("Content-Encoding", "gzip");
    }
  } else if (response.status == 304) {
    headers.emplace_back("Vary", "Accept-Encoding");
  }
  if (!response.content_type.empty()) {
    headers.emplace_back("Content-Type", response.content_type);
  }

  auto* const body = new std::string(std::move(response.body));
  MHD_Response* const out = MHD_create_response_from_buffer_with_free_callback_cls(
      body->size(), &(*body)[0], &FreeText, body);
  if (out == nullptr) {
    delete body;
    return MHD_NO;
  }
  for (const auto& [name, value] : kStrictHeaders)
    MHD_add_response_header(out, name, value);
  for (const auto& [name, value] : headers) {
    MHD_add_response_header(out, name.c_str(), value.c_str());
  }
  const MHD_Result result =
      MHD_queue_response(connection, static_cast<unsigned>(response.status), out);
  MHD_destroy_response(out);
  return result;
}

void Discard(void*, const char*, va_list) {}

}  // namespace

// The C library's way in.
struct HttpCallbacks {
  static MHD_Result Answer(void* self, MHD_Connection* connection, const char* url,
                           const char* method, const char* /*version*/,
                           const char* /*upload*/, size_t* upload_size, void** state) {
    static int headers_seen;
    HttpRequest request;
    request.method = method;
    if (request.method != "GET" && request.method != "HEAD") {
      HttpResponse response;
      response.status = 405;
      response.content_type = "text/plain; charset=utf-8";
      response.body = "Only GET and HEAD.\n";
      response.headers.emplace_back("Allow", "GET, HEAD");
      return Send(connection, request, std::move(response));
    }
    // First call: the headers are there, a body may follow.
    if (*state == nullptr) {
      *state = &headers_seen;
      return MHD_YES;
    }
    // A GET has no use for a body: close.
    if (*upload_size != 0) return MHD_NO;

    const auto header = [&](const char* name) {
      const char* const value =
          MHD_lookup_connection_value(connection, MHD_HEADER_KIND, name);
      return std::string(value == nullptr ? "" : value);
    };
    request.path = url;
    request.host = header("Host");
    request.accept = header("Accept");
    request.accept_encoding = header("Accept-Encoding");
    request.if_none_match = header("If-None-Match");
    MHD_get_connection_values(connection, MHD_GET_ARGUMENT_KIND, &AddToQuery,
                              &request.query);
    return Send(connection, request, static_cast<HttpServer*>(self)->handler_(request));
  }
};

absl::StatusOr<std::unique_ptr<HttpServer>> HttpServer::Start(absl::string_view listen,
                                                              Handler handler,
                                                              const Options& options) {
  // We open it since microhttpd would only say that it failed, not why.
  absl::StatusOr<Listener> listener = ListenOn(listen);
  if (!listener.ok()) return listener.status();
  std::unique_ptr<HttpServer> server(new HttpServer(std::move(handler)));
  server->port_ = listener->port;

  // Signals are the main thread's: the server's thread inherits this mask.
  sigset_t all, before;
  sigfillset(&all);
  pthread_sigmask(SIG_SETMASK, &all, &before);
  server->daemon_ = MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_USE_ERROR_LOG, 0, nullptr, nullptr,
      &HttpCallbacks::Answer, server.get(), MHD_OPTION_EXTERNAL_LOGGER, &Discard, nullptr,
      MHD_OPTION_LISTEN_SOCKET, listener->descriptor, MHD_OPTION_CONNECTION_LIMIT,
      static_cast<unsigned>(options.connection_limit), MHD_OPTION_CONNECTION_TIMEOUT,
      static_cast<unsigned>(absl::ToInt64Seconds(options.timeout)),
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, options.request_limit_bytes, MHD_OPTION_END);
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  if (server->daemon_ == nullptr) {
    close(listener->descriptor);
    return absl::InternalError(
        absl::StrCat("serve HTTP on ", listen, ": the server's thread did not start"));
  }
  return server;
}

HttpServer::~HttpServer() {
  // Closes the socket, too.
  if (daemon_ != nullptr) MHD_stop_daemon(daemon_);
}

bool AcceptsGzip(absl::string_view accept_encoding) {
  bool any = false;
  for (const absl::string_view item : absl::StrSplit(accept_encoding, ',')) {
    const std::vector<absl::string_view> parts = absl::StrSplit(item, ';');
    const absl::string_view coding = absl::StripAsciiWhitespace(parts[0]);
    double quality = 1;
    for (size_t i = 1; i < parts.size(); ++i) {
      absl::string_view parameter = absl::StripAsciiWhitespace(parts[i]);
      if (absl::ConsumePrefix(&parameter, "q=") &&
          !absl::SimpleAtod(parameter, &quality)) {
        quality = 0;
      }
    }
    if (absl::EqualsIgnoreCase(coding, "gzip")) return quality > 0;
    if (coding == "*") any = quality > 0;
  }
  return any;
}

bool MatchesEtag(absl::string_view if_none_match, absl::string_view etag) {
  absl::ConsumePrefix(&etag, "W/");
  for (absl::string_view item : absl::StrSplit(if_none_match, ',')) {
    item = absl::StripAsciiWhitespace(item);
    if (item == "*") return true;
    absl::ConsumePrefix(&item, "W/");
    if (item == etag) return true;
  }
  return false;
}

}  // namespace mailvane
