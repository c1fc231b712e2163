// What a whole log comes to: the last object of `mailvane-agent analyze`.
//
// Pure; belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <map>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/analyze/analyzer.h"
#include "agent/reputation/reply_classifier.h"

namespace mailvane {

class Totals final : public Analyzer {
 public:
  // Recipients, by outcome.
  struct Outcomes {
    uint64_t delivered = 0;
    uint64_t deferred = 0;  // attempts
    uint64_t bounced = 0;
    uint64_t expired = 0;
  };
  struct Reason {
    uint64_t count = 0;
    // The first reply of this kind, redacted.
    std::string example;
  };

  absl::string_view name() const override { return "totals"; }
  void Accept(const MailMessage& message) override;
  void Settle(const RecipientFate& fate) override;
  void Try(const ClientAttempt& attempt) override;

  // Messages.
  uint64_t received() const { return received_; }
  uint64_t deferred_messages() const { return deferred_messages_; }
  // Refused attempts of clients.
  uint64_t rejected() const { return rejected_; }
  const Outcomes& outcomes() const { return outcomes_; }
  // Of what left for a server, by whose that was; "local" for what stayed, "unknown"
  // where none was reached.
  const std::map<absl::string_view, Outcomes>& providers() const { return providers_; }
  // Why recipients were put off, refused or given up, by ReplyClass.
  const std::array<Reason, kReplyClasses>& reasons() const { return reasons_; }

 private:
  uint64_t received_ = 0;
  uint64_t deferred_messages_ = 0;
  uint64_t rejected_ = 0;
  Outcomes outcomes_;
  std::map<absl::string_view, Outcomes> providers_;
  std::array<Reason, kReplyClasses> reasons_;
  ReplyClassifier classifier_;
};

}  // namespace mailvane
