#include "collector/config.h"

#include <fstream>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "platform/file_system.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;
using ::testing::StartsWith;

std::string InTemp(absl::string_view name) {
  return absl::StrCat(testing::TempDir(), "/", name);
}
void Write(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::trunc) << text;
}

// With an inventory of its own, unless the text names one.
std::vector<std::string> Load(std::string text, LoadedCollectorConfig* loaded,
                              bool insecure_listen = false) {
  Write(InTemp("inventory.yaml"), "systems: [{id: NC027}]\n");
  if (text.find("inventory:") == std::string::npos) {
    absl::StrAppend(&text, "inventory: ", InTemp("inventory.yaml"), "\n");
  }
  Write(InTemp("collector.yaml"), text);
  std::vector<std::string> errors =
      LoadCollectorConfig(InTemp("collector.yaml"), insecure_listen, loaded);
  for (std::string& error : errors) {
    error = absl::StrReplaceAll(error, {{InTemp(""), ""}});
  }
  return errors;
}
std::vector<std::string> Errors(const std::string& text, bool insecure_listen = false) {
  LoadedCollectorConfig loaded;
  return Load(text, &loaded, insecure_listen);
}

TEST(CollectorConfig, NeedsNothingButAnInventory) {
  LoadedCollectorConfig loaded;
  ASSERT_THAT(Load("", &loaded), IsEmpty());
  const v1::CollectorConfig& config = loaded.config;
  EXPECT_EQ(config.agent_listen(), "127.0.0.1:9471");
  EXPECT_EQ(config.operator_listen(), "127.0.0.1:9470");
  EXPECT_EQ(config.status_listen(), ":8080");
  EXPECT_EQ(config.database(), "/var/lib/mailvane/collector.db");
  EXPECT_EQ(config.sessions().heartbeat_interval().seconds(), 10);
  EXPECT_EQ(config.sessions().snapshot_interval().seconds(), 30);
  EXPECT_EQ(config.ping().interval().seconds(), 10);
  EXPECT_FALSE(config.ping().has_enabled());
  EXPECT_EQ(config.finding_shown().seconds(), 900);
  EXPECT_THAT(loaded.inventory.systems(), SizeIs(1));
}

TEST(CollectorConfig, EachErrorStandsAtItsPlace) {
  const struct {
    const char* name;
    const char* text;
    const char* error;
  } kCases[] = {
      {"an address without a port", "agent_listen: localhost\n",
       "collector.yaml:1:1: agent_listen: \"localhost\" is no address to listen on"},
      {"a port that is too large", "\noperator_listen: 127.0.0.1:70000\n",
       "collector.yaml:2:1: operator_listen: \"127.0.0.1:70000\" is no address"},
      {"a port that is a word", "status_listen: 127.0.0.1:http\n",
       "collector.yaml:1:1: status_listen: \"127.0.0.1:http\" is no address"},
      {"an unknown key", "agents_listen: :1\n", "collector.yaml:1:1: agents_listen: "},
      {"agents from anywhere", "database: x\nagent_listen: :9471\n",
       "collector.yaml:2:1: agent_listen: :9471 can be reached from elsewhere"},
      {"a heartbeat of nothing", "sessions: {heartbeat_interval: 0s}\n",
       "collector.yaml:1:12: sessions.heartbeat_interval: must be between 100ms and 10m"},
      {"a snapshot that never comes", "sessions: {snapshot_interval: 1d}\n",
       "collector.yaml:1:12: sessions.snapshot_interval: must be between"},
      {"pings without a pause", "ping:\n  interval: 0s\n",
       "collector.yaml:2:3: ping.interval: must be between 100ms and 1h"},
      {"an inventory that is not there", "inventory: /nonexistent/x.yaml\n",
       "collector.yaml: inventory: "},
  };
  for (const auto& [name, text, error] : kCases) {
    SCOPED_TRACE(name);
    EXPECT_THAT(Errors(text), ElementsAre(StartsWith(error)));
  }
}

TEST(CollectorConfig, TheInventorysErrorsComeWithTheFilesOwn) {
  Write(InTemp("broken.yaml"), "systems: [{id: a/b}, {id: ok, lifecycle: x}]\n");
  EXPECT_THAT(Errors(absl::StrCat(
                  "agent_listen: nowhere\ninventory: ", InTemp("broken.yaml"), "\n")),
              ElementsAre(StartsWith("collector.yaml:1:1: agent_listen: "),
                          StartsWith("broken.yaml:1:12: systems[0].id: "),
                          StartsWith("broken.yaml:1:31: systems[1].lifecycle: ")));
}

TEST(CollectorConfig, AgentsFromElsewhereNeedAWordForIt) {
  const struct {
    const char* address;
    bool loopback;
  } kCases[] = {
      {"127.0.0.1:9471", true}, {"127.1.2.3:0", true},     {"'[::1]:9471'", true},
      {"localhost:9471", true}, {"':9471'", false},        {"0.0.0.0:9471", false},
      {"'[::]:9471'", false},   {"192.0.2.1:9471", false},
  };
  for (const auto& [address, loopback] : kCases) {
    SCOPED_TRACE(address);
    const std::string text = absl::StrCat("agent_listen: ", address, "\n");
    EXPECT_THAT(Errors(text), SizeIs(loopback ? 0 : 1));
    EXPECT_THAT(Errors(text, /*insecure_listen=*/true), IsEmpty());
  }
  // A name is no address, also one that begins like an address of this host.
  for (const char* name :
       {"collector.example.net", "127.0.0.1.example.net", "localhost.example.net"}) {
    EXPECT_THAT(Errors(absl::StrCat("agent_listen: ", name, ":9471\n"),
                       /*insecure_listen=*/true),
                ElementsAre(HasSubstr("is no address to listen on")));
  }
  EXPECT_THAT(Errors("agent_listen: ':9471'\n")[0], HasSubstr("--insecure-listen"));
}

TEST(CollectorConfig, AFileThatIsNotThereSaysSo) {
  LoadedCollectorConfig loaded;
  EXPECT_THAT(LoadCollectorConfig("/nonexistent/collector.yaml", false, &loaded),
              ElementsAre(HasSubstr("/nonexistent/collector.yaml")));
}

TEST(CollectorConfig, TheSamplesLoad) {
  const HostFileSystem files;
  for (const char* inventory : {"deploy/inventory.yaml", "deploy/demo/inventory.yaml"}) {
    LoadedCollectorConfig loaded;
    const std::string sample = *files.ReadAll("deploy/collector.yaml");
    EXPECT_THAT(
        Load(absl::StrReplaceAll(sample, {{"/etc/mailvane/inventory.yaml", inventory}}),
             &loaded),
        IsEmpty());
    EXPECT_GT(loaded.inventory.systems_size(), 0);
    EXPECT_TRUE(loaded.config.ping().enabled());
  }
}

}  // namespace
}  // namespace mailvane
