// Lines per CPU second from bytes to MailLine, beside a scan for newlines over
// the same bytes: the least that any reader must do.
//
//   bazel run -c opt --copt=-O2 //tests/bench:parse_bench
#include <string.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/parse/postfix.h"
#include "agent/parse/syslog_line.h"
#include "tests/bench/stopwatch.h"

namespace mailvane {
namespace {

constexpr size_t kBytes = 64 << 20;
constexpr int kRuns = 5;

template <typename Take>
uint64_t ForEachLine(absl::string_view text, Take take) {
  uint64_t lines = 0;
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const void* const newline = memchr(at, '\n', end - at);
    const char* const stop = newline ? static_cast<const char*>(newline) : end;
    take(absl::string_view(at, stop - at));
    ++lines;
    at = stop + 1;
  }
  return lines;
}

int Main(const char* path) {
  std::ifstream file(path, std::ios::binary);
  const std::string story((std::istreambuf_iterator<char>(file)), {});
  if (story.empty()) return fprintf(stderr, "%s: cannot be read\n", path), 1;
  std::string text;
  while (text.size() < kBytes) text += story;

  uint64_t lines = 0;
  const double scan = BestCpuSeconds(kRuns, [&] {
    lines = ForEachLine(text, [](absl::string_view line) { Keep(line.size()); });
  });
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  uint64_t parsed = 0;
  const double head = BestCpuSeconds(kRuns, [&] {
    SyslogReader reader(absl::UTCTimeZone());
    ForEachLine(text, [&](absl::string_view line) { Keep(reader.Parse(line, now)); });
  });
  const double parse = BestCpuSeconds(kRuns, [&] {
    SyslogReader reader(absl::UTCTimeZone());
    parsed = 0;
    ForEachLine(text, [&](absl::string_view line) {
      const std::optional<SyslogLine> syslog = reader.Parse(line, now);
      if (!syslog) return;
      const std::optional<MailLine> mail = ParsePostfix(*syslog);
      parsed += mail.has_value() && mail->kind != MailKind::kOther;
    });
  });
  const double count = static_cast<double>(lines);
  printf("%" PRIu64 " lines of %.0f bytes, %" PRIu64 " of a kind that is read\n", lines,
         static_cast<double>(text.size()) / count, parsed);
  printf("newline scan       %7.2f M lines per CPU second\n", count / scan * 1e-6);
  printf("syslog head        %7.2f M\n", count / head * 1e-6);
  printf("head and Postfix   %7.2f M   %.3f of the scan\n", count / parse * 1e-6,
         scan / parse);
  return 0;
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) {
  return mailvane::Main(argc > 1 ? argv[1] : "tests/testdata/logs/postfix_story.log");
}
