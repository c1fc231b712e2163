// Whether a DNS list can be believed, and whether the resolver can.  Pure.
//
// A list has to list its test point and must not list another (RFC 5782 s.5); no
// list answers for a name that nobody ever made up before.  A list that fails is
// sick: what it says of anybody is worth nothing until it is well again.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "agent/reputation/catalogue.h"
#include "agent/reputation/dnsbl.h"
#include "platform/dns_message.h"

namespace mailvane {

enum class ZoneState { kHealthy, kSick, kUnknown };
// "healthy", "sick", "unknown".
absl::string_view ZoneStateName(ZoneState state);

struct ZoneHealth {
  ZoneState state = ZoneState::kUnknown;
  ListCause cause = ListCause::kUnchecked;
  // Why it is not healthy, for people.
  std::string why;
};

enum class TestPoint {
  kListed,    // must be listed
  kUnlisted,  // must not
  kRandom,    // a name that nobody asked before: nor must that
};

struct TestQuestion {
  TestPoint point;
  // Stands before the zone.
  std::string label;
};

// What to ask a list about itself, in the form of this kind of subject.
std::vector<TestQuestion> TestQuestions(const BlockList& list, SubjectKind kind,
                                        absl::string_view random_label);

struct TestAnswer {
  TestPoint point;
  DnsAnswer answer;
};

ZoneHealth JudgeZone(const BlockList& list, const std::vector<TestAnswer>& answers);

// What the list's health leaves of a verdict.
Judgement Temper(const ZoneHealth& health, Judgement judgement);

// The resolver, in the light of all lists.
enum class ResolverState {
  kUsable,
  kRefused,   // some lists won't serve it
  kInvents,   // it answers for names that do not exist
  kNoAnswer,  // it can't be asked, or it gets no answers
  kUnknown,   // not looked at yet
};
// "usable", "refused", "invents", "no_answer", "unknown".
absl::string_view ResolverStateName(ResolverState state);

struct ResolverHealth {
  ResolverState state = ResolverState::kUnknown;
  // One sentence for people; empty while it is usable.
  std::string why;
};

struct ZoneReport {
  absl::string_view zone;
  ZoneHealth health;
};

// `self_test`: the answer for a name that does not exist anywhere.
ResolverHealth JudgeResolver(const DnsAnswer& self_test,
                             const std::vector<ZoneReport>& zones);

// A name below .invalid (RFC 6761 s.6.4), for `self_test`.
std::string SelfTestName(absl::string_view random_label);

}  // namespace mailvane
