// What the shipped rules look at, one function a rule.  Pure.
#pragma once

#include "collector/alert/rule.h"

namespace mailvane {

// Of one system.
Reading SystemDown(const SystemFacts& system);
Reading PingLost(const SystemFacts& system);
Reading AgentSilent(const SystemFacts& system);
Reading SourceUnreadable(const SystemFacts& system);
Reading OutboxFull(const SystemFacts& system);
Reading QueueGrowing(const SystemFacts& system);
Reading QueueNotDraining(const SystemFacts& system);
Reading ClockSkew(const SystemFacts& system);

// Of the fleet and the collector.
Reading ObserverCutOff(const AlertInputs& inputs);
Reading StoreFailing(const AlertInputs& inputs);
Reading NotificationsStuck(const AlertInputs& inputs);
Reading Always(const AlertInputs& inputs);

// Whether anybody wants to hear of a system: it is in service.
bool IsInService(const SystemState& system);

}  // namespace mailvane
