#include "agent/reputation/zone_health.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailvane {
namespace {

// RFC 5782 s.5: what no list may list.
constexpr absl::string_view kUnlisted[kSubjectKinds] = {
    "1.0.0.127", "1.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
    "invalid"};
// More zones in one sentence help nobody.
constexpr size_t kMostNamed = 8;
// So many lists at once are not hijacked each by itself.
constexpr size_t kManyHijacked = 3;

ZoneHealth Sick(ListCause cause, std::string why) {
  return {ZoneState::kSick, cause, std::move(why)};
}
ZoneHealth Unknown(ListCause cause, std::string why) {
  return {ZoneState::kUnknown, cause, std::move(why)};
}

const char* Describe(TestPoint point) {
  switch (point) {
    case TestPoint::kListed:
      return "its test point";
    case TestPoint::kUnlisted:
      return "the address that no list may list";
    case TestPoint::kRandom:
      return "a name made up at random";
  }
  return "";
}

std::string Named(const std::vector<absl::string_view>& zones) {
  if (zones.size() <= kMostNamed) return absl::StrJoin(zones, ", ");
  return absl::StrCat(absl::StrJoin(zones.begin(), zones.begin() + kMostNamed, ", "),
                      " and ", zones.size() - kMostNamed, " more");
}

}  // namespace

absl::string_view ZoneStateName(ZoneState state) {
  switch (state) {
    case ZoneState::kHealthy:
      return "healthy";
    case ZoneState::kSick:
      return "sick";
    case ZoneState::kUnknown:
      return "unknown";
  }
  return "";
}

absl::string_view ResolverStateName(ResolverState state) {
  switch (state) {
    case ResolverState::kUsable:
      return "usable";
    case ResolverState::kRefused:
      return "refused";
    case ResolverState::kInvents:
      return "invents";
    case ResolverState::kNoAnswer:
      return "no_answer";
    case ResolverState::kUnknown:
      return "unknown";
  }
  return "";
}

std::vector<TestQuestion> TestQuestions(const BlockList& list, SubjectKind kind,
                                        absl::string_view random_label) {
  std::vector<TestQuestion> questions;
  const int index = static_cast<int>(kind);
  if (!list.test_listed[index].empty()) {
    questions.push_back({TestPoint::kListed, list.test_listed[index]});
  }
  questions.push_back({TestPoint::kUnlisted, std::string(kUnlisted[index])});
  questions.push_back({TestPoint::kRandom, std::string(random_label)});
  return questions;
}

// The worst that any answer says: what is wrong for certain comes before what is
// not known.
ZoneHealth JudgeZone(const BlockList& list, const std::vector<TestAnswer>& answers) {
  ZoneHealth health = {ZoneState::kHealthy, ListCause::kNone, ""};
  bool lists_test_point = false;
  bool has_test_point = false;
  for (const auto& [point, answer] : answers) {
    const Judgement judgement = JudgeAnswer(list, answer);
    const bool answered = answer.status == DnsStatus::kOk;
    if (judgement.cause == ListCause::kHijacked) {
      return Sick(ListCause::kHijacked, judgement.why);
    }
    if (judgement.cause == ListCause::kRefused) {
      health = Unknown(ListCause::kRefused, judgement.why);
    }
    if (point == TestPoint::kListed) {
      has_test_point = true;
      lists_test_point = answered && judgement.cause != ListCause::kRefused;
    }
    if (!IsAnswer(answer.status) && health.state == ZoneState::kHealthy) {
      health = Unknown(ListCause::kNoAnswer,
                       absl::StrCat("asked for ", Describe(point), ": ", judgement.why));
    }
  }
  if (health.cause == ListCause::kRefused) return health;
  for (const auto& [point, answer] : answers) {
    if (point != TestPoint::kListed && answer.status == DnsStatus::kOk) {
      return Sick(ListCause::kListsAll,
                  absl::StrCat("it lists ", Describe(point), ": it lists the world"));
    }
    if (point == TestPoint::kListed &&
        (answer.status == DnsStatus::kNxdomain || answer.status == DnsStatus::kNoData)) {
      return Sick(ListCause::kSilent,
                  "it does not list its test point: it is empty, or has ended");
    }
  }
  if (has_test_point && !lists_test_point && health.state == ZoneState::kHealthy) {
    return Unknown(ListCause::kUnchecked, "its test point could not be asked");
  }
  return health;
}

Judgement Temper(const ZoneHealth& health, Judgement judgement) {
  if (health.state == ZoneState::kHealthy) return judgement;
  // Its own refusal says more than that the test points were refused.
  if (judgement.cause == ListCause::kRefused) return judgement;
  Judgement tempered;
  tempered.verdict =
      health.state == ZoneState::kSick ? ListVerdict::kZoneSick : ListVerdict::kUnknown;
  tempered.cause = health.cause;
  tempered.why = health.why;
  tempered.ttl = judgement.ttl;
  return tempered;
}

ResolverHealth JudgeResolver(const DnsAnswer& self_test,
                             const std::vector<ZoneReport>& zones) {
  std::vector<absl::string_view> refusing;
  size_t hijacked = 0;
  size_t heard = 0;
  std::string silence;
  for (const ZoneReport& report : zones) {
    // A list comes once for each kind of subject, one after the other.
    if (report.health.cause == ListCause::kRefused &&
        (refusing.empty() || refusing.back() != report.zone)) {
      refusing.push_back(report.zone);
    }
    if (report.health.cause == ListCause::kHijacked) ++hijacked;
    if (report.health.cause == ListCause::kNoAnswer) {
      silence = report.health.why;
    } else if (report.health.cause != ListCause::kUnchecked) {
      ++heard;
    }
  }
  if (self_test.status == DnsStatus::kOk || hijacked >= kManyHijacked) {
    return {ResolverState::kInvents,
            "the resolver answers for names that do not exist: nothing that it says of "
            "a list can be believed; use one of your own"};
  }
  if (heard == 0 && !silence.empty()) {
    return {ResolverState::kNoAnswer,
            IsAnswer(self_test.status)
                ? absl::StrCat("the resolver gets no answer from any list (", silence,
                               "): is there a way out to the Internet?")
                : absl::StrCat("the resolver does not answer (",
                               DnsStatusName(self_test.status), ")")};
  }
  if (!refusing.empty()) {
    return {ResolverState::kRefused,
            absl::StrCat("lists refuse this resolver: ", Named(refusing),
                         "; use one of your own, which asks the lists itself")};
  }
  if (heard == 0) return {};
  return {ResolverState::kUsable, ""};
}

std::string SelfTestName(absl::string_view random_label) {
  return absl::StrCat(random_label, ".invalid");
}

}  // namespace mailvane
