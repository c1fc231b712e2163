#include "collector/fleet/verdict.h"

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

std::string InWords(absl::Duration duration) {
  if (duration < absl::Minutes(2))
    return absl::StrCat(absl::ToInt64Seconds(duration), " s");
  if (duration < absl::Hours(2))
    return absl::StrCat(absl::ToInt64Minutes(duration), " min");
  if (duration < absl::Hours(48)) return absl::StrCat(absl::ToInt64Hours(duration), " h");
  return absl::StrCat(absl::ToInt64Hours(duration) / 24, " days");
}

// What the public is told of.  Whoever guesses passwords, or has stolen one, is the
// operator's matter until mail suffers from it.
constexpr struct {
  absl::string_view type;
  const char* words;
} kTroubles[] = {
    {"bounce_rate", "Much of the mail that leaves is refused."},
    {"provider_block", "A large provider refuses our mail."},
    {"dnsbl_rejection", "Mail is refused because of a blocklist."},
    {"queue_stuck", "Mail waits, and none of it leaves."},
    {"dns_failure", "Names cannot be looked up, so mail waits."},
    {"mass_expiry", "Mail was given up after waiting too long."},
};

std::string TroubleInWords(absl::string_view type) {
  for (const auto& trouble : kTroubles) {
    if (type == trouble.type) return trouble.words;
  }
  return "Mail delivery is in trouble.";
}

// What the agent should be able to read and can't: without it nobody knows
// whether mail flows.
std::string Blindness(const v1::Snapshot& measurements) {
  for (const v1::SourceReading& source : measurements.sources()) {
    if (source.unavailable() == v1::UNAVAILABLE_UNSPECIFIED ||
        source.unavailable() == v1::UNAVAILABLE_NOT_CONFIGURED) {
      continue;
    }
    const char* what = source.source() == "postfix_queue" ? "Queue"
                       : source.source() == "journal"     ? "Journal"
                                                          : "Mail log";
    return absl::StrCat(what, " unknown: ", Words(source.unavailable()), ".");
  }
  return "";
}

}  // namespace

bool HoldsUpMail(absl::string_view finding_type) {
  for (const auto& trouble : kTroubles) {
    if (finding_type == trouble.type) return true;
  }
  return false;
}

const char* Words(v1::Unavailable unavailable) {
  switch (unavailable) {
    case v1::UNAVAILABLE_UNSPECIFIED:
      return "readable";
    case v1::UNAVAILABLE_NOT_FOUND:
      return "not found";
    case v1::UNAVAILABLE_PERMISSION_DENIED:
      return "permission denied";
    case v1::UNAVAILABLE_TIMEOUT:
      return "no answer in time";
    case v1::UNAVAILABLE_MALFORMED:
      return "not understood";
    case v1::UNAVAILABLE_NOT_CONFIGURED:
      return "none on this system";
    case v1::UNAVAILABLE_OUTBOX_FULL:
      return "reading is paused, the outbox is full";
    default:
      return "not readable";
  }
}

Verdict Judge(const Facts& facts) {
  if (!facts.connected) {
    if (facts.planned_restart) return {Health::kUnknown, "Its agent is restarting."};
    if (!facts.silent_for) return {Health::kUnknown, "No report yet."};
    const std::string silence =
        absl::StrCat("No report for ", InWords(*facts.silent_for), ".");
    if (facts.ping == PingState::kDown && !facts.just_started) {
      return {Health::kMajorOutage, absl::StrCat("Does not answer. ", silence)};
    }
    return {Health::kUnknown, silence};
  }
  if (facts.ping == PingState::kDown) {
    return {Health::kPartialOutage, "Reports, but does not answer pings."};
  }
  if (!facts.trouble.empty()) {
    return {Health::kDegraded, TroubleInWords(facts.trouble)};
  }
  if (facts.measurements == nullptr) {
    return {Health::kUnknown, "Connected; the first measurements are on their way."};
  }
  std::string blindness = Blindness(*facts.measurements);
  if (!blindness.empty()) return {Health::kUnknown, std::move(blindness)};
  return {Health::kOperational, ""};
}

}  // namespace mailvane
