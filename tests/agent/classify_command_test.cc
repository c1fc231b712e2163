#include "agent/classify_command.h"

#include <fcntl.h>
#include <unistd.h>

#include <cstdlib>
#include <fstream>
#include <iterator>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/str_split.h"
#include "gtest/gtest.h"

namespace mailvane {
namespace {

std::string Temporary(const char* name) {
  return std::string(getenv("TEST_TMPDIR")) + "/" + name;
}

// What the command writes for a file with `input` in it.
std::string Output(const std::string& input, bool json, int* code) {
  const std::string in = Temporary("in");
  const std::string out = Temporary("out");
  std::ofstream(in, std::ios::binary) << input;
  const int descriptor = open(out.c_str(), O_CREAT | O_TRUNC | O_WRONLY, 0600);
  ClassifyWords words;
  words.files = {in};
  words.json = json;
  *code = RunClassify(words, descriptor, STDERR_FILENO);
  close(descriptor);
  std::ifstream file(out, std::ios::binary);
  return {std::istreambuf_iterator<char>(file), {}};
}

std::vector<nlohmann::json> Objects(const std::string& input) {
  int code = -1;
  std::vector<nlohmann::json> objects;
  for (absl::string_view line :
       absl::StrSplit(Output(input, true, &code), '\n', absl::SkipEmpty())) {
    objects.push_back(nlohmann::json::parse(line.begin(), line.end()));
  }
  EXPECT_EQ(code, 0);
  return objects;
}

TEST(ClassifyCommand, GivesOneObjectForEachLineWithAllKeys) {
  const auto objects = Objects(
      "mx.example.net\t554 5.7.1 Service unavailable; Client host [192.0.2.1] blocked "
      "using "
      "zen.spamhaus.org\n"
      "\n"
      "250 2.0.0 Ok\n"
      "\xff\x01\t\"\n");
  ASSERT_EQ(objects.size(), 4u);
  for (const auto& object : objects) {
    EXPECT_EQ(object.size(), 7u) << object;
    for (const char* key :
         {"class", "scope", "provider", "temporary", "zone", "delist_url", "rule"}) {
      EXPECT_TRUE(object.contains(key)) << key;
    }
  }
  EXPECT_EQ(objects[0]["class"], "dnsbl_listed");
  EXPECT_EQ(objects[0]["zone"], "zen.spamhaus.org");
  EXPECT_EQ(objects[0]["temporary"], false);
  EXPECT_EQ(objects[1]["class"], "unclassified");
  EXPECT_TRUE(objects[1]["provider"].is_null());
  EXPECT_TRUE(objects[1]["temporary"].is_null());
  EXPECT_EQ(objects[2]["class"], "delivered");
}

TEST(ClassifyCommand, ATableIsSafeForATerminal) {
  int code = -1;
  const std::string table = Output("550 \x1b]0;owned\x07 user unknown\n", false, &code);
  EXPECT_EQ(code, 0);
  EXPECT_EQ(table.find('\x1b'), std::string::npos);
  EXPECT_NE(table.find("mailbox_unknown"), std::string::npos);
  EXPECT_NE(table.find("1 replies: mailbox_unknown 1"), std::string::npos);
}

TEST(ClassifyCommand, AFileThatIsNotThereIsAFailure) {
  ClassifyWords words;
  words.files = {Temporary("nowhere")};
  const int null = open("/dev/null", O_WRONLY);
  EXPECT_EQ(RunClassify(words, null, null), 1);
  close(null);
}

}  // namespace
}  // namespace mailvane
