#include "agent/analyze/standstill.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/analyze/redact.h"
#include "agent/reputation/provider.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr size_t kReplyBytes = 200;

// Whoever looks these up and finds nothing has not asked the DNS that we all have.
constexpr absl::string_view kKnownToAll[] = {
    "gmail.com", "outlook.com", "hotmail.com", "yahoo.com", "icloud.com",
    "gmx.de",    "web.de",      "live.com",    "aol.com",   "msn.com",
};

std::string DomainOf(absl::string_view address) {
  return absl::AsciiStrToLower(address.substr(address.rfind('@') + 1));
}

v1::Finding Make(absl::string_view type, v1::Level level, absl::Time first,
                 absl::Time last, uint64_t messages) {
  v1::Finding finding;
  finding.set_type(std::string(type));
  finding.set_level(level);
  *finding.mutable_first_seen() = ToProto(first);
  *finding.mutable_last_seen() = ToProto(last);
  finding.set_messages(messages);
  return finding;
}

}  // namespace

StandstillAnalyzer::StandstillAnalyzer(const Options& options)
    : options_(options),
      tried_(options.dns_window),
      unresolved_(options.dns_window),
      lies_(options.dns_window) {}

void StandstillAnalyzer::Accept(const MailMessage& message) {
  if (message.reinjected) return;
  if (untried_++ == 0) untried_since_ = message.time;
}

void StandstillAnalyzer::Pass(absl::Time now) { Untried(now); }

void StandstillAnalyzer::Untried(absl::Time now) {
  if (untried_ < options_.untried || now - untried_since_ < options_.untried_for ||
      now - untried_raised_ < options_.again_after) {
    return;
  }
  untried_raised_ = now;
  v1::Finding finding =
      Make("queue_stuck", v1::LEVEL_CRITICAL, untried_since_, now, untried_);
  finding.add_evidence(
      absl::StrFormat("%d messages came in within %d min, and not one delivery was tried",
                      untried_, absl::ToInt64Minutes(now - untried_since_)));
  finding.add_evidence("the queue manager does not run, or deliveries are switched off");
  Raise(std::move(finding));
}

void StandstillAnalyzer::Settle(const RecipientFate& fate) {
  untried_ = 0;
  if (fate.interim || fate.own_pause) return;
  const absl::string_view provider = ProviderOf(fate.relay_host);
  if (provider == "local") return;
  tried_.Add(fate.time, fate.recipients);
  if (fate.status == DeliveryStatus::kSent) {
    put_off_ = 0;
    put_off_domains_.Clear();
    return;
  }
  if (fate.status == DeliveryStatus::kDeferred && fate.first_deferral) PutOff(fate);
  Unresolved(fate);
}

void StandstillAnalyzer::PutOff(const RecipientFate& fate) {
  if (put_off_++ == 0) {
    put_off_since_ = fate.time;
    put_off_reply_ = Redact(fate.reply, kReplyBytes);
  }
  put_off_domains_.Add(DomainOf(fate.to));
  if (put_off_ < options_.put_off || put_off_domains_.size() < options_.put_off_domains ||
      fate.time - put_off_since_ < options_.put_off_for ||
      fate.time - put_off_raised_ < options_.again_after) {
    return;
  }
  put_off_raised_ = fate.time;
  v1::Finding finding =
      Make("queue_stuck", v1::LEVEL_CRITICAL, put_off_since_, fate.time, put_off_);
  finding.add_evidence(absl::StrFormat(
      "%d messages to %s%d domains were put off within %d min, and no other server took "
      "one",
      put_off_, put_off_domains_.full() ? "at least " : "", put_off_domains_.size(),
      absl::ToInt64Minutes(fate.time - put_off_since_)));
  finding.add_evidence(absl::StrCat("the first: ", put_off_reply_));
  finding.add_evidence(absl::StrCat("the last: ", Redact(fate.reply, kReplyBytes)));
  Raise(std::move(finding));
}

void StandstillAnalyzer::Unresolved(const RecipientFate& fate) {
  if (classifier_ == nullptr) classifier_ = std::make_unique<ReplyClassifier>();
  const ReplyClass kind =
      classifier_->Classify({fate.relay_host, fate.reply, fate.dsn}).reply_class;
  const std::string domain = DomainOf(fate.to);
  const bool lie = kind == ReplyClass::kDomainUnknown &&
                   std::find(std::begin(kKnownToAll), std::end(kKnownToAll), domain) !=
                       std::end(kKnownToAll);
  if (kind != ReplyClass::kDnsFailure && !lie) return;
  if (unresolved_.Sum(fate.time) == 0) {
    unresolved_domains_.Clear();
    unresolved_since_ = fate.time;
  }
  unresolved_.Add(fate.time, fate.recipients);
  if (lie) lies_.Add(fate.time, fate.recipients);
  unresolved_domains_.Add(domain);
  const uint64_t failures = unresolved_.Sum(fate.time);
  const uint64_t tried = tried_.Sum(fate.time);
  const bool many =
      failures >= options_.dns_failures &&
      unresolved_domains_.size() >= options_.dns_domains &&
      static_cast<double>(failures) >= options_.dns_share * static_cast<double>(tried);
  if ((!many && lies_.Sum(fate.time) < options_.dns_lies) ||
      fate.time - dns_raised_ < options_.again_after) {
    return;
  }
  dns_raised_ = fate.time;
  v1::Finding finding = Make("dns_failure", v1::LEVEL_CRITICAL,
                             std::max(unresolved_since_, fate.time - options_.dns_window),
                             fate.time, failures);
  finding.add_evidence(absl::StrFormat(
      "for %d of %d recipients at other servers no name was found within %d min; %s%d "
      "domains",
      failures, tried, absl::ToInt64Minutes(options_.dns_window),
      unresolved_domains_.full() ? "at least " : "", unresolved_domains_.size()));
  if (lie) {
    finding.add_evidence(
        absl::StrCat("even of ", domain, ", which exists: the resolver is at fault"));
  }
  finding.add_evidence(absl::StrCat("the last: ", Redact(fate.reply, kReplyBytes)));
  Raise(std::move(finding));
}

}  // namespace mailvane
