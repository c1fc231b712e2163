#include "collector/view/json_api.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <set>

#include "nlohmann/json.hpp"
#include "tests/collector/view/demo_fleet.h"

namespace mailvane {
namespace {

using ::nlohmann::json;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::MatchesRegex;
using ::testing::Not;

std::vector<std::string> Keys(const json& object) {
  std::vector<std::string> keys;
  for (const auto& item : object.items()) keys.push_back(item.key());
  return keys;
}

PageSettings Settings() {
  PageSettings settings;
  settings.title = "Northern Lights Mail: systems status";
  return settings;
}

TEST(V2, SummaryIsAsInTheGoldenFile) {
  EXPECT_EQ(RenderV2Summary(DemoFleet(), Settings()),
            ReadFileOrDie("tests/collector/view/testdata/summary.json"));
}

// The keys that Statuspage's clients take apart; json sorts them.
TEST(V2, HasEveryKeyOfEveryDocument) {
  const FleetSnapshot fleet = DemoFleet();
  const json summary = json::parse(RenderV2Summary(fleet, Settings()));
  EXPECT_THAT(Keys(summary), ElementsAre("components", "incidents", "page",
                                         "scheduled_maintenances", "status"));
  EXPECT_THAT(Keys(summary["page"]),
              ElementsAre("id", "name", "time_zone", "updated_at", "url"));
  EXPECT_THAT(Keys(summary["status"]), ElementsAre("description", "indicator"));
  ASSERT_EQ(summary["components"].size(), 9u);
  for (const json& component : summary["components"]) {
    EXPECT_THAT(Keys(component),
                ElementsAre("created_at", "description", "group", "group_id", "id",
                            "name", "only_show_if_degraded", "page_id", "position",
                            "showcase", "start_date", "status", "updated_at"));
    EXPECT_EQ(component["page_id"], summary["page"]["id"]);
  }
  EXPECT_THAT(Keys(json::parse(RenderV2Status(fleet, Settings()))),
              ElementsAre("page", "status"));
  EXPECT_THAT(Keys(json::parse(RenderV2Components(fleet, Settings()))),
              ElementsAre("components", "page"));
  const json incidents = json::parse(RenderV2Incidents(fleet, Settings()));
  EXPECT_TRUE(incidents["incidents"].is_array());
  EXPECT_TRUE(incidents["page"].is_object());
  const json maintenances = json::parse(RenderV2Maintenances(fleet, Settings()));
  EXPECT_TRUE(maintenances["scheduled_maintenances"].is_array());
}

TEST(V2, AnEmptyFleetHasEveryArray) {
  const json summary = json::parse(RenderV2Summary(FleetSnapshot(), Settings()));
  for (const char* key : {"components", "incidents", "scheduled_maintenances"}) {
    EXPECT_TRUE(summary[key].is_array()) << key;
  }
}

TEST(V2, IdsAreStableAndOfTwelveCharacters) {
  // Published: they must never change.
  EXPECT_EQ(PublicId("system NC027"), PublicId("system NC027"));
  std::set<std::string> ids;
  for (int i = 0; i < 20'000; ++i) {
    const std::string id = PublicId("system NC" + std::to_string(i));
    ASSERT_THAT(id, MatchesRegex("[a-z0-9]{12}"));
    EXPECT_TRUE(ids.insert(id).second);
  }
  // Not by position: a system keeps its id when others come and go.
  FleetSnapshot fleet = DemoFleet();
  const json before = json::parse(RenderV2Components(fleet, Settings()))["components"][8];
  fleet.systems.erase(fleet.systems.begin());
  const json after = json::parse(RenderV2Components(fleet, Settings()))["components"][7];
  EXPECT_EQ(before["id"], after["id"]);
}

TEST(V2, StatusIsTheWorstOfTheSystemsInService) {
  const struct {
    const char* name;
    Health health;
    size_t systems;  // how many have it
    const char* indicator;
    const char* description;
  } kRows[] = {
      {"all well", Health::kOperational, 9, "none", "All Systems Operational"},
      {"one degraded", Health::kDegraded, 1, "minor", "Partially Degraded Service"},
      {"one partly out", Health::kPartialOutage, 1, "minor", "Minor Service Outage"},
      {"one out", Health::kMajorOutage, 1, "major", "Partial System Outage"},
      {"all out", Health::kMajorOutage, 9, "critical", "Major Service Outage"},
      {"one in maintenance", Health::kMaintenance, 1, "maintenance",
       "Service Under Maintenance"},
      {"one never seen well", Health::kUnknown, 1, "minor", "Partially Degraded Service"},
  };
  for (const auto& row : kRows) {
    FleetSnapshot fleet = DemoFleet();
    for (size_t i = 0; i < fleet.systems.size(); ++i) {
      fleet.systems[i].health = i < row.systems ? row.health : Health::kOperational;
    }
    const json status = json::parse(RenderV2Status(fleet, Settings()))["status"];
    EXPECT_EQ(status["indicator"], row.indicator) << row.name;
    EXPECT_EQ(status["description"], row.description) << row.name;
  }
}

TEST(V2, UnknownIsExportedAsTheLastKnown) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& silent = FindSystem(fleet, "NC027");
  const auto status = [&](size_t i) {
    return json::parse(RenderV2Components(fleet, Settings()))["components"][i]["status"];
  };
  EXPECT_EQ(status(4), "degraded_performance") << "never seen well: not operational";
  silent.last_known_health = Health::kMajorOutage;
  EXPECT_EQ(status(4), "major_outage");
  EXPECT_EQ(status(8), "under_maintenance") << "provisioning";
}

TEST(V2, HidesWhatIsNotPublicAndStaysWhileNothingChanges) {
  FleetSnapshot fleet = DemoFleet();
  fleet.systems[0].is_public = false;
  const std::string summary = RenderV2Summary(fleet, Settings());
  EXPECT_THAT(summary, Not(HasSubstr("NC018")));
  fleet.at += absl::Minutes(1);
  fleet.systems[1].last_seen = fleet.at;
  fleet.systems[1].ping.measured_at = fleet.at;
  EXPECT_EQ(RenderV2Summary(fleet, Settings()), summary);
}

TEST(Systems, HasAllThatIsKnown) {
  FleetSnapshot fleet = DemoFleet();
  fleet.systems[0].is_public = false;
  const json document = json::parse(RenderSystems(fleet, DemoTime()));
  ASSERT_EQ(document["systems"].size(), 9u);
  EXPECT_EQ(document["systems"][0]["public"], false);
  const json& blind = document["systems"][3];
  EXPECT_EQ(blind["measurements"]["queue"]["unavailable"], "permission_denied");
  EXPECT_EQ(blind["measurements"]["queue"]["depths"], json::array());
  EXPECT_EQ(blind["measurements"]["sources"][1]["location"], "/var/spool/private/place");
  EXPECT_EQ(blind["reasons"], json::array({"Queue unknown: permission denied."}));
  const json& silent = document["systems"][4];
  EXPECT_TRUE(silent["measurements"].is_null());
  EXPECT_EQ(silent["ping"]["state"], "down");
  EXPECT_EQ(silent["agent"]["last_seen"], "2026-03-14T12:41:03.000Z");
  EXPECT_TRUE(document["systems"][8]["agent"]["last_seen"].is_null()) << "never heard";
  EXPECT_TRUE(document["systems"][8]["ping"]["rtt_seconds"].is_null());
}

TEST(Systems, TextOfAnyKindIsValidJson) {
  FleetSnapshot fleet = DemoFleet();
  for (SystemState& system : fleet.systems) {
    system.name = system.location = system.description = "\"\\\x01\xff\xc0\xbc</script>";
    system.health_why = system.agent_version = system.name;
  }
  EXPECT_TRUE(json::accept(RenderSystems(fleet, DemoTime())));
  EXPECT_TRUE(json::accept(RenderV2Summary(fleet, Settings())));
}

}  // namespace
}  // namespace mailvane
