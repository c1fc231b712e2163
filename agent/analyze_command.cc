#include "agent/analyze_command.h"

#include <signal.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/civil_time.h"
#include "agent/analyze/analyzers.h"
#include "agent/analyze/mail_judge.h"
#include "agent/analyze/totals.h"
#include "agent/command_output.h"
#include "agent/log_input.h"
#include "agent/parse/mail.h"
#include "agent/parse/mail_json.h"
#include "agent/reputation/reply_class.h"
#include "platform/program.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

using absl::string_view;

// A file whose first so many lines have no header is no log.
constexpr int kLinesToDate = 1000;
constexpr size_t kReasonsShown = 20;

string_view LevelName(v1::Level level) {
  switch (level) {
    case v1::LEVEL_CRITICAL:
      return "critical";
    case v1::LEVEL_WARNING:
      return "warning";
    default:
      return "info";
  }
}

// `"name":"value",`; null: it means nothing here.
void TextField(string_view name, string_view value, std::string* out) {
  absl::StrAppend(out, "\"", name, "\":");
  if (value.empty()) {
    absl::StrAppend(out, "null,");
    return;
  }
  AppendJsonString(value, out);
  out->push_back(',');
}
void TimeField(string_view name, absl::Time time, std::string* out) {
  absl::StrAppend(out, "\"", name, "\":\"");
  AppendTime(time, out);
  absl::StrAppend(out, "\",");
}
void NumberField(string_view name, uint64_t value, std::string* out) {
  absl::StrAppend(out, "\"", name, "\":", value, ",");
}

void AppendFindingJson(const v1::Finding& finding, absl::Time raised_at,
                       std::string* out) {
  *out += "{";
  TextField("type", finding.type(), out);
  TimeField("raised_at", raised_at, out);
  TimeField("first_seen", FromProto(finding.first_seen()), out);
  TimeField("last_seen", FromProto(finding.last_seen()), out);
  TextField("subject", finding.subject(), out);
  TextField("level", LevelName(finding.level()), out);
  TextField("provider", finding.provider(), out);
  TextField("scope", finding.scope(), out);
  NumberField("messages", finding.messages(), out);
  *out += "\"evidence\":[";
  for (const std::string& evidence : finding.evidence()) {
    if (out->back() != '[') *out += ",";
    AppendJsonString(evidence, out);
  }
  *out += "]}\n";
}

// For a person: the escapes keep a terminal from obeying what a stranger wrote.
std::string Shown(string_view text) {
  std::string quoted;
  AppendJsonString(text, &quoted);
  return quoted.substr(1, quoted.size() - 2);
}

class Analyze {
 public:
  Analyze(const AnalyzeWords& words, const Clock& clock, absl::TimeZone zone, int output,
          int errors)
      : words_(words),
        zone_(zone),
        output_(output, errors),
        // A reader without a past takes the latest year in which a line is not in the
        // future, and allows a day.
        now_(words.year ? absl::FromCivil(
                              absl::CivilSecond(*words.year, 12, 30, 23, 59, 59), zone)
                        : clock.Now().wall) {
    std::vector<std::unique_ptr<Analyzer>> analyzers = MakeAnalyzers(AnalyzerOptions());
    auto totals = std::make_unique<Totals>();
    totals_ = totals.get();
    analyzers.push_back(std::move(totals));
    judge_ = std::make_unique<MailJudge>(MessageTracker::Options(), std::move(analyzers));
  }

  int Run() {
    SyslogReader reader(zone_);
    for (const std::string& file : InTheOrderOfTheirTime()) {
      if (output_.stopped()) break;
      ReadFile(file, &reader);
    }
    judge_->Finish();
    TellFindings();
    words_.json ? AppendTotalsJson() : AppendTotals();
    output_.Flush();
    if (output_.failed()) return kExitFailure;
    return findings_ > 0 ? kExitFindings : kExitOk;
  }

 private:
  // A rotated log is given as the shell sorts it: the newest first.  Standard input
  // can be read once only, so with it the order is the one given.
  std::vector<std::string> InTheOrderOfTheirTime() {
    std::vector<std::string> files = words_.files;
    if (files.empty()) files = {"-"};
    if (files.size() == 1 || std::find(files.begin(), files.end(), "-") != files.end()) {
      return files;
    }
    std::vector<std::pair<absl::Time, std::string>> dated;
    for (const std::string& file : files) dated.emplace_back(FirstTime(file), file);
    std::stable_sort(dated.begin(), dated.end(),
                     [](const auto& a, const auto& b) { return a.first < b.first; });
    for (size_t i = 0; i < files.size(); ++i) files[i] = std::move(dated[i].second);
    return files;
  }

  // What can't be opened is complained about when it is read.
  absl::Time FirstTime(const std::string& file) {
    auto input = LogInput::Open(file, [] {});
    if (!input.ok()) return absl::InfiniteFuture();
    SyslogReader reader(zone_);
    string_view text;
    for (int i = 0; i < kLinesToDate && (*input)->Next(&text); ++i) {
      const std::optional<SyslogLine> head = reader.Parse(text, now_);
      if (head) return head->time;
    }
    return absl::InfiniteFuture();
  }

  void ReadFile(const std::string& file, SyslogReader* reader) {
    auto input = LogInput::Open(file, [this] { output_.Flush(); });
    if (!input.ok()) return output_.Complain(input.status().message());
    string_view text;
    while (!output_.stopped() && (*input)->Next(&text)) TakeLine(text, reader);
    if (!(*input)->status().ok()) output_.Complain((*input)->status().message());
  }

  void TakeLine(string_view text, SyslogReader* reader) {
    ++lines_;
    const std::optional<SyslogLine> head = reader->Parse(text, now_);
    const std::optional<MailLine> line =
        head ? ParseMail(*head) : std::optional<MailLine>();
    if (!line) {
      ++unparsed_;
      return;
    }
    ambiguous_ += line->ambiguous;
    last_ = head->time;
    judge_->Take(*head, *line);
    if (judge_->has_findings()) TellFindings();
  }

  void TellFindings() {
    for (const v1::Finding& finding : judge_->TakeFindings()) {
      ++findings_;
      if (words_.json) {
        AppendFindingJson(finding, last_, &output_.text());
      } else {
        AppendFinding(finding);
      }
      output_.Written();
    }
  }

  // 2026-05-06 09:25:41  WARNING  bounce_rate
  //     20 of 50 recipients were refused within 10 min (40 %)
  void AppendFinding(const v1::Finding& finding) {
    std::string& out = output_.text();
    absl::StrAppend(&out, absl::FormatTime("%Y-%m-%d %H:%M:%S", last_, zone_), "  ",
                    absl::AsciiStrToUpper(LevelName(finding.level())), "  ",
                    Shown(finding.type()));
    if (!finding.subject().empty()) {
      absl::StrAppend(&out, "  ", Shown(finding.subject()));
    }
    out += "\n";
    for (const std::string& evidence : finding.evidence()) {
      absl::StrAppend(&out, "    ", Shown(evidence), "\n");
    }
  }

  // Reply classes, the most frequent first.
  std::vector<std::pair<ReplyClass, const Totals::Reason*>> TopReasons() const {
    std::vector<std::pair<ReplyClass, const Totals::Reason*>> top;
    for (int i = 0; i < kReplyClasses; ++i) {
      const Totals::Reason& reason = totals_->reasons()[i];
      if (reason.count > 0) top.emplace_back(static_cast<ReplyClass>(i), &reason);
    }
    std::stable_sort(top.begin(), top.end(), [](const auto& a, const auto& b) {
      return a.second->count > b.second->count;
    });
    if (top.size() > kReasonsShown) top.resize(kReasonsShown);
    return top;
  }

  void AppendTotalsJson() {
    std::string& out = output_.text();
    const Totals::Outcomes& all = totals_->outcomes();
    out += "{\"type\":\"totals\",";
    NumberField("lines", lines_, &out);
    NumberField("received", totals_->received(), &out);
    NumberField("delivered", all.delivered, &out);
    NumberField("deferred_messages", totals_->deferred_messages(), &out);
    NumberField("deferred_attempts", all.deferred, &out);
    NumberField("bounced", all.bounced, &out);
    NumberField("expired", all.expired, &out);
    NumberField("rejected", totals_->rejected(), &out);
    out += "\"providers\":{";
    for (const auto& [provider, outcomes] : totals_->providers()) {
      if (out.back() != '{') out += ",";
      absl::StrAppend(&out, "\"", provider, "\":{\"delivered\":", outcomes.delivered,
                      ",\"deferred_attempts\":", outcomes.deferred,
                      ",\"bounced\":", outcomes.bounced,
                      ",\"expired\":", outcomes.expired, "}");
    }
    out += "},\"top_reasons\":[";
    for (const auto& [kind, reason] : TopReasons()) {
      if (out.back() != '[') out += ",";
      absl::StrAppend(&out, "{\"reason\":\"", ReplyClassName(kind),
                      "\",\"count\":", reason->count, ",\"example\":");
      AppendJsonString(reason->example, &out);
      out += "}";
    }
    out += "],";
    NumberField("unparsed", unparsed_, &out);
    NumberField("ambiguous", ambiguous_, &out);
    NumberField("forgotten", judge_->counters().forgotten, &out);
    out.back() = '}';
    out += "\n";
  }

  void AppendTotals() {
    std::string& out = output_.text();
    const Totals::Outcomes& all = totals_->outcomes();
    absl::StrAppendFormat(
        &out, "%s%d lines: %d messages received, %d of them deferred (%d attempts)\n",
        findings_ > 0 ? "\n" : "", lines_, totals_->received(),
        totals_->deferred_messages(), all.deferred);
    absl::StrAppendFormat(
        &out, "recipients: %d delivered, %d bounced, %d expired; %d attempts refused\n",
        all.delivered, all.bounced, all.expired, totals_->rejected());
    if (!totals_->providers().empty()) {
      absl::StrAppendFormat(&out, "\n%-16s %10s %10s %10s %10s\n", "PROVIDER",
                            "DELIVERED", "DEFERRED", "BOUNCED", "EXPIRED");
    }
    for (const auto& [provider, outcomes] : totals_->providers()) {
      absl::StrAppendFormat(&out, "%-16s %10d %10d %10d %10d\n", provider,
                            outcomes.delivered, outcomes.deferred, outcomes.bounced,
                            outcomes.expired);
    }
    const auto top = TopReasons();
    if (!top.empty()) absl::StrAppendFormat(&out, "\n%10s %s\n", "RECIPIENTS", "REASON");
    for (const auto& [kind, reason] : top) {
      absl::StrAppendFormat(&out, "%10d %s: %s\n", reason->count, ReplyClassName(kind),
                            Shown(reason->example));
    }
    if (unparsed_ + ambiguous_ + judge_->counters().forgotten > 0) {
      absl::StrAppendFormat(
          &out,
          "\n%d lines of no mail program, %d that can be read in two ways, %d "
          "messages forgotten for want of room\n",
          unparsed_, ambiguous_, judge_->counters().forgotten);
    }
  }

  const AnalyzeWords& words_;
  const absl::TimeZone zone_;
  CommandOutput output_;
  const absl::Time now_;

  std::unique_ptr<MailJudge> judge_;
  const Totals* totals_ = nullptr;  // owned by judge_
  uint64_t lines_ = 0;
  uint64_t unparsed_ = 0;
  uint64_t ambiguous_ = 0;
  uint64_t findings_ = 0;
  // Of the line that was read last: when the service would have spoken.
  absl::Time last_ = absl::UnixEpoch();
};

}  // namespace

int RunAnalyze(const AnalyzeWords& words, const Clock& clock, int output, int errors) {
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
  return Analyze(words, clock, zone, output, errors).Run();
}

}  // namespace mailvane
