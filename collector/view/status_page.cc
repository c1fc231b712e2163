#include "collector/view/status_page.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "collector/fleet/verdict.h"
#include "collector/view/blocklists.h"
#include "collector/view/day_bars.h"
#include "collector/view/html.h"
#include "collector/view/roads.h"
#include "collector/view/vocabulary.h"

namespace mailvane {
namespace {

// The state is made again every few seconds; older than this, something hangs.
constexpr absl::Duration kStale = absl::Minutes(2);

// How a status looks: colour, and a shape that tells it apart without colour.
enum class Look {
  kGood,
  kInternal,
  kNotYet,
  kLeaving,
  kDegraded,
  kPartial,
  kMajor,
  kMaintenance,
  kNoData,
};

Look LookOfLifecycle(Lifecycle lifecycle) {
  switch (lifecycle) {
    case Lifecycle::kOperational:
      return Look::kGood;
    case Lifecycle::kInternal:
      return Look::kInternal;
    case Lifecycle::kPlanned:
    case Lifecycle::kProvisioning:
      return Look::kNotYet;
    case Lifecycle::kRetiring:
    case Lifecycle::kRetired:
      return Look::kLeaving;
  }
  return Look::kNoData;
}

// Goes with StatusWord.
Look LookOf(const SystemState& system) {
  switch (system.health) {
    case Health::kOperational:
      return LookOfLifecycle(system.lifecycle);
    case Health::kUnknown: {
      const Look look = LookOfLifecycle(system.lifecycle);
      return StatusWord(system) == "No data" || look == Look::kGood ? Look::kNoData
                                                                    : look;
    }
    case Health::kDegraded:
      return Look::kDegraded;
    case Health::kPartialOutage:
      return Look::kPartial;
    case Health::kMajorOutage:
      return Look::kMajor;
    case Health::kMaintenance:
      return Look::kMaintenance;
  }
  return Look::kNoData;
}

// On white, as a badge's ground: 4.5 to 1 at least.
HtmlLiteral Colour(Look look) {
  switch (look) {
    case Look::kGood:
      return "#1a7f37";
    case Look::kInternal:
      return "#6639ba";
    case Look::kNotYet:
    case Look::kMaintenance:
      return "#0550ae";
    case Look::kDegraded:
      return "#8a5c00";
    case Look::kPartial:
      return "#b04000";
    case Look::kMajor:
      return "#c01c28";
    case Look::kLeaving:
    case Look::kNoData:
      return "#57606a";
  }
  return "#57606a";
}

HtmlLiteral ColourClass(Look look) {
  switch (look) {
    case Look::kGood:
      return "good";
    case Look::kInternal:
      return "house";
    case Look::kNotYet:
    case Look::kMaintenance:
      return "plan";
    case Look::kDegraded:
      return "warn";
    case Look::kPartial:
      return "bad";
    case Look::kMajor:
      return "worst";
    case Look::kLeaving:
    case Look::kNoData:
      return "none";
  }
  return "none";
}

// The shapes, drawn once and used by each row.
HtmlLiteral Shape(Look look) {
  switch (look) {
    case Look::kGood:
      return "<circle cx=\"8\" cy=\"8\" r=\"6\" class=\"full\"/>";
    case Look::kInternal:
      return "<path d=\"M8 1.5 14.5 8 8 14.5 1.5 8z\" class=\"full\"/>";
    case Look::kNotYet:
      return "<circle cx=\"8\" cy=\"8\" r=\"6\"/>";
    case Look::kLeaving:
      return "<path d=\"M2.5 2.5h11v11h-11z\"/>";
    case Look::kDegraded:
      return "<path d=\"M8 2 14.5 14h-13z\"/>";
    case Look::kPartial:
      return "<circle cx=\"8\" cy=\"8\" r=\"6\"/><path d=\"M8 2a6 6 0 0 0 0 12z\" "
             "class=\"full\"/>";
    case Look::kMajor:
      return "<path d=\"M3 3l10 10M13 3 3 13\"/>";
    case Look::kMaintenance:
      return "<path d=\"M2.5 2.5h11v11h-11z\" class=\"full\"/>";
    case Look::kNoData:
      return "<path d=\"M5 5.5a3 3 0 1 1 4.6 2.6C8.4 8.8 8 9.3 8 10.5M8 12.8v1.4\"/>";
  }
  return "";
}

Html StatusCell(const SystemState& system) {
  const Look look = LookOf(system);
  Html out;
  out << "<span class=\"word " << ColourClass(look)
      << "\"><svg class=\"mark\" viewBox=\"0 0 16 16\" aria-hidden=\"true\">"
      << Shape(look) << "</svg>" << Escaped(StatusWord(system)) << "</span>";
  return out;
}

Html Reasons(const std::vector<std::string>& reasons) {
  Html out;
  if (reasons.empty()) return out;
  out << "<ul class=\"why\">";
  for (const std::string& reason : reasons) out << "<li>" << Escaped(reason) << "</li>";
  out << "</ul>";
  return out;
}

// The regional indicators of "NL", which are shown as a flag.  Empty for what is
// no country's two letters.
std::string Flag(absl::string_view country) {
  if (country.size() != 2) return "";
  std::string flag;
  for (const char c : country) {
    if (!absl::ascii_isupper(c)) return "";
    // U+1F1E6 is A.
    flag += "\xF0\x9F\x87";
    flag += static_cast<char>(0xA6 + (c - 'A'));
  }
  return flag;
}

Html Place(const SystemState& system) {
  Html out;
  const std::string flag = Flag(system.country);
  if (!flag.empty()) {
    out << "<span class=\"flag\" aria-hidden=\"true\">" << Escaped(flag) << "</span> ";
  }
  out << Escaped(system.location);
  return out;
}

Html PingCell(const PingSummary& ping, absl::Time now) {
  Html out;
  out << Escaped(PingText(ping, now));
  if (ping.state != PingState::kUp && !ping.why.empty()) out << Reasons({ping.why});
  return out;
}

// For feed readers that are given a page's address.  `system` may be null.
void AppendFeedLinks(const SystemState* system, Html* out) {
  const std::string folder =
      system == nullptr ? "" : absl::StrCat("/systems/", system->id);
  *out << "<link rel=\"alternate\" type=\"application/atom+xml\" title=\"Posts (Atom)\" "
       << "href=\"" << Escaped(folder) << "/feed.atom\">\n"
       << "<link rel=\"alternate\" type=\"application/rss+xml\" title=\"Posts (RSS)\" "
       << "href=\"" << Escaped(folder) << "/feed.rss\">\n";
}

// `system`: whose page it is; null for the fleet's.
void AppendHead(const std::string& title, const PageSettings& settings,
                HtmlLiteral description, bool live, const SystemState* system,
                Html* out) {
  *out << "<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n"
       << "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n"
       << "<title>" << Escaped(title) << "</title>\n<meta name=\"description\" content=\""
       << description << "\">\n";
  if (!settings.url.empty()) {
    *out << "<meta property=\"og:url\" content=\"" << Escaped(settings.url) << "\">\n";
  }
  *out << "<link rel=\"stylesheet\" href=\"/style.css\">\n<link rel=\"icon\" "
       << "href=\"data:,\">\n";
  AppendFeedLinks(system, out);
  if (live) *out << "<script src=\"/live.js\" defer></script>\n";
  *out << "</head>\n<body>\n<a class=\"skip\" href=\"#main\">Skip to the content</a>\n";
}

void AppendMade(const FleetSnapshot& fleet, absl::Time now, Html* out) {
  *out << "<p id=\"made\" class=\"quiet\">This page was made on " << TimeElement(now)
       << ". All times are UTC.</p>\n";
  if (now - fleet.at > kStale) {
    *out << "<p class=\"stale\">The data is " << Escaped(ShortDuration(now - fleet.at))
         << " old: it is of " << TimeElement(fleet.at) << ".</p>\n";
  }
}

void AppendFoot(Html* out) {
  *out << "<footer><p>Also for programs: <a "
          "href=\"/api/v2/summary.json\">summary.json</a>. Posts as a feed: <a "
          "href=\"/feed.atom\">Atom</a>, <a href=\"/feed.rss\">RSS</a>."
       << "</p></footer>\n</body>\n</html>\n";
}

// What the page says first: how many systems are well, and which words the others
// have.
std::string Summary(const FleetSnapshot& fleet) {
  int shown = 0;
  int well = 0;
  std::vector<std::pair<std::string, int>> words;
  for (const SystemState& system : fleet.systems) {
    if (!system.is_public) continue;
    ++shown;
    const Look look = LookOf(system);
    if (look == Look::kGood || look == Look::kInternal || look == Look::kNotYet ||
        look == Look::kLeaving) {
      ++well;
      continue;
    }
    const std::string word = absl::AsciiStrToLower(StatusWord(system));
    auto it = std::find_if(words.begin(), words.end(),
                           [&](const auto& entry) { return entry.first == word; });
    if (it == words.end()) it = words.insert(words.end(), {word, 0});
    ++it->second;
  }
  if (shown == 0) return "No systems are shown here.";
  if (words.empty()) return "No problems are known.";
  std::string text = absl::StrCat(
      shown - well, " of ", shown,
      shown - well == 1 ? " systems needs attention: " : " systems need attention: ");
  for (size_t i = 0; i < words.size(); ++i) {
    absl::StrAppend(&text, i == 0 ? "" : ", ", words[i].second, " ", words[i].first);
  }
  return text + ".";
}

void AppendPostText(const Post& post, Html* out) {
  *out << "<p class=\"quiet\">" << TimeElement(post.created_at) << "</p>\n";
  for (const absl::string_view paragraph : absl::StrSplit(post.body, "\n\n")) {
    if (!absl::StripAsciiWhitespace(paragraph).empty()) {
      *out << "<p>" << Escaped(paragraph) << "</p>\n";
    }
  }
}

void AppendPosts(const std::vector<const Post*>& posts, Html* out) {
  *out << "<section id=\"posts\" aria-labelledby=\"posts-head\">\n"
       << "<h2 id=\"posts-head\">Posts</h2>\n";
  if (posts.empty()) *out << "<p>There are none.</p>\n";
  for (const Post* post : posts) {
    *out << "<article id=\"post-" << post->id << "\">\n<h3><a href=\""
         << Escaped(PostPath(*post)) << "\">" << Escaped(post->title) << "</a></h3>\n";
    AppendPostText(*post, out);
    *out << "</article>\n";
  }
  *out << "</section>\n";
}

// Of those systems whose days are counted.
void AppendHistory(const FleetSnapshot& fleet, Html* out) {
  const auto is_shown = [](const SystemState& system) {
    return system.is_public && system.days != nullptr;
  };
  if (std::none_of(fleet.systems.begin(), fleet.systems.end(), is_shown)) return;
  *out << "<section id=\"history\" aria-labelledby=\"history-head\">\n"
       << "<h2 id=\"history-head\">The last 90 days</h2>\n<ul class=\"history\">\n";
  for (const SystemState& system : fleet.systems) {
    if (!is_shown(system)) continue;
    *out << "<li><a href=\"/systems/" << Escaped(system.id) << "\">"
         << Escaped(system.name) << "</a> " << RenderDayBars(*system.days);
    const std::optional<int> share = UpShare(*system.days);
    *out << " <span class=\"share\" aria-hidden=\"true\">"
         << Escaped(share ? absl::StrFormat("%d.%02d %%", *share / 100, *share % 100)
                          : "No data")
         << "</span></li>\n";
  }
  *out << "</ul>\n</section>\n";
}

std::string Size(uint64_t bytes) {
  constexpr const char* kUnits[] = {"B", "KiB", "MiB", "GiB", "TiB"};
  double size = static_cast<double>(bytes);
  size_t unit = 0;
  while (size >= 1024 && unit + 1 < sizeof(kUnits) / sizeof(kUnits[0])) {
    size /= 1024;
    ++unit;
  }
  return unit == 0 ? absl::StrCat(bytes, " B")
                   : absl::StrFormat("%.1f %s", size, kUnits[unit]);
}

// "under_10m" → "under 10m".
std::string InWords(absl::string_view label) {
  return absl::StrReplaceAll(label, {{"_", " "}});
}

// Why mail waits, the largest part first.
void AppendCauses(const v1::QueueReading& queue, Html* out) {
  if (queue.causes().empty()) return;
  *out << "<table>\n<caption>Why they wait</caption>\n<thead><tr>"
       << "<th scope=\"col\">Where to</th><th scope=\"col\">Age</th>"
       << "<th scope=\"col\">Reason</th>"
       << "<th scope=\"col\" class=\"number\">Messages</th></tr></thead>\n<tbody>\n";
  for (const v1::QueueCause& cause : queue.causes()) {
    *out << "<tr><th scope=\"row\">" << Escaped(InWords(ProviderLabel(cause.provider())))
         << "</th><td>" << Escaped(InWords(QueueAgeLabel(cause.age()))) << "</td><td>"
         << Escaped(InWords(QueueReasonLabel(cause.reason())))
         << "</td><td class=\"number\">" << cause.messages() << "</td></tr>\n";
  }
  *out << "</tbody>\n</table>\n";
  if (queue.expiring() > 0) {
    *out << "<p>" << queue.expiring()
         << " of them will be given up within six hours.</p>\n";
  }
}

// The queue, or in a sentence why there is none.
void AppendQueue(const SystemState& system, absl::Time now, Html* out) {
  *out << "<h2>Mail queue</h2>\n";
  if (!system.connected || system.measurements == nullptr) {
    *out << "<p>Queue unknown: no report from this system.</p>\n";
    return;
  }
  if (!system.measurements->has_queue()) {
    *out << "<p>Queue unknown: not looked at yet.</p>\n";
    return;
  }
  const v1::QueueReading& queue = system.measurements->queue();
  if (queue.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
    *out << "<p>Queue unknown: " << Escaped(Words(queue.unavailable())) << ".</p>\n";
    return;
  }
  *out << "<table>\n<caption>Messages that wait</caption>\n<thead><tr>"
       << "<th scope=\"col\">Queue</th><th scope=\"col\" class=\"number\">Messages</th>"
       << "<th scope=\"col\" class=\"number\">Size</th>"
       << "<th scope=\"col\" class=\"number\">Oldest</th></tr></thead>\n<tbody>\n";
  for (const v1::QueueDepth& depth : queue.depths()) {
    *out << "<tr><th scope=\"row\">" << Escaped(QueueForPeople(depth.queue()))
         << "</th><td class=\"number\">" << depth.messages()
         << "</td><td class=\"number\">" << Escaped(Size(depth.bytes()))
         << "</td><td class=\"number\">";
    if (depth.has_oldest_age_seconds()) {
      *out << Escaped(ShortDuration(absl::Seconds(depth.oldest_age_seconds())));
    } else {
      *out << "none";
    }
    *out << "</td></tr>\n";
  }
  const absl::Time read_at = system.measured_at - absl::Milliseconds(queue.age_ms());
  *out << "</tbody>\n</table>\n";
  AppendCauses(queue, out);
  *out << "<p class=\"quiet\">Read on " << TimeElement(read_at) << ", "
       << Escaped(ShortDuration(now - read_at)) << " before this page was made.</p>\n";
}

}  // namespace

const SystemState* FindPublicSystem(const FleetSnapshot& fleet, absl::string_view id) {
  for (const SystemState& system : fleet.systems) {
    if (system.id == id) return system.is_public ? &system : nullptr;
  }
  return nullptr;
}

std::vector<const Post*> PublicPosts(const FleetSnapshot& fleet) {
  std::vector<const Post*> posts;
  for (const Post& post : fleet.posts) {
    // One about a system that the inventory no longer has may have been hidden.
    if (post.system.empty() || FindPublicSystem(fleet, post.system) != nullptr) {
      posts.push_back(&post);
    }
  }
  std::stable_sort(posts.begin(), posts.end(), [](const Post* a, const Post* b) {
    return a->created_at > b->created_at;
  });
  return posts;
}

std::string PostPath(const Post& post) { return absl::StrCat("/posts/", post.id); }

std::string PingText(const PingSummary& ping, absl::Time now) {
  std::string text;
  switch (ping.state) {
    case PingState::kUp:
      text = "Up";
      if (ping.rtt.has_value()) absl::StrAppend(&text, ", ", RoundTrip(*ping.rtt));
      break;
    case PingState::kDown:
      text = "Down";
      break;
    case PingState::kUnknown:
      text = "Unknown";
      break;
  }
  if (ping.measured_at.has_value()) {
    absl::StrAppend(&text, ", ", ShortDuration(now - *ping.measured_at), " ago");
  }
  return text;
}

std::string RowSentence(const SystemState& system, absl::Time now) {
  std::string sentence = absl::StrCat("Server ", system.name);
  if (!system.location.empty()) absl::StrAppend(&sentence, ", ", system.location);
  absl::StrAppend(&sentence, ", ", absl::AsciiStrToUpper(StatusWord(system)));
  std::string ping = PingText(system.ping, now);
  ping[0] = absl::ascii_tolower(ping[0]);
  absl::StrAppend(&sentence, ", ping ", ping);
  return sentence;
}

std::vector<std::string> PublicReasons(const SystemState& system) {
  std::vector<std::string> reasons;
  const auto add = [&](std::string reason) {
    if (std::find(reasons.begin(), reasons.end(), reason) == reasons.end()) {
      reasons.push_back(std::move(reason));
    }
  };
  if (!system.health_why.empty()) add(system.health_why);
  if (!system.connected || system.measurements == nullptr) return reasons;
  const v1::Snapshot& snapshot = *system.measurements;
  const auto add_unknown = [&](absl::string_view what, v1::Unavailable unavailable) {
    // A host without Postfix has no queue: nothing is wrong.
    if (unavailable == v1::UNAVAILABLE_UNSPECIFIED ||
        unavailable == v1::UNAVAILABLE_NOT_CONFIGURED) {
      return;
    }
    // The verdict's own words, so that what it says is not said again.
    add(absl::StrCat(what, " unknown: ", Words(unavailable), "."));
  };
  if (snapshot.has_queue()) add_unknown("Queue", snapshot.queue().unavailable());
  for (const v1::SourceReading& source : snapshot.sources()) {
    add_unknown(SourceForPeople(source.source()), source.unavailable());
  }
  return reasons;
}

std::string RenderStatusPage(const FleetSnapshot& fleet, const PageSettings& settings,
                             absl::Time now) {
  Html out;
  AppendHead(settings.title, settings, "Status of our mail systems, measured.", true,
             nullptr, &out);
  out << "<header><h1>" << Escaped(settings.title)
      << "</h1></header>\n<main id=\"main\">\n"
      << "<p id=\"summary\" class=\"summary\" aria-live=\"polite\">"
      << Escaped(Summary(fleet)) << "</p>\n";
  AppendMade(fleet, now, &out);
  out << "<table>\n<caption>Systems at a glance</caption>\n<thead><tr>"
      << "<th scope=\"col\"><abbr title=\"Location\">Loc.</abbr></th>"
      << "<th scope=\"col\">System</th><th scope=\"col\">Status</th>"
      << "<th scope=\"col\">Ping</th></tr></thead>\n<tbody id=\"systems\">\n";
  for (const SystemState& system : fleet.systems) {
    if (!system.is_public) continue;
    out << "<tr aria-label=\"" << Escaped(RowSentence(system, now)) << "\"><td>"
        << Place(system) << "</td><th scope=\"row\"><a href=\"/systems/"
        << Escaped(system.id) << "\">" << Escaped(system.name) << "</a></th><td>"
        << StatusCell(system) << Reasons(PublicReasons(system)) << "</td><td>"
        << PingCell(system.ping, now) << "</td></tr>\n";
  }
  out << "</tbody>\n</table>\n";
  AppendHistory(fleet, &out);
  AppendPosts(PublicPosts(fleet), &out);
  out << "</main>\n";
  AppendFoot(&out);
  return std::move(out).Take();
}

std::string RenderSystemPage(const FleetSnapshot& fleet, const SystemState& system,
                             const PageSettings& settings, absl::Time now) {
  Html out;
  AppendHead(absl::StrCat(system.name, " - ", settings.title), settings,
             "Status of one of our mail systems, measured.", false, &system, &out);
  out << "<nav aria-label=\"Up\"><a href=\"/\">" << Escaped(settings.title)
      << "</a></nav>\n<main id=\"main\">\n<h1>" << Escaped(system.name) << "</h1>\n";
  if (!system.description.empty())
    out << "<p>" << Escaped(system.description) << "</p>\n";
  AppendMade(fleet, now, &out);
  out << "<dl>\n";
  if (!system.location.empty()) {
    out << "<dt>Location</dt><dd>" << Place(system) << "</dd>\n";
  }
  out << "<dt>Status</dt><dd>" << StatusCell(system) << Reasons(PublicReasons(system))
      << "</dd>\n";
  if (system.health_since > absl::UnixEpoch()) {
    out << "<dt>Since</dt><dd>" << TimeElement(system.health_since) << "</dd>\n";
  }
  out << "<dt>Ping</dt><dd>" << PingCell(system.ping, now) << "</dd>\n";
  if (system.ping.asked_from > 0) {
    out << "<dt>Reached from</dt><dd>" << system.ping.reached_from << " of "
        << system.ping.asked_from << " places</dd>\n";
  }
  out << "<dt>Last heard</dt><dd>";
  if (system.last_seen.has_value()) {
    out << TimeElement(*system.last_seen) << ", "
        << Escaped(ShortDuration(now - *system.last_seen)) << " ago";
  } else {
    out << "Never";
  }
  out << "</dd>\n</dl>\n";
  if (system.days != nullptr) {
    out << "<h2>The last 90 days</h2>\n<p>" << RenderDayBars(*system.days) << "</p>\n<p>"
        << Escaped(DaysSentence(*system.days)) << "</p>\n"
        << RenderDayTable(*system.days);
  }
  AppendQueue(system, now, &out);
  AppendRoads(system, &out);
  AppendBlocklists(system, now, &out);
  std::vector<const Post*> posts = PublicPosts(fleet);
  posts.erase(std::remove_if(posts.begin(), posts.end(),
                             [&](const Post* post) { return post->system != system.id; }),
              posts.end());
  AppendPosts(posts, &out);
  out << "</main>\n";
  AppendFoot(&out);
  return std::move(out).Take();
}

std::string RenderPostPage(const FleetSnapshot& fleet, const Post& post,
                           const PageSettings& settings, absl::Time now) {
  const SystemState* const system = FindPublicSystem(fleet, post.system);
  Html out;
  AppendHead(absl::StrCat(post.title, " - ", settings.title), settings,
             "A note about our mail systems.", false, system, &out);
  out << "<nav aria-label=\"Up\"><a href=\"/\">" << Escaped(settings.title) << "</a>";
  if (system != nullptr) {
    out << ", <a href=\"/systems/" << Escaped(system->id) << "\">"
        << Escaped(system->name) << "</a>";
  }
  out << "</nav>\n<main id=\"main\">\n<h1>" << Escaped(post.title) << "</h1>\n";
  AppendPostText(post, &out);
  if (system != nullptr) {
    // A post stays as it was written; what holds now stands beside it.
    out << "<dl>\n<dt>Status of " << Escaped(system->name) << " now</dt><dd>"
        << StatusCell(*system) << "</dd>\n</dl>\n";
  }
  AppendMade(fleet, now, &out);
  out << "</main>\n";
  AppendFoot(&out);
  return std::move(out).Take();
}

std::string RenderBadge(const SystemState& system) {
  // About 7 pixels a letter at this size; textLength makes it fit any font.
  const std::string status = StatusWord(system);
  const size_t left = 7 * system.name.size() + 12;
  const size_t right = 7 * status.size() + 12;
  Html out;
  out << "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"" << left + right
      << "\" height=\"20\" role=\"img\"><title>" << Escaped(system.name) << ": "
      << Escaped(status) << "</title><g aria-hidden=\"true\" fill=\"#fff\" "
      << "font-family=\"Verdana,DejaVu Sans,sans-serif\" font-size=\"11\"><rect width=\""
      << left << "\" height=\"20\" fill=\"#24292f\"/><rect x=\"" << left << "\" width=\""
      << right << "\" height=\"20\" fill=\"" << Colour(LookOf(system))
      << "\"/><text x=\"6\" y=\"14\" textLength=\"" << left - 12 << "\">"
      << Escaped(system.name) << "</text><text x=\"" << left + 6
      << "\" y=\"14\" textLength=\"" << right - 12 << "\">" << Escaped(status)
      << "</text></g></svg>\n";
  return std::move(out).Take();
}

std::string RenderNotFoundPage(const PageSettings& settings) {
  Html out;
  AppendHead(absl::StrCat("Not found - ", settings.title), settings, "Not found.", false,
             nullptr, &out);
  out << "<main id=\"main\">\n<h1>Not found</h1>\n<p>There is no such page. <a "
         "href=\"/\">"
      << Escaped(settings.title) << "</a></p>\n</main>\n";
  AppendFoot(&out);
  return std::move(out).Take();
}

absl::string_view StyleSheet() {
  static constexpr char kText[] =
#include "collector/view/style.css.inc"
      ;
  return absl::string_view(kText, sizeof(kText) - 1);
}

absl::string_view LiveScript() {
  static constexpr char kText[] =
#include "collector/view/live.js.inc"
      ;
  return absl::string_view(kText, sizeof(kText) - 1);
}

}  // namespace mailvane
