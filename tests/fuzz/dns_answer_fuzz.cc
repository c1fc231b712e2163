// Whatever a DNS server sends: an answer has what its status says, and no list is
// believed beyond what its records are.
//
// The first byte chooses list and type; the rest is the message.
#include <arpa/inet.h>

#include <cstdint>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "agent/reputation/catalogue.h"
#include "agent/reputation/dnsbl.h"
#include "agent/reputation/zone_health.h"
#include "platform/dns_message.h"

namespace {

using mailvane::DnsAnswer;
using mailvane::DnsStatus;
using mailvane::DnsType;
using mailvane::Judgement;
using mailvane::ListVerdict;

void Require(bool holds) {
  if (!holds) abort();
}

void CheckAnswer(const DnsAnswer& answer, DnsType type) {
  Require((answer.status == DnsStatus::kOk) == !answer.records.empty());
  if (answer.status == DnsStatus::kNxdomain) Require(answer.records.empty());
  Require(answer.aliases.size() <= 16);
  if (answer.ttl) Require(*answer.ttl >= absl::ZeroDuration());
  for (const mailvane::DnsRecord& record : answer.records) {
    Require(record.type == type);
    Require(record.ttl >= absl::ZeroDuration() && record.ttl <= absl::Hours(24 * 7));
    in6_addr address;
    if (type == DnsType::kA) Require(inet_pton(AF_INET, record.data.c_str(), &address));
    if (type == DnsType::kAaaa) {
      Require(inet_pton(AF_INET6, record.data.c_str(), &address));
    }
  }
}

void CheckJudgement(const mailvane::BlockList& list, const DnsAnswer& answer) {
  const Judgement judgement = mailvane::JudgeAnswer(list, answer);
  bool strange = false;
  for (const mailvane::DnsRecord& record : answer.records) {
    strange = strange || !absl::StartsWith(record.data, "127.");
  }
  switch (judgement.verdict) {
    case ListVerdict::kListed:
      Require(answer.status == DnsStatus::kOk && !strange && !judgement.codes.empty());
      break;
    case ListVerdict::kClean:
      Require(IsAnswer(answer.status) && !strange);
      break;
    case ListVerdict::kZoneSick:
      Require(strange);
      break;
    case ListVerdict::kUnknown:
      Require(answer.status != DnsStatus::kNxdomain);
      break;
  }
  mailvane::JudgeZone(list, {{mailvane::TestPoint::kListed, answer},
                             {mailvane::TestPoint::kRandom, answer}});
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const absl::string_view message(reinterpret_cast<const char*>(data) + 1, size - 1);
  static constexpr DnsType kTypes[] = {DnsType::kA,   DnsType::kTxt,  DnsType::kMx,
                                       DnsType::kPtr, DnsType::kAaaa, DnsType::kNs};
  const DnsType type = kTypes[data[0] % 6];
  // The name that the message itself asks for, so that records can fit.
  size_t offset = 12;
  const std::string name =
      mailvane::DecodeDnsName(message, &offset).value_or("2.0.0.127.list.example");
  const DnsAnswer answer = mailvane::DecodeDnsAnswer(message, {name, type});
  CheckAnswer(answer, type);
  const std::string reason = mailvane::ReasonFrom(answer);
  Require(reason.size() <= mailvane::kMostReasonBytes);
  for (const char c : reason) Require(absl::ascii_isprint(static_cast<uint8_t>(c)));
  const auto& lists = mailvane::Catalogue::BuiltIn()->lists();
  if (type == DnsType::kA) CheckJudgement(lists[data[0] % lists.size()], answer);
  return 0;
}
