// Which path shows what, on the operator's address and on the public one.
// Functions of the request and of what is known now; no I/O.
#pragma once

#include <memory>
#include <string>

#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/http_server.h"
#include "collector/view/process_usage.h"
#include "collector/view/status_page.h"

namespace mailvane {

// What is known when a request comes.
struct ViewContext {
  // Null: fleet state has published nothing yet.
  std::shared_ptr<const FleetSnapshot> fleet;
  absl::Time now;
  // Empty: ready.  "the store is not open yet"
  std::string not_ready_because;
  PageSettings page;

  // For operators alone.
  std::string version;
  ProcessUsage process;
  // Where Prometheus finds us, when the request's Host header does not say.
  std::string self_address;
};

// /, /metrics, /metrics/agents, /agents/<id>/metrics, /api/v1/http_sd,
// /api/v1/systems, /api/v1/alerts, /-/healthy, /-/ready.  Shows hidden systems, too.
HttpResponse OperatorRoutes(const HttpRequest& request, const ViewContext& context);

// /, /systems/<id>, /posts/<number>, /feed.atom, /feed.rss and the same two below
// /systems/<id>, /badge/<id>.svg, /style.css, /live.js, /api/v2/*.json.
HttpResponse PublicRoutes(const HttpRequest& request, const ViewContext& context);

}  // namespace mailvane
