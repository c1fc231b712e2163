#include "agent/analyze/expiry.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "platform/proto_time.h"

namespace mailvane {

std::string SenderFamily(absl::string_view from) {
  const size_t at = std::min(from.rfind('@'), from.size());
  const absl::string_view local = from.substr(0, at);
  return absl::AsciiStrToLower(absl::StrCat(
      local.substr(0, std::min(local.find_first_of("+=-0123456789"), local.size())),
      from.substr(at)));
}

void ExpiryAnalyzer::Settle(const RecipientFate& fate) {
  if (fate.status != DeliveryStatus::kExpired) return;
  if (!fate.message->has_from || fate.message->from.empty()) return;
  if (expired_.Sum(fate.time) == 0) {
    senders_.Clear();
    since_ = fate.time;
  }
  expired_.Add(fate.time, fate.recipients);
  senders_.Add(SenderFamily(fate.message->from));
  const uint64_t expired = expired_.Sum(fate.time);
  if (expired < options_.recipients || senders_.size() < options_.senders ||
      fate.time - raised_ < options_.again_after) {
    return;
  }
  raised_ = fate.time;
  v1::Finding finding;
  finding.set_type("mass_expiry");
  finding.set_level(v1::LEVEL_WARNING);
  *finding.mutable_first_seen() = ToProto(std::max(since_, fate.time - options_.window));
  *finding.mutable_last_seen() = ToProto(fate.time);
  finding.set_messages(expired);
  finding.add_evidence(
      absl::StrFormat("%d recipients were given up within %d min, of %s%d senders",
                      expired, absl::ToInt64Minutes(options_.window),
                      senders_.full() ? "at least " : "", senders_.size()));
  Raise(std::move(finding));
}

}  // namespace mailvane
