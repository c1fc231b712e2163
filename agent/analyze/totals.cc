#include "agent/analyze/totals.h"

#include "agent/analyze/redact.h"
#include "agent/reputation/provider.h"

namespace mailvane {
namespace {

constexpr size_t kExampleBytes = 160;

void Add(const RecipientFate& fate, Totals::Outcomes* outcomes) {
  switch (fate.status) {
    case DeliveryStatus::kSent:
      outcomes->delivered += fate.recipients;
      return;
    case DeliveryStatus::kDeferred:
      outcomes->deferred += fate.recipients;
      return;
    case DeliveryStatus::kBounced:
      outcomes->bounced += fate.recipients;
      return;
    case DeliveryStatus::kExpired:
      outcomes->expired += fate.recipients;
      return;
    case DeliveryStatus::kNone:
      return;
  }
}

}  // namespace

void Totals::Accept(const MailMessage& message) { received_ += message.received; }

void Totals::Settle(const RecipientFate& fate) {
  received_ -= fate.received_twice;
  deferred_messages_ += fate.first_deferral;
  if (fate.interim || fate.own_pause) return;
  Add(fate, &outcomes_);
  Add(fate, &providers_[ProviderOf(fate.relay_host)]);
  if (fate.status == DeliveryStatus::kSent) return;
  const ReplyClass kind =
      fate.status == DeliveryStatus::kExpired
          ? ReplyClass::kExpired
          : classifier_.Classify({fate.relay_host, fate.reply, fate.dsn}).reply_class;
  Reason& reason = reasons_[static_cast<int>(kind)];
  if (reason.count == 0) reason.example = Redact(fate.reply, kExampleBytes);
  reason.count += fate.recipients;
}

void Totals::Try(const ClientAttempt& attempt) {
  if (attempt.kind == ClientAttempt::Kind::kRefused) rejected_ += attempt.times;
}

}  // namespace mailvane
