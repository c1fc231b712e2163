#include "collector/view/routes.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "tests/collector/view/demo_fleet.h"
#include "tests/collector/view/http_client.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

ViewContext Context() {
  ViewContext context;
  context.fleet = std::make_shared<const FleetSnapshot>(DemoFleet());
  context.now = DemoTime();
  context.version = "0.1.0";
  context.self_address = "127.0.0.1:9470";
  return context;
}

HttpRequest Request(const std::string& path) {
  HttpRequest request;
  request.method = "GET";
  request.path = path;
  return request;
}

struct RouteRow {
  const char* path;
  int status;
  const char* type;
  const char* part;
};

TEST(OperatorRoutes, Table) {
  const RouteRow kRows[] = {
      {"/", 200, "text/html", "<a href=\"/metrics/agents\">"},
      {"/metrics", 200, "text/plain; version=0.0.4",
       "mailvane_build_info{version=\"0.1.0\"}"},
      {"/metrics/agents", 200, "text/plain; version=0.0.4", "server=\"NC027\""},
      {"/agents/NC036/metrics", 200, "text/plain; version=0.0.4", "server=\"NC036\""},
      {"/agents/NC027/metrics", 503, "text/plain",
       "NC027 is silent: last heard 12:41:03 UTC, 4 min ago"},
      {"/agents/NC039/metrics", 503, "text/plain", "NC039 is silent: it was never heard"},
      {"/agents/NC999/metrics", 404, "text/plain", "no such system"},
      {"/agents//metrics", 404, "text/plain", "not found"},
      {"/agents/NC036/x/metrics", 404, "text/plain", "not found"},
      {"/agents/metrics", 404, "text/plain", "not found"},
      {"/api/v1/http_sd", 200, "application/json", "\"127.0.0.1:9470\""},
      {"/api/v1/systems", 200, "application/json", "\"permission_denied\""},
      {"/-/healthy", 200, "text/plain", "healthy"},
      {"/-/ready", 200, "text/plain", "ready"},
      {"/style.css", 404, "text/plain", "not found"},
      {"/metrics/", 404, "text/plain", "not found"},
  };
  for (const RouteRow& row : kRows) {
    const HttpResponse response = OperatorRoutes(Request(row.path), Context());
    EXPECT_EQ(response.status, row.status) << row.path;
    EXPECT_THAT(response.content_type, HasSubstr(row.type)) << row.path;
    EXPECT_THAT(response.body, HasSubstr(row.part)) << row.path;
  }
}

TEST(OperatorRoutes, UntilTheStoreIsOpenItIsHealthyAndNotReady) {
  ViewContext context = Context();
  context.not_ready_because = "the store is not open yet";
  EXPECT_EQ(OperatorRoutes(Request("/-/healthy"), context).status, 200);
  const HttpResponse response = OperatorRoutes(Request("/-/ready"), context);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "not ready: the store is not open yet\n");

  context = Context();
  context.fleet = nullptr;
  for (const char* path :
       {"/-/ready", "/metrics", "/metrics/agents", "/agents/NC036/metrics",
        "/api/v1/http_sd", "/api/v1/systems"}) {
    EXPECT_EQ(OperatorRoutes(Request(path), context).status, 503) << path;
  }
  EXPECT_EQ(OperatorRoutes(Request("/"), context).status, 200);
}

TEST(OperatorRoutes, AConnectedAgentThatHasNotReportedIsNotScraped) {
  FleetSnapshot fleet = DemoFleet();
  FindSystem(fleet, "NC036").measurements = nullptr;
  ViewContext context = Context();
  context.fleet = std::make_shared<const FleetSnapshot>(fleet);
  const HttpResponse response = OperatorRoutes(Request("/agents/NC036/metrics"), context);
  EXPECT_EQ(response.status, 503);
  EXPECT_EQ(response.body, "NC036 is connected and has not reported yet\n");
}

TEST(OperatorRoutes, TargetsAreWhereTheScraperFoundUs) {
  HttpRequest request = Request("/api/v1/http_sd");
  request.host = "collector.example.net:9470";
  EXPECT_THAT(OperatorRoutes(request, Context()).body,
              HasSubstr("\"collector.example.net:9470\""));
  request.host = "\"evil\"";
  EXPECT_THAT(OperatorRoutes(request, Context()).body, HasSubstr("\"127.0.0.1:9470\""));
}

TEST(OperatorRoutes, OpenMetricsForThoseWhoAsk) {
  HttpRequest request = Request("/agents/NC036/metrics");
  request.accept = "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;q=0.5";
  const HttpResponse response = OperatorRoutes(request, Context());
  EXPECT_THAT(response.content_type, HasSubstr("application/openmetrics-text"));
  EXPECT_THAT(response.body, testing::EndsWith("# EOF\n"));
}

TEST(PublicRoutes, Table) {
  const RouteRow kRows[] = {
      {"/", 200, "text/html", "<caption>Systems at a glance</caption>"},
      {"/systems/NC036", 200, "text/html", "<h1>NC036</h1>"},
      {"/systems/NC999", 404, "text/html", "Not found"},
      {"/systems/", 404, "text/html", "Not found"},
      {"/systems/NC018", 404, "text/html", "Not found"},  // hidden, below
      {"/posts/2", 200, "text/html", "<h1>NC027: No data</h1>"},
      {"/posts/02", 404, "text/html", "Not found"},
      {"/posts/3", 404, "text/html", "Not found"},  // of the hidden one
      {"/posts/999", 404, "text/html", "Not found"},
      {"/posts/", 404, "text/html", "Not found"},
      {"/feed.atom", 200, "application/atom+xml", "<title>NC027: No data</title>"},
      {"/feed.rss", 200, "application/rss+xml", "<title>NC027: No data</title>"},
      {"/systems/NC030/feed.atom", 200, "application/atom+xml", "NC030: Degraded"},
      {"/systems/NC030/feed.rss", 200, "application/rss+xml", "NC030: Degraded"},
      {"/systems/NC018/feed.atom", 404, "text/html", "Not found"},
      {"/systems/NC999/feed.rss", 404, "text/html", "Not found"},
      {"/badge/NC036.svg", 200, "image/svg+xml", "<title>NC036: Operational</title>"},
      {"/badge/NC027.svg", 200, "image/svg+xml", "<title>NC027: No data</title>"},
      {"/badge/NC018.svg", 404, "text/html", "Not found"},
      {"/badge/.svg", 404, "text/html", "Not found"},
      {"/style.css", 200, "text/css", "prefers-color-scheme: dark"},
      {"/live.js", 200, "text/javascript", "DOMParser"},
      {"/api/v2/summary.json", 200, "application/json", "\"components\""},
      {"/api/v2/status.json", 200, "application/json", "\"status\""},
      {"/api/v2/components.json", 200, "application/json", "\"components\""},
      {"/api/v2/incidents.json", 200, "application/json", "\"incidents\":[]"},
      {"/api/v2/incidents/unresolved.json", 200, "application/json", "\"incidents\":[]"},
      {"/api/v2/scheduled-maintenances.json", 200, "application/json",
       "\"scheduled_maintenances\":[]"},
      {"/api/v2/scheduled-maintenances/upcoming.json", 200, "application/json",
       "\"scheduled_maintenances\":[]"},
      {"/api/v2/scheduled-maintenances/active.json", 200, "application/json",
       "\"scheduled_maintenances\":[]"},
      {"/api/v2/other.json", 404, "application/json", "not found"},
      // The operator's are not here.
      {"/metrics", 404, "text/html", "Not found"},
      {"/metrics/agents", 404, "text/html", "Not found"},
      {"/agents/NC036/metrics", 404, "text/html", "Not found"},
      {"/api/v1/systems", 404, "text/html", "Not found"},
      {"/api/v1/http_sd", 404, "text/html", "Not found"},
      {"/-/healthy", 404, "text/html", "Not found"},
  };
  FleetSnapshot fleet = DemoFleet();
  FindSystem(fleet, "NC018").is_public = false;
  fleet.posts.push_back({3, DemoTime(), "NC018", "NC018: Degraded", "Hidden."});
  ViewContext context = Context();
  context.fleet = std::make_shared<const FleetSnapshot>(fleet);
  for (const RouteRow& row : kRows) {
    const HttpResponse response = PublicRoutes(Request(row.path), context);
    EXPECT_EQ(response.status, row.status) << row.path;
    EXPECT_THAT(response.content_type, HasSubstr(row.type)) << row.path;
    EXPECT_THAT(response.body, HasSubstr(row.part)) << row.path;
    EXPECT_EQ(response.has_etag, row.status == 200) << row.path;
    EXPECT_THAT(response.body, Not(HasSubstr("NC018"))) << row.path;
  }
}

TEST(PublicRoutes, BeforeAnythingIsKnownItSaysSo) {
  ViewContext context = Context();
  context.fleet = nullptr;
  EXPECT_EQ(PublicRoutes(Request("/"), context).status, 503);
  EXPECT_EQ(PublicRoutes(Request("/api/v2/summary.json"), context).status, 503);
  EXPECT_EQ(PublicRoutes(Request("/style.css"), context).status, 200);
}

std::string Header(const HttpResponse& response, const std::string& name) {
  for (const auto& [key, value] : response.headers) {
    if (key == name) return value;
  }
  return "";
}

TEST(PublicRoutes, JsonIsForPagesOfAnyOrigin) {
  for (const char* path : {"/api/v2/summary.json", "/api/v2/other.json"}) {
    EXPECT_EQ(
        Header(PublicRoutes(Request(path), Context()), "Access-Control-Allow-Origin"),
        "*");
  }
  EXPECT_EQ(
      Header(PublicRoutes(Request("/api/v2/status.json"), Context()), "Cache-Control"),
      "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400");
}

// Through the real server, as a browser and a poller see it.
TEST(Served, ThePublicPageOverHttp) {
  const ViewContext context = Context();
  auto server = HttpServer::Start("127.0.0.1:0", [&](const HttpRequest& request) {
    return PublicRoutes(request, context);
  });
  ASSERT_OK(server);
  const int port = (*server)->port();
  const HttpReply page = Get(port, "/", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(page.status, 200);
  EXPECT_THAT(Gunzip(page.body),
              HasSubstr("Server NC036, Amsterdam, Netherlands, OPERATIONAL"));
  const HttpReply summary = Get(port, "/api/v2/summary.json");
  EXPECT_EQ(Get(port, "/api/v2/summary.json",
                absl::StrCat("If-None-Match: ", summary.headers.at("etag"), "\r\n"))
                .status,
            304);
}

TEST(Served, AHundredSystemsAreAtMostSixtyKilobytesCompressed) {
  FleetSnapshot fleet = DemoFleet();
  while (fleet.systems.size() < 100) {
    SystemState system = fleet.systems[fleet.systems.size() % 9];
    system.id = system.name = absl::StrCat("NC", 1000 + fleet.systems.size() * 37);
    system.location += absl::StrCat(" ", fleet.systems.size());
    system.ping.rtt = absl::Microseconds(1000 + fleet.systems.size() * 977);
    fleet.systems.push_back(system);
  }
  ViewContext context = Context();
  context.fleet = std::make_shared<const FleetSnapshot>(fleet);
  auto server = HttpServer::Start("127.0.0.1:0", [&](const HttpRequest& request) {
    return PublicRoutes(request, context);
  });
  ASSERT_OK(server);
  const HttpReply page = Get((*server)->port(), "/", "Accept-Encoding: gzip\r\n");
  EXPECT_EQ(page.headers.at("content-encoding"), "gzip");
  EXPECT_LE(page.body.size(), 60'000u);
}

}  // namespace
}  // namespace mailvane
