#include "agent/parse_command.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "agent/log_input.h"
#include "agent/parse/journal_export.h"
#include "agent/parse/mail.h"
#include "agent/parse/mail_json.h"
#include "platform/program.h"
#include "platform/write_all.h"

namespace mailvane {
namespace {

constexpr size_t kWriteSize = 64 << 10;
// Names of daemons come from the log.
constexpr size_t kMostDaemons = 100;
// Whoever waits longer wants to know that something moves.
constexpr absl::Duration kLongWork = absl::Seconds(2);
constexpr absl::Duration kProgressPause = absl::Milliseconds(500);

struct Totals {
  uint64_t lines = 0;
  uint64_t parsed = 0;
  uint64_t other = 0;
  uint64_t unparsed = 0;
  uint64_t ambiguous = 0;
  // Of the unparsed: they have a header, and are of no mail program.
  uint64_t foreign = 0;
  uint64_t kinds[kMailKinds] = {};
  std::map<std::string, uint64_t, std::less<>> other_by_daemon;
};

class Parse {
 public:
  Parse(const ParseWords& words, const Clock& clock, absl::TimeZone zone, int output,
        int errors)
      : words_(words),
        clock_(clock),
        zone_(zone),
        output_(output),
        errors_(errors),
        shows_progress_(isatty(errors) && !isatty(output)),
        started_(clock.Now()) {
    // A reader without a past takes the latest year in which a line is not in the
    // future, and allows a day.
    now_ = words.year
               ? absl::FromCivil(absl::CivilSecond(*words.year, 12, 30, 23, 59, 59), zone)
               : started_.wall;
  }

  int Run() {
    std::vector<std::string> files = words_.files;
    if (files.empty()) files = {"-"};
    SyslogReader reader(zone_, /*past_only=*/!words_.year);
    for (const std::string& file : files) {
      if (stopped_) break;
      // Files in a row need not be one log, unless their first year was given.
      if (!words_.year) reader = SyslogReader(zone_, /*past_only=*/true);
      ReadFile(file, &reader);
    }
    words_.json ? AppendJsonTotals() : AppendTotals();
    Flush();
    EndProgress();
    return failed_ ? kExitFailure : kExitOk;
  }

 private:
  void ReadFile(const std::string& file, SyslogReader* reader) {
    auto input = LogInput::Open(file, [this] {
      Flush();
      ShowProgress();
    });
    if (!input.ok()) return Complain(input.status().message());
    std::string place = "{\"file\":";
    AppendJsonString(file, &place);
    place += ",\"line\":";
    uint64_t number = 0;
    absl::string_view text;
    while (!stopped_ && (*input)->Next(&text)) {
      ++totals_.lines;
      ++number;
      TakeLine(place, number, text, reader);
      if (out_.size() >= kWriteSize) Flush();
    }
    if (!(*input)->status().ok()) Complain((*input)->status().message());
  }

  void TakeLine(absl::string_view place, uint64_t number, absl::string_view text,
                SyslogReader* reader) {
    const std::optional<SyslogLine> header = !text.empty() && text[0] == '{'
                                                 ? journal_.Parse(text, reader)
                                                 : reader->Parse(text, now_);
    if (!header) {
      ++totals_.unparsed;
      return;
    }
    const std::optional<MailLine> line = ParseMail(*header);
    if (!line) {
      ++totals_.unparsed;
      ++totals_.foreign;
      return;
    }
    ++totals_.kinds[static_cast<int>(line->kind)];
    if (line->ambiguous) {
      ++totals_.ambiguous;
    } else if (line->kind == MailKind::kOther) {
      ++totals_.other;
      CountOther(header->daemon);
    } else {
      ++totals_.parsed;
    }
    if (words_.json) {
      AppendMailJson(place, number, *header, *line, &out_);
    } else if (line->kind != MailKind::kOther) {
      if (!std::exchange(titled_, true)) {
        absl::StrAppendFormat(&out_, "%-19s %-12s %-15s %s\n", "TIME", "DAEMON", "KIND",
                              "WHAT IT SAYS");
      }
      AppendMailRow(zone_, *header, *line, &out_);
    }
  }

  void CountOther(absl::string_view daemon) {
    const auto known = totals_.other_by_daemon.find(daemon);
    if (known != totals_.other_by_daemon.end()) {
      ++known->second;
    } else if (totals_.other_by_daemon.size() < kMostDaemons) {
      totals_.other_by_daemon.emplace(daemon, 1);
    } else {
      ++totals_.other_by_daemon["(more)"];
    }
  }

  void AppendJsonTotals() {
    absl::StrAppend(&out_, "{\"kind\":\"summary\",\"lines\":", totals_.lines,
                    ",\"parsed\":", totals_.parsed, ",\"other\":", totals_.other,
                    ",\"unparsed\":", totals_.unparsed,
                    ",\"ambiguous\":", totals_.ambiguous,
                    ",\"foreign\":", totals_.foreign, ",\"kinds\":{");
    const char* comma = "";
    for (int i = 0; i < kMailKinds; ++i) {
      if (totals_.kinds[i] == 0) continue;
      absl::StrAppend(&out_, std::exchange(comma, ","), "\"",
                      MailKindName(static_cast<MailKind>(i)), "\":", totals_.kinds[i]);
    }
    out_ += "},\"other_by_daemon\":{";
    comma = "";
    for (const auto& [daemon, count] : totals_.other_by_daemon) {
      out_ += std::exchange(comma, ",");
      AppendJsonString(daemon, &out_);
      absl::StrAppend(&out_, ":", count);
    }
    out_ += "}}\n";
  }

  void AppendTotals() {
    absl::StrAppendFormat(
        &out_,
        "%s%d lines: %d read, %d of mail programs but not read, %d ambiguous, "
        "%d of other programs, %d without a header that we know\n",
        titled_ ? "\n" : "", totals_.lines, totals_.parsed, totals_.other,
        totals_.ambiguous, totals_.foreign, totals_.unparsed - totals_.foreign);
    std::vector<std::pair<uint64_t, std::string>> daemons;
    for (const auto& [daemon, count] : totals_.other_by_daemon) {
      std::string shown;
      // A name from the log, to a terminal.
      AppendJsonString(daemon, &shown);
      daemons.emplace_back(count, shown.substr(1, shown.size() - 2));
    }
    std::sort(daemons.rbegin(), daemons.rend());
    for (size_t i = 0; i < daemons.size(); ++i) {
      absl::StrAppend(&out_, i == 0 ? "not read: " : ", ", daemons[i].second, " ",
                      daemons[i].first);
    }
    if (!daemons.empty()) out_ += "\n";
  }

  void Flush() {
    if (out_.empty() || stopped_) return;
    if (const int error = WriteAll(output_, out_); error != 0) {
      stopped_ = true;
      // Whoever reads has seen enough: `| head`.
      if (error != EPIPE) {
        Complain(absl::StrCat("write standard output: ", strerror(error)));
      }
    }
    out_.clear();
  }

  void Complain(absl::string_view what) {
    failed_ = true;
    EndProgress();
    WriteAll(errors_, absl::StrCat(what, "\n"));
  }

  void ShowProgress() {
    if (!shows_progress_) return;
    const absl::Duration now = clock_.Now().mono;
    if (now - started_.mono < kLongWork || now < progress_due_) return;
    progress_due_ = now + kProgressPause;
    progress_shown_ = true;
    WriteAll(errors_, absl::StrCat("\r", totals_.lines, " lines read"));
  }

  void EndProgress() {
    if (std::exchange(progress_shown_, false)) WriteAll(errors_, "\r\033[K");
  }

  const ParseWords& words_;
  const Clock& clock_;
  const absl::TimeZone zone_;
  const int output_;
  const int errors_;
  const bool shows_progress_;
  const Instant started_;
  absl::Time now_;

  JournalExport journal_;
  Totals totals_;
  std::string out_;
  bool titled_ = false;
  bool failed_ = false;
  bool stopped_ = false;
  bool progress_shown_ = false;
  absl::Duration progress_due_;
};

}  // namespace

int RunParse(const ParseWords& words, const Clock& clock, int output, int errors) {
  absl::TimeZone zone = absl::LocalTimeZone();
  if (!words.time_zone.empty() && !absl::LoadTimeZone(words.time_zone, &zone)) {
    return Usage(absl::StrCat("--time-zone ", words.time_zone,
                              ": no such zone in the host's database"));
  }
  if (words.year && (*words.year < 1970 || *words.year > 9998)) {
    return Usage(absl::StrCat("--year ", *words.year, ": not between 1970 and 9998"));
  }
  // Written to, a pipe without a reader says EPIPE.
  signal(SIGPIPE, SIG_IGN);
  return Parse(words, clock, zone, output, errors).Run();
}

}  // namespace mailvane
