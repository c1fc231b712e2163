#include "platform/dns_message.h"

#include "absl/strings/str_cat.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "tests/fakes/dns_server.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::SizeIs;

const DnsQuestion kQuestion = {"2.0.0.127.list.example", DnsType::kA};

DnsAnswer Decode(const DnsScript& script, DnsQuestion question = kQuestion) {
  return DecodeDnsAnswer(EncodeDnsAnswer(EncodeDnsQuestion(7, question), script),
                         question);
}

TEST(DnsMessage, KeepsEachRecordWithItsTtl) {
  DnsScript script;
  script.records = {ARecord("127.0.0.2", 300), ARecord("127.0.0.9", 60)};
  const DnsAnswer answer = Decode(script);
  EXPECT_EQ(answer.status, DnsStatus::kOk);
  ASSERT_THAT(answer.records, SizeIs(2));
  EXPECT_EQ(answer.records[0].data, "127.0.0.2");
  EXPECT_EQ(answer.records[1].data, "127.0.0.9");
  EXPECT_EQ(answer.ttl, absl::Seconds(60)) << "the least on the way";
}

TEST(DnsMessage, ReadsEachTypeThatIsAsked) {
  const struct {
    DnsRecord record;
    absl::string_view data;
  } kCases[] = {
      {{DnsType::kAaaa, absl::Seconds(9), "2001:db8::1"}, "2001:db8::1"},
      {{DnsType::kTxt, absl::Seconds(9), "Blocked - see http://x"},
       "Blocked - see http://x"},
      {{DnsType::kTxt, absl::Seconds(9), std::string(600, 'x')}, ""},
      {{DnsType::kTxt, absl::Seconds(9), ""}, ""},
      {{DnsType::kPtr, absl::Seconds(9), "MX1.Example.org"}, "mx1.example.org"},
      {{DnsType::kNs, absl::Seconds(9), "ns.example"}, "ns.example"},
      {{DnsType::kMx, absl::Seconds(9), "mx.example", 10}, "mx.example"},
  };
  for (const auto& [record, data] : kCases) {
    DnsScript script;
    script.records = {record};
    const DnsAnswer answer = Decode(script, {"name.example.", record.type});
    ASSERT_EQ(answer.status, DnsStatus::kOk);
    ASSERT_THAT(answer.records, SizeIs(1));
    EXPECT_EQ(answer.records[0].data, data.empty() ? record.data : data);
    EXPECT_EQ(answer.records[0].preference, record.preference);
  }
}

TEST(DnsMessage, FollowsAliases) {
  DnsScript script;
  script.aliases = {"a.example", "b.example"};
  script.records = {ARecord("127.0.0.2", 300)};
  const DnsAnswer answer = Decode(script);
  EXPECT_EQ(answer.status, DnsStatus::kOk);
  EXPECT_THAT(answer.aliases, ElementsAre("a.example", "b.example"));
  ASSERT_THAT(answer.records, SizeIs(1));
  EXPECT_EQ(answer.ttl, absl::Seconds(30)) << "that of the aliases";
  script.records.clear();
  EXPECT_EQ(Decode(script).status, DnsStatus::kNoData) << "aliases that lead nowhere";
}

TEST(DnsMessage, AliasesInACircleEnd) {
  DnsScript script;
  script.aliases = {"a.example", "2.0.0.127.list.example"};
  const DnsAnswer answer = Decode(script);
  EXPECT_EQ(answer.status, DnsStatus::kNoData);
  EXPECT_LE(answer.aliases.size(), 16u);
}

TEST(DnsMessage, TellsANoFromNotKnowing) {
  const struct {
    const char* name;
    int rcode;
    DnsStatus status;
  } kCases[] = {
      {"no record", 0, DnsStatus::kNoData},    {"no name", 3, DnsStatus::kNxdomain},
      {"failed", 2, DnsStatus::kServfail},     {"refused", 5, DnsStatus::kRefused},
      {"not done", 4, DnsStatus::kOtherError}, {"format", 1, DnsStatus::kOtherError},
  };
  for (const auto& [name, rcode, status] : kCases) {
    SCOPED_TRACE(name);
    DnsScript script;
    script.rcode = rcode;
    const DnsAnswer answer = Decode(script);
    EXPECT_EQ(answer.status, status);
    EXPECT_EQ(answer.ttl.has_value(), IsAnswer(status));
    if (answer.ttl) {
      EXPECT_EQ(*answer.ttl, absl::Seconds(300)) << "the SOA's minimum";
    }
  }
}

TEST(DnsMessage, RecordsBesideNxdomainAreNoAnswer) {
  DnsScript script = NoSuchName();
  script.records = {ARecord("127.0.0.2")};
  const DnsAnswer answer = Decode(script);
  EXPECT_EQ(answer.status, DnsStatus::kNxdomain);
  EXPECT_THAT(answer.records, IsEmpty());
}

TEST(DnsMessage, RecordsOfOtherNamesAreNotTheAnswer) {
  DnsScript script;
  script.records = {ARecord("127.0.0.2")};
  const DnsQuestion other = {"9.9.9.9.list.example", DnsType::kA};
  const DnsAnswer answer =
      DecodeDnsAnswer(EncodeDnsAnswer(EncodeDnsQuestion(7, other), script), kQuestion);
  EXPECT_EQ(answer.status, DnsStatus::kNoData);
}

TEST(DnsMessage, WhatWasCutOffIsNoAnswer) {
  DnsScript script;
  script.truncated = true;
  script.records = {ARecord("127.0.0.2")};
  EXPECT_EQ(Decode(script).status, DnsStatus::kTruncated);
}

TEST(DnsMessage, NoPartOfAnAnswerIsAnAnswer) {
  DnsScript script;
  script.aliases = {"a.example"};
  script.records = {ARecord("127.0.0.2"), ARecord("127.0.0.9")};
  const std::string whole = EncodeDnsAnswer(EncodeDnsQuestion(7, kQuestion), script);
  for (size_t size = 0; size < whole.size(); ++size) {
    SCOPED_TRACE(size);
    EXPECT_EQ(DecodeDnsAnswer(whole.substr(0, size), kQuestion).status,
              DnsStatus::kMalformed);
  }
}

TEST(DnsMessage, ATtlWithTheHighestBitIsZero) {
  DnsScript script;
  script.records = {ARecord("127.0.0.2", -1)};
  EXPECT_EQ(Decode(script).ttl, absl::ZeroDuration());
}

TEST(DnsMessage, NamesWithPointers) {
  const std::string message("\3foo\7Example\0\3bar\xc0\4\xc0\x0f\xc0\x13", 23);
  size_t at = 13;
  EXPECT_EQ(DecodeDnsName(message, &at), "bar.example");
  EXPECT_EQ(at, 19u);
  at = 0;
  EXPECT_EQ(DecodeDnsName(message, &at), "foo.example");
  at = 21;
  EXPECT_EQ(DecodeDnsName(message, &at), std::nullopt) << "into the middle of a label";
  const std::string loop("\xc0\0\1a\xc0\2", 6);
  for (size_t start : {0, 2, 4}) {
    at = start;
    EXPECT_EQ(DecodeDnsName(loop, &at), std::nullopt) << "no name from " << start;
  }
}

TEST(DnsMessage, NamesAreEscaped) {
  const std::string message("\5a.b\\\7\0", 7);
  size_t at = 0;
  EXPECT_EQ(DecodeDnsName(message, &at), "a\\.b\\\\\\007");
}

}  // namespace
}  // namespace mailvane
