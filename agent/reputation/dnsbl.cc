#include "agent/reputation/dnsbl.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"

namespace mailvane {
namespace {

// 127.255.255.0/24: refusals by what most lists agree on.
constexpr uint32_t kRefusals = 0x7fffff;
// 127.0.0.1, which no list should use (RFC 5782 s.2.1), and which resolvers that
// invent answers do.
constexpr uint32_t kLoopback = 0x7f000001;

const ListCode* Fitting(const std::vector<ListCode>& codes, uint32_t address) {
  for (const ListCode& code : codes) {
    if (code.Fits(address)) return &code;
  }
  return nullptr;
}

// What all the answer's addresses say together.
class Tally {
 public:
  explicit Tally(const BlockList& list) : list_(list) {}

  void Take(uint32_t address) {
    if (address >> 24 != 127) {
      strangers_.push_back(Ipv4Text(address));
      return;
    }
    if (const ListCode* refusal = Fitting(list_.refusals, address)) {
      refusals_.push_back(refusal->means);
      return;
    }
    bool known = false;
    for (const ListCode& code : list_.codes) {
      if (!code.Fits(address)) continue;
      TakeCode(code, address);
      known = true;
      // Of bits, all that are set count; of codes, the first that fits.
      if (code.bit == 0) break;
    }
    if (!known) TakeUnknown(address);
  }

  Judgement Judge() {
    Judgement judgement;
    if (!strangers_.empty()) {
      judgement.verdict = ListVerdict::kZoneSick;
      judgement.cause = ListCause::kHijacked;
      judgement.why = absl::StrCat("answered ", absl::StrJoin(strangers_, ", "),
                                   ", which is no list's answer: the domain is parked, "
                                   "or the resolver invents answers");
    } else if (!refusals_.empty()) {
      judgement.cause = ListCause::kRefused;
      judgement.why = absl::StrCat("it refuses this resolver: ", refusals_.front());
    } else if (!listed_.empty()) {
      judgement.verdict = ListVerdict::kListed;
      judgement.codes = std::move(listed_);
      judgement.tier = tier_;
    } else if (!unknown_.empty()) {
      judgement.cause = ListCause::kStrangeCode;
      judgement.why = absl::StrCat("answered ", absl::StrJoin(unknown_, ", "),
                                   ", which the catalogue does not know");
    } else {
      judgement.verdict = ListVerdict::kClean;
      judgement.note = absl::StrJoin(notes_, "; ");
    }
    return judgement;
  }

 private:
  void TakeCode(const ListCode& code, uint32_t address) {
    switch (code.says) {
      case CodeSays::kListed:
        AddListed({Ipv4Text(address), code.means}, code.tier);
        break;
      case CodeSays::kScore:
        notes_.push_back(absl::StrCat(code.means, ": ", address & 0xff));
        break;
      case CodeSays::kGood:
      case CodeSays::kNeutral:
        notes_.push_back(absl::StrCat(code.means, " (", Ipv4Text(address), ")"));
        break;
    }
  }

  void TakeUnknown(uint32_t address) {
    if (address >> 8 == kRefusals) {
      refusals_.push_back(absl::StrCat("it answers ", Ipv4Text(address)));
    } else if (list_.polarity == BlockList::Polarity::kAllow && address != kLoopback) {
      notes_.push_back(absl::StrCat("on the allow list (", Ipv4Text(address), ")"));
    } else if (list_.polarity == BlockList::Polarity::kBlock && address != kLoopback) {
      AddListed({Ipv4Text(address), ""}, list_.tier);
    } else {
      unknown_.push_back(Ipv4Text(address));
    }
  }

  // Two bits of one answer are one code with two meanings.
  void AddListed(ListedCode code, Tier tier) {
    tier_ = std::min(tier_, tier);
    listed_.push_back(std::move(code));
  }

  const BlockList& list_;
  std::vector<std::string> strangers_;
  std::vector<std::string> refusals_;
  std::vector<ListedCode> listed_;
  std::vector<std::string> unknown_;
  std::vector<std::string> notes_;
  Tier tier_ = Tier::kInfo;
};

}  // namespace

absl::string_view ListVerdictName(ListVerdict verdict) {
  switch (verdict) {
    case ListVerdict::kListed:
      return "LISTED";
    case ListVerdict::kClean:
      return "CLEAN";
    case ListVerdict::kUnknown:
      return "UNKNOWN";
    case ListVerdict::kZoneSick:
      return "ZONE_SICK";
  }
  return "";
}

std::string ListName(const BlockList& list, absl::string_view label,
                     absl::string_view key) {
  return list.needs_key ? absl::StrCat(label, ".", key, ".", list.zone)
                        : absl::StrCat(label, ".", list.zone);
}

Judgement JudgeAnswer(const BlockList& list, const DnsAnswer& answer) {
  Judgement judgement;
  if (answer.status == DnsStatus::kNxdomain || answer.status == DnsStatus::kNoData) {
    judgement.verdict = ListVerdict::kClean;
  } else if (answer.status == DnsStatus::kOk) {
    // Lowest first: lists give several in any order.
    std::vector<uint32_t> addresses;
    for (const DnsRecord& record : answer.records) {
      const std::optional<uint32_t> address = ParseIpv4(record.data);
      if (address) addresses.push_back(*address);
    }
    std::sort(addresses.begin(), addresses.end());
    addresses.erase(std::unique(addresses.begin(), addresses.end()), addresses.end());
    Tally tally(list);
    for (const uint32_t address : addresses) tally.Take(address);
    judgement = tally.Judge();
  } else {
    judgement.cause = ListCause::kNoAnswer;
    judgement.why = absl::StrCat("no answer: ", DnsStatusName(answer.status),
                                 answer.detail.empty() ? "" : ", ", answer.detail);
  }
  judgement.ttl = answer.ttl;
  return judgement;
}

std::string ReasonFrom(const DnsAnswer& answer) {
  if (answer.status != DnsStatus::kOk) return "";
  std::string reason;
  for (const DnsRecord& record : answer.records) {
    if (!reason.empty()) reason += " ";
    reason += record.data;
  }
  // Controls, and bytes that are no ASCII: whoever runs the zone may write to
  // somebody's terminal.
  for (char& c : reason) {
    if (!absl::ascii_isprint(static_cast<unsigned char>(c))) c = '?';
  }
  if (reason.size() > kMostReasonBytes) {
    reason.resize(kMostReasonBytes - 3);
    reason += "...";
  }
  return reason;
}

std::string DelistUrl(const BlockList& list, const Subject& subject) {
  return absl::StrReplaceAll(list.delist_url, {{"{ip}", subject.text}});
}

}  // namespace mailvane
