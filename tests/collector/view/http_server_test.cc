#include "collector/view/http_server.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/collector/view/http_client.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

const std::string& LongText() {
  static const std::string* const text = new std::string(5000, 'x');
  return *text;
}

// Says what was asked; /long and /short have an ETag.
HttpResponse Echo(const HttpRequest& request) {
  HttpResponse response;
  response.content_type = "text/plain; charset=utf-8";
  response.headers.emplace_back("Cache-Control", "max-age=15");
  if (request.path == "/long") {
    response.body = LongText();
    response.has_etag = true;
  } else if (request.path == "/short") {
    response.body = "short";
    response.has_etag = true;
  } else if (request.path == "/missing") {
    response.status = 404;
    response.body = "nothing here";
    response.has_etag = true;
  } else {
    response.body = absl::StrCat(request.method, " ", request.path,
                                 " accept=", request.accept, " host=", request.host);
    for (const auto& [name, value] : request.query) {
      absl::StrAppend(&response.body, " ", name, "=", value);
    }
  }
  return response;
}

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    auto server = HttpServer::Start("127.0.0.1:0", &Echo);
    EXPECT_OK(server);
    if (server.ok()) server_ = *std::move(server);
  }
  int port() const { return server_->port(); }

  std::unique_ptr<HttpServer> server_;
};

TEST_F(HttpServerTest, HandsTheRequestOver) {
  const HttpReply reply = Get(port(), "/a%20b/c?x=1&y=%3C&z", "Accept: text/html\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(
      reply.body,
      absl::StrCat("GET /a b/c accept=text/html host=127.0.0.1:", port(), " x=1 y=< z="));
  EXPECT_EQ(reply.headers.at("content-type"), "text/plain; charset=utf-8");
}

TEST_F(HttpServerTest, HeadHasTheHeadersAndNoBody) {
  const HttpReply reply =
      SendRaw(port(), "HEAD /long HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n");
  EXPECT_EQ(reply.status, 200);
  EXPECT_EQ(reply.body, "");
  EXPECT_EQ(reply.headers.at("content-length"), "5000");
}

TEST_F(HttpServerTest, OtherMethodsAreRefused) {
  for (const char* method : {"POST", "PUT", "DELETE", "OPTIONS", "BREW"}) {
    const HttpReply reply =
        SendRaw(port(), absl::StrCat(method,
                                     " / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n"
                                     "Content-Length: 0\r\n\r\n"));
    EXPECT_EQ(reply.status, 405) << method;
    EXPECT_EQ(reply.headers.at("allow"), "GET, HEAD") << method;
  }
}

TEST_F(HttpServerTest, CompressesWhatIsLongForThoseWhoAsk) {
  const HttpReply packed = Get(port(), "/long", "Accept-Encoding: gzip, br\r\n");
  EXPECT_EQ(packed.headers.at("content-encoding"), "gzip");
  EXPECT_EQ(packed.headers.at("vary"), "Accept-Encoding");
  EXPECT_LT(packed.body.size(), 200u);
  EXPECT_EQ(Gunzip(packed.body), LongText());

  for (const char* refuses :
       {"", "Accept-Encoding: br\r\n", "Accept-Encoding: gzip;q=0, *\r\n"}) {
    const HttpReply plain = Get(port(), "/long", refuses);
    EXPECT_EQ(plain.headers.count("content-encoding"), 0u) << refuses;
    EXPECT_EQ(plain.headers.at("vary"), "Accept-Encoding") << refuses;
    EXPECT_EQ(plain.body, LongText()) << refuses;
  }
  EXPECT_EQ(Get(port(), "/short", "Accept-Encoding: gzip\r\n").body, "short");
}

TEST_F(HttpServerTest, SaysNotModifiedWhileTheBodyIsTheSame) {
  const HttpReply first = Get(port(), "/long", "Accept-Encoding: gzip\r\n");
  const std::string etag = first.headers.at("etag");
  EXPECT_EQ(Get(port(), "/long").headers.at("etag"), etag) << "with gzip and without";
  const struct {
    const char* name;
    std::string header;
    int want;
  } kRows[] = {
      {"the same", etag, 304},
      {"one of several", absl::StrCat("\"other\", ", etag), 304},
      {"strong spelling of it", etag.substr(2), 304},
      {"any", "*", 304},
      {"another", "W/\"0123456789abcdef\"", 200},
      {"part of it", etag.substr(0, 8), 200},
  };
  for (const auto& row : kRows) {
    const HttpReply reply =
        Get(port(), "/long", absl::StrCat("If-None-Match: ", row.header, "\r\n"));
    EXPECT_EQ(reply.status, row.want) << row.name;
    EXPECT_EQ(reply.headers.at("etag"), etag) << row.name;
    EXPECT_EQ(reply.headers.at("cache-control"), "max-age=15") << row.name;
    EXPECT_EQ(reply.body.empty(), row.want == 304) << row.name;
  }
  EXPECT_EQ(Get(port(), "/missing", "If-None-Match: *\r\n").status, 404);
  EXPECT_EQ(Get(port(), "/other").headers.count("etag"), 0u);
}

TEST_F(HttpServerTest, EveryAnswerHasTheStrictHeaders) {
  for (const char* path : {"/", "/missing"}) {
    const HttpReply reply = Get(port(), path);
    EXPECT_THAT(reply.headers.at("content-security-policy"),
                HasSubstr("default-src 'none'; style-src 'self'; img-src 'self' data:; "
                          "script-src 'self'; connect-src 'self'"));
    EXPECT_EQ(reply.headers.at("x-content-type-options"), "nosniff");
    EXPECT_EQ(reply.headers.at("x-frame-options"), "DENY");
    EXPECT_EQ(reply.headers.at("referrer-policy"), "no-referrer");
  }
}

TEST_F(HttpServerTest, TooMuchIsRefusedAndTheServerLives) {
  const std::string much(40'000, 'a');
  EXPECT_THAT(Get(port(), "/", absl::StrCat("X-Much: ", much, "\r\n")).status,
              AnyOf(0, 413, 431));
  EXPECT_THAT(Get(port(), "/" + much).status, AnyOf(0, 414, 431));
  EXPECT_THAT(SendRaw(port(), absl::StrCat("GET / HTTP/1.1\r\nHost: x\r\n",
                                           "Content-Length: 40000\r\n\r\n", much))
                  .status,
              0)
      << "a GET with a body";
  EXPECT_NE(SendRaw(port(), "\xff\x16\x03 HTTP/1.1\r\nConnection: close\r\n\r\n").status,
            200)
      << "no request at all";
  EXPECT_EQ(Get(port(), "/").status, 200);
}

TEST(HttpServer, SaysWhichAddressCannotBeHad) {
  auto first = HttpServer::Start("127.0.0.1:0", &Echo);
  ASSERT_OK(first);
  const std::string taken = absl::StrCat("127.0.0.1:", (*first)->port());
  EXPECT_THAT(HttpServer::Start(taken, &Echo).status().message(),
              AllOf(HasSubstr("listen on " + taken), HasSubstr("in use")));
  // Freed when the server goes.
  first->reset();
  EXPECT_OK(HttpServer::Start(taken, &Echo));
}

TEST(HttpServer, TakesAddressesAndNothingElse) {
  for (const char* good : {"127.0.0.1:0", "localhost:0", "[::1]:0", ":0"}) {
    const auto server = HttpServer::Start(good, &Echo);
    // A host without IPv6 has no [::1].
    if (!server.ok() && absl::StrContains(good, "::1")) continue;
    ASSERT_OK(server) << good;
    EXPECT_GT((*server)->port(), 0) << good;
  }
  for (const char* bad : {"", "9470", "127.0.0.1", "mail.example.net:80", "::1:80",
                          "127.0.0.1:http", "127.0.0.1:65536", "127.0.0.1:-1"}) {
    EXPECT_THAT(HttpServer::Start(bad, &Echo),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr("is no address")))
        << bad;
  }
}

}  // namespace
}  // namespace mailvane
