// What an answer says, trap by trap.
#include "agent/reputation/dnsbl.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "platform/random.h"
#include "tests/agent/reputation/lists.h"
#include "tests/fakes/dns_server.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

DnsAnswer Answers(const std::vector<std::string>& addresses) {
  DnsAnswer answer;
  answer.status = DnsStatus::kOk;
  for (const std::string& address : addresses) answer.records.push_back(ARecord(address));
  return answer;
}
DnsAnswer Status(DnsStatus status) {
  DnsAnswer answer;
  answer.status = status;
  return answer;
}
BlockList BuiltIn(absl::string_view zone) { return *Catalogue::BuiltIn()->Find(zone); }

// "LISTED 127.0.0.2,127.0.0.9 page", "CLEAN", "UNKNOWN", "ZONE_SICK".
std::string Says(const BlockList& list, const DnsAnswer& answer) {
  const Judgement judgement = JudgeAnswer(list, answer);
  std::string text(ListVerdictName(judgement.verdict));
  if (judgement.verdict != ListVerdict::kListed) {
    EXPECT_THAT(judgement.codes, IsEmpty());
    EXPECT_EQ(judgement.why.empty(), judgement.verdict == ListVerdict::kClean);
    return text;
  }
  EXPECT_THAT(judgement.why, IsEmpty());
  return absl::StrCat(text, " ",
                      absl::StrJoin(judgement.codes, ",",
                                    [](std::string* out, const ListedCode& code) {
                                      absl::StrAppend(out, code.code);
                                    }),
                      " ", TierName(judgement.tier));
}

TEST(JudgeAnswer, OnlyANoIsClean) {
  const BlockList list = PlainList();
  EXPECT_EQ(Says(list, Status(DnsStatus::kNxdomain)), "CLEAN");
  EXPECT_EQ(Says(list, Status(DnsStatus::kNoData)), "CLEAN");
  for (const DnsStatus status :
       {DnsStatus::kServfail, DnsStatus::kRefused, DnsStatus::kOtherError,
        DnsStatus::kTimeout, DnsStatus::kUnreachable, DnsStatus::kTruncated,
        DnsStatus::kMalformed}) {
    EXPECT_EQ(Says(list, Status(status)), "UNKNOWN") << DnsStatusName(status);
  }
}

TEST(JudgeAnswer, EachTrap) {
  const struct {
    const char* name;
    std::string zone;
    std::vector<std::string> answer;
    std::string says;
  } kCases[] = {
      {"a listing", "bl.spamcop.net", {"127.0.0.2"}, "LISTED 127.0.0.2 page"},
      {"several answers, in any order",
       "zen.spamhaus.org",
       {"127.0.0.9", "127.0.0.2"},
       "LISTED 127.0.0.2,127.0.0.9 page"},
      {"the same answer twice",
       "zen.spamhaus.org",
       {"127.0.0.2", "127.0.0.2"},
       "LISTED 127.0.0.2 page"},
      {"a code that matters less",
       "zen.spamhaus.org",
       {"127.0.0.10"},
       "LISTED 127.0.0.10 warn"},
      {"the worst decides",
       "zen.spamhaus.org",
       {"127.0.0.10", "127.0.0.4"},
       "LISTED 127.0.0.4,127.0.0.10 page"},
      {"the inside of a range",
       "zen.spamhaus.org",
       {"127.0.0.6"},
       "LISTED 127.0.0.6 page"},
      {"a code that nobody knows, on a block list",
       "zen.spamhaus.org",
       {"127.0.0.77"},
       "LISTED 127.0.0.77 page"},
      {"a misspelt zone", "zen.spamhaus.org", {"127.255.255.252"}, "UNKNOWN"},
      {"a public resolver", "zen.spamhaus.org", {"127.255.255.254"}, "UNKNOWN"},
      {"too many questions", "zen.spamhaus.org", {"127.255.255.255"}, "UNKNOWN"},
      {"a refusal beside a listing",
       "zen.spamhaus.org",
       {"127.0.0.2", "127.255.255.254"},
       "UNKNOWN"},
      {"a refusal that the catalogue does not name",
       "bl.spamcop.net",
       {"127.255.255.250"},
       "UNKNOWN"},
      {"Validity's refusal", "bl.score.senderscore.com", {"127.255.255.255"}, "UNKNOWN"},
      {"SURBL's refusal", "multi.surbl.org", {"127.0.0.1"}, "UNKNOWN"},
      {"URIBL's refusal", "multi.uribl.com", {"127.0.0.1"}, "UNKNOWN"},
      {"dnswl's refusal", "list.dnswl.org", {"127.0.0.255"}, "UNKNOWN"},
      {"dnswl's other refusal", "list.dnswl.org", {"127.0.10.3"}, "UNKNOWN"},
      {"127.0.0.1 from a list without it", "bl.spamcop.net", {"127.0.0.1"}, "UNKNOWN"},
      {"an answer outside 127/8", "bl.spamcop.net", {"203.0.113.9"}, "ZONE_SICK"},
      {"one outside beside a listing",
       "bl.spamcop.net",
       {"127.0.0.2", "203.0.113.9"},
       "ZONE_SICK"},
      {"one bit", "multi.surbl.org", {"127.0.0.8"}, "LISTED 127.0.0.8 page"},
      {"several bits",
       "multi.surbl.org",
       {"127.0.0.80"},
       "LISTED 127.0.0.80,127.0.0.80 page"},
      {"bits of a list where 1 means something",
       "bl.score.senderscore.com",
       {"127.0.0.3"},
       "LISTED 127.0.0.3,127.0.0.3 warn"},
      {"bits in another octet are none",
       "multi.uribl.com",
       {"127.0.8.0"},
       "LISTED 127.0.8.0 warn"},
      {"an allow list", "list.dnswl.org", {"127.0.5.2"}, "CLEAN"},
      {"a mixed list, white", "hostkarma.junkemailfilter.com", {"127.0.0.1"}, "CLEAN"},
      {"a mixed list, yellow", "hostkarma.junkemailfilter.com", {"127.0.0.3"}, "CLEAN"},
      {"a mixed list, black",
       "hostkarma.junkemailfilter.com",
       {"127.0.0.2"},
       "LISTED 127.0.0.2 info"},
      {"a mixed list, a code that nobody knows",
       "hostkarma.junkemailfilter.com",
       {"127.0.9.9"},
       "UNKNOWN"},
      {"a reputation, bad",
       "rep.mailspike.net",
       {"127.0.0.11"},
       "LISTED 127.0.0.11 info"},
      {"a reputation, neutral", "rep.mailspike.net", {"127.0.0.14"}, "CLEAN"},
      {"a reputation, good", "rep.mailspike.net", {"127.0.0.20"}, "CLEAN"},
      {"a score is no listing", "score.senderscore.com", {"127.0.4.0"}, "CLEAN"},
      {"an address asked of a domain list",
       "dbl.spamhaus.org",
       {"127.0.1.255"},
       "UNKNOWN"},
      {"neighbours' sins are for information",
       "dnsbl-3.uceprotect.net",
       {"127.0.0.2"},
       "LISTED 127.0.0.2 info"},
      {"an A question answered with nothing but text", "bl.spamcop.net", {}, "CLEAN"},
  };
  for (const auto& [name, zone, answer, says] : kCases) {
    EXPECT_EQ(Says(BuiltIn(zone), Answers(answer)), says) << name;
  }
}

TEST(JudgeAnswer, SaysWhatTheCodesMean) {
  const Judgement judgement =
      JudgeAnswer(ZenList(), Answers({"127.0.0.2", "127.0.0.99"}));
  ASSERT_THAT(judgement.codes, SizeIs(2));
  EXPECT_THAT(judgement.codes[0].means, HasSubstr("SBL"));
  EXPECT_THAT(judgement.codes[1].means, IsEmpty());
  EXPECT_THAT(JudgeAnswer(BuiltIn("score.senderscore.com"), Answers({"127.0.4.93"})).note,
              HasSubstr(": 93"));
  EXPECT_THAT(JudgeAnswer(ZenList(), Answers({"127.255.255.254"})).why,
              HasSubstr("public resolver"));
}

TEST(JudgeAnswer, KeepsTheTtl) {
  DnsAnswer answer = Answers({"127.0.0.2"});
  answer.ttl = absl::Seconds(120);
  EXPECT_EQ(JudgeAnswer(PlainList(), answer).ttl, absl::Seconds(120));
}

TEST(ReasonFrom, IsWhatAStrangerWrote) {
  DnsAnswer answer;
  answer.status = DnsStatus::kOk;
  answer.records = {TxtRecord("Blocked \x1b[31m<b>\x07"),
                    TxtRecord(std::string(500, 'x'))};
  const std::string reason = ReasonFrom(answer);
  EXPECT_EQ(reason.substr(0, 18), "Blocked ?[31m<b>? ");
  EXPECT_EQ(reason.size(), kMostReasonBytes);
  EXPECT_EQ(ReasonFrom(Status(DnsStatus::kNxdomain)), "");
}

TEST(ListName, PutsTheKeyBetween) {
  EXPECT_EQ(ListName(ZenList(), "2.0.0.127", "secret"), "2.0.0.127.zen.spamhaus.org");
  EXPECT_EQ(ListName(BuiltIn("zen.dq.spamhaus.net"), "2.0.0.127", "secret"),
            "2.0.0.127.secret.zen.dq.spamhaus.net");
}

TEST(Subject, HasTheNameThatListsKnow) {
  const struct {
    const char* text;
    const char* shown;
    const char* label;
    SubjectKind kind;
  } kCases[] = {
      {"198.51.100.7", "198.51.100.7", "7.100.51.198", SubjectKind::kIpv4},
      {" 8.8.4.4\n", "8.8.4.4", "4.4.8.8", SubjectKind::kIpv4},
      {"::ffff:8.8.4.4", "8.8.4.4", "4.4.8.8", SubjectKind::kIpv4},
      {"2001:DB8:0:1::f1d0", "2001:db8:0:1::f1d0",
       "0.d.1.f.0.0.0.0.0.0.0.0.0.0.0.0.1.0.0.0.0.0.0.0.8.b.d.0.1.0.0.2",
       SubjectKind::kIpv6},
      {"Mail.Example.ORG.", "mail.example.org", "mail.example.org", SubjectKind::kDomain},
      {"xn--mnchen-3ya.de", "xn--mnchen-3ya.de", "xn--mnchen-3ya.de",
       SubjectKind::kDomain},
      {"127.0.0.2", "127.0.0.2", "2.0.0.127", SubjectKind::kIpv4},
  };
  for (const auto& [text, shown, label, kind] : kCases) {
    const absl::StatusOr<Subject> subject = ParseSubject(text);
    ASSERT_OK(subject) << text;
    EXPECT_EQ(subject->text, shown);
    EXPECT_EQ(subject->label, label);
    EXPECT_EQ(subject->kind, kind);
  }
}

TEST(Subject, WhatNoListCanKnowIsRefused) {
  const struct {
    const char* text;
    const char* why;
  } kCases[] = {
      {"10.1.2.3", "private"},
      {"192.168.0.1", "private"},
      {"172.31.255.255", "private"},
      {"127.0.0.1", "loopback"},
      {"169.254.1.1", "link-local"},
      {"100.64.0.1", "provider"},
      {"224.0.0.1", "multicast"},
      {"255.255.255.255", "reserved"},
      {"0.0.0.0", "no address"},
      {"::1", "loopback"},
      {"::", "not in use"},
      {"fe80::1", "link-local"},
      {"fd00::1", "private"},
      {"ff02::1", "multicast"},
      {"::ffff:10.0.0.1", "private"},
      {"4000::1", "not in use"},
      {"localhost", "neither"},
      {"1.2.3", "neither"},
      {"1.2.3.4.5", "neither"},
      {"256.1.1.1", "neither"},
      {"a b.example", "neither"},
      {"", "neither"},
      {"münchen.de", "xn--"},
      {"example..org", "neither"},
      {"-", "neither"},
      {"198.51.100.0/24", "neither"},
  };
  for (const auto& [text, why] : kCases) {
    EXPECT_THAT(ParseSubject(text),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(why)))
        << text;
  }
  EXPECT_OK(ParseSubject("172.32.0.1"));
  EXPECT_OK(ParseSubject("100.128.0.1"));
}

TEST(Subject, BackwardsAndBackIsTheSame) {
  SeededRandom random(7);
  for (int i = 0; i < 500; ++i) {
    const uint32_t address = static_cast<uint32_t>(random.Next());
    const absl::StatusOr<Subject> subject = ParseSubject(Ipv4Text(address));
    if (!subject.ok()) continue;
    EXPECT_EQ(ParseIpv4(subject->label), __builtin_bswap32(address));
  }
}

TEST(DelistUrl, NamesTheSubject) {
  EXPECT_EQ(DelistUrl(BuiltIn("bl.spamcop.net"), *ParseSubject("198.51.100.7")),
            "https://www.spamcop.net/bl.shtml?198.51.100.7");
}

}  // namespace
}  // namespace mailvane
