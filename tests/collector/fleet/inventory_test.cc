#include "collector/fleet/inventory.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "platform/file_system.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Errors(absl::string_view text) {
  v1::Inventory inventory;
  std::vector<std::string> lines;
  for (const ConfigError& error : ParseInventory(text, &inventory)) {
    lines.push_back(ToString("f.yaml", error));
  }
  return lines;
}

TEST(Inventory, AllErrorsAtOnceEachAtItsPlace) {
  EXPECT_THAT(
      Errors("systems:\n"
             "- id: NC027\n"
             "  lifecycle: live\n"
             "  country: nl\n"
             "- id: nc027\n"
             "  addresses: [192.0.2.1, mx.example.net, 192.0.2.1]\n"
             "- name: nameless\n"
             "- id: ../etc\n"
             "- id: collector\n"
             "  addresses: 192.0.2.300\n"
             "- id: NC036\n"
             "  location: \"Amster\\u0007dam\"\n"
             "  public: perhaps\n"),
      ElementsAre(
          "f.yaml:3:3: systems[0].lifecycle: must be one of planned, provisioning, "
          "operational, internal, retiring, retired",
          StartsWith("f.yaml:4:3: systems[0].country: must be two capital letters"),
          "f.yaml:5:3: systems[1].id: \"nc027\" is the id of systems[0] too",
          StartsWith("f.yaml:6:26: systems[1].addresses[1]: is no IPv4 or IPv6"),
          "f.yaml:6:42: systems[1].addresses[2]: stands here twice",
          "f.yaml:7:3: systems[2].id: is missing",
          StartsWith("f.yaml:8:3: systems[3].id: must be letters, digits"),
          "f.yaml:9:3: systems[4].id: \"collector\" is the collector's own name",
          StartsWith("f.yaml:10:3: systems[4].addresses[0]: is no IPv4 or IPv6"),
          StartsWith("f.yaml:12:3: systems[5].location: has control"),
          "f.yaml:13:11: systems[5].public: \"perhaps\" is neither true nor false"));
}

TEST(Inventory, IdsCanStandInAUrl) {
  for (const char* good : {"NC027", "mx1.example.net", "7", "a-b"}) {
    EXPECT_THAT(Errors(absl::StrCat("systems: [{id: '", good, "'}]")), IsEmpty()) << good;
  }
  for (const std::string& bad :
       {std::string("."), std::string(".."), std::string("-a"), std::string("a/b"),
        std::string("a b"), std::string("a_b"), std::string("Zürich"),
        std::string(65, 'a')}) {
    EXPECT_THAT(Errors(absl::StrCat("systems: [{id: '", bad, "'}]")),
                ElementsAre(HasSubstr("systems[0].id: must be letters")))
        << bad;
  }
}

TEST(Inventory, LifecyclesAreTheSixWords) {
  EXPECT_EQ(ParseLifecycle(""), Lifecycle::kOperational);
  for (const Lifecycle lifecycle :
       {Lifecycle::kPlanned, Lifecycle::kProvisioning, Lifecycle::kOperational,
        Lifecycle::kInternal, Lifecycle::kRetiring, Lifecycle::kRetired}) {
    EXPECT_EQ(ParseLifecycle(Name(lifecycle)), lifecycle) << Name(lifecycle);
  }
  EXPECT_EQ(ParseLifecycle("Operational"), std::nullopt);
  EXPECT_EQ(ParseLifecycle("degraded"), std::nullopt) << "health is no lifecycle";
}

TEST(Inventory, DefaultsAreFilledIn) {
  v1::Inventory inventory;
  ASSERT_THAT(ParseInventory("systems: [{id: NC027}]", &inventory), IsEmpty());
  const SystemState system = SystemFromInventory(inventory.systems(0));
  EXPECT_EQ(system.name, "NC027");
  EXPECT_EQ(system.lifecycle, Lifecycle::kOperational);
  EXPECT_TRUE(system.is_public);
  EXPECT_EQ(system.health, Health::kUnknown) << "nothing is measured yet";
  EXPECT_EQ(system.ping.state, PingState::kUnknown);
  EXPECT_FALSE(system.connected);
}

template <typename Message>
Message LoadSample(const std::string& path) {
  const absl::StatusOr<std::string> text = HostFileSystem().ReadAll(path);
  EXPECT_OK(text);
  Message message;
  if (!text.ok()) return message;
  for (const ConfigError& error : ParseYamlConfig(*text, &message)) {
    ADD_FAILURE() << ToString(path, error);
  }
  return message;
}

v1::Inventory LoadSampleInventory(const std::string& path) {
  const absl::StatusOr<std::string> text = HostFileSystem().ReadAll(path);
  EXPECT_OK(text);
  v1::Inventory inventory;
  if (!text.ok()) return inventory;
  for (const ConfigError& error : ParseInventory(*text, &inventory)) {
    ADD_FAILURE() << ToString(path, error);
  }
  return inventory;
}

TEST(Samples, AgentLoads) {
  const auto config = LoadSample<v1::AgentConfig>("deploy/agent.yaml");
  EXPECT_THAT(config.collector(), ElementsAre("collector.example.net:9471"));
  EXPECT_EQ(config.limits().outbox_bytes(), 64u << 20);
}

TEST(Samples, CollectorLoads) {
  const auto config = LoadSample<v1::CollectorConfig>("deploy/collector.yaml");
  EXPECT_EQ(config.agent_listen(), "127.0.0.1:9471");
  EXPECT_EQ(config.operator_listen(), "127.0.0.1:9470");
  EXPECT_EQ(config.status_listen(), "127.0.0.1:8080");
  EXPECT_EQ(config.sessions().heartbeat_interval().seconds(), 10);
}

TEST(Samples, InventoryLoads) {
  EXPECT_EQ(LoadSampleInventory("deploy/inventory.yaml").systems_size(), 2);
}

TEST(Samples, TheDemonstrationsFleetIsTheStorys) {
  const v1::Inventory inventory = LoadSampleInventory("deploy/demo/inventory.yaml");
  ASSERT_EQ(inventory.systems_size(), 9);
  int internal = 0, provisioning = 0, operational = 0;
  for (const v1::System& system : inventory.systems()) {
    const Lifecycle lifecycle = *ParseLifecycle(system.lifecycle());
    internal += lifecycle == Lifecycle::kInternal;
    provisioning += lifecycle == Lifecycle::kProvisioning;
    operational += lifecycle == Lifecycle::kOperational;
    for (const std::string& address : system.addresses()) {
      EXPECT_THAT(address,
                  testing::AnyOf(StartsWith("192.0.2."), StartsWith("198.51.100."),
                                 StartsWith("203.0.113."), StartsWith("2001:db8:")))
          << "an address of somebody";
    }
    if (system.id() == "NC036") {
      EXPECT_THAT(system.location(),
                  AllOf(HasSubstr("Amsterdam"), HasSubstr("Netherlands")));
    }
  }
  EXPECT_EQ(internal, 1);
  EXPECT_EQ(provisioning, 1);
  EXPECT_EQ(operational, 7);
}

}  // namespace
}  // namespace mailvane
