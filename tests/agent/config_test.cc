#include "agent/config.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string Path() { return absl::StrCat(testing::TempDir(), "/agent_config_test.yaml"); }

std::vector<std::string> Load(const std::string& text, v1::AgentConfig* config) {
  std::ofstream(Path(), std::ios::trunc) << text;
  std::vector<std::string> errors = LoadAgentConfig(Path(), "mx1.example.net", config);
  for (std::string& error : errors) {
    EXPECT_THAT(error, StartsWith(Path()));
    error.erase(0, testing::TempDir().size() + 1);
  }
  return errors;
}
std::vector<std::string> Errors(const std::string& text) {
  v1::AgentConfig config;
  return Load(text, &config);
}

TEST(AgentConfig, NeedsOnlyACollector) {
  v1::AgentConfig config;
  ASSERT_THAT(Load("collector: collector.example.net:9471\n", &config), IsEmpty());
  EXPECT_THAT(config.collector(), ElementsAre("collector.example.net:9471"));
  EXPECT_EQ(config.id(), "mx1") << "the host's name up to its first dot";
  EXPECT_EQ(config.state_directory(), "/var/lib/mailvane");
  EXPECT_EQ(config.log().source(), "auto");
  EXPECT_EQ(config.log().start_at(), "end");
  EXPECT_EQ(config.ping().interval().seconds(), 10);
  EXPECT_EQ(config.intervals().heartbeat().seconds(), 10);
  EXPECT_EQ(config.intervals().snapshot().seconds(), 30);
  EXPECT_EQ(config.intervals().queue().seconds(), 30);
  EXPECT_EQ(config.limits().outbox_bytes(), uint64_t{64} << 20);
}

TEST(AgentConfig, WhatIsSaidIsKept) {
  v1::AgentConfig config;
  ASSERT_THAT(Load("collector: [a.example.net:1, '[::1]:2']\n"
                   "id: NC027\n"
                   "state_directory: /tmp/x\n"
                   "log: {source: journal, start_at: beginning}\n"
                   "ping: {interval: 500ms}\n"
                   "intervals: {snapshot: 1m, heartbeat: 5s, queue: 1h}\n"
                   "limits: {outbox_bytes: 1000000}\n",
                   &config),
              IsEmpty());
  EXPECT_THAT(config.collector(), ElementsAre("a.example.net:1", "[::1]:2"));
  EXPECT_EQ(config.id(), "NC027");
  EXPECT_EQ(config.state_directory(), "/tmp/x");
  EXPECT_EQ(config.log().source(), "journal");
  EXPECT_EQ(config.ping().interval().nanos(), 500'000'000);
  EXPECT_EQ(config.intervals().queue().seconds(), 3600);
  EXPECT_EQ(config.limits().outbox_bytes(), 1'000'000u);
}

TEST(AgentConfig, EachErrorStandsAtItsPlace) {
  const struct {
    const char* name;
    const char* text;
    const char* error;
  } kCases[] = {
      {"an empty file", "",
       "agent_config_test.yaml: collector: is missing: where does the collector listen? "
       "(host:port)"},
      {"a collector without a port", "collector: collector.example.net\n",
       "agent_config_test.yaml:1:1: collector: is no host:port (try "
       "collector.example.net:9471)"},
      {"a port of nothing", "collector:\n- a:1\n- b:0\n",
       "agent_config_test.yaml:3:3: collector[1]: is no host:port"},
      {"a port that is too large", "collector: [a:65536]\n",
       "agent_config_test.yaml:1:13: collector[0]: is no host:port"},
      {"an id that can't stand in a URL", "collector: a:1\nid: a/b\n",
       "agent_config_test.yaml:2:1: id: must be 1 to 64 letters"},
      {"a source", "collector: a:1\nlog:\n  source: syslog\n",
       "agent_config_test.yaml:3:3: log.source: is none of auto, file, journal, none"},
      {"a beginning", "collector: a:1\nlog: {start_at: middle}\n",
       "agent_config_test.yaml:2:7: log.start_at: is neither end nor beginning"},
      {"a small outbox", "collector: a:1\nlimits: {outbox_bytes: 100}\n",
       "agent_config_test.yaml:2:10: limits.outbox_bytes: is below 65536"},
      {"an unknown key", "collector: a:1\nintervall: 3s\n",
       "agent_config_test.yaml:2:1: intervall: "},
      {"a key twice", "collector: a:1\nid: a\nid: b\n",
       "agent_config_test.yaml:3:1: id: "},
      {"an interval of nothing", "collector: a:1\nping: {interval: 1ms}\n",
       "agent_config_test.yaml:2:8: ping.interval: must be between 100ms and 1h"},
      {"a heartbeat in a hurry", "collector: a:1\nintervals:\n  heartbeat: 99ms\n",
       "agent_config_test.yaml:3:3: intervals.heartbeat: must be between"},
      {"a snapshot that never comes", "collector: a:1\nintervals: {snapshot: 2h}\n",
       "agent_config_test.yaml:2:13: intervals.snapshot: must be between"},
      {"an address that no list knows",
       "collector: a:1\nblocklists: {addresses: [10.0.0.1]}\n",
       "agent_config_test.yaml:2:14: blocklists.addresses: 10.0.0.1: is a private"},
      {"a domain among addresses",
       "collector: a:1\nblocklists: {addresses: [example.org]}\n",
       "agent_config_test.yaml:2:14: blocklists.addresses: example.org: is no address"},
      {"a resolver with a name",
       "collector: a:1\nblocklists: {resolvers: [ns.example]}\n",
       "agent_config_test.yaml:2:14: blocklists.resolvers: ns.example: is no address"},
      {"lists that are asked all the time",
       "collector: a:1\nblocklists: {interval: 59s}\n",
       "agent_config_test.yaml:2:14: blocklists.interval: must be between 1m and 1d"},
      {"a catalogue that is not there",
       "collector: a:1\nblocklists: {catalogue: /nonexistent.yaml}\n",
       "agent_config_test.yaml:2:1: blocklists: open /nonexistent.yaml: No such"},
      {"a key for a list without one",
       "collector: a:1\nblocklists: {keys: [{zone: bl.spamcop.net, key_file: /x}]}\n",
       "agent_config_test.yaml:2:1: blocklists: bl.spamcop.net: no list"},
      {"a queue that is read always", "collector: a:1\nintervals: {queue: 10ms}\n",
       "agent_config_test.yaml:2:13: intervals.queue: must be between"},
  };
  for (const auto& [name, text, error] : kCases) {
    SCOPED_TRACE(name);
    EXPECT_THAT(Errors(text), ElementsAre(StartsWith(error)));
  }
}

TEST(AgentConfig, AllErrorsComeAtOnce) {
  EXPECT_THAT(Errors("id: '*'\nlog: {source: x, start_at: y}\n"), SizeIs(4));
  EXPECT_THAT(Errors("a: 1\nb: 2\nping: {interval: soon}\n"), SizeIs(4));
}

TEST(AgentConfig, AHostWhoseNameIsNoIdNeedsOne) {
  std::ofstream(Path(), std::ios::trunc) << "collector: a:1\n";
  v1::AgentConfig config;
  EXPECT_THAT(LoadAgentConfig(Path(), "", &config), SizeIs(1));
}

TEST(AgentConfig, AFileThatIsNotThereSaysSo) {
  v1::AgentConfig config;
  const std::vector<std::string> errors =
      LoadAgentConfig("/nonexistent/agent.yaml", "mx1", &config);
  ASSERT_THAT(errors, SizeIs(1));
  EXPECT_THAT(errors[0], testing::HasSubstr("/nonexistent/agent.yaml"));
}

TEST(AgentConfig, TheSampleLoadsAndShowsTheDefaults) {
  v1::AgentConfig sample;
  EXPECT_THAT(LoadAgentConfig("deploy/agent.yaml", "mx1.example.net", &sample),
              IsEmpty());
  v1::AgentConfig least;
  ASSERT_THAT(Load("collector: collector.example.net:9471\n", &least), IsEmpty());
  EXPECT_EQ(sample.DebugString(), least.DebugString());
}

}  // namespace
}  // namespace mailvane
