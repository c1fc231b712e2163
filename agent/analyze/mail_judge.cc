#include "agent/analyze/mail_judge.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

constexpr absl::Duration kPassPause = absl::Minutes(1);

// "delivery/PIECE"; an analyzer with one piece only has no name for it: "delivery".
class PrefixedWriter final : public StateWriter {
 public:
  explicit PrefixedWriter(std::vector<std::pair<std::string, std::string>>* out)
      : out_(out) {}
  void SetAnalyzer(absl::string_view name) { analyzer_ = name; }
  void Put(absl::string_view piece, absl::string_view bytes) override {
    out_->emplace_back(Name(piece), bytes);
  }
  void Erase(absl::string_view piece) override { out_->emplace_back(Name(piece), ""); }

 private:
  std::string Name(absl::string_view piece) const {
    return absl::StrCat(analyzer_, piece.empty() ? "" : "/", piece);
  }

  std::vector<std::pair<std::string, std::string>>* const out_;
  absl::string_view analyzer_;
};

}  // namespace

MailJudge::MailJudge(const MessageTracker::Options& options,
                     std::vector<std::unique_ptr<Analyzer>> analyzers)
    : analyzers_(std::move(analyzers)), tracker_(options, this) {}

void MailJudge::Take(const SyslogLine& head, const MailLine& line) {
  // A line from the future must not put the next pass off for years.
  if (head.time >= pass_due_ || pass_due_ - head.time > 2 * kPassPause) {
    for (const auto& analyzer : analyzers_) analyzer->Pass(head.time);
    pass_due_ = head.time + kPassPause;
    NoteFindings();
  }
  tracker_.Take(head, line);
}

void MailJudge::Accept(const MailMessage& message) {
  for (const auto& analyzer : analyzers_) analyzer->Accept(message);
  NoteFindings();
}

void MailJudge::Settle(const RecipientFate& fate) {
  for (const auto& analyzer : analyzers_) analyzer->Settle(fate);
  NoteFindings();
}

void MailJudge::Try(const ClientAttempt& attempt) {
  for (const auto& analyzer : analyzers_) analyzer->Try(attempt);
  NoteFindings();
}

void MailJudge::NoteFindings() {
  for (const auto& analyzer : analyzers_) has_findings_ |= analyzer->has_findings();
}

std::vector<v1::Finding> MailJudge::TakeFindings() {
  std::vector<v1::Finding> all;
  for (const auto& analyzer : analyzers_) {
    for (v1::Finding& finding : analyzer->TakeFindings()) {
      all.push_back(std::move(finding));
    }
  }
  has_findings_ = false;
  return all;
}

void MailJudge::Report(v1::Snapshot* snapshot) const {
  for (const auto& analyzer : analyzers_) analyzer->Report(snapshot);
}

std::vector<std::pair<std::string, std::string>> MailJudge::Save() {
  std::vector<std::pair<std::string, std::string>> pieces;
  PrefixedWriter writer(&pieces);
  for (const auto& analyzer : analyzers_) {
    writer.SetAnalyzer(analyzer->name());
    analyzer->Save(&writer);
  }
  return pieces;
}

bool MailJudge::Restore(absl::string_view name, absl::string_view bytes) {
  const size_t slash = std::min(name.find('/'), name.size());
  const absl::string_view piece = name.substr(std::min(slash + 1, name.size()));
  for (const auto& analyzer : analyzers_) {
    if (analyzer->name() == name.substr(0, slash)) return analyzer->Restore(piece, bytes);
  }
  return false;
}

}  // namespace mailvane
