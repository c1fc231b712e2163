#include "collector/view/day_bars.h"

#include <cstdint>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "absl/time/time.h"

namespace mailvane {
namespace {

// A day with as much trouble as this was a bad one.
constexpr int kLongOutage = 3600;
// Of a bar and the gap behind it, in the picture's units.
constexpr int kStep = 4;
constexpr int kBar = 3;

enum class DayLook { kGood, kMaintenance, kShortOutage, kLongOutage, kNoData };

DayLook LookOf(const DayShares& day) {
  if (day.down >= kLongOutage) return DayLook::kLongOutage;
  if (day.down > 0) return DayLook::kShortOutage;
  if (day.up + day.maintenance == 0) return DayLook::kNoData;
  return day.maintenance > day.up ? DayLook::kMaintenance : DayLook::kGood;
}

struct Stroke {
  DayLook look;
  HtmlLiteral css_class;
  // Bars stand on the same ground, at 24.
  int height;
};
constexpr Stroke kStrokes[] = {
    {DayLook::kGood, "good", 24},       {DayLook::kMaintenance, "plan", 20},
    {DayLook::kShortOutage, "bad", 14}, {DayLook::kLongOutage, "worst", 7},
    {DayLook::kNoData, "none", 2},
};

// All days of one look as one dashed path: a hundred rows of ninety bars must stay
// small.
Html Path(const std::vector<DayShares>& days, const Stroke& stroke) {
  Html out;
  bool begun = false;
  for (size_t i = 0; i < days.size(); ++i) {
    if (LookOf(days[i]) != stroke.look) continue;
    size_t end = i;
    while (end < days.size() && LookOf(days[end]) == stroke.look) ++end;
    if (!begun) {
      out << "<path class=\"" << stroke.css_class << "\" stroke-width=\"" << stroke.height
          << "\" d=\"";
      begun = true;
    }
    out << "M" << i * kStep << " " << (24 - stroke.height / 2) << "h"
        << (end - i) * kStep - (kStep - kBar);
    i = end;
  }
  if (begun) out << "\"/>";
  return out;
}

std::string DaysWord(int count) {
  return absl::StrCat(count, count == 1 ? " day" : " days");
}

std::string Seconds(int64_t seconds) { return ShortDuration(absl::Seconds(seconds)); }

}  // namespace

std::optional<int> UpShare(const std::vector<DayShares>& days) {
  int64_t up = 0;
  int64_t down = 0;
  for (const DayShares& day : days) {
    up += day.up;
    down += day.down;
  }
  if (up + down == 0) return std::nullopt;
  return static_cast<int>(up * 10'000 / (up + down));
}

std::string DaysSentence(const std::vector<DayShares>& days) {
  const std::optional<int> share = UpShare(days);
  const std::string span = absl::StrCat("the last ", DaysWord(days.size()));
  if (!share.has_value()) return absl::StrCat("No data in ", span, ".");
  int64_t down = 0;
  int bad_days = 0;
  int silent_days = 0;
  for (const DayShares& day : days) {
    down += day.down;
    bad_days += day.down > 0;
    silent_days += LookOf(day) == DayLook::kNoData;
  }
  std::string sentence =
      absl::StrFormat("%d.%02d %% up in %s", *share / 100, *share % 100, span);
  if (down > 0) {
    absl::StrAppend(&sentence, "; down for ", Seconds(down), " on ", DaysWord(bad_days));
  }
  if (silent_days > 0)
    absl::StrAppend(&sentence, "; no data for ", DaysWord(silent_days));
  return sentence + ".";
}

Html RenderDayBars(const std::vector<DayShares>& days) {
  Html out;
  out << "<svg class=\"days\" viewBox=\"0 0 " << days.size() * kStep
      << " 24\" preserveAspectRatio=\"none\" role=\"img\" aria-label=\""
      << Escaped(DaysSentence(days)) << "\">";
  for (const Stroke& stroke : kStrokes) out << Path(days, stroke);
  out << "</svg>";
  return out;
}

Html RenderDayTable(const std::vector<DayShares>& days) {
  Html out;
  out << "<details><summary>Day by day</summary>\n<table>\n<caption>Days that were not "
         "up "
         "throughout</caption>\n<thead><tr><th scope=\"col\">Day (UTC)</th>"
      << "<th scope=\"col\" class=\"number\">Up</th><th scope=\"col\" "
         "class=\"number\">Down"
      << "</th><th scope=\"col\" class=\"number\">Maintenance</th>"
      << "<th scope=\"col\" class=\"number\">Not watched</th></tr></thead>\n<tbody>\n";
  int rows = 0;
  for (auto day = days.rbegin(); day != days.rend(); ++day) {
    const bool up_throughout = day->down + day->maintenance + day->unknown == 0;
    if (up_throughout || LookOf(*day) == DayLook::kNoData) continue;
    ++rows;
    out << "<tr><th scope=\"row\">" << Escaped(absl::FormatCivilTime(day->day))
        << "</th>";
    for (const int seconds : {day->up, day->down, day->maintenance, day->unknown}) {
      out << "<td class=\"number\">" << Escaped(seconds == 0 ? "-" : Seconds(seconds))
          << "</td>";
    }
    out << "</tr>\n";
  }
  if (rows == 0) out << "<tr><td colspan=\"5\">None.</td></tr>\n";
  out << "</tbody>\n</table>\n<p class=\"quiet\">Up is operational or degraded, down is "
         "a "
         "partial or major outage. The share is up of up and down together; maintenance "
         "and "
         "time that was not watched count for neither.</p>\n</details>\n";
  return out;
}

}  // namespace mailvane
