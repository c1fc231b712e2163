#include "collector/view/blocklists.h"

#include "collector/view/vocabulary.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// What the past shows of itself.
constexpr int kMostPast = 10;

// By the tier, a closed set.
absl::string_view WeightForPeople(absl::string_view tier) {
  if (tier == "page") return "Many refuse mail by it";
  if (tier == "warn") return "Some refuse mail by it";
  return "Few look at it";
}

// Empty: not to be shown, since nothing is certain yet.
absl::string_view StateForPeople(const v1::Listing& listing) {
  switch (static_cast<int>(listing.state())) {
    case v1::Listing::STATE_CONFIRMED:
      return "Listed";
    case v1::Listing::STATE_CLEARING:
      return "Seems to be over";
    case v1::Listing::STATE_CLEARED:
      return "Over";
    default:
      return "";
  }
}

void AppendRow(const v1::Listing& listing, absl::Time now, Html* out) {
  *out << "<tr><th scope=\"row\">" << Escaped(ListLabel(listing.zone())) << "</th><td>"
       << Escaped(StateForPeople(listing)) << "</td><td>"
       << Escaped(WeightForPeople(listing.tier())) << "</td><td>"
       << TimeElement(FromProto(listing.first_seen())) << "</td><td>";
  if (listing.has_cleared_at()) {
    *out << TimeElement(FromProto(listing.cleared_at()));
  } else if (listing.has_earliest_end() && FromProto(listing.earliest_end()) > now) {
    *out << "not before " << TimeElement(FromProto(listing.earliest_end()));
  } else {
    *out << "unknown";
  }
  *out << "</td></tr>\n";
}

}  // namespace

void AppendBlocklists(const SystemState& system, absl::Time now, Html* out) {
  if (!system.connected || system.measurements == nullptr) return;
  if (!system.measurements->has_blocklists()) return;
  const v1::BlocklistReading& reading = system.measurements->blocklists();
  int healthy = 0;
  for (const v1::ListCondition& list : reading.lists()) {
    healthy += list.state() == v1::ListCondition::STATE_HEALTHY ? 1 : 0;
  }
  int present = 0;
  int past = 0;
  Html rows;
  for (const v1::Listing& listing : reading.listings()) {
    if (StateForPeople(listing).empty()) continue;
    const bool over = listing.state() == v1::Listing::STATE_CLEARED;
    if (over && ++past > kMostPast) continue;
    present += over ? 0 : 1;
    AppendRow(listing, now, &rows);
  }
  *out << "<h2>Blocklists</h2>\n";
  if (healthy == 0 && present == 0) {
    *out << "<p>Unknown: no list could be asked.</p>\n";
  } else if (present == 0) {
    *out << "<p>On none of " << healthy << " lists.</p>\n";
  } else {
    *out << "<p>On " << present << " of " << healthy << " lists.</p>\n";
  }
  if (present + past == 0) return;
  *out << "<table>\n<caption>Lists that name this system</caption>\n<thead><tr>"
       << "<th scope=\"col\">List</th><th scope=\"col\">State</th>"
       << "<th scope=\"col\">Weight</th><th scope=\"col\">Since</th>"
       << "<th scope=\"col\">Until</th></tr></thead>\n<tbody>\n"
       << rows << "</tbody>\n</table>\n";
}

}  // namespace mailvane
