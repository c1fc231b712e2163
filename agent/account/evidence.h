// An alarm in words, for somebody who is woken by it at three in the morning.
#pragma once

#include "agent/account/detector.h"
#include "mailvane/v1/finding.pb.h"

namespace mailvane {

// Total and threshold first, then the families by their weight, what it would have taken
// not to fire, what got out, and the lines it rests on.  Nothing in it can be more than
// text: names that came with control characters or broken UTF-8 have '?' instead.
v1::Finding FindingOf(const AccountAlarm& alarm);

}  // namespace mailvane
