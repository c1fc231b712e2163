#include "collector/alert/gathering.h"

namespace mailvane {

Gathering::Verdict Gathering::Judge(absl::Duration now, const Rule& rule, int waiting,
                                    absl::Duration oldest) {
  if (waiting == 0 || now - oldest < rule.gather_for) return Verdict::kWait;
  std::deque<absl::Duration>& told = told_[rule.name];
  while (!told.empty() && now - told.front() > kStormWindow) told.pop_front();
  if (static_cast<int>(told.size()) + waiting >= kStorm) return Verdict::kStorm;
  told.insert(told.end(), waiting, now);
  return Verdict::kEach;
}

}  // namespace mailvane
