#include "agent/account/evidence.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

std::string Printable(absl::string_view text) {
  std::string clean(text);
  for (char& c : clean) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  return clean;
}

float PartOf(const AccountAlarm& alarm, Family family) {
  return alarm.verdict.parts[static_cast<size_t>(family)];
}

std::string Counted(int count, absl::string_view one, absl::string_view many) {
  return absl::StrCat(count, " ", count == 1 ? one : many);
}

// "1 of 17", "2 of 5": a share as people say it.
std::string Share(float share) {
  if (share < 0.001f) return "hardly ever";
  if (share > 0.4f) return absl::StrFormat("%.0f of 10", share * 10);
  return absl::StrFormat("1 of %.0f", 1 / share);
}

std::string Recipients(const AccountAlarm& alarm) {
  const Episode& seen = alarm.episode;
  return absl::StrFormat("%d of %s to addresses that it never wrote to (usually %s), %s",
                         seen.to_strangers, Counted(seen.messages, "message", "messages"),
                         Share(alarm.usual.stranger),
                         Counted(seen.strangers, "new address", "new addresses"));
}

std::string Origin(const AccountAlarm& alarm) {
  const Episode& seen = alarm.episode;
  std::vector<std::string> facts;
  facts.push_back(seen.networks == 0
                      ? "from a network that is new since a few days"
                      : absl::StrCat("from ",
                                     Counted(seen.networks, "network", "networks"),
                                     " that it never used before"));
  if (alarm.usual.networks > 0) {
    facts.push_back(absl::StrCat("it has ", alarm.usual.networks, " usual ones"));
  }
  if (seen.failed_logins > 0) {
    facts.push_back(absl::StrCat(
        "after ", Counted(seen.failed_logins, "failed login", "failed logins")));
  }
  return absl::StrJoin(facts, ", ");
}

std::string Volume(const AccountAlarm& alarm) {
  return absl::StrFormat(
      "%s in %s (usually %.0f in an hour in which it sends)",
      Counted(alarm.episode.messages, "message", "messages"),
      absl::FormatDuration(alarm.time - absl::FromUnixSeconds(alarm.episode.begun)),
      std::max(1.0f, alarm.usual.hourly));
}

std::string Outcomes(const AccountAlarm& alarm) {
  const Episode& seen = alarm.episode;
  std::vector<std::string> facts;
  if (seen.unknown > 0) {
    facts.push_back(
        absl::StrFormat("%d of %s do not exist (usually %s)", seen.unknown,
                        Counted(seen.strangers, "new address", "new addresses"),
                        Share(alarm.usual.unknown)));
  }
  if (seen.spam > 0) facts.push_back(absl::StrCat(seen.spam, " refused as spam"));
  if (facts.empty()) facts.push_back("refusals of the last days");
  return absl::StrJoin(facts, ", ");
}

std::string Form(const AccountAlarm& alarm) {
  const Episode& seen = alarm.episode;
  std::vector<std::string> facts;
  if (seen.forms > 0) {
    facts.push_back(Counted(seen.forms, "other mail program", "other mail programs"));
  }
  if (seen.senders > 0) {
    facts.push_back(Counted(seen.senders, "sender", "senders") + " never used before");
  }
  if (facts.empty())
    facts.push_back("a mail program or sender that is new since a few days");
  return absl::StrJoin(facts, ", ");
}

std::string InWords(const AccountAlarm& alarm, Family family) {
  switch (family) {
    case Family::kRecipients:
      return Recipients(alarm);
    case Family::kOrigin:
      return Origin(alarm);
    case Family::kVolume:
      return Volume(alarm);
    case Family::kOutcome:
      return Outcomes(alarm);
    case Family::kForm:
      return Form(alarm);
  }
  return "";
}

// The families by their weight, those that say nothing left out.
std::vector<std::pair<float, Family>> Ranked(const AccountAlarm& alarm) {
  std::vector<std::pair<float, Family>> ranked;
  for (size_t i = 0; i < kFamilies; ++i) {
    const auto family = static_cast<Family>(i);
    if (PartOf(alarm, family) >= 0.05f)
      ranked.emplace_back(PartOf(alarm, family), family);
  }
  std::stable_sort(ranked.begin(), ranked.end(),
                   [](const auto& a, const auto& b) { return a.first > b.first; });
  return ranked;
}

std::string Total(const AccountAlarm& alarm) {
  const AccountVerdict& verdict = alarm.verdict;
  std::string text =
      absl::StrFormat("%.1f where %.1f is needed", verdict.sum, verdict.threshold);
  if (alarm.expected_false_holds >= 0) {
    absl::StrAppendFormat(&text,
                          "; so much evidence is a false alarm in about %.2g of 1,000 "
                          "accounts a month",
                          alarm.expected_false_holds);
  }
  return text;
}

std::string Counterfactual(const AccountAlarm& alarm) {
  if (alarm.verdict.suspicion == Suspicion::kWatch) {
    return "only a warning: nothing in origin, outcome or form tells it from an honest "
           "busy day";
  }
  std::vector<absl::string_view> needed;
  for (size_t i = 0; i < kFamilies; ++i) {
    AccountVerdict without = alarm.verdict;
    without.sum -= without.parts[i];
    without.parts[i] = 0;
    if (without.sum < without.threshold || !TellsFromBusyDay(without.parts) ||
        !Sends(without.parts)) {
      needed.push_back(FamilyName(static_cast<Family>(i)));
    }
  }
  if (needed.empty()) return "it would have fired without any one of these";
  return absl::StrCat("it would not have fired without ",
                      absl::StrJoin(needed, ", or without "));
}

}  // namespace

v1::Finding FindingOf(const AccountAlarm& alarm) {
  const bool hold = alarm.verdict.suspicion == Suspicion::kHold;
  v1::Finding finding;
  finding.set_type(hold ? "account_compromised" : "account_watch");
  finding.set_level(hold ? v1::LEVEL_CRITICAL : v1::LEVEL_WARNING);
  finding.set_subject(Printable(alarm.account));
  *finding.mutable_first_seen() = ToProto(absl::FromUnixSeconds(alarm.episode.begun));
  *finding.mutable_last_seen() = ToProto(alarm.time);
  finding.set_messages(alarm.episode.messages);
  finding.add_evidence(Total(alarm));
  for (const auto& [weight, family] : Ranked(alarm)) {
    finding.add_evidence(absl::StrFormat("%s +%.1f: %s", FamilyName(family), weight,
                                         InWords(alarm, family)));
  }
  finding.add_evidence(Counterfactual(alarm));
  finding.add_evidence(
      absl::StrFormat("released so far: %s to %s; nothing is held",
                      Counted(alarm.episode.messages, "message", "messages"),
                      Counted(alarm.episode.recipients, "recipient", "recipients")));
  for (const std::string& exhibit : alarm.exhibits) finding.add_evidence(exhibit);
  return finding;
}

}  // namespace mailvane
