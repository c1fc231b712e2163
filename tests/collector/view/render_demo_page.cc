// Writes what the views make of the demonstration's fleet to a directory, to be
// looked at, or to become the golden files after a change:
//
//   bazel run //tests/collector/view:render_demo_page -- DIRECTORY
#include <cstdio>
#include <string>

#include "collector/view/feeds.h"
#include "collector/view/json_api.h"
#include "collector/view/metrics.h"
#include "collector/view/status_page.h"
#include "tests/collector/view/demo_fleet.h"

namespace mailvane {
namespace {

bool Write(const std::string& path, const std::string& text) {
  FILE* const file = fopen(path.c_str(), "w");
  if (file == nullptr) {
    perror(path.c_str());
    return false;
  }
  fwrite(text.data(), 1, text.size(), file);
  return fclose(file) == 0;
}

bool Render(const std::string& directory) {
  const FleetSnapshot fleet = DemoFleet();
  ProcessUsage usage;
  usage.resident_bytes = 31'457'280;
  usage.cpu_seconds = 12.5;
  PageSettings page;
  page.title = "Northern Lights Mail: systems status";
  PageSettings linked = page;
  linked.url = "https://status.example.net";
  const SystemState& system = *FindPublicSystem(fleet, "NC036");
  return Write(directory + "/style.css", std::string(StyleSheet())) &&
         Write(directory + "/live.js", std::string(LiveScript())) &&
         Write(directory + "/page.html", RenderStatusPage(fleet, page, DemoTime())) &&
         Write(directory + "/system.html",
               RenderSystemPage(fleet, system, page, DemoTime())) &&
         Write(directory + "/post.html",
               RenderPostPage(fleet, *PublicPosts(fleet).front(), page, DemoTime())) &&
         Write(directory + "/feed.atom",
               RenderFeed(FeedFormat::kAtom, fleet, nullptr, linked)) &&
         Write(directory + "/feed.rss",
               RenderFeed(FeedFormat::kRss, fleet, nullptr, linked)) &&
         Write(directory + "/summary.json", RenderV2Summary(fleet, page)) &&
         Write(directory + "/systems.json", RenderSystems(fleet, DemoTime())) &&
         Write(directory + "/fleet_metrics.txt",
               RenderFleetMetrics(fleet, ExpositionFormat::kText)) &&
         Write(directory + "/collector_metrics.txt",
               RenderCollectorMetrics(fleet, usage, "0.1.0"));
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) {
  if (argc != 2) {
    fprintf(stderr, "usage: render_demo_page DIRECTORY\n");
    return 2;
  }
  return mailvane::Render(argv[1]) ? 0 : 1;
}
