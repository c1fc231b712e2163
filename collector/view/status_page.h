// The public status page: what customers see during an outage.  Complete without
// JavaScript, under 60 KB, nothing from elsewhere.
//
// Public means: only systems that the inventory shows, and of them no path, no
// address and no agent's free text; reasons are words of a closed set.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"

namespace mailvane {

struct PageSettings {
  std::string title = "Systems status";
  // Where the public finds the page, for absolute links, without a slash at its
  // end; empty: not known.
  std::string url;
};

// The table "Systems at a glance", and the posts.
std::string RenderStatusPage(const FleetSnapshot& fleet, const PageSettings& settings,
                             absl::Time now);
// One system: the same facts, its queue and its posts.  `system` is of `fleet`, and
// public.
std::string RenderSystemPage(const FleetSnapshot& fleet, const SystemState& system,
                             const PageSettings& settings, absl::Time now);
// One post, by itself: where feeds and messages link to.  `post` is of `fleet`, and
// public.
std::string RenderPostPage(const FleetSnapshot& fleet, const Post& post,
                           const PageSettings& settings, absl::Time now);
// A picture of one system's status, for other pages: "NC036 | Operational".
std::string RenderBadge(const SystemState& system);
std::string RenderNotFoundPage(const PageSettings& settings);

// The page's other two files.
absl::string_view StyleSheet();
absl::string_view LiveScript();

// Null: there is none, or it is not public.
const SystemState* FindPublicSystem(const FleetSnapshot& fleet, absl::string_view id);
// Posts that the public may see, newest first: about the fleet, or about a public
// system.
std::vector<const Post*> PublicPosts(const FleetSnapshot& fleet);
// "/posts/12".
std::string PostPath(const Post& post);

// "Server NC036, Amsterdam, Netherlands, OPERATIONAL, ping up, 12 ms, 8 s ago":
// what a screen reader says of a row.
std::string RowSentence(const SystemState& system, absl::Time now);
// "Up, 12 ms, 8 s ago", "Down, 6 s ago", "Unknown".
std::string PingText(const PingSummary& ping, absl::Time now);
// Why the status is what it is, and what cannot be seen: "Queue unknown:
// permission denied.".
std::vector<std::string> PublicReasons(const SystemState& system);

}  // namespace mailvane
