#include "collector/view/roads.h"

#include "absl/strings/string_view.h"
#include "collector/view/vocabulary.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// Empty: nothing to be shown.
absl::string_view StateForPeople(v1::Road::State state) {
  switch (static_cast<int>(state)) {
    case v1::Road::STATE_OPEN:
      return "Open again";
    case v1::Road::STATE_LIMITED:
      return "Slowed down";
    case v1::Road::STATE_BLOCKED:
      return "Refused";
    default:
      return "";
  }
}

absl::string_view ScopeForPeople(absl::string_view scope) {
  if (scope == "ip") return "this server's address";
  if (scope == "netblock") return "the network of this server";
  if (scope == "domain") return "senders' domains";
  if (scope == "authentication") return "how senders prove who they are";
  if (scope == "connection") return "the number of connections";
  return "other";
}

}  // namespace

void AppendRoads(const SystemState& system, Html* out) {
  if (!system.connected || system.measurements == nullptr) return;
  if (system.measurements->roads().empty()) return;
  *out << "<h2>Mail to large providers</h2>\n<table>\n<caption>Where mail was refused or "
          "slowed down within a day</caption>\n<thead><tr><th scope=\"col\">Provider</th>"
       << "<th scope=\"col\">Mail to it</th><th scope=\"col\">Because of</th>"
       << "<th scope=\"col\">Since</th></tr></thead>\n<tbody>\n";
  for (const v1::Road& road : system.measurements->roads()) {
    if (StateForPeople(road.state()).empty()) continue;
    *out << "<tr><th scope=\"row\">" << Escaped(ProviderLabel(road.provider()))
         << "</th><td>" << Escaped(StateForPeople(road.state())) << "</td><td>"
         << Escaped(ScopeForPeople(road.scope())) << "</td><td>";
    if (road.has_since()) {
      *out << TimeElement(FromProto(road.since()));
    } else {
      *out << "-";
    }
    *out << "</td></tr>\n";
  }
  *out << "</tbody>\n</table>\n";
}

}  // namespace mailvane
