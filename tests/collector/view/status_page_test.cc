#include "collector/view/status_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/collector/view/demo_fleet.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

PageSettings Settings() {
  PageSettings settings;
  settings.title = "Northern Lights Mail: systems status";
  return settings;
}

std::string Page(const FleetSnapshot& fleet) {
  return RenderStatusPage(fleet, Settings(), DemoTime());
}

// The table's row of one system.
std::string Row(const FleetSnapshot& fleet, const std::string& id) {
  const std::string page = Page(fleet);
  const size_t start = page.find(absl::StrCat("<tr aria-label=\"Server ", id));
  if (start == std::string::npos) return "";
  return page.substr(start, page.find("</tr>", start) - start);
}

TEST(StatusPage, IsAsInTheGoldenFile) {
  EXPECT_EQ(Page(DemoFleet()),
            ReadFileOrDie("tests/collector/view/testdata/status_page.html"));
}

TEST(SystemPage, SaysWhoRefusesItsMailInWordsOfOurOwn) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC036");
  v1::Snapshot snapshot = *system.measurements;
  v1::Road& road = *snapshot.mutable_roads(0);
  const auto page = [&] {
    system.measurements = std::make_shared<v1::Snapshot>(snapshot);
    return RenderSystemPage(fleet, system, Settings(), DemoTime());
  };
  EXPECT_THAT(page(), HasSubstr("<th scope=\"row\">microsoft</th><td>Refused</td>"
                                "<td>this server&#39;s address</td>"));
  road.set_provider("<b>evil</b>");
  road.set_scope("<i>evil</i>");
  road.set_delist_url("https://evil.example/");
  EXPECT_THAT(page(), Not(HasSubstr("evil")));
  road.set_state(v1::Road::STATE_LIMITED);
  EXPECT_THAT(page(), HasSubstr("<td>Slowed down</td>"));
  snapshot.clear_roads();
  EXPECT_THAT(page(), Not(HasSubstr("Mail to large providers")));
}

TEST(SystemPage, IsAsInTheGoldenFile) {
  const FleetSnapshot fleet = DemoFleet();
  EXPECT_EQ(
      RenderSystemPage(fleet, *FindPublicSystem(fleet, "NC036"), Settings(), DemoTime()),
      ReadFileOrDie("tests/collector/view/testdata/system_page.html"));
}

TEST(StatusPage, EachRowIsOneSentence) {
  FleetSnapshot fleet = DemoFleet();
  const struct {
    const char* id;
    const char* want;
  } kRows[] = {
      {"NC036",
       "Server NC036, Amsterdam, Netherlands, OPERATIONAL, ping up, 0.9 ms, 8 s ago"},
      {"NC033", "Server NC033, Sydney, Australia, INTERNAL, ping up, 263 ms, 8 s ago"},
      {"NC027", "Server NC027, Toronto, Canada, NO DATA, ping down, 6 s ago"},
      {"NC039", "Server NC039, Seattle, United States, PROVISIONING, ping unknown"},
      {"NC030", "Server NC030, Lusaka, Zambia, DEGRADED, ping up, 187 ms, 8 s ago"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(RowSentence(FindSystem(fleet, row.id), DemoTime()), row.want);
    EXPECT_THAT(Row(fleet, row.id),
                HasSubstr(absl::StrCat("aria-label=\"", row.want, "\"")));
  }
  FindSystem(fleet, "NC036").location.clear();
  EXPECT_THAT(RowSentence(FindSystem(fleet, "NC036"), DemoTime()),
              HasSubstr("Server NC036, OPERATIONAL, ping"));
}

TEST(StatusPage, UnknownIsNeverGreen) {
  FleetSnapshot fleet = DemoFleet();
  for (const Lifecycle lifecycle :
       {Lifecycle::kPlanned, Lifecycle::kProvisioning, Lifecycle::kOperational,
        Lifecycle::kInternal, Lifecycle::kRetiring, Lifecycle::kRetired}) {
    FindSystem(fleet, "NC036").lifecycle = lifecycle;
    FindSystem(fleet, "NC036").health = Health::kUnknown;
    EXPECT_THAT(Row(fleet, "NC036"), Not(HasSubstr("good"))) << Name(lifecycle);
  }
  FindSystem(fleet, "NC036").lifecycle = Lifecycle::kOperational;
  EXPECT_THAT(Row(fleet, "NC036"), HasSubstr("No data"));
  EXPECT_THAT(Page(fleet),
              HasSubstr("3 of 9 systems need attention: 2 no data, 1 degraded."));
}

TEST(StatusPage, EachStatusHasItsOwnShape) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC036");
  std::vector<std::string> shapes;
  for (const Health health :
       {Health::kOperational, Health::kDegraded, Health::kPartialOutage,
        Health::kMajorOutage, Health::kMaintenance, Health::kUnknown}) {
    system.health = health;
    const std::string row = Row(fleet, "NC036");
    const size_t start = row.find("aria-hidden=\"true\"><", row.find("<svg"));
    shapes.push_back(row.substr(start, row.find("</svg>") - start));
  }
  std::sort(shapes.begin(), shapes.end());
  EXPECT_EQ(std::unique(shapes.begin(), shapes.end()), shapes.end());
}

TEST(StatusPage, SaysWhyInWordsOfAClosedSet) {
  FleetSnapshot fleet = DemoFleet();
  EXPECT_THAT(PublicReasons(FindSystem(fleet, "NC025")),
              ElementsAre("Queue unknown: permission denied."))
      << "the queue and its source are one reason";
  EXPECT_THAT(PublicReasons(FindSystem(fleet, "NC027")),
              ElementsAre("No report for 4 min."));
  EXPECT_THAT(PublicReasons(FindSystem(fleet, "NC036")), IsEmpty());

  SystemState& system = FindSystem(fleet, "NC036");
  v1::Snapshot snapshot = *system.measurements;
  snapshot.mutable_sources(0)->set_unavailable(v1::UNAVAILABLE_NOT_FOUND);
  snapshot.mutable_sources(1)->set_unavailable(v1::UNAVAILABLE_NOT_CONFIGURED);
  v1::SourceReading* const odd = snapshot.add_sources();
  odd->set_source("/etc/shadow of alice@example.net");
  odd->set_unavailable(static_cast<v1::Unavailable>(99));
  system.measurements = std::make_shared<v1::Snapshot>(snapshot);
  EXPECT_THAT(PublicReasons(system),
              ElementsAre("Mail log unknown: not found.",
                          "Another source unknown: not readable."));
  system.connected = false;
  EXPECT_THAT(PublicReasons(system), IsEmpty()) << "old reasons are not present ones";
}

TEST(StatusPage, TellsThePublicNothingOfTheInside) {
  FleetSnapshot fleet = DemoFleet();
  fleet.systems[0].is_public = false;  // NC018
  fleet.posts.push_back({3, DemoTime(), "NC018", "NC018: secret", "hidden"});
  fleet.posts.push_back({4, DemoTime(), "NC001", "NC001: gone", "may have been hidden"});
  for (const SystemState& system : fleet.systems) {
    for (const std::string& text :
         {Page(fleet), RenderSystemPage(fleet, system, Settings(), DemoTime())}) {
      if (system.id == "NC018") continue;
      EXPECT_THAT(text, Not(HasSubstr("NC018")));
      EXPECT_THAT(text, Not(HasSubstr("NC001")));
      EXPECT_THAT(text, Not(HasSubstr("/var/")));
      EXPECT_THAT(text, Not(HasSubstr("192.0.2.")));
    }
  }
  EXPECT_EQ(FindPublicSystem(fleet, "NC018"), nullptr);
  EXPECT_EQ(FindPublicSystem(fleet, "nobody"), nullptr);
}

TEST(StatusPage, NoTextBecomesMarkup) {
  for (const char* hostile :
       {"<script>alert(1)</script>", "\"><img src=x onerror=alert(1)>",
        "'><svg onload=x>", "</title></td></table>", "a\x01\x1b[31m", "\u202Egnp.exe",
        "\xff\xfe<b"}) {
    FleetSnapshot fleet = DemoFleet();
    SystemState& system = FindSystem(fleet, "NC036");
    system.name = system.location = system.description = system.country = hostile;
    system.health_why = system.ping.why = hostile;
    system.ping.state = PingState::kDown;
    fleet.posts[0].title = fleet.posts[0].body = hostile;
    v1::Snapshot snapshot = *system.measurements;
    snapshot.mutable_sources(0)->set_source(hostile);
    snapshot.mutable_sources(0)->set_unavailable(v1::UNAVAILABLE_OTHER);
    snapshot.mutable_queue()->set_detail(hostile);
    system.measurements = std::make_shared<v1::Snapshot>(snapshot);
    PageSettings settings;
    settings.title = settings.url = hostile;
    for (const std::string& page : {RenderStatusPage(fleet, settings, DemoTime()),
                                    RenderSystemPage(fleet, system, settings, DemoTime()),
                                    RenderBadge(system), RenderNotFoundPage(settings)}) {
      EXPECT_THAT(page, Not(HasSubstr(hostile)));
      for (const char* markup : {"<script>", "<img", "<svg onload", "</title></td>"}) {
        EXPECT_THAT(page, Not(HasSubstr(markup))) << hostile;
      }
      EXPECT_THAT(page, Not(HasSubstr("\u202E")));
      EXPECT_THAT(page, Not(HasSubstr("\x1b")));
    }
  }
}

TEST(StatusPage, OldDataIsSaidToBeOld) {
  const FleetSnapshot fleet = DemoFleet();
  EXPECT_THAT(Page(fleet), Not(HasSubstr("class=\"stale\"")));
  EXPECT_THAT(RenderStatusPage(fleet, Settings(), DemoTime() + absl::Minutes(7)),
              HasSubstr("The data is 7 min old: it is of <time"));
}

TEST(StatusPage, PostsStandNewestFirst) {
  FleetSnapshot fleet = DemoFleet();
  std::reverse(fleet.posts.begin(), fleet.posts.end());
  const std::string page = Page(fleet);
  EXPECT_LT(page.find("NC027: No data"), page.find("NC030: Degraded"));
}

TEST(SystemPage, ShowsListingsInItsOwnWords) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = fleet.systems[0];
  auto snapshot = std::make_shared<v1::Snapshot>(*system.measurements);
  v1::BlocklistReading& reading = *snapshot->mutable_blocklists();
  reading.Clear();
  v1::ListCondition& list = *reading.add_lists();
  list.set_zone("bl.spamcop.net");
  list.set_state(v1::ListCondition::STATE_HEALTHY);
  const auto page = [&] {
    system.measurements = snapshot;
    return RenderSystemPage(fleet, system, {}, fleet.at);
  };
  EXPECT_THAT(page(), HasSubstr("On none of 1 lists."));
  v1::Listing& listing = *reading.add_listings();
  listing.set_zone("bl.spamcop.net");
  listing.set_subject("198.51.100.7");
  listing.set_tier("page");
  listing.set_state(v1::Listing::STATE_SUSPECTED);
  listing.add_meanings("meaning of <b>theirs</b>");
  listing.set_reason("reason of theirs");
  listing.set_ends("words of theirs");
  listing.set_delist_url("https://evil.example/?198.51.100.7");
  listing.mutable_first_seen()->set_seconds(absl::ToUnixSeconds(fleet.at) - 3600);
  listing.mutable_earliest_end()->set_seconds(absl::ToUnixSeconds(fleet.at) + 7200);
  EXPECT_THAT(page(), HasSubstr("On none of 1 lists.")) << "seen once is nothing";
  listing.set_state(v1::Listing::STATE_CONFIRMED);
  const std::string shown = page();
  EXPECT_THAT(shown, HasSubstr("On 1 of 1 lists."));
  EXPECT_THAT(shown, HasSubstr("bl.spamcop.net"));
  EXPECT_THAT(shown, HasSubstr("not before"));
  EXPECT_THAT(shown, HasSubstr("Many refuse mail by it"));
  for (const char* hostile : {"theirs", "evil", "198.51.100.7"}) {
    EXPECT_THAT(shown, testing::Not(HasSubstr(hostile)));
  }
  listing.set_state(v1::Listing::STATE_CLEARED);
  listing.mutable_cleared_at()->set_seconds(absl::ToUnixSeconds(fleet.at));
  EXPECT_THAT(page(), HasSubstr("On none of 1 lists."));
  EXPECT_THAT(page(), HasSubstr("Over")) << "the past is kept";
  listing.set_state(v1::Listing::STATE_UNSPECIFIED);
  list.set_state(v1::ListCondition::STATE_UNKNOWN);
  EXPECT_THAT(page(), HasSubstr("Unknown: no list could be asked."));
  system.connected = false;
  EXPECT_THAT(RenderSystemPage(fleet, system, {}, fleet.at),
              testing::Not(HasSubstr("Blocklists")))
      << "a silent agent says nothing";
}

TEST(SystemPage, SaysWhyThereIsNoQueue) {
  const FleetSnapshot fleet = DemoFleet();
  const struct {
    const char* id;
    const char* want;
  } kRows[] = {
      {"NC025", "<p>Queue unknown: permission denied.</p>"},
      {"NC027", "<p>Queue unknown: no report from this system.</p>"},
      {"NC039", "<dt>Last heard</dt><dd>Never</dd>"},
  };
  for (const auto& row : kRows) {
    const std::string page =
        RenderSystemPage(fleet, *FindPublicSystem(fleet, row.id), Settings(), DemoTime());
    EXPECT_THAT(page, HasSubstr(row.want));
    EXPECT_THAT(page, Not(HasSubstr("Messages that wait"))) << row.id;
  }
}

TEST(StatusPage, LoadsNothingFromElsewhere) {
  for (const absl::string_view text :
       {absl::string_view(StyleSheet()), absl::string_view(LiveScript())}) {
    EXPECT_FALSE(absl::StrContains(text, "http")) << text;
    EXPECT_FALSE(absl::StrContains(text, "//cdn"));
  }
  EXPECT_THAT(Page(DemoFleet()), Not(HasSubstr("http")));
  // style-src 'self' would block it.
  EXPECT_THAT(Page(DemoFleet()), Not(HasSubstr("style=")));
  EXPECT_LT(LiveScript().size(), 2048u);
}

}  // namespace
}  // namespace mailvane
