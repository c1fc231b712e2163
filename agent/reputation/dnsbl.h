// One question to one DNS list, and what its answer means.  Pure.
//
// Only "no such name" and "no such record" say that an address is clean.  A code
// of refusal, SERVFAIL, silence, or a code that nobody knows on a list of both
// kinds say nothing about it; an answer outside 127/8 is no list's at all, but a
// parked domain's or a hijacked resolver's (RFC 5782 s.2.1, RFC 6471 s.3).
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/reputation/catalogue.h"
#include "agent/reputation/subject.h"
#include "platform/dns_message.h"

namespace mailvane {

enum class ListVerdict { kListed, kClean, kUnknown, kZoneSick };
// "LISTED", "CLEAN", "UNKNOWN", "ZONE_SICK".
absl::string_view ListVerdictName(ListVerdict verdict);

// Why a verdict is kUnknown or kZoneSick.
enum class ListCause {
  kNone,
  kRefused,      // the list won't serve this resolver
  kNoAnswer,     // SERVFAIL, REFUSED, a timeout: the resolver got nothing
  kStrangeCode,  // a code that the catalogue does not know, on a mixed list
  kHijacked,     // an answer outside 127/8: a parked domain, or an invented answer
  kListsAll,     // it lists what it must not, or any name
  kSilent,       // it does not list its test point: it is empty, or gone
  kNoKey,        // needs a key that nobody gave
  kUnchecked,    // its test points could not be asked
  kResolver,     // the resolver invents answers
};

struct ListedCode {
  // "127.0.0.2".
  std::string code;
  // From the catalogue; empty when it does not know the code.
  std::string means;
};

struct Judgement {
  ListVerdict verdict = ListVerdict::kUnknown;
  ListCause cause = ListCause::kNone;
  // With kUnknown and kZoneSick: why, for people.
  std::string why;
  // With kListed: each code of the answer that is a listing, lowest first.
  std::vector<ListedCode> codes;
  // With kListed: how much the worst of them matters.
  Tier tier = Tier::kInfo;
  // With kClean: what the list says in favour, "on the allow list", or a score.
  std::string note;
  // The list's own text (TXT), as a stranger wrote it: bytes without controls, at
  // most kMostReasonBytes.
  std::string reason;
  // How long the answer may be kept, where it said.
  std::optional<absl::Duration> ttl;
};

constexpr size_t kMostReasonBytes = 300;

// "<label>.[<key>.]<zone>".
std::string ListName(const BlockList& list, absl::string_view label,
                     absl::string_view key);

// What the answer to ListName's A question says.
Judgement JudgeAnswer(const BlockList& list, const DnsAnswer& answer);

// The list's text from the answer to the TXT question on the same name; empty when
// there is none.
std::string ReasonFrom(const DnsAnswer& answer);

// The catalogue's address for looking into it, for this subject.
std::string DelistUrl(const BlockList& list, const Subject& subject);

}  // namespace mailvane
