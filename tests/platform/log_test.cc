#include "platform/log.h"

#include <gtest/gtest.h>

namespace mailvane {
namespace {

TEST(Log, WritesLogfmt) {
  EXPECT_EQ(FormatLogLine(LogFormat::kLogfmt, "T", LogLevel::kInfo, "started",
                          {{"port", 9471}, {"file", "a b"}, {"empty", ""}}),
            "ts=T level=info msg=\"started\" port=9471 file=\"a b\" empty=\"\"\n");
}

TEST(Log, WritesJson) {
  EXPECT_EQ(FormatLogLine(LogFormat::kJson, "T", LogLevel::kError, "lost", {{"n", 2}}),
            "{\"ts\":\"T\",\"level\":\"error\",\"msg\":\"lost\",\"n\":\"2\"}\n");
}

// What a stranger puts into a mail log must stay inside its quotes, on its
// line, and off the terminal's controls.
TEST(Log, KeepsHostileTextInsideItsQuotes) {
  const char* hostile = "x\" level=error\nts=1 \x1b]52;c;AA\x07\xe2\x80\xae";
  for (LogFormat format : {LogFormat::kLogfmt, LogFormat::kJson}) {
    const std::string line =
        FormatLogLine(format, "T", LogLevel::kInfo, "m", {{"v", hostile}});
    EXPECT_EQ(line.find('\n'), line.size() - 1);
    for (unsigned char c : line.substr(0, line.size() - 1)) {
      EXPECT_GE(c, 0x20);
      EXPECT_LT(c, 0x7f);
    }
    EXPECT_NE(line.find("x\\\" level=error\\u000a"), std::string::npos) << line;
  }
}

}  // namespace
}  // namespace mailvane
