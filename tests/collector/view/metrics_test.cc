#include "collector/view/metrics.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdio>
#include <cstdlib>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"
#include "agent/analyze/queue_view.h"
#include "agent/reputation/provider.h"
#include "agent/reputation/reply_class.h"
#include "collector/view/vocabulary.h"
#include "nlohmann/json.hpp"
#include "tests/collector/view/demo_fleet.h"

namespace mailvane {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

// The samples of one family, "mailvane_x{…} 1", comments left out.
std::vector<std::string> Samples(const std::string& text, const std::string& name) {
  std::vector<std::string> samples;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::string_view rest = line;
    if (absl::ConsumePrefix(&rest, name) && !rest.empty() &&
        (rest[0] == '{' || rest[0] == ' ')) {
      samples.emplace_back(line);
    }
  }
  return samples;
}

std::vector<std::string> Without(const std::string& text, const std::string& part) {
  std::vector<std::string> lines = absl::StrSplit(text, '\n');
  lines.erase(std::remove_if(lines.begin(), lines.end(),
                             [&](const std::string& line) {
                               return line.find(part) == std::string::npos;
                             }),
              lines.end());
  return lines;
}

void SetMeasurements(SystemState* system, const v1::Snapshot& snapshot) {
  system->measurements = std::make_shared<v1::Snapshot>(snapshot);
}

std::string Text(const FleetSnapshot& fleet) {
  return RenderFleetMetrics(fleet, ExpositionFormat::kText);
}

TEST(FleetMetrics, AreAsInTheGoldenFile) {
  EXPECT_EQ(Text(DemoFleet()),
            ReadFileOrDie("tests/collector/view/testdata/fleet_metrics.txt"));
}

v1::BlocklistReading Lists() {
  v1::BlocklistReading reading;
  const auto add_list = [&](const char* zone, v1::ListCondition::State state) {
    v1::ListCondition& list = *reading.add_lists();
    list.set_zone(zone);
    list.set_state(state);
    list.add_kinds("v4");
    list.add_kinds("v6");
  };
  add_list("good.example", v1::ListCondition::STATE_HEALTHY);
  add_list("sick.example", v1::ListCondition::STATE_SICK);
  add_list("mute.example", v1::ListCondition::STATE_UNKNOWN);
  const auto add_listing = [&](const char* zone, v1::Listing::State state) {
    v1::Listing& listing = *reading.add_listings();
    listing.set_zone(zone);
    listing.set_kind("v4");
    listing.set_subject("198.51.100.7");
    listing.set_state(state);
    listing.set_tier("page");
    listing.set_reason("<script>198.51.100.7</script>");
    listing.mutable_first_seen()->set_seconds(1'800'000'000);
  };
  add_listing("good.example", v1::Listing::STATE_CONFIRMED);
  add_listing("sick.example", v1::Listing::STATE_CLEARING);
  add_listing("mute.example", v1::Listing::STATE_SUSPECTED);
  add_listing("Bad\nZone", v1::Listing::STATE_CONFIRMED);
  return reading;
}

TEST(FleetMetrics, SaysOfListsOnlyWhatIsKnown) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = fleet.systems[0];
  auto snapshot = std::make_shared<v1::Snapshot>(*system.measurements);
  *snapshot->mutable_blocklists() = Lists();
  system.measurements = snapshot;
  std::vector<std::string> lines;
  const std::string text = RenderAgentMetrics(fleet, system, ExpositionFormat::kText);
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (!absl::StartsWith(line, "mailvane_blocklist_")) continue;
    lines.push_back(
        absl::StrReplaceAll(line, {{"mailvane_blocklist_", ""},
                                   {absl::StrCat("server=\"", system.id, "\","), ""}}));
  }
  EXPECT_THAT(lines,
              testing::ElementsAre("listed{zone=\"good.example\",ip_family=\"ipv4\"} 1",
                                   "listed{zone=\"good.example\",ip_family=\"ipv6\"} 0",
                                   "listed{zone=\"other\",ip_family=\"ipv4\"} 1",
                                   "listed{zone=\"sick.example\",ip_family=\"ipv4\"} 1",
                                   "zone_healthy{zone=\"good.example\"} 1",
                                   "zone_healthy{zone=\"sick.example\"} 0"));
}

TEST(FleetMetrics, ASilentAgentKeepsOnlyWhatOthersKnowOfIt) {
  FleetSnapshot fleet = DemoFleet();
  // Even if fleet state had left old measurements there.
  SetMeasurements(&FindSystem(fleet, "NC027"), DemoMeasurements("NC027"));
  std::set<std::string> names;
  for (const std::string& line : Without(Text(fleet), "server=\"NC027\"")) {
    names.insert(line.substr(0, line.find('{')));
  }
  EXPECT_THAT(
      names, ElementsAre("mailvane_agent_connected", "mailvane_agent_info",
                         "mailvane_agent_last_seen_timestamp_seconds", "mailvane_ping_up",
                         "mailvane_system_lifecycle", "mailvane_system_status"));
}

TEST(FleetMetrics, ASystemNeverHeardHasNoTimeAndNoPing) {
  const std::string text = Text(DemoFleet());
  EXPECT_THAT(Samples(text, "mailvane_agent_connected"),
              Contains("mailvane_agent_connected{server=\"NC039\"} 0"));
  for (const char* name : {"mailvane_agent_last_seen_timestamp_seconds",
                           "mailvane_agent_info", "mailvane_ping_up"}) {
    EXPECT_THAT(Samples(text, name), Not(Contains(HasSubstr("NC039")))) << name;
  }
}

TEST(FleetMetrics, AQueueThatCannotBeReadHasNoNumbers) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC025");
  v1::Snapshot snapshot = *system.measurements;
  // A confused agent sends both.
  snapshot.mutable_queue()->add_depths()->set_queue(v1::QUEUE_ACTIVE);
  SetMeasurements(&system, snapshot);
  const std::string text =
      RenderAgentMetrics(fleet, FindSystem(fleet, "NC025"), ExpositionFormat::kText);
  EXPECT_THAT(Samples(text, "mailvane_queue_messages"), IsEmpty());
  EXPECT_THAT(Samples(text, "mailvane_queue_bytes"), IsEmpty());
  EXPECT_THAT(Samples(text, "mailvane_queue_oldest_age_seconds"), IsEmpty());
  EXPECT_THAT(Samples(text, "mailvane_queue_readable"),
              ElementsAre("mailvane_queue_readable{server=\"NC025\"} 0"));
  EXPECT_THAT(
      Samples(text, "mailvane_queue_unavailable"),
      ElementsAre(
          "mailvane_queue_unavailable{server=\"NC025\",reason=\"permission_denied\"} 1"));
  EXPECT_THAT(
      Samples(text, "mailvane_source_up"),
      ElementsAre("mailvane_source_up{server=\"NC025\",source=\"postfix_log\"} 1",
                  "mailvane_source_up{server=\"NC025\",source=\"postfix_queue\"} 0"));
  EXPECT_THAT(text, Not(HasSubstr("/var"))) << "no path, no free text";
}

v1::QueueCause* AddCause(const char* provider, const char* age, const char* reason,
                         uint64_t messages, v1::Snapshot* snapshot) {
  v1::QueueCause* const cause = snapshot->mutable_queue()->add_causes();
  cause->set_provider(provider);
  cause->set_age(age);
  cause->set_reason(reason);
  cause->set_messages(messages);
  return cause;
}

TEST(FleetMetrics, TellsWhyMailWaitsAndHowLongItWill) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC018");
  v1::Snapshot snapshot = *system.measurements;
  snapshot.mutable_queue()->clear_causes();
  snapshot.mutable_queue()->clear_forwarded();
  AddCause("google", "under_1h", "rate_limited", 30, &snapshot);
  AddCause("unknown", "older", "unknown", 11, &snapshot);
  AddCause("evil\"} 1", "evil", "evil", 1, &snapshot);
  AddCause("evil2", "evil", "evil", 2, &snapshot);
  snapshot.mutable_queue()->set_expiring(5);
  snapshot.mutable_queue()->set_arrived(60);
  snapshot.mutable_queue()->set_left(120);
  snapshot.mutable_queue()->set_counted_over_seconds(600);
  SetMeasurements(&system, snapshot);
  const std::string text = RenderAgentMetrics(fleet, system, ExpositionFormat::kText);
  const std::string name = "mailvane_queue_messages_by_cause{server=\"NC018\",provider=";
  EXPECT_THAT(
      Samples(text, "mailvane_queue_messages_by_cause"),
      ElementsAre(name + "\"google\",age=\"under_1h\",reason=\"rate_limited\"} 30",
                  name + "\"unknown\",age=\"older\",reason=\"unknown\"} 11",
                  name + "\"other\",age=\"other\",reason=\"other\"} 3"));
  EXPECT_THAT(Samples(text, "mailvane_queue_expiring_messages"),
              ElementsAre("mailvane_queue_expiring_messages{server=\"NC018\"} 5"));
  EXPECT_THAT(Samples(text, "mailvane_queue_forwarded_messages"), IsEmpty());
  EXPECT_THAT(Samples(text, "mailvane_queue_arrivals_per_second"),
              ElementsAre("mailvane_queue_arrivals_per_second{server=\"NC018\"} 0.1"));
  EXPECT_THAT(Samples(text, "mailvane_queue_departures_per_second"),
              ElementsAre("mailvane_queue_departures_per_second{server=\"NC018\"} 0.2"));
  // 44 messages, one less every ten seconds.
  EXPECT_THAT(Samples(text, "mailvane_queue_drain_seconds"),
              ElementsAre("mailvane_queue_drain_seconds{server=\"NC018\"} 440"));

  snapshot.mutable_queue()->set_left(60);
  SetMeasurements(&system, snapshot);
  EXPECT_THAT(Samples(RenderAgentMetrics(fleet, system, ExpositionFormat::kText),
                      "mailvane_queue_drain_seconds"),
              IsEmpty())
      << "it does not shrink";
}

TEST(FleetMetrics, CausesAreBoundedWhateverAnAgentSays) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC018");
  v1::Snapshot snapshot = *system.measurements;
  for (const absl::string_view provider : Providers()) {
    for (int i = 0; i < kReplyClasses; ++i) {
      AddCause(std::string(provider).c_str(), "older",
               std::string(ReplyClassName(static_cast<ReplyClass>(i))).c_str(), 1,
               &snapshot);
    }
  }
  SetMeasurements(&system, snapshot);
  EXPECT_LE(Samples(RenderAgentMetrics(fleet, system, ExpositionFormat::kText),
                    "mailvane_queue_messages_by_cause")
                .size(),
            40u);
}

// The two programs know the same words, and neither includes the other.
TEST(Vocabulary, HasTheAgentsWordsForCauses) {
  for (const absl::string_view provider : Providers()) {
    EXPECT_EQ(ProviderLabel(provider), provider);
  }
  for (int i = 0; i < kReplyClasses; ++i) {
    const absl::string_view name = ReplyClassName(static_cast<ReplyClass>(i));
    EXPECT_EQ(QueueReasonLabel(name), name);
  }
  for (const int minutes : {1, 30, 100, 300, 3000, 9000}) {
    const absl::string_view name = QueueAgeName(absl::Minutes(minutes));
    EXPECT_EQ(QueueAgeLabel(name), name);
  }
}

TEST(FleetMetrics, NoQueueLookedForYetIsNoSampleAtAll) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC018");
  v1::Snapshot snapshot = *system.measurements;
  snapshot.clear_queue();
  SetMeasurements(&system, snapshot);
  EXPECT_THAT(RenderAgentMetrics(fleet, system, ExpositionFormat::kText),
              Not(HasSubstr("mailvane_queue")));
}

TEST(FleetMetrics, WhatAnAgentMakesUpBecomesOther) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC018");
  system.agent_version = "1.0\"} 1\nevil 2";
  v1::Snapshot snapshot;
  for (int i = 0; i < 1000; ++i) {
    snapshot.add_sources()->set_source(absl::StrCat("source", i));
    v1::DeliveryCount* const delivery = snapshot.add_deliveries();
    delivery->set_provider(absl::StrCat("someone@example.net", i));
    delivery->set_status(static_cast<v1::DeliveryStatus>(4 + i));
    delivery->set_count(1);
    v1::FindingCount* const finding = snapshot.add_findings();
    finding->set_type(absl::StrCat("\n# evil ", i));
    finding->set_level(static_cast<v1::Level>(100 + i));
    finding->set_count(1);
    v1::QueueDepth* const depth = snapshot.mutable_queue()->add_depths();
    depth->set_queue(static_cast<v1::Queue>(100 + i));
    depth->set_messages(1);
    v1::PingReading* const ping = snapshot.add_pings();
    ping->set_peer(absl::StrCat("peer", i));
    ping->set_verdict(v1::PingReading::VERDICT_PASS);
    ping->set_rtt_us(1);
  }
  SetMeasurements(&system, snapshot);
  const std::string text = RenderAgentMetrics(fleet, system, ExpositionFormat::kText);
  EXPECT_THAT(Samples(text, "mailvane_source_up"), SizeIs(1));
  EXPECT_THAT(Samples(text, "mailvane_deliveries_total"),
              ElementsAre("mailvane_deliveries_total{server=\"NC018\",provider=\"other\","
                          "status=\"expired\"} 1",
                          "mailvane_deliveries_total{server=\"NC018\",provider=\"other\","
                          "status=\"other\"} 999"));
  EXPECT_THAT(Samples(text, "mailvane_findings_total"),
              ElementsAre("mailvane_findings_total{server=\"NC018\",type=\"other\","
                          "level=\"other\"} 1000"));
  EXPECT_THAT(
      Samples(text, "mailvane_queue_messages"),
      ElementsAre("mailvane_queue_messages{server=\"NC018\",queue=\"other\"} 1000"));
  EXPECT_THAT(Samples(text, "mailvane_ping_rtt_seconds"), IsEmpty());
  EXPECT_THAT(Samples(text, "mailvane_agent_info"),
              ElementsAre("mailvane_agent_info{server=\"NC018\",version=\"other\"} 1"));
  EXPECT_THAT(text, Not(HasSubstr("evil")));
  EXPECT_THAT(text, Not(HasSubstr("example.net")));
}

TEST(FleetMetrics, NoSeriesStandsThereTwice) {
  FleetSnapshot fleet = DemoFleet();
  SystemState& system = FindSystem(fleet, "NC018");
  v1::Snapshot snapshot = *system.measurements;
  snapshot.MergeFrom(DemoMeasurements("NC018"));  // each reading twice
  SetMeasurements(&system, snapshot);
  std::set<std::string> seen;
  for (const absl::string_view line : absl::StrSplit(Text(fleet), '\n')) {
    if (line.empty() || line[0] == '#') continue;
    const std::string series(line.substr(0, line.rfind(' ')));
    EXPECT_TRUE(seen.insert(series).second) << series;
  }
  EXPECT_THAT(
      Samples(Text(fleet), "mailvane_queue_messages"),
      Contains("mailvane_queue_messages{server=\"NC018\",queue=\"deferred\"} 82"));
}

TEST(FleetMetrics, AtMostSixtySeriesForAServerWithoutPeers) {
  const std::string text =
      RenderAgentMetrics(DemoFleet(), DemoFleet().systems[0], ExpositionFormat::kText);
  size_t series = 0;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    series += !line.empty() && line[0] != '#' && !absl::StrContains(line, "peer=");
  }
  EXPECT_LE(series, 60u);
}

TEST(FleetMetrics, EveryHelpSaysMoreThanTheName) {
  for (const MetricFamily& family : FleetMetricFamilies()) {
    EXPECT_GT(family.help.size(), 40u) << family.name;
    EXPECT_EQ(family.help.back(), '.') << family.name;
    EXPECT_EQ(family.type == MetricType::kCounter, absl::EndsWith(family.name, "_total"))
        << family.name;
  }
}

// Rows of docs/metrics.md: | `name` | type | labels | meaning |
std::vector<std::string> DocumentedFamilies() {
  std::vector<std::string> rows;
  const std::string doc = ReadFileOrDie("docs/metrics.md");
  for (const absl::string_view line : absl::StrSplit(doc, '\n')) {
    if (absl::StartsWith(line, "| `mailvane_") || absl::StartsWith(line, "| `process_"))
      rows.emplace_back(line);
  }
  return rows;
}

std::string DocRow(absl::string_view name, absl::string_view type,
                   absl::string_view labels, absl::string_view help) {
  return absl::StrCat("| `", name, "` | ", type, " | ", labels, " | ", help, " |");
}

// The families of a text, as rows with the labels that occur.
std::vector<std::string> RowsOf(const std::string& text) {
  std::vector<std::string> rows;
  std::string name, help, type;
  std::set<std::string> seen;
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    const std::vector<absl::string_view> words =
        absl::StrSplit(line, absl::MaxSplits(' ', 3));
    if (absl::StartsWith(line, "# HELP ")) {
      name = std::string(words[2]);
      help = std::string(words[3]);
    } else if (absl::StartsWith(line, "# TYPE ")) {
      type = std::string(words[3]);
    } else if (!line.empty() && seen.insert(name).second) {
      std::vector<std::string> labels;
      const size_t open = line.find('{');
      if (open != absl::string_view::npos) {
        for (const absl::string_view label :
             absl::StrSplit(line.substr(open + 1, line.find('}') - open - 1), ',')) {
          labels.emplace_back(label.substr(0, label.find('=')));
        }
      }
      rows.push_back(DocRow(name, type, absl::StrJoin(labels, ", "), help));
    }
  }
  return rows;
}

TEST(MetricsDoc, SaysWhatTheProgramWrites) {
  ProcessUsage usage;
  usage.resident_bytes = 1;
  usage.cpu_seconds = 1;
  usage.open_fds = 1;
  const FleetSnapshot fleet = DemoFleet();
  std::vector<std::string> want = RowsOf(Text(fleet));
  for (const std::string& row : RowsOf(RenderCollectorMetrics(fleet, usage, "0.1.0"))) {
    want.push_back(row);
  }
  EXPECT_EQ(absl::StrJoin(DocumentedFamilies(), "\n"), absl::StrJoin(want, "\n"));

  // And the table that the program has of itself is what it writes.
  std::vector<std::string> families;
  for (const MetricFamily& family : FleetMetricFamilies()) {
    families.push_back(
        DocRow(family.name, Name(family.type), family.labels, family.help));
  }
  EXPECT_EQ(absl::StrJoin(families, "\n"), absl::StrJoin(RowsOf(Text(fleet)), "\n"));
}

TEST(CollectorMetrics, AreAsInTheGoldenFile) {
  ProcessUsage usage;
  usage.resident_bytes = 31'457'280;
  usage.cpu_seconds = 12.5;
  EXPECT_EQ(RenderCollectorMetrics(DemoFleet(), usage, "0.1.0"),
            ReadFileOrDie("tests/collector/view/testdata/collector_metrics.txt"));
}

TEST(ProcessUsage, IsThatOfThisProcess) {
  const ProcessUsage usage = ReadProcessUsage();
  EXPECT_GT(usage.resident_bytes.value_or(0), 1u << 20);
  EXPECT_TRUE(usage.cpu_seconds.has_value());
  ASSERT_TRUE(usage.open_fds.has_value());
  FILE* const file = fopen("/dev/null", "r");
  EXPECT_EQ(ReadProcessUsage().open_fds, *usage.open_fds + 1);
  fclose(file);
}

TEST(HttpSd, HasOneTargetForEachSystem) {
  const auto targets =
      nlohmann::json::parse(RenderHttpSd(DemoFleet(), "collector.example.net:9470"));
  ASSERT_EQ(targets.size(), 9u);
  EXPECT_EQ(targets[7], nlohmann::json::parse(R"({
    "targets": ["collector.example.net:9470"],
    "labels": {"instance": "NC036", "__metrics_path__": "/agents/NC036/metrics",
               "site": "Amsterdam, Netherlands",
               "__meta_mailvane_lifecycle": "operational"}})"));
  EXPECT_EQ(RenderHttpSd(FleetSnapshot(), "x:1"), "[]\n") << "a list, when it is empty";
}

TEST(HttpSd, TextOfAnyKindIsValidJson) {
  FleetSnapshot fleet;
  fleet.systems.resize(1);
  fleet.systems[0].location = "\"\\\n\xff</script>";
  EXPECT_TRUE(nlohmann::json::accept(RenderHttpSd(fleet, "a\"b\xfe")));
}

// Both formats, by Prometheus' own checker.
TEST(Promtool, HasNothingToSay) {
  const char* const promtool = getenv("MAILVANE_PROMTOOL");
  const std::string program = promtool != nullptr ? promtool : "promtool";
  if (system(absl::StrCat("command -v ", program, " >/dev/null 2>&1").c_str()) != 0) {
    GTEST_SKIP() << "no promtool on PATH, nor in MAILVANE_PROMTOOL";
  }
  const FleetSnapshot fleet = DemoFleet();
  for (const std::string& text :
       {Text(fleet), RenderCollectorMetrics(fleet, ReadProcessUsage(), "0.1.0")}) {
    const std::string path = absl::StrCat(getenv("TEST_TMPDIR"), "/metrics.txt");
    FILE* const file = fopen(path.c_str(), "w");
    ASSERT_NE(file, nullptr);
    fwrite(text.data(), 1, text.size(), file);
    fclose(file);
    FILE* const run =
        popen(absl::StrCat(program, " check metrics < ", path, " 2>&1").c_str(), "r");
    ASSERT_NE(run, nullptr);
    char buffer[4096];
    const size_t size = fread(buffer, 1, sizeof(buffer), run);
    EXPECT_EQ(pclose(run), 0);
    EXPECT_EQ(std::string(buffer, size), "");
  }
}

}  // namespace
}  // namespace mailvane
