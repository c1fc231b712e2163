#include "agent/source/main_cf.h"

#include <string>

#include "absl/strings/str_cat.h"
#include "tests/agent/source/map_file_system.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;

TEST(MainCf, ReadsLogicalLines) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } kRows[] = {
      {"a setting", "x = a b\n", "a b"},
      {"no space around", "x=a", "a"},
      {"nothing after", "x =\n", ""},
      {"the last one holds", "x = a\ny = b\nx = c\n", "c"},
      {"a comment", "# x = b\nx = a\n  # x = c\n", "a"},
      {"a # in a value", "x = a #b\n", "a #b"},
      {"an = in a value", "x = a=b\n", "a=b"},
      {"a continuation", "x = a,\n  b\n\tc\ny = d\n", "a,  b\tc"},
      {"a comment in a continuation", "x = a\n# no\n\n  b\n", "a  b"},
      {"a continuation of nothing", "  x = b\nx = a\n", "a"},
      {"a line without =", "nonsense\nx = a\nmore nonsense", "a"},
      {"a value on the next line", "x =\n  a\n", "a"},
      {"a file from Windows", "x = a\r\ny = b\r\n", "a"},
  };
  for (const auto& row : kRows) {
    EXPECT_EQ(MainCf::Parse(row.text).Raw("x"), row.want) << row.name;
  }
  EXPECT_EQ(MainCf::Parse("").Raw("x"), std::nullopt);
  EXPECT_EQ(MainCf::Parse("X = a\n").Raw("x"), std::nullopt);
}

TEST(MainCf, ReplacesNames) {
  const struct {
    const char* name;
    const char* text;
    const char* want;
  } kRows[] = {
      {"none", "x = /a\n", "/a"},
      {"a name", "x = $y/b\ny = /a\n", "/a/b"},
      {"braces", "x = ${y}b\ny = /a\n", "/ab"},
      {"parentheses", "x = $(y)b\ny = /a\n", "/ab"},
      {"a name in a name's value", "x = $y\ny = $z\nz = /a$w\nw = /b\n", "/a/b"},
      {"a dollar", "x = a$$y\n", "a$y"},
      {"a default of Postfix", "x = $queue_directory/x\n", "/var/spool/postfix/x"},
      {"a setting in place of it", "queue_directory = /q\nx = $queue_directory/x\n",
       "/q/x"},
      {"an empty one", "x = a${multi_instance_name}b\n", "ab"},
      {"twice", "x = $y$y\ny = a\n", "aa"},
  };
  for (const auto& row : kRows) {
    const auto value = MainCf::Parse(row.text).Value("x");
    ASSERT_OK(value) << row.name;
    EXPECT_EQ(*value, row.want) << row.name;
  }
  const auto absent = MainCf::Parse("").Value("x");
  ASSERT_OK(absent);
  EXPECT_EQ(*absent, std::nullopt);
}

TEST(MainCf, DoesNotGuess) {
  // 3^9 times 8 characters from a few short lines.
  std::string doubling = "x = $a0\n";
  for (int i = 0; i < 9; ++i) {
    absl::StrAppend(&doubling, "a", i, " = $a", i + 1, "$a", i + 1, "$a", i + 1, "\n");
  }
  absl::StrAppend(&doubling, "a9 = 12345678\n");
  std::string nothing = "x = $a0\n";
  for (int i = 0; i < 9; ++i) {
    absl::StrAppend(&nothing, "a", i, " =");
    for (int j = 0; j < 20; ++j) absl::StrAppend(&nothing, "$a", i + 1);
    absl::StrAppend(&nothing, "\n");
  }
  absl::StrAppend(&nothing, "a9 =\n");
  const struct {
    const char* name;
    std::string text;
    const char* why;
  } kRows[] = {
      {"nothing, many times", nothing, "too many"},
      {"a name that is set nowhere", "x = $mydomain/a\n", "$mydomain"},
      {"itself", "x = a$x\n", "back to itself"},
      {"a circle", "x = $y\ny = $z\nz = $y\n", "back to itself"},
      {"itself, often", "x = $x$x$x$x$x$x$x$x\n", "back to itself"},
      {"a value that explodes", doubling, "too long"},
      {"a condition", "x = ${y?a}\n", "only Postfix"},
      {"a condition on a comparison", "x = ${{a}=={b}?{c}:{d}}\n", "only Postfix"},
      {"an open brace", "x = ${y\ny = a\n", "only Postfix"},
      {"mixed brackets", "x = ${y)\ny = a\n", "only Postfix"},
      {"a dollar at the end", "x = a$\n", "only Postfix"},
  };
  for (const auto& row : kRows) {
    EXPECT_THAT(MainCf::Parse(row.text).Value("x"),
                StatusIs(absl::StatusCode::kFailedPrecondition, HasSubstr(row.why)))
        << row.name;
  }
}

std::string Origin(PathOrigin origin) {
  switch (origin) {
    case PathOrigin::kConfig:
      return "config";
    case PathOrigin::kMainCf:
      return "main.cf";
    case PathOrigin::kDefault:
      return "default";
  }
  return "?";
}

std::string Queue(const MailPaths& paths) {
  return absl::StrCat(paths.queue_directory, " ", Origin(paths.queue_origin));
}
std::string LogFile(const MailPaths& paths) {
  return absl::StrCat(paths.log_file, " ", Origin(paths.log_origin));
}

TEST(MailPaths, AreWhatMainCfSays) {
  MapFileSystem files;
  files.files["/etc/postfix/main.cf"] =
      "queue_directory = /srv/$mail_name/queue\nmaillog_file = /srv/log/mail\n";
  const MailPaths paths = FindMailPaths(files, v1::AgentConfig());
  EXPECT_EQ(Queue(paths), "/srv/Postfix/queue main.cf");
  EXPECT_EQ(LogFile(paths), "/srv/log/mail main.cf");
  EXPECT_TRUE(paths.has_postfix);
  EXPECT_EQ(paths.detail, "");
}

TEST(MailPaths, HaveDefaults) {
  MapFileSystem files;
  for (bool with_main_cf : {false, true}) {
    if (with_main_cf) files.files["/etc/postfix/main.cf"] = "maillog_file =\n";
    const MailPaths paths = FindMailPaths(files, v1::AgentConfig());
    EXPECT_EQ(Queue(paths), "/var/spool/postfix default");
    EXPECT_EQ(LogFile(paths), "/var/log/mail.log default");
    EXPECT_EQ(paths.has_postfix, with_main_cf);
    EXPECT_EQ(paths.detail, "");
  }
}

TEST(MailPaths, AreWhatTheAgentsConfigurationSaysAboveAll) {
  MapFileSystem files;
  files.files["/etc/postfix/main.cf"] = "queue_directory = /wrong\n";
  files.files["/opt/etc/main.cf"] = "queue_directory = /opt/q\nmaillog_file = /opt/l\n";
  v1::AgentConfig config;
  config.mutable_postfix()->set_config_directory("/opt/etc");
  EXPECT_EQ(Queue(FindMailPaths(files, config)), "/opt/q main.cf");
  config.mutable_postfix()->set_queue_directory("/here");
  EXPECT_EQ(Queue(FindMailPaths(files, config)), "/here config");
  EXPECT_EQ(LogFile(FindMailPaths(files, config)), "/opt/l main.cf");
  config.mutable_log()->set_file("/there");
  EXPECT_EQ(LogFile(FindMailPaths(files, config)), "/there config");
}

TEST(MailPaths, SayWhyTheyAreOnlyDefaults) {
  const struct {
    const char* name;
    absl::StatusOr<std::string> main_cf;
    const char* why;
  } kRows[] = {
      {"may not be read", absl::PermissionDeniedError("open main.cf: no"), "no"},
      {"conditional", "queue_directory = ${a?b}\n", "queue_directory"},
      {"relative", "queue_directory = spool\n", "absolute"},
      {"to standard output", "maillog_file = /dev/stdout\n", "device"},
  };
  for (const auto& row : kRows) {
    MapFileSystem files;
    files.files.emplace("/etc/postfix/main.cf", row.main_cf);
    const MailPaths paths = FindMailPaths(files, v1::AgentConfig());
    EXPECT_EQ(Queue(paths), "/var/spool/postfix default") << row.name;
    EXPECT_EQ(LogFile(paths), "/var/log/mail.log default") << row.name;
    EXPECT_TRUE(paths.has_postfix) << row.name;
    EXPECT_THAT(paths.detail, HasSubstr(row.why)) << row.name;
  }
}

}  // namespace
}  // namespace mailvane
