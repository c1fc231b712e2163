// The posts as feeds, for readers and for other programs: Atom 1.0 (RFC 4287) and
// RSS 2.0 (rssboard.org/rss-specification).
//
// An entry's id never changes, nor does the time in it: a reader that has shown an
// entry does not show it again.  What the public may not see is not in them.
#pragma once

#include <string>

#include "absl/strings/string_view.h"
#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/status_page.h"

namespace mailvane {

enum class FeedFormat { kAtom, kRss };

// "application/atom+xml; charset=utf-8".
const char* ContentType(FeedFormat format);

// Newest first.  `system` is null, or public: its posts alone.
std::string RenderFeed(FeedFormat format, const FleetSnapshot& fleet,
                       const SystemState* system, const PageSettings& settings);

}  // namespace mailvane
