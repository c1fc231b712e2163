#include "collector/fleet/fleet_snapshot.h"

namespace mailvane {
namespace {

std::string LifecycleWord(Lifecycle lifecycle) {
  switch (lifecycle) {
    case Lifecycle::kPlanned:
      return "Planned";
    case Lifecycle::kProvisioning:
      return "Provisioning";
    case Lifecycle::kOperational:
      return "Operational";
    case Lifecycle::kInternal:
      return "Internal";
    case Lifecycle::kRetiring:
      return "Retiring";
    case Lifecycle::kRetired:
      return "Retired";
  }
  return "";
}

// Nobody expects an agent to report from a system that is not in service yet,
// or no more.
bool IsInService(Lifecycle lifecycle) {
  return lifecycle == Lifecycle::kOperational || lifecycle == Lifecycle::kInternal ||
         lifecycle == Lifecycle::kRetiring;
}

}  // namespace

const char* Name(Lifecycle lifecycle) {
  switch (lifecycle) {
    case Lifecycle::kPlanned:
      return "planned";
    case Lifecycle::kProvisioning:
      return "provisioning";
    case Lifecycle::kOperational:
      return "operational";
    case Lifecycle::kInternal:
      return "internal";
    case Lifecycle::kRetiring:
      return "retiring";
    case Lifecycle::kRetired:
      return "retired";
  }
  return "";
}

const char* Name(Health health) {
  switch (health) {
    case Health::kUnknown:
      return "unknown";
    case Health::kOperational:
      return "operational";
    case Health::kDegraded:
      return "degraded";
    case Health::kPartialOutage:
      return "partial_outage";
    case Health::kMajorOutage:
      return "major_outage";
    case Health::kMaintenance:
      return "maintenance";
  }
  return "";
}

std::optional<Health> HealthOf(absl::string_view name) {
  for (const Health health :
       {Health::kUnknown, Health::kOperational, Health::kDegraded, Health::kPartialOutage,
        Health::kMajorOutage, Health::kMaintenance}) {
    if (name == Name(health)) return health;
  }
  return std::nullopt;
}

const char* Name(PingState ping) {
  switch (ping) {
    case PingState::kUnknown:
      return "unknown";
    case PingState::kUp:
      return "up";
    case PingState::kDown:
      return "down";
  }
  return "";
}

std::string StatusWord(const SystemState& system) {
  switch (system.health) {
    case Health::kOperational:
      return LifecycleWord(system.lifecycle);
    case Health::kUnknown:
      return IsInService(system.lifecycle) ? "No data" : LifecycleWord(system.lifecycle);
    case Health::kDegraded:
      return "Degraded";
    case Health::kPartialOutage:
      return "Partial outage";
    case Health::kMajorOutage:
      return "Major outage";
    case Health::kMaintenance:
      return "Maintenance";
  }
  return "";
}

}  // namespace mailvane
