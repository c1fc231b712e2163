// Ninety days of a system as a row of bars, and the same in words and as a table:
// neither colour nor a picture is needed to read it.
#pragma once

#include <string>
#include <vector>

#include "collector/fleet/fleet_snapshot.h"
#include "collector/view/html.h"

namespace mailvane {

// A picture whose text is DaysSentence.  A bar is as high as the day was good; its
// colour says the same.
Html RenderDayBars(const std::vector<DayShares>& days);

// Those days of which there is something to say, newest first.
Html RenderDayTable(const std::vector<DayShares>& days);

// "99.98 % up in the last 90 days; down for 14 min on 2 days; no data for 3 days."
std::string DaysSentence(const std::vector<DayShares>& days);

// Up of up and down together, in hundredths of a percent, rounded down: 9998.  Absent
// when nothing was watched.
std::optional<int> UpShare(const std::vector<DayShares>& days);

}  // namespace mailvane
