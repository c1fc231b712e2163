// Decides whether alerts of one rule are told one by one or as a storm.  Pure;
// keeps no more than the last few minutes.
//
//   waiting ──(gather_for)──┬─ fewer than four within ten minutes: each
//                           └─ else one storm; later ones join it in silence
#pragma once

#include <deque>
#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/alert/rule.h"

namespace mailvane {

class Gathering {
 public:
  // Nobody reads the fourth message.
  static constexpr int kStorm = 4;
  static constexpr absl::Duration kStormWindow = absl::Minutes(10);

  enum class Verdict { kWait, kEach, kStorm };

  // Of a rule's alerts that wait to be told, `waiting` many, the first of them
  // since `oldest`.
  Verdict Judge(absl::Duration now, const Rule& rule, int waiting, absl::Duration oldest);

 private:
  // When alerts of a rule were told one by one.
  std::map<absl::string_view, std::deque<absl::Duration>> told_;
};

}  // namespace mailvane
