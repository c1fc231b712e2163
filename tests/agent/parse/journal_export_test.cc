#include "agent/parse/journal_export.h"

#include <gtest/gtest.h>

namespace mailvane {
namespace {

TEST(JournalExport, ReadsALineOfJournalctl) {
  struct Row {
    const char* json;
    const char* program;
    uint32_t pid;
    const char* text;
  };
  const Row rows[] = {
      {R"({"__REALTIME_TIMESTAMP":"1800000000123456","SYSLOG_IDENTIFIER":"postfix/smtpd",)"
       R"("_PID":"812","_HOSTNAME":"mx1","MESSAGE":"connect from x[192.0.2.1]"})",
       "postfix/smtpd", 812, "connect from x[192.0.2.1]"},
      // Not UTF-8: an array of bytes.
      {R"({"__REALTIME_TIMESTAMP":"1800000000123456","SYSLOG_IDENTIFIER":"exim",)"
       R"("_HOSTNAME":"mx1","MESSAGE":[104,233,10,33]})",
       "exim", 0, "h\xe9 !"},
      // Several of one name; syslog's own pid is the sender's.
      {R"({"__REALTIME_TIMESTAMP":"1800000000123456","_COMM":"smtpd","SYSLOG_PID":"7",)"
       R"("_PID":"1","_HOSTNAME":"mx1","MESSAGE":["first","second"]})",
       "smtpd", 7, "first"},
  };
  for (const Row& row : rows) {
    SyslogReader reader(absl::UTCTimeZone());
    JournalExport journal;
    const auto line = journal.Parse(row.json, &reader);
    ASSERT_TRUE(line.has_value()) << row.json;
    EXPECT_EQ(line->time, absl::FromUnixMicros(1800000000123456));
    EXPECT_EQ(line->host, "mx1");
    EXPECT_EQ(line->program, row.program);
    EXPECT_EQ(line->pid, row.pid);
    EXPECT_EQ(line->text, row.text);
  }
}

TEST(JournalExport, RefusesWhatIsNone) {
  SyslogReader reader(absl::UTCTimeZone());
  JournalExport journal;
  const std::string deep(100000, '[');
  for (const std::string& json :
       {std::string("{"), std::string("{}"), std::string("[]"), std::string("{\"a\":") + deep,
        std::string(R"({"__REALTIME_TIMESTAMP":"x","MESSAGE":"y"})"),
        std::string(R"({"__REALTIME_TIMESTAMP":"1","MESSAGE":null})"),
        std::string(R"({"__REALTIME_TIMESTAMP":"1","MESSAGE":[300]})"),
        std::string(R"({"__REALTIME_TIMESTAMP":"1","MESSAGE":{"a":[1]}})")}) {
    EXPECT_FALSE(journal.Parse(json, &reader).has_value()) << json.substr(0, 80);
  }
}

}  // namespace
}  // namespace mailvane
