#include "agent/classify_command.h"

#include <signal.h>

#include <algorithm>
#include <memory>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/string_view.h"
#include "agent/command_output.h"
#include "agent/log_input.h"
#include "agent/parse/mail_json.h"
#include "agent/reputation/reply_class.h"
#include "agent/reputation/reply_classifier.h"
#include "platform/program.h"

namespace mailvane {
namespace {

using absl::string_view;

// Of a reply, in the table.
constexpr size_t kMostShown = 100;

void AppendMember(string_view name, string_view value, std::string* out) {
  absl::StrAppend(out, "\"", name, "\":");
  if (value.empty()) {
    *out += "null";
  } else {
    AppendJsonString(value, out);
  }
}

void AppendJson(const ReplyVerdict& verdict, std::string* out) {
  *out += "{";
  AppendMember("class", ReplyClassName(verdict.reply_class), out);
  *out += ",";
  AppendMember("scope", ReplyScopeName(verdict.scope), out);
  *out += ",";
  AppendMember("provider", verdict.provider, out);
  absl::StrAppend(out, ",\"temporary\":",
                  !verdict.temporary   ? "null"
                  : *verdict.temporary ? "true"
                                       : "false",
                  ",");
  AppendMember("zone", verdict.zone, out);
  *out += ",";
  AppendMember("delist_url", verdict.delist_url, out);
  *out += ",";
  AppendMember("rule", verdict.rule, out);
  *out += "}\n";
}

class Classify {
 public:
  Classify(const ClassifyWords& words, int output, int errors)
      : words_(words), out_(output, errors) {}

  int Run() {
    std::vector<std::string> files = words_.files;
    if (files.empty()) files = {"-"};
    for (const std::string& file : files) {
      if (!out_.stopped()) ReadFile(file);
    }
    if (!words_.json) AppendTotals();
    out_.Flush();
    return out_.failed() ? kExitFailure : kExitOk;
  }

 private:
  void ReadFile(const std::string& file) {
    auto input = LogInput::Open(file, [this] { out_.Flush(); });
    if (!input.ok()) return out_.Complain(input.status().message());
    string_view line;
    while (!out_.stopped() && (*input)->Next(&line)) TakeLine(line);
    if (!(*input)->status().ok()) out_.Complain((*input)->status().message());
  }

  void TakeLine(string_view line) {
    Reply reply;
    const size_t tab = line.find('\t');
    reply.text = tab == string_view::npos ? line : line.substr(tab + 1);
    if (tab != string_view::npos) reply.relay_host = line.substr(0, tab);
    const ReplyVerdict verdict = classifier_.Classify(reply);
    ++classes_[static_cast<int>(verdict.reply_class)];
    words_.json ? AppendJson(verdict, &out_.text()) : AppendRow(verdict, reply.text);
    out_.Written();
  }

  void AppendRow(const ReplyVerdict& verdict, string_view text) {
    constexpr char kRow[] = "%-20s %-14s %-12s %-5s %-22s %s\n";
    const auto known = [](string_view value) { return value.empty() ? "-" : value; };
    std::string& out = out_.text();
    if (!std::exchange(titled_, true)) {
      absl::StrAppendFormat(&out, kRow, "CLASS", "SCOPE", "PROVIDER", "", "RULE",
                            "REPLY");
    }
    // To a terminal: escaped as JSON is, without its quotes.
    std::string shown;
    AppendJsonString(text.substr(0, kMostShown), &shown);
    shown = shown.substr(1, shown.size() - 2);
    absl::StrAppendFormat(&out, kRow, ReplyClassName(verdict.reply_class),
                          ReplyScopeName(verdict.scope), known(verdict.provider),
                          !verdict.temporary   ? "-"
                          : *verdict.temporary ? "later"
                                               : "never",
                          known(verdict.rule), shown);
    if (!verdict.zone.empty() || !verdict.delist_url.empty()) {
      std::string url;
      AppendJsonString(verdict.delist_url, &url);
      absl::StrAppendFormat(&out, "%20s blocklist %s, ask %s\n", "", known(verdict.zone),
                            known(url.substr(1, url.size() - 2)));
    }
  }

  void AppendTotals() {
    std::vector<std::pair<uint64_t, string_view>> ranked;
    uint64_t all = 0;
    for (int i = 0; i < kReplyClasses; ++i) {
      all += classes_[i];
      if (classes_[i] > 0) {
        ranked.emplace_back(classes_[i], ReplyClassName(static_cast<ReplyClass>(i)));
      }
    }
    std::sort(ranked.rbegin(), ranked.rend());
    absl::StrAppend(&out_.text(), titled_ ? "\n" : "", all, " replies");
    const char* comma = ": ";
    for (const auto& [count, name] : ranked) {
      absl::StrAppend(&out_.text(), std::exchange(comma, ", "), name, " ", count);
    }
    out_.text() += "\n";
  }

  const ClassifyWords& words_;
  CommandOutput out_;
  ReplyClassifier classifier_;
  uint64_t classes_[kReplyClasses] = {};
  bool titled_ = false;
};

}  // namespace

int RunClassify(const ClassifyWords& words, int output, int errors) {
  // Written to, a pipe without a reader says EPIPE.
  signal(SIGPIPE, SIG_IGN);
  return Classify(words, output, errors).Run();
}

}  // namespace mailvane
