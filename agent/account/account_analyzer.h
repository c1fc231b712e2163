// Tells the detector of the mail flow, and the world of what it found.
//
// Belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/account/detector.h"
#include "agent/analyze/analyzer.h"
#include "agent/analyze/mail_flow.h"
#include "agent/reputation/reply_classifier.h"

namespace mailvane {

class AccountAnalyzer final : public Analyzer {
 public:
  struct Options {
    AccountDetector::Options detector;
    // Completes "ann" to "ann@example.net"; empty: names stay as they are.
    std::string default_realm;
    // Not owned, must outlive the analyzer; null: it makes its own, which takes some
    // milliseconds.
    ReplyClassifier* classifier = nullptr;
  };

  explicit AccountAnalyzer(const Options& options);

  absl::string_view name() const override { return "account"; }
  void Accept(const MailMessage& message) override;
  void Settle(const RecipientFate& fate) override;
  void Try(const ClientAttempt& attempt) override;
  void Pass(absl::Time now) override { now_ = now; }
  void Report(v1::Snapshot* snapshot) const override;
  void Save(StateWriter* writer) override;
  bool Restore(absl::string_view piece, absl::string_view bytes) override;

  // For whoever acts on it: what is held against an account.
  AccountDetector& detector() { return detector_; }

 private:
  std::optional<AccountRef> AccountOf(const MailMessage& message);
  std::optional<AccountRef> SaslAccount(absl::string_view logged);
  AccountRef Named(AccountKind kind, absl::string_view prefix, absl::string_view name,
                   absl::string_view logged);
  Outcome OutcomeOf(const RecipientFate& fate);
  void TellAlarms();

  const Options options_;
  AccountDetector detector_;
  const std::unique_ptr<ReplyClassifier> own_classifier_;
  ReplyClassifier* const classifier_;
  absl::Time now_ = absl::InfinitePast();
  // What the AccountRef made last points into.
  std::string key_;
  std::string logged_;
};

}  // namespace mailvane
