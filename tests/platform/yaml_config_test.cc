#include "platform/yaml_config.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"
#include "mailvane/v1/config.pb.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Errors(absl::string_view text,
                                google::protobuf::Message* message) {
  std::vector<std::string> lines;
  for (const ConfigError& error : ParseYamlConfig(text, message)) {
    lines.push_back(ToString("f.yaml", error));
  }
  return lines;
}

TEST(YamlConfig, FillsEveryKindOfField) {
  v1::AgentConfig config;
  EXPECT_THAT(Errors("collector: [a:1, b:2]\n"
                     "id: NC027\n"
                     "ping: {interval: 1500ms}\n"
                     "limits:\n"
                     "  outbox_bytes: 1048576\n",
                     &config),
              IsEmpty());
  EXPECT_THAT(config.collector(), ElementsAre("a:1", "b:2"));
  EXPECT_EQ(config.id(), "NC027");
  EXPECT_EQ(config.ping().interval().seconds(), 1);
  EXPECT_EQ(config.ping().interval().nanos(), 500'000'000);
  EXPECT_EQ(config.limits().outbox_bytes(), 1048576u);
}

TEST(YamlConfig, OneValueStandsForAListOfOne) {
  v1::AgentConfig config;
  EXPECT_THAT(Errors("collector: a:1\n", &config), IsEmpty());
  EXPECT_THAT(config.collector(), ElementsAre("a:1"));
}

TEST(YamlConfig, FindsAllErrorsAtOnceEachWithItsPlace) {
  v1::AgentConfig config;
  EXPECT_THAT(
      Errors("id: a\n"
             "id: b\n"
             "colector: c:1\n"
             "ping:\n"
             "  interval: soon\n"
             "limits: {outbox_bytes: -1}\n"
             "log: [1]\n",
             &config),
      ElementsAre("f.yaml:2:1: id: the key stands here twice",
                  StartsWith("f.yaml:3:1: colector: unknown key; known here: collector"),
                  "f.yaml:5:13: ping.interval: \"soon\" is no duration (try 30s)",
                  "f.yaml:6:24: limits.outbox_bytes: \"-1\" is no whole number",
                  "f.yaml:7:6: log: must be a mapping of keys to values"));
}

TEST(YamlConfig, ChecksJoinInTheOrderOfTheFile) {
  std::vector<ConfigError> errors = {{2, 1, "id", "read"}, {4, 1, "log", "read"}};
  EXPECT_FALSE(IsUnreadable(errors));
  AddErrors(
      {{0, 0, "collector", "missing"}, {3, 1, "ping", "checked"}, {2, 1, "id", "x"}},
      &errors);
  std::vector<std::string> paths;
  for (const ConfigError& error : errors) paths.push_back(error.path);
  EXPECT_THAT(paths, ElementsAre("id", "ping", "log", "collector"));
  EXPECT_TRUE(IsUnreadable({{1, 1, "", "no YAML"}}));
  EXPECT_FALSE(IsUnreadable({}));
}

TEST(YamlConfig, NamesTheItemOfAList) {
  v1::Inventory inventory;
  EXPECT_THAT(
      Errors("systems:\n- id: NC027\n- id: NC036\n  public: perhaps\n", &inventory),
      ElementsAre(
          "f.yaml:4:11: systems[1].public: \"perhaps\" is neither true nor false"));
}

TEST(YamlConfig, SaysWhereTheYamlItselfBreaks) {
  v1::AgentConfig config;
  EXPECT_THAT(Errors("id: [a\n", &config), ElementsAre(StartsWith("f.yaml:2:1: ")));
}

TEST(YamlConfig, DurationsHaveAUnitAndABound) {
  for (const char* bad : {"30", "s", "-1s", "1w", "99999999999999d", "1.5s", ""}) {
    v1::AgentPing ping;
    EXPECT_THAT(Errors(absl::StrCat("interval: '", bad, "'\n").c_str(), &ping).size(), 1u)
        << bad;
  }
}

TEST(YamlConfig, AnErrorIsOneLineWhateverTheFileHolds) {
  v1::AgentConfig config;
  const std::vector<std::string> errors = Errors("\"a\\nid: b\\e[31m\": 1\n", &config);
  ASSERT_EQ(errors.size(), 1u);
  EXPECT_THAT(errors[0], StartsWith("f.yaml:1:1: a\\x0aid: b\\x1b[31m: "));
}

TEST(YamlConfig, AnEmptyFileSetsNothing) {
  v1::AgentConfig config;
  EXPECT_THAT(Errors("", &config), IsEmpty());
  EXPECT_THAT(Errors("# only a comment\nping:\n", &config), IsEmpty());
}

}  // namespace
}  // namespace mailvane
