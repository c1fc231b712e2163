#include "agent/analyze_command.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailvane {
namespace {

using nlohmann::json;
using ::testing::HasSubstr;

class StillClock final : public Clock {
 public:
  Instant Now() const override {
    return {absl::FromCivil(absl::CivilSecond(2026, 6, 1), absl::UTCTimeZone()),
            absl::ZeroDuration()};
  }
};

std::string Path(const std::string& name) { return testing::TempDir() + "/" + name; }

std::string Write(const std::string& name, const std::string& text) {
  std::ofstream(Path(name), std::ios::binary) << text;
  return Path(name);
}

std::string Read(const std::string& path) {
  std::stringstream text;
  text << std::ifstream(path, std::ios::binary).rdbuf();
  return text.str();
}

struct Outcome {
  int exit_code = 0;
  std::string output;
  std::string errors;

  std::vector<json> Objects() const {
    std::vector<json> objects;
    for (absl::string_view line : absl::StrSplit(output, '\n', absl::SkipEmpty())) {
      objects.push_back(json::parse(line.begin(), line.end()));
    }
    return objects;
  }
  json Totals() const { return Objects().back(); }
};

Outcome Analyzed(AnalyzeWords words) {
  if (words.time_zone.empty()) words.time_zone = "UTC";
  const int output = open(Path("out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  const int errors = open(Path("err").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  Outcome outcome;
  outcome.exit_code = RunAnalyze(words, StillClock(), output, errors);
  close(output);
  close(errors);
  outcome.output = Read(Path("out"));
  outcome.errors = Read(Path("err"));
  return outcome;
}

Outcome RunJson(std::vector<std::string> files) {
  AnalyzeWords words;
  words.files = std::move(files);
  words.json = true;
  return Analyzed(words);
}

std::string Delivered(const char* head, const char* id, const char* status) {
  return absl::StrCat(head, " mx1 postfix/smtp[7]: ", id, ": to=<joe@example.org>, ",
                      "relay=mx.example.org[192.0.2.1]:25, delay=0.1, delays=0/0/0.1/0, ",
                      "dsn=5.7.1, status=", status, " (host said: 550 5.7.1 blocked)\n");
}

// Half of what leaves is refused.
std::string Blocked() {
  std::string log;
  for (int i = 0; i < 25; ++i) {
    const std::string head = absl::StrCat("May  6 09:25:", 10 + i);
    log += Delivered(head.c_str(), absl::StrCat("4AB", 100 + i).c_str(), "bounced");
  }
  return log;
}

TEST(AnalyzeCommand, SaysWhatTheServiceWouldHaveSaidAndWhen) {
  const Outcome outcome = RunJson({Write("log", Blocked())});
  EXPECT_EQ(outcome.exit_code, 3);
  const std::vector<json> objects = outcome.Objects();
  ASSERT_EQ(objects.size(), 2u);
  EXPECT_EQ(objects[0],
            json::parse(R"json({"type":"bounce_rate","raised_at":"2026-05-06T09:25:29Z",
              "first_seen":"2026-05-06T09:25:10Z","last_seen":"2026-05-06T09:25:29Z",
              "subject":null,"level":"warning","provider":null,"scope":null,"messages":20,
              "evidence":["20 of 20 recipients were refused within 10 min (100 %)",
                          "20 × 5.7.1 host said: 550 5.7.1 blocked"]
})json"));
  EXPECT_EQ(objects[1],
            json::parse(R"json({"type":"totals","lines":25,"received":0,"delivered":0,
              "deferred_messages":0,"deferred_attempts":0,"bounced":25,"expired":0,
              "rejected":0,
              "providers":{"other":{"delivered":0,"deferred_attempts":0,"bounced":25,
                                    "expired":0}},
              "top_reasons":[{"reason":"ip_blocked","count":25,
                              "example":"host said: 550 5.7.1 blocked"}],
              "unparsed":0,"ambiguous":0,"forgotten":0})json"));
}

TEST(AnalyzeCommand, WithoutFindingsTheTotalsAreAll) {
  const Outcome outcome =
      RunJson({Write("log", Delivered("May  6 09:25:41", "4AB01", "sent"))});
  EXPECT_EQ(outcome.exit_code, 0);
  ASSERT_EQ(outcome.Objects().size(), 1u);
  EXPECT_EQ(outcome.Totals()["delivered"], 1);
}

// As `mail.log*` gives them: the newest first.  The message was put off in the old one.
TEST(AnalyzeCommand, ARotatedLogIsOneLog) {
  const std::string old_log =
      Write("log.1",
            "Dec 31 23:59:58 mx1 postfix/smtpd[1]: 4AB01: client=x[192.0.2.7]\n"
            "Dec 31 23:59:58 mx1 postfix/qmgr[1]: 4AB01: from=<a@x>, size=1, "
            "nrcpt=1 (queue active)\n" +
                Delivered("Dec 31 23:59:59", "4AB01", "deferred"));
  const std::string new_log =
      Write("log",
            "Jan  1 00:00:59 mx1 postfix/qmgr[1]: 4AB01: from=<a@x>, size=1, "
            "nrcpt=1 (queue active)\n" +
                Delivered("Jan  1 00:01:00", "4AB01", "deferred"));
  for (const auto& files : {std::vector<std::string>{new_log, old_log},
                            std::vector<std::string>{old_log, new_log}}) {
    const json totals = RunJson(files).Totals();
    EXPECT_EQ(totals["lines"], 5);
    EXPECT_EQ(totals["received"], 1);
    EXPECT_EQ(totals["deferred_messages"], 1);
    EXPECT_EQ(totals["deferred_attempts"], 2);
  }
}

TEST(AnalyzeCommand, WhatCannotBeReadIsSaidAndTheRestIsDone) {
  const std::string good = Write("log", Delivered("May  6 09:25:41", "4AB01", "sent"));
  const Outcome outcome = RunJson({Path("missing"), good});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_THAT(outcome.errors, HasSubstr("missing: No such file"));
  EXPECT_EQ(outcome.Totals()["delivered"], 1);
}

TEST(AnalyzeCommand, WordsThatMakeNoSenseAreUsage) {
  AnalyzeWords words;
  words.time_zone = "Nowhere/Nothing";
  EXPECT_EQ(Analyzed(words).exit_code, 2);
  words.time_zone = "UTC";
  words.year = 12;
  EXPECT_EQ(Analyzed(words).exit_code, 2);
}

TEST(AnalyzeCommand, AnythingAtAllIsReadToItsEnd) {
  std::string bad = "PHP Warning:  Undefined variable $x in /var/www/a.php on line 3\n";
  bad += std::string("\0\xff\xfe garbage\r\n", 13);
  bad += "May  6 09:25:41 mx1 postfix/smtp[7]: 4AB01: to=<" + std::string(2 << 20, 'x') +
         "\n";
  bad += "2099-05-06T09:25:41Z mx1 postfix/smtpd[7]: 4AB02: client=x[192.0.2.7]\n";
  bad += Delivered("May  6 09:25:41", "4AB01", "sent");
  const Outcome outcome = RunJson({Write("log", bad)});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.Totals()["lines"], 5);
  EXPECT_EQ(outcome.Totals()["delivered"], 1);
  EXPECT_EQ(outcome.Totals()["unparsed"], 2);
}

TEST(AnalyzeCommand, PeopleGetAReportThatCannotMoveTheCursor) {
  AnalyzeWords words;
  words.files = {Write(
      "log", Blocked() +
                 "May  6 09:25:59 mx1 postfix/smtp[7]: 4AB99: "
                 "to=<b@example.org>, relay=mx.example.org[192.0.2.9]:25, "
                 "delay=1, delays=0/0/0/1, dsn=4.2.1, status=deferred (451 \033[2J)\n")};
  const Outcome outcome = Analyzed(words);
  EXPECT_EQ(outcome.exit_code, 3);
  EXPECT_EQ(outcome.output,
            "2026-05-06 09:25:29  WARNING  bounce_rate\n"
            "    20 of 20 recipients were refused within 10 min (100 %)\n"
            "    20 × 5.7.1 host said: 550 5.7.1 blocked\n"
            "\n"
            "26 lines: 0 messages received, 1 of them deferred (1 attempts)\n"
            "recipients: 0 delivered, 25 bounced, 0 expired; 0 attempts refused\n"
            "\n"
            "PROVIDER          DELIVERED   DEFERRED    BOUNCED    EXPIRED\n"
            "other                     0          1         25          0\n"
            "\n"
            "RECIPIENTS REASON\n"
            "        25 ip_blocked: host said: 550 5.7.1 blocked\n"
            "         1 mailbox_disabled: 451 ?[2J\n");
}

// The names in the first column of the table that begins with `title`.
std::set<std::string> Documented(const std::string& title) {
  std::set<std::string> names;
  bool inside = false;
  const std::string text = Read("docs/analyze.md");
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    if (absl::StartsWith(line, title)) {
      inside = true;
    } else if (line.empty()) {
      inside = false;
    } else if (inside && line.substr(0, 3) == "| `") {
      line.remove_prefix(3);
      names.insert(std::string(line.substr(0, line.find('`'))));
    }
  }
  return names;
}

TEST(AnalyzeCommand, HasTheFieldsThatItsManualNames) {
  const std::vector<json> objects = RunJson({Write("log", Blocked())}).Objects();
  const auto names = [](const json& object) {
    std::set<std::string> all;
    for (const auto& [name, value] : object.items()) all.insert(name);
    return all;
  };
  EXPECT_EQ(Documented("| Field of a finding |"), names(objects[0]));
  EXPECT_EQ(Documented("| Field of the totals |"), names(objects[1]));
}

}  // namespace
}  // namespace mailvane
