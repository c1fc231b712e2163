#include "collector/incident/drafts.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// 0: no trouble.
int Severity(Health health) {
  switch (health) {
    case Health::kDegraded:
      return 1;
    case Health::kPartialOutage:
      return 2;
    case Health::kMajorOutage:
      return 3;
    default:
      return 0;
  }
}

const char* Words(Health health) {
  switch (health) {
    case Health::kDegraded:
      return "Degraded";
    case Health::kPartialOutage:
      return "Partial outage";
    case Health::kMajorOutage:
      return "Major outage";
    default:
      return "";
  }
}

std::string Where(const SystemState& system) {
  return system.location.empty() ? system.name
                                 : absl::StrCat(system.name, " (", system.location, ")");
}

}  // namespace

std::optional<Post> DraftPost(const HealthTransition& transition,
                              const SystemState& system) {
  if (!system.is_public || system.lifecycle == Lifecycle::kPlanned ||
      system.lifecycle == Lifecycle::kProvisioning ||
      system.lifecycle == Lifecycle::kRetired) {
    return std::nullopt;
  }
  // What was out of sight in between is still the same trouble: a host that
  // comes back answers pings before its agent reports.
  const Health from = transition.from == Health::kUnknown
                          ? system.last_known_health.value_or(Health::kUnknown)
                          : transition.from;
  // Halfway back is no news: the end of it will be.
  const bool worse = Severity(transition.to) > Severity(from);
  const bool over = Severity(from) > 0 && transition.to == Health::kOperational;
  if (!worse && !over) return std::nullopt;
  const std::string when =
      absl::FormatTime("%Y-%m-%d %H:%M UTC", transition.at, absl::UTCTimeZone());
  Post post;
  post.created_at = transition.at;
  post.system = system.id;
  if (over) {
    post.title = absl::StrCat(system.name, ": Resolved");
    post.body = absl::StrCat(Where(system), " works normally again since ", when, ".");
    return post;
  }
  post.title = absl::StrCat(system.name, ": ", Words(transition.to));
  post.body = absl::StrCat(Where(system), ", since ", when, ": ", transition.why);
  return post;
}

}  // namespace mailvane
