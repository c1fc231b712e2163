// Lines per CPU second from bytes to findings, beside a scan for newlines over the same
// bytes; and the memory of a million messages that are under way at once.
//
//   bazel run -c opt --copt=-O2 //tests/bench:flow_bench
//   bazel run -c opt --copt=-O2 //tests/bench:flow_bench -- --write LOG    (for peers)
#include <string.h>

#include <cinttypes>
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "agent/analyze/analyzers.h"
#include "agent/analyze/mail_judge.h"
#include "agent/analyze/totals.h"
#include "agent/parse/mail.h"
#include "tests/bench/mail_log.h"
#include "tests/bench/stopwatch.h"

namespace mailvane {
namespace {

constexpr int kRuns = 3;
constexpr int kConcurrent = 1'000'000;

template <typename Take>
void ForEachLine(absl::string_view text, Take take) {
  const char* at = text.data();
  const char* const end = at + text.size();
  while (at < end) {
    const void* const newline = memchr(at, '\n', end - at);
    const char* const stop = newline ? static_cast<const char*>(newline) : end;
    take(absl::string_view(at, stop - at));
    at = stop + 1;
  }
}

// Resident bytes of this process.
size_t Resident() {
  std::ifstream statm("/proc/self/statm");
  size_t size = 0, resident = 0;
  statm >> size >> resident;
  return resident * 4096;
}

bool Agree(const MailLogTruth& truth, const Totals& totals) {
  const auto same = [](const char* what, uint64_t want, uint64_t got) {
    if (want != got)
      fprintf(stderr, "%s: %" PRIu64 ", not %" PRIu64 "\n", what, got, want);
    return want == got;
  };
  return same("received", truth.received, totals.received()) &
         same("delivered", truth.delivered, totals.outcomes().delivered) &
         same("bounced", truth.bounced, totals.outcomes().bounced) &
         same("deferred attempts", truth.deferred_attempts, totals.outcomes().deferred) &
         same("deferred messages", truth.deferred_messages, totals.deferred_messages()) &
         same("rejected", truth.rejected, totals.rejected());
}

void MeasureMemory() {
  FlowSink nobody;
  auto tracker = std::make_unique<MessageTracker>(MessageTracker::Options(), &nobody);
  SyslogReader reader(absl::UTCTimeZone());
  const auto take = [&](const std::string& text) {
    const auto head =
        reader.ParseTagged(text, absl::FromUnixSeconds(1'700'000'000), "mx1");
    const auto line = ParseMail(*head);
    tracker->Take(*head, *line);
  };
  const size_t before = Resident();
  for (int i = 0; i < kConcurrent; ++i) {
    const std::string id = absl::StrFormat("%X", 0x4A0000000ull + i);
    take(absl::StrCat("postfix/smtpd[1]: ", id, ": client=mx", i % 1000,
                      ".example.org[198.51.100.", i % 250, "]"));
    take(absl::StrCat("postfix/cleanup[1]: ", id, ": message-id=<", i,
                      ".1234567890abcdef@mail.example.org>"));
    take(absl::StrCat("postfix/qmgr[1]: ", id, ": from=<sender", i,
                      "@example.org>, size=12345, nrcpt=1 (queue active)"));
  }
  const size_t after = Resident();
  printf("%" PRIu64 " messages at once  %5.0f bytes each\n", tracker->counters().tracked,
         static_cast<double>(after - before) / kConcurrent);
}

int Main(const char* write_to) {
  if (write_to != nullptr) {
    std::ofstream file(write_to, std::ios::binary);
    const MailLogTruth truth = MakeMailLog(MailLogOptions(), [&](absl::string_view line) {
      file.write(line.data(), line.size());
    });
    printf("{\"lines\":%" PRIu64 ",\"received\":%" PRIu64 ",\"delivered\":%" PRIu64
           ",\"deferred_messages\":%" PRIu64 ",\"bounced\":%" PRIu64
           ",\"rejected\":%" PRIu64 "}\n",
           truth.lines, truth.received, truth.delivered, truth.deferred_messages,
           truth.bounced, truth.rejected);
    return file.good() ? 0 : 1;
  }
  MeasureMemory();
  std::string text;
  const MailLogTruth truth = MakeMailLog(MailLogOptions(), [&](absl::string_view line) {
    text.append(line.data(), line.size());
  });
  const double count = static_cast<double>(truth.lines);
  const double scan = BestCpuSeconds(kRuns, [&] {
    ForEachLine(text, [](absl::string_view line) { Keep(line.size()); });
  });
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  const double parse = BestCpuSeconds(kRuns, [&] {
    SyslogReader reader(absl::UTCTimeZone());
    ForEachLine(text, [&](absl::string_view line) {
      const std::optional<SyslogLine> head = reader.Parse(line, now);
      if (head) Keep(ParseMail(*head));
    });
  });
  const double track = BestCpuSeconds(kRuns, [&] {
    SyslogReader reader(absl::UTCTimeZone());
    FlowSink nobody;
    MessageTracker tracker(MessageTracker::Options(), &nobody);
    ForEachLine(text, [&](absl::string_view line) {
      const std::optional<SyslogLine> head = reader.Parse(line, now);
      if (!head) return;
      const std::optional<MailLine> mail = ParseMail(*head);
      if (mail) tracker.Take(*head, *mail);
    });
  });
  bool agree = true;
  const double all = BestCpuSeconds(kRuns, [&] {
    SyslogReader reader(absl::UTCTimeZone());
    std::vector<std::unique_ptr<Analyzer>> analyzers = MakeAnalyzers(AnalyzerOptions());
    analyzers.push_back(std::make_unique<Totals>());
    const auto* const totals = static_cast<const Totals*>(analyzers.back().get());
    MailJudge judge(MessageTracker::Options(), std::move(analyzers));
    ForEachLine(text, [&](absl::string_view line) {
      const std::optional<SyslogLine> head = reader.Parse(line, now);
      if (!head) return;
      const std::optional<MailLine> mail = ParseMail(*head);
      if (mail) judge.Take(*head, *mail);
      if (judge.has_findings()) Keep(judge.TakeFindings().size());
    });
    judge.Finish();
    agree = Agree(truth, *totals);
  });
  printf("%" PRIu64 " lines of %.0f bytes\n", truth.lines,
         static_cast<double>(text.size()) / count);
  const auto row = [&](const char* what, double seconds) {
    printf("%-34s %6.2f M lines per CPU second  %.3f of the scan\n", what,
           count / seconds * 1e-6, scan / seconds);
  };
  row("newline scan", scan);
  row("head and parse", parse);
  row("head, parse, messages", track);
  row("and all analyzers", all);
  return agree ? 0 : 1;
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) {
  return mailvane::Main(argc > 2 && strcmp(argv[1], "--write") == 0 ? argv[2] : nullptr);
}
