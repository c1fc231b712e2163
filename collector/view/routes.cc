#include "collector/view/routes.h"

#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "collector/view/exposition.h"
#include "collector/view/feeds.h"
#include "collector/view/html.h"
#include "collector/view/json_api.h"
#include "collector/view/metrics.h"

namespace mailvane {
namespace {

constexpr char kTextType[] = "text/plain; charset=utf-8";
constexpr char kHtmlType[] = "text/html; charset=utf-8";
constexpr char kJsonType[] = "application/json; charset=utf-8";

HttpResponse Plain(int status, std::string text) {
  HttpResponse response;
  response.status = status;
  response.content_type = kTextType;
  response.body = std::move(text);
  response.headers.emplace_back("Cache-Control", "no-store");
  return response;
}

HttpResponse Fresh(const char* type, std::string body) {
  HttpResponse response = Plain(200, std::move(body));
  response.content_type = type;
  return response;
}

// What a cache in front may keep for a moment, and serve on when we are down.
HttpResponse Public(const char* type, std::string body) {
  HttpResponse response;
  response.content_type = type;
  response.body = std::move(body);
  response.has_etag = true;
  response.headers.emplace_back(
      "Cache-Control",
      "public, max-age=15, stale-while-revalidate=60, stale-if-error=86400");
  return response;
}

HttpResponse PublicJson(std::string body) {
  HttpResponse response = Public(kJsonType, std::move(body));
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  return response;
}

// "NC027" of "/agents/NC027/metrics"; empty when it is no such path.
absl::string_view Between(absl::string_view path, absl::string_view prefix,
                          absl::string_view suffix) {
  if (!absl::ConsumePrefix(&path, prefix) || !absl::ConsumeSuffix(&path, suffix))
    return "";
  return absl::StrContains(path, '/') ? "" : path;
}

// Why a system has no metrics at present; in Prometheus' list of targets.
std::string WhySilent(const SystemState& system, absl::Time now) {
  if (system.connected) {
    return absl::StrCat(system.id, " is connected and has not reported yet\n");
  }
  if (!system.last_seen.has_value()) {
    return absl::StrCat(system.id, " is silent: it was never heard\n");
  }
  const absl::Duration age = now - *system.last_seen;
  return absl::StrCat(system.id, " is silent: last heard ",
                      age < absl::Hours(24) ? ClockTime(*system.last_seen)
                                            : DateAndTime(*system.last_seen),
                      ", ", ShortDuration(age), " ago\n");
}

HttpResponse AgentMetrics(const FleetSnapshot& fleet, absl::string_view id,
                          const HttpRequest& request, absl::Time now) {
  for (const SystemState& system : fleet.systems) {
    if (system.id != id) continue;
    if (!Reports(system)) return Plain(503, WhySilent(system, now));
    const ExpositionFormat format = NegotiateExposition(request.accept);
    return Fresh(ContentType(format), RenderAgentMetrics(fleet, system, format));
  }
  return Plain(404, "no such system in the inventory\n");
}

// A Host header that is an address; a browser or scraper sends nothing else.
bool IsHost(absl::string_view host) {
  if (host.empty() || host.size() > 255) return false;
  for (const char c : host) {
    if (!absl::ascii_isalnum(c) && !absl::StrContains(".:-[]_", c)) return false;
  }
  return true;
}

std::string LandingPage(const ViewContext& context) {
  Html out;
  out << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
      << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
      << "<title>Mailvane collector</title>\n<link rel=\"icon\" "
         "href=\"data:,\">\n</head>\n"
      << "<body>\n<main>\n<h1>Mailvane collector</h1>\n<p>Version "
      << Escaped(context.version) << ". " << TimeElement(context.now) << "</p>\n<ul>\n"
      << "<li><a href=\"/metrics\">/metrics</a>: the collector itself</li>\n"
      << "<li><a href=\"/metrics/agents\">/metrics/agents</a>: all systems</li>\n"
      << "<li><a href=\"/api/v1/http_sd\">/api/v1/http_sd</a>: targets for "
         "Prometheus</li>\n"
      << "<li><a href=\"/api/v1/systems\">/api/v1/systems</a>: all that is known, as "
      << "JSON</li>\n<li><a href=\"/api/v1/alerts\">/api/v1/alerts</a>: what is wrong, "
         "as "
      << "JSON</li>\n<li><a href=\"/-/healthy\">/-/healthy</a></li>\n"
      << "<li><a href=\"/-/ready\">/-/ready</a></li>\n</ul>\n";
  if (context.fleet != nullptr) {
    out << "<h2>Systems</h2>\n<ul>\n";
    for (const SystemState& system : context.fleet->systems) {
      out << "<li><a href=\"/agents/" << Escaped(system.id) << "/metrics\">"
          << Escaped(system.id) << "</a>: " << Escaped(StatusWord(system)) << "</li>\n";
    }
    out << "</ul>\n";
  }
  out << "</main>\n</body>\n</html>\n";
  return std::move(out).Take();
}

}  // namespace

HttpResponse OperatorRoutes(const HttpRequest& request, const ViewContext& context) {
  const std::string& path = request.path;
  if (path == "/-/healthy") return Plain(200, "healthy\n");
  if (path == "/") return Fresh(kHtmlType, LandingPage(context));
  const bool ready = context.fleet != nullptr && context.not_ready_because.empty();
  const auto not_ready = [&] {
    return Plain(503, absl::StrCat("not ready: ",
                                   context.not_ready_because.empty()
                                       ? "the fleet's state is not known yet"
                                       : context.not_ready_because,
                                   "\n"));
  };
  if (path == "/-/ready") return ready ? Plain(200, "ready\n") : not_ready();

  const absl::string_view agent = Between(path, "/agents/", "/metrics");
  const bool known = path == "/metrics" || path == "/metrics/agents" ||
                     path == "/api/v1/http_sd" || path == "/api/v1/systems" ||
                     path == "/api/v1/alerts" || !agent.empty();
  if (!known) return Plain(404, "not found\n");
  if (context.fleet == nullptr) return not_ready();

  const FleetSnapshot& fleet = *context.fleet;
  if (path == "/metrics") {
    return Fresh(ContentType(ExpositionFormat::kText),
                 RenderCollectorMetrics(fleet, context.process, context.version));
  }
  if (path == "/metrics/agents") {
    const ExpositionFormat format = NegotiateExposition(request.accept);
    return Fresh(ContentType(format), RenderFleetMetrics(fleet, format));
  }
  if (path == "/api/v1/http_sd") {
    return Fresh(
        "application/json",
        RenderHttpSd(fleet, IsHost(request.host) ? request.host : context.self_address));
  }
  if (path == "/api/v1/systems")
    return Fresh(kJsonType, RenderSystems(fleet, context.now));
  if (path == "/api/v1/alerts") return Fresh(kJsonType, RenderAlerts(fleet));
  return AgentMetrics(fleet, agent, request, context.now);
}

namespace {

// The post of "/posts/12", if the public may see it; else null.
const Post* FindPublicPost(const FleetSnapshot& fleet, absl::string_view number) {
  int64_t id = 0;
  // As a link writes it, so that each post has one address.
  if (!absl::SimpleAtoi(number, &id) || absl::StrCat(id) != number) return nullptr;
  for (const Post* post : PublicPosts(fleet)) {
    if (post->id == id) return post;
  }
  return nullptr;
}

struct FeedRoute {
  FeedFormat format;
  // Empty: the fleet's.
  absl::string_view system;
};

// "/feed.atom", "/feed.rss", "/systems/NC027/feed.atom", …
std::optional<FeedRoute> ToFeedRoute(absl::string_view path) {
  if (path == "/feed.atom") return FeedRoute{FeedFormat::kAtom, ""};
  if (path == "/feed.rss") return FeedRoute{FeedFormat::kRss, ""};
  absl::string_view system = Between(path, "/systems/", "/feed.atom");
  if (!system.empty()) return FeedRoute{FeedFormat::kAtom, system};
  system = Between(path, "/systems/", "/feed.rss");
  if (!system.empty()) return FeedRoute{FeedFormat::kRss, system};
  return std::nullopt;
}

}  // namespace

HttpResponse PublicRoutes(const HttpRequest& request, const ViewContext& context) {
  const std::string& path = request.path;
  if (path == "/style.css") {
    return Public("text/css; charset=utf-8", std::string(StyleSheet()));
  }
  if (path == "/live.js") {
    return Public("text/javascript; charset=utf-8", std::string(LiveScript()));
  }
  const auto not_found = [&] {
    HttpResponse response = Plain(404, RenderNotFoundPage(context.page));
    response.content_type = kHtmlType;
    return response;
  };
  const bool v2 = absl::StartsWith(path, "/api/v2/");
  const absl::string_view id = Between(path, "/systems/", "");
  const absl::string_view badge = Between(path, "/badge/", ".svg");
  const absl::string_view post_number = Between(path, "/posts/", "");
  const std::optional<FeedRoute> feed = ToFeedRoute(path);
  if (path != "/" && !v2 && id.empty() && badge.empty() && post_number.empty() && !feed) {
    return not_found();
  }
  if (context.fleet == nullptr) {
    HttpResponse response = Plain(503, "The status is not known yet. Try again soon.\n");
    response.headers.emplace_back("Retry-After", "5");
    return response;
  }

  const FleetSnapshot& fleet = *context.fleet;
  if (path == "/") {
    return Public(kHtmlType, RenderStatusPage(fleet, context.page, context.now));
  }
  if (!id.empty()) {
    // A hidden system is answered as one that does not exist.
    const SystemState* const system = FindPublicSystem(fleet, id);
    if (system == nullptr) return not_found();
    return Public(kHtmlType, RenderSystemPage(fleet, *system, context.page, context.now));
  }
  if (!post_number.empty()) {
    const Post* const post = FindPublicPost(fleet, post_number);
    if (post == nullptr) return not_found();
    return Public(kHtmlType, RenderPostPage(fleet, *post, context.page, context.now));
  }
  if (feed) {
    const SystemState* system = nullptr;
    if (!feed->system.empty()) {
      system = FindPublicSystem(fleet, feed->system);
      if (system == nullptr) return not_found();
    }
    return Public(ContentType(feed->format),
                  RenderFeed(feed->format, fleet, system, context.page));
  }
  if (!badge.empty()) {
    const SystemState* const system = FindPublicSystem(fleet, badge);
    if (system == nullptr) return not_found();
    HttpResponse response = Public("image/svg+xml", RenderBadge(*system));
    response.headers = {{"Cache-Control", "public, max-age=60, s-maxage=60"}};
    return response;
  }
  const struct {
    const char* path;
    std::string (*render)(const FleetSnapshot&, const PageSettings&);
  } kV2[] = {
      {"/api/v2/summary.json", &RenderV2Summary},
      {"/api/v2/status.json", &RenderV2Status},
      {"/api/v2/components.json", &RenderV2Components},
      {"/api/v2/incidents.json", &RenderV2Incidents},
      {"/api/v2/incidents/unresolved.json", &RenderV2Incidents},
      {"/api/v2/scheduled-maintenances.json", &RenderV2Maintenances},
      {"/api/v2/scheduled-maintenances/upcoming.json", &RenderV2Maintenances},
      {"/api/v2/scheduled-maintenances/active.json", &RenderV2Maintenances},
  };
  for (const auto& route : kV2) {
    if (path == route.path) return PublicJson(route.render(fleet, context.page));
  }
  HttpResponse response = Plain(404, "{\"error\":\"not found\"}\n");
  response.content_type = kJsonType;
  response.headers.emplace_back("Access-Control-Allow-Origin", "*");
  return response;
}

}  // namespace mailvane
