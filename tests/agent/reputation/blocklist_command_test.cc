// `mailvane-agent blocklist` against a DNS server on loopback.
#include "agent/blocklist_command.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "gmock/gmock.h"
#include "nlohmann/json.hpp"
#include "tests/fakes/dns_server.h"

namespace mailvane {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;

struct Answer {
  int exit_code;
  std::string output;
  std::string errors;

  // Those of one kind.
  std::vector<nlohmann::json> Objects(const std::string& kind) const {
    std::vector<nlohmann::json> objects;
    for (absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
      nlohmann::json object = nlohmann::json::parse(line.begin(), line.end());
      if (object["kind"] == kind) objects.push_back(std::move(object));
    }
    return objects;
  }
};

std::string Contents(FILE* file) {
  std::string text;
  rewind(file);
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof buffer, file)) > 0;) {
    text.append(buffer, got);
  }
  fclose(file);
  return text;
}

// Words that make no sense are said on the test's own standard error.
Answer Ask(const BlocklistWords& words) {
  FILE* const output = tmpfile();
  FILE* const errors = tmpfile();
  Answer run;
  run.exit_code = RunBlocklist(words, SystemClock(), fileno(output), fileno(errors));
  run.output = Contents(output);
  run.errors = Contents(errors);
  return run;
}

DnsScript Yes(const std::string& address) {
  DnsScript script;
  script.records = {ARecord(address)};
  return script;
}

// Every list works; zen.spamhaus.org lists one address twice over, and one list is
// wild.
DnsScript Internet(const DnsQuestion& question, bool) {
  const std::string& name = question.name;
  if (name == "7.100.51.198.zen.spamhaus.org") {
    DnsScript script;
    if (question.type == DnsType::kTxt) {
      script.records = {TxtRecord("https://www.spamhaus.org/sbl/query/SBL1 \x1b[2J")};
    } else {
      script.records = {ARecord("127.0.0.9"), ARecord("127.0.0.2")};
    }
    return script;
  }
  if (absl::EndsWith(name, ".psbl.surriel.com")) return Yes("127.0.0.2");
  if (absl::StartsWith(name, "2.0.0.127.") || absl::StartsWith(name, "test.") ||
      absl::StartsWith(name, "dbltest.com.") ||
      absl::StartsWith(name, "surbl-org-permanent-test-point.com.") ||
      absl::StartsWith(name, "2.0.0.0.0.0.f.7.f.f.f.f.")) {
    return Yes("127.0.0.2");
  }
  return NoSuchName();
}

TEST(BlocklistCommand, SaysForEachListWhatItSays) {
  DnsServer server(Internet);
  BlocklistWords words;
  words.subjects = {"198.51.100.7"};
  words.resolvers = {server.address()};
  words.json = true;
  const Answer run = Ask(words);
  EXPECT_EQ(run.exit_code, 3);
  EXPECT_THAT(run.errors, IsEmpty());
  const std::vector<nlohmann::json> verdicts = run.Objects("verdict");
  EXPECT_GE(verdicts.size(), 40u);
  const nlohmann::json& worst = verdicts[0];
  EXPECT_EQ(worst["zone"], "zen.spamhaus.org");
  EXPECT_EQ(worst["verdict"], "LISTED");
  EXPECT_EQ(worst["address"], "198.51.100.7");
  EXPECT_EQ(worst["codes"], nlohmann::json({"127.0.0.2", "127.0.0.9"}));
  EXPECT_EQ(worst["tier"], "page");
  EXPECT_EQ(worst["reason"], "https://www.spamhaus.org/sbl/query/SBL1 ?[2J");
  EXPECT_EQ(worst["delist_url"], "https://check.spamhaus.org/results?query=198.51.100.7");
  EXPECT_EQ(verdicts[1]["zone"], "psbl.surriel.com");
  EXPECT_EQ(verdicts[1]["verdict"], "ZONE_SICK");
  const nlohmann::json summary = run.Objects("summary")[0];
  EXPECT_EQ(summary["listed"], 1);
  EXPECT_EQ(summary["zone_sick"], 1);
  EXPECT_EQ(summary["unknown"], 0);
  EXPECT_EQ(summary["resolver"], "usable");
}

TEST(BlocklistCommand, ATableForPeopleSaysWhatMattersFirst) {
  DnsServer server(Internet);
  BlocklistWords words;
  words.subjects = {"198.51.100.7", "2001:db8::25", "example.org"};
  words.resolvers = {server.address()};
  const Answer run = Ask(words);
  const std::vector<std::string> lines = absl::StrSplit(run.output, '\n');
  EXPECT_THAT(lines[0], HasSubstr("198.51.100.7: LISTED on 1 of"));
  EXPECT_THAT(lines[1], HasSubstr("zen.spamhaus.org (page): 127.0.0.2 SBL"));
  EXPECT_THAT(lines, Contains(HasSubstr("ZONE_SICK  psbl.surriel.com: it lists")));
  EXPECT_THAT(lines, Contains(HasSubstr("2001:db8::25: clean on all")));
  EXPECT_THAT(lines, Contains(HasSubstr("example.org: clean on all")));
  EXPECT_THAT(run.output, Not(HasSubstr("\x1b")));
  EXPECT_LE(lines.size(), 16u) << "clean lists are counted, not named";
}

TEST(BlocklistCommand, ACleanAddressIsFine) {
  DnsServer server(Internet);
  BlocklistWords words;
  words.subjects = {"198.51.100.9"};
  words.zones = {"zen.spamhaus.org", "mine.example"};
  words.resolvers = {server.address()};
  words.json = true;
  const Answer run = Ask(words);
  EXPECT_EQ(run.exit_code, 0);
  EXPECT_THAT(run.Objects("verdict"), SizeIs(2));
  for (const nlohmann::json& verdict : run.Objects("verdict")) {
    EXPECT_EQ(verdict["verdict"], "CLEAN");
  }
}

TEST(BlocklistCommand, AResolverThatListsRefuseIsOneMessage) {
  DnsServer server([](const DnsQuestion& question, bool) {
    return absl::EndsWith(question.name, ".invalid") ? NoSuchName()
                                                     : Yes("127.255.255.254");
  });
  BlocklistWords words;
  words.subjects = {"198.51.100.7"};
  words.resolvers = {server.address()};
  const Answer run = Ask(words);
  EXPECT_EQ(run.exit_code, 1) << "nothing could be told";
  EXPECT_THAT(run.errors, HasSubstr("lists refuse this resolver"));
  EXPECT_THAT(run.output, Not(HasSubstr("LISTED")));
}

TEST(BlocklistCommand, AResolverThatInventsAnswersIsOneMessage) {
  DnsServer server([](const DnsQuestion&, bool) { return Yes("203.0.113.80"); });
  BlocklistWords words;
  words.subjects = {"198.51.100.7"};
  words.resolvers = {server.address()};
  Answer run = Ask(words);
  EXPECT_EQ(run.exit_code, 1);
  EXPECT_THAT(run.errors, HasSubstr("answers for names that do not exist"));
  EXPECT_THAT(run.output, IsEmpty());
  words.json = true;
  run = Ask(words);
  for (const nlohmann::json& verdict : run.Objects("verdict")) {
    EXPECT_EQ(verdict["verdict"], "UNKNOWN");
  }
  EXPECT_EQ(run.Objects("summary")[0]["resolver"], "invents");
}

TEST(BlocklistCommand, AResolverThatIsSilentIsOneMessage) {
  DnsServer server([](const DnsQuestion&, bool) {
    DnsScript script;
    script.lost = true;
    return script;
  });
  BlocklistWords words;
  words.subjects = {"198.51.100.7"};
  words.resolvers = {server.address()};
  words.timeout_seconds = 0.2;
  const Answer run = Ask(words);
  EXPECT_EQ(run.exit_code, 75);
  EXPECT_THAT(run.errors, HasSubstr("does not answer (timeout)"));
  EXPECT_THAT(run.output, IsEmpty());
}

TEST(BlocklistCommand, WordsThatMakeNoSenseAskNobody) {
  int questions = 0;
  DnsServer server([&](const DnsQuestion&, bool) {
    ++questions;
    return NoSuchName();
  });
  const std::string key = absl::StrCat(testing::TempDir(), "/list_key");
  std::ofstream(key) << "k3y\n";
  std::vector<BlocklistWords> cases(7);
  for (BlocklistWords& words : cases) {
    words.subjects = {"198.51.100.7"};
    words.resolvers = {server.address()};
  }
  cases[0].subjects.push_back("192.168.1.1");
  cases[1].zones = {"dnsbl.sorbs.net"};
  cases[2].zones = {"a b"};
  cases[3].resolvers = {"resolver.example"};
  cases[4].timeout_seconds = 0;
  cases[5].keys = {"zen.spamhaus.org=" + key};
  cases[6].subjects.assign(257, "198.51.100.7");
  for (size_t i = 0; i < cases.size(); ++i) EXPECT_EQ(Ask(cases[i]).exit_code, 2) << i;
  BlocklistWords missing = cases[0];
  missing.subjects = {"198.51.100.7"};
  missing.catalogue = "/nonexistent/lists.yaml";
  EXPECT_EQ(Ask(missing).exit_code, 1);
  missing.catalogue.clear();
  missing.keys = {"zen.dq.spamhaus.net=/nonexistent/key"};
  EXPECT_EQ(Ask(missing).exit_code, 1);
  EXPECT_EQ(questions, 0);
}

TEST(BlocklistCommand, AKeyIsNowhereInTheOutput) {
  std::vector<std::string> names;
  DnsServer server([&](const DnsQuestion& question, bool tcp) {
    names.push_back(question.name);
    if (absl::StartsWith(question.name, "7.100.51.198")) {
      DnsScript script = Yes("127.0.0.2");
      if (question.type == DnsType::kTxt) script.records = {TxtRecord("spam")};
      return script;
    }
    return Internet(question, tcp);
  });
  const std::string key = absl::StrCat(testing::TempDir(), "/list_key");
  std::ofstream(key) << "s3cretk3y\n";
  BlocklistWords words;
  words.subjects = {"198.51.100.7"};
  words.resolvers = {server.address()};
  words.zones = {"zen.dq.spamhaus.net"};
  words.keys = {"zen.dq.spamhaus.net=" + key};
  for (const bool json : {false, true}) {
    words.json = json;
    const Answer run = Ask(words);
    EXPECT_EQ(run.exit_code, 3);
    EXPECT_THAT(run.output + run.errors, Not(HasSubstr("s3cretk3y")));
  }
  EXPECT_THAT(names, Contains("7.100.51.198.s3cretk3y.zen.dq.spamhaus.net"));
}

TEST(BlocklistCommand, AnotherCatalogueTakesThePlaceOfTheBuiltIn) {
  DnsServer server(Internet);
  const std::string path = absl::StrCat(testing::TempDir(), "/lists.yaml");
  std::ofstream(path)
      << "dated: \"2026-11-24\"\nlists:\n- {zone: mine.example, kind: ip, "
         "families: [v4], polarity: block, tier: page, source: me, "
         "verified: \"2026-11-24\", expiry: {model: unknown, words: x}}\n";
  BlocklistWords words;
  words.subjects = {"198.51.100.7"};
  words.resolvers = {server.address()};
  words.catalogue = path;
  words.json = true;
  const Answer run = Ask(words);
  ASSERT_THAT(run.Objects("verdict"), SizeIs(1));
  EXPECT_EQ(run.Objects("verdict")[0]["zone"], "mine.example");
}

}  // namespace
}  // namespace mailvane
