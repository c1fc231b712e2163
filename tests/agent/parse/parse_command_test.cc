#include "agent/parse_command.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <fstream>
#include <nlohmann/json.hpp>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/parse/mail_json.h"
#include "agent/parse/mail_line.h"

namespace mailvane {
namespace {

using nlohmann::json;

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

std::string Gzip(const std::string& text) {
  z_stream stream = {};
  deflateInit2(&stream, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
  std::string packed(deflateBound(&stream, text.size()) + 64, '\0');
  stream.next_in = reinterpret_cast<Bytef*>(const_cast<char*>(text.data()));
  stream.avail_in = text.size();
  stream.next_out = reinterpret_cast<Bytef*>(packed.data());
  stream.avail_out = packed.size();
  deflate(&stream, Z_FINISH);
  packed.resize(stream.total_out);
  deflateEnd(&stream);
  return packed;
}

std::string Read(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::stringstream text;
  text << file.rdbuf();
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
};

Outcome Parse(ParseWords words) {
  if (words.time_zone.empty()) words.time_zone = "UTC";
  const int output = open(Path("out").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  const int errors = open(Path("err").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  Outcome outcome;
  outcome.exit_code = RunParse(words, StillClock(), output, errors);
  close(output);
  close(errors);
  outcome.output = Read(Path("out"));
  outcome.errors = Read(Path("err"));
  return outcome;
}

Outcome ParseJson(std::vector<std::string> files) {
  ParseWords words;
  words.files = std::move(files);
  words.json = true;
  return Parse(words);
}

constexpr char kLines[] =
    "May  6 09:25:41 mx1 postfix/submission/smtpd[812]: connect from unknown[192.0.2.7]\n"
    "no header\n"
    "May  6 09:25:42 mx1 kernel: not ours\n"
    "2026-05-06T09:25:43.120000+02:00 mx1 postfix/smtp[9]: 153053D: "
    "to=<b@example.org>, relay=mx.example.org[192.0.2.9]:25, delay=1.34, "
    "delays=0.1/0/0/1.24, dsn=2.0.0, status=sent (250 \"ok\")\r\n"
    "May  6 09:25:44 mx1 postfix/smtpd[812]: match_hostname: x\n"
    "May  6 09:25:45 mx1 postfix/qmgr[1]: 153053D: from=<>, size=4, nrcpt=1 (queue "
    "active)\n"
    "May  6 09:25:46 mx1 postfix/smtpd[812]: warning: unknown[192.0.2.7]: SASL LOGIN "
    "authentication failed: no, sasl_username=x, sasl_username=ceo";

TEST(ParseCommand, GivesAnObjectForEachLineOfAMailProgramThenASummary) {
  const std::string file = Write("mail.log", kLines);
  const Outcome outcome = ParseJson({file});
  EXPECT_EQ(outcome.exit_code, 0);
  EXPECT_EQ(outcome.errors, "");
  const std::vector<json> objects = outcome.Objects();
  ASSERT_EQ(objects.size(), 6u);
  EXPECT_EQ(objects[0], json({{"file", file},
                              {"line", 1},
                              {"time", "2026-05-06T09:25:41Z"},
                              {"host", "mx1"},
                              {"program", "postfix/submission/smtpd"},
                              {"service", "submission"},
                              {"daemon", "smtpd"},
                              {"kind", "connect"},
                              {"client_ip", "192.0.2.7"}}));
  EXPECT_EQ(objects[1], json({{"file", file},
                              {"line", 4},
                              {"time", "2026-05-06T07:25:43.12Z"},
                              {"host", "mx1"},
                              {"program", "postfix/smtp"},
                              {"daemon", "smtp"},
                              {"kind", "delivery"},
                              {"status", "sent"},
                              {"queue_id", "153053D"},
                              {"to", "b@example.org"},
                              {"relay_host", "mx.example.org"},
                              {"relay_ip", "192.0.2.9"},
                              {"relay_port", 25},
                              {"delay_seconds", 1.34},
                              {"dsn", "2.0.0"},
                              {"reply", "250 \"ok\""}}));
  EXPECT_EQ(objects[2]["kind"], "other");
  EXPECT_EQ(objects[3]["null_sender"], true);
  EXPECT_FALSE(objects[3].contains("from"));
  EXPECT_EQ(objects[4]["ambiguous"], true);
  EXPECT_FALSE(objects[4].contains("account"));
  EXPECT_EQ(objects[5], json({{"kind", "summary"},
                              {"lines", 7},
                              {"parsed", 3},
                              {"other", 1},
                              {"unparsed", 2},
                              {"ambiguous", 1},
                              {"foreign", 1},
                              {"kinds",
                               {{"connect", 1},
                                {"delivery", 1},
                                {"queued", 1},
                                {"auth_failed", 1},
                                {"other", 1}}},
                              {"other_by_daemon", {{"smtpd", 1}}}}));
}

TEST(ParseCommand, ReadsGzipOfSeveralMembersAsThePlainText) {
  const std::string text(kLines);
  std::vector<json> plain = ParseJson({Write("log", text)}).Objects();
  const std::string packed =
      Gzip(text.substr(0, 100)) + Gzip(text.substr(100)) + std::string(300, '\0');
  std::vector<json> unpacked = ParseJson({Write("log", packed)}).Objects();
  EXPECT_EQ(plain, unpacked);
}

TEST(ParseCommand, SaysWhatCouldNotBeReadAndReadsTheRest) {
  const std::string packed = Gzip(kLines);
  const std::string half = Write("half.gz", packed.substr(0, packed.size() - 9));
  const std::string after = Write("after.gz", packed + "garbage");
  const Outcome outcome =
      ParseJson({Path("absent"), testing::TempDir(), half, after, Write("log", kLines)});
  EXPECT_EQ(outcome.exit_code, 1);
  EXPECT_EQ(outcome.errors,
            absl::StrCat("open ", Path("absent"), ": No such file or directory\nread ",
                         testing::TempDir(), ": Is a directory\nread ", half,
                         ": the gzip data ends too early\nread ", after,
                         ": broken gzip data: incorrect header check\n"));
  EXPECT_EQ(outcome.Objects().back()["lines"], 21);
}

TEST(ParseCommand, RefusesWordsThatMakeNoSense) {
  ParseWords words;
  words.time_zone = "Nowhere/Nothing";
  EXPECT_EQ(Parse(words).exit_code, 2);
  words.time_zone = "";
  words.year = 12;
  EXPECT_EQ(Parse(words).exit_code, 2);
}

TEST(ParseCommand, FindsTheYear) {
  const std::string december =
      Write("1", "Dec 31 23:59:59 mx1 postfix/qmgr[1]: 153053D: removed\n");
  const std::string january =
      Write("2", "Jan  1 00:00:01 mx1 postfix/qmgr[1]: 153053D: removed\n");
  std::vector<json> objects = ParseJson({december, january}).Objects();
  EXPECT_EQ(objects[0]["time"], "2025-12-31T23:59:59Z");
  EXPECT_EQ(objects[1]["time"], "2026-01-01T00:00:01Z");
  ParseWords words;
  words.json = true;
  words.files = {december, january};
  words.year = 2014;
  words.time_zone = "America/New_York";
  objects = Parse(words).Objects();
  EXPECT_EQ(objects[0]["time"], "2015-01-01T04:59:59Z");
  EXPECT_EQ(objects[1]["time"], "2015-01-01T05:00:01Z");
}

TEST(ParseCommand, TakesAnyBytes) {
  std::string text = "May  6 09:25:41 mx1 postfix/smtp[1]: 153053D: to=<";
  for (int c = 0; c < 256; ++c) {
    if (c != '\n') text.push_back(static_cast<char>(c));
  }
  text += ">, relay=none, delay=1, dsn=4.4.1, status=deferred (\xed\xa0\x80 \xc3\xa4)\n";
  text += std::string(3 << 20, 'x') + "\n";
  text += "May  6 09:25:41 mx1 postfix/smtp[1]: " + std::string(2 << 20, '\0') + "\n";
  text += std::string("\n\r\n\0\n", 5);
  std::string many = "May  6 09:25:41 mx1 postfix/smtp[1]: 153053D: to=<";
  while (many.size() < 1 << 20) many += ">, relay=a, delay=1, tls=";
  text += many;
  const Outcome outcome = ParseJson({Write("any", text)});
  EXPECT_EQ(outcome.exit_code, 0);
  const std::vector<json> objects = outcome.Objects();
  ASSERT_EQ(objects.size(), 4u);
  EXPECT_EQ(objects[0]["reply"], "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd \xc3\xa4");
  EXPECT_EQ(objects[1]["line"], 3);
  EXPECT_EQ(objects[3]["lines"], 7);
}

TEST(ParseCommand, ShowsATableThatCannotMoveTheCursor) {
  ParseWords words;
  words.files = {Write("log", std::string(kLines) +
                                  "\nMay  6 09:25:47 mx1 postfix/cleanup[1]: 153053D: "
                                  "message-id=<\033[2J\xc2\x9b \xc3\xa4>\n")};
  const Outcome outcome = Parse(words);
  EXPECT_EQ(outcome.output,
            "TIME                DAEMON       KIND            WHAT IT SAYS\n"
            "2026-05-06 09:25:41 smtpd        connect         client_ip=192.0.2.7\n"
            "2026-05-06 07:25:43 smtp         sent            153053D to=b@example.org "
            "relay_host=mx.example.org relay_ip=192.0.2.9 dsn=2.0.0 reply=\"250 \"ok\"\" "
            "delay=1.34s\n"
            "2026-05-06 09:25:45 qmgr         queued          153053D from=<> size=4 "
            "nrcpt=1\n"
            "2026-05-06 09:25:46 smtpd        auth_failed     AMBIGUOUS "
            "client_ip=192.0.2.7 sasl_method=LOGIN\n"
            "2026-05-06 09:25:47 cleanup      message_id      153053D "
            "message_id=\"<\\x1b[2J\\xc2\\x9b \xc3\xa4>\"\n"
            "\n"
            "8 lines: 4 read, 1 of mail programs but not read, 1 ambiguous, 1 of other "
            "programs, 1 without a header that we know\n"
            "not read: smtpd 1\n");
}

TEST(ParseCommand, IsQuietWhenNobodyReadsOn) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  close(ends[0]);
  ParseWords words;
  words.json = true;
  words.files = {Write("log", kLines)};
  const int errors = open(Path("err").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_EQ(RunParse(words, StillClock(), ends[1], errors), 0);
  close(ends[1]);
  close(errors);
  EXPECT_EQ(Read(Path("err")), "");
  const int full = open("/dev/full", O_WRONLY);
  const int again = open(Path("err").c_str(), O_RDWR | O_CREAT | O_TRUNC, 0600);
  EXPECT_EQ(RunParse(words, StillClock(), full, again), 1);
  close(full);
  close(again);
  EXPECT_EQ(Read(Path("err")), "write standard output: No space left on device\n");
}

// The names in the first column of the table that begins with `title`.
std::set<std::string> Documented(const std::string& title) {
  std::set<std::string> names;
  bool inside = false;
  const std::string text = Read("docs/parse.md");
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

TEST(ParseCommand, HasTheKindsAndFieldsThatItsManualNames) {
  std::set<std::string> kinds, fields;
  for (int i = 0; i < kMailKinds; ++i) {
    kinds.insert(std::string(MailKindName(static_cast<MailKind>(i))));
  }
  for (absl::string_view name : MailJsonFields()) fields.insert(std::string(name));
  EXPECT_EQ(Documented("| Kind |"), kinds);
  EXPECT_EQ(Documented("| Field |"), fields);
}

// No line may have a field that the list leaves out.
TEST(ParseCommand, ListsEveryFieldThatItWrites) {
  MailLine line;
  SyslogLine header;
  header.host = header.program = header.service = header.daemon = "x";
  header.clock_suspect = line.ambiguous = line.has_from = line.own_pause = true;
  line.kind = MailKind::kReject;
  line.status = DeliveryStatus::kSent;
  line.size = line.nrcpt = line.client_port = line.relay_port = line.auth_failures =
      line.repeated = 2;
  line.delay_seconds = 1;
  line.other_queue_id = "x";
  std::set<std::string> written = {"notice_queue_id"};
  for (const bool null_sender : {false, true}) {
    line.queue_id = line.action = line.account = line.local_user = line.client_host =
        line.client_ip = line.orig_client_ip = line.helo = line.protocol =
            line.sasl_method = line.sasl_sender = line.stage = line.message_id = line.to =
                line.orig_to = line.transport = line.relay_host = line.relay_ip =
                    line.dsn = line.reply = "x";
    line.from = null_sender ? "" : "x";
    std::string text;
    AppendMailJson("{\"file\":\"x\",\"line\":", 1, header, line, &text);
    const json object = json::parse(text);
    for (const auto& [name, value] : object.items()) written.insert(name);
  }
  std::set<std::string> fields;
  for (absl::string_view name : MailJsonFields()) fields.insert(std::string(name));
  EXPECT_EQ(written, fields);
}

}  // namespace
}  // namespace mailvane
