#include "platform/resolver.h"

#include <poll.h>

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/fakes/dns_server.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

Instant Now() { return SystemClock().Now(); }

std::unique_ptr<Resolver> Make(std::vector<std::string> servers, Random* random,
                               absl::Duration timeout = absl::Seconds(20)) {
  ResolverOptions options;
  options.servers = std::move(servers);
  options.timeout = timeout;
  auto resolver = MakeResolver(options, random);
  EXPECT_OK(resolver);
  return *std::move(resolver);
}

// Turns the loop, as a program's main loop does, until `count` replies are there.
std::map<uint64_t, DnsAnswer> Wait(Resolver* resolver, size_t count) {
  std::map<uint64_t, DnsAnswer> answers;
  while (answers.size() < count) {
    for (DnsReply& reply : resolver->Poll(Now())) {
      EXPECT_TRUE(answers.emplace(reply.id, std::move(reply.answer)).second);
    }
    if (answers.size() >= count) break;
    const absl::Duration until = resolver->NextDeadline() - Now().mono;
    EXPECT_LT(until, absl::InfiniteDuration()) << "it would wait for ever";
    if (until == absl::InfiniteDuration()) break;
    pollfd polled = {resolver->Descriptors()[0], POLLIN, 0};
    poll(&polled, 1,
         static_cast<int>(absl::ToInt64Milliseconds(
             std::clamp(until, absl::ZeroDuration(), absl::Seconds(60)))) +
             1);
  }
  EXPECT_EQ(resolver->NextDeadline(), absl::InfiniteDuration());
  return answers;
}

DnsScript Listed() {
  DnsScript script;
  script.records = {ARecord("127.0.0.2"), ARecord("127.0.0.9")};
  return script;
}

class ResolverTest : public testing::Test {
 protected:
  SeededRandom random_{1};
};

TEST_F(ResolverTest, AsksAllAtOnce) {
  DnsServer server([](const DnsQuestion& question, bool) {
    return absl::StartsWith(question.name, "1.") ? Listed() : NoSuchName();
  });
  const auto resolver = Make({server.address()}, &random_);
  EXPECT_EQ(resolver->NextDeadline(), absl::InfiniteDuration());
  for (uint64_t id = 0; id < 1000; ++id) {
    resolver->Ask(Now(), id, {absl::StrCat(id % 4, ".", id, ".example"), DnsType::kA});
  }
  std::map<uint64_t, DnsAnswer> answers = Wait(resolver.get(), 1000);
  ASSERT_THAT(answers, SizeIs(1000));
  for (const auto& [id, answer] : answers) {
    EXPECT_EQ(answer.status, id % 4 == 1 ? DnsStatus::kOk : DnsStatus::kNxdomain);
  }
  ASSERT_THAT(answers[1].records, SizeIs(2));
}

TEST_F(ResolverTest, PortsAndNumbersCanNotBeGuessed) {
  DnsServer server([](const DnsQuestion&, bool) { return NoSuchName(); });
  const auto resolver = Make({server.address()}, &random_);
  for (uint64_t id = 0; id < 200; ++id) {
    resolver->Ask(Now(), id, {absl::StrCat(id, ".example"), DnsType::kA});
  }
  Wait(resolver.get(), 200);
  std::set<int> ports, numbers;
  for (const auto& [port, number] : server.seen()) {
    ports.insert(port);
    numbers.insert(number);
  }
  EXPECT_GE(ports.size(), 8u);
  EXPECT_GE(numbers.size(), 190u);
}

TEST_F(ResolverTest, TellsFailuresApart) {
  DnsServer server([](const DnsQuestion& question, bool) {
    DnsScript script;
    if (absl::StartsWith(question.name, "servfail")) script.rcode = 2;
    if (absl::StartsWith(question.name, "refused")) script.rcode = 5;
    if (absl::StartsWith(question.name, "notimp")) script.rcode = 4;
    if (absl::StartsWith(question.name, "lost")) script.lost = true;
    if (absl::StartsWith(question.name, "nxdomain")) script.rcode = 3;
    if (absl::StartsWith(question.name, "broken")) {
      // The right question, and then a record that ends in its middle.
      script.raw = EncodeDnsQuestion(0, question).substr(2) + std::string("\xc0\x0c", 2);
      script.raw[0] = static_cast<char>(0x81);
      script.raw[1] = static_cast<char>(0x80);
      script.raw[5] = 1;
    }
    return script;
  });
  const struct {
    const char* name;
    DnsStatus status;
  } kCases[] = {
      {"servfail", DnsStatus::kServfail}, {"refused", DnsStatus::kRefused},
      {"notimp", DnsStatus::kOtherError}, {"lost", DnsStatus::kTimeout},
      {"nodata", DnsStatus::kNoData},     {"nxdomain", DnsStatus::kNxdomain},
      {"broken", DnsStatus::kMalformed},
  };
  const auto resolver = Make({server.address()}, &random_, absl::Milliseconds(300));
  uint64_t id = 0;
  for (const auto& [name, status] : kCases) {
    resolver->Ask(Now(), id++, {absl::StrCat(name, ".example"), DnsType::kA});
  }
  std::map<uint64_t, DnsAnswer> answers = Wait(resolver.get(), std::size(kCases));
  for (uint64_t i = 0; i < std::size(kCases); ++i) {
    EXPECT_EQ(answers[i].status, kCases[i].status) << kCases[i].name;
  }
}

TEST_F(ResolverTest, WhatIsLostIsAskedAgain) {
  std::map<std::string, int> tries;
  DnsServer server([&tries](const DnsQuestion& question, bool) {
    DnsScript script = Listed();
    script.lost = ++tries[question.name] == 1;
    return script;
  });
  const auto resolver = Make({server.address()}, &random_);
  resolver->Ask(Now(), 1, {"2.0.0.127.list.example", DnsType::kA});
  EXPECT_EQ(Wait(resolver.get(), 1)[1].status, DnsStatus::kOk);
  EXPECT_EQ(server.questions(), 2);
}

TEST_F(ResolverTest, ALateAnswerToTheFirstTryCounts) {
  DnsServer server([](const DnsQuestion&, bool) {
    DnsScript script = Listed();
    script.delay = absl::Milliseconds(200);  // beyond the first try's time
    return script;
  });
  const auto resolver = Make({server.address()}, &random_);
  const Instant asked = Now();
  resolver->Ask(asked, 1, {"2.0.0.127.list.example", DnsType::kA});
  EXPECT_EQ(Wait(resolver.get(), 1)[1].status, DnsStatus::kOk);
  EXPECT_LT(Now().mono - asked.mono, absl::Milliseconds(340))
      << "it waited for the second try's answer";
}

TEST_F(ResolverTest, WhatIsCutOffIsAskedOverTcp) {
  DnsServer server([](const DnsQuestion&, bool tcp) {
    DnsScript script;
    script.truncated = true;
    script.records = {TxtRecord(std::string(tcp ? 3000 : 10, 'x'))};
    return script;
  });
  const auto resolver = Make({server.address()}, &random_);
  resolver->Ask(Now(), 1, {"2.0.0.127.list.example", DnsType::kTxt});
  const DnsAnswer answer = Wait(resolver.get(), 1)[1];
  EXPECT_EQ(answer.status, DnsStatus::kOk);
  ASSERT_THAT(answer.records, SizeIs(1));
  EXPECT_THAT(answer.records[0].data, SizeIs(3000));
}

TEST_F(ResolverTest, TheNextServerIsAskedWhenOneFails) {
  DnsServer broken([](const DnsQuestion&, bool) {
    DnsScript script;
    script.rcode = 2;
    return script;
  });
  DnsServer good([](const DnsQuestion&, bool) { return Listed(); });
  const auto resolver = Make({broken.address(), good.address()}, &random_);
  resolver->Ask(Now(), 1, {"2.0.0.127.list.example", DnsType::kA});
  EXPECT_EQ(Wait(resolver.get(), 1)[1].status, DnsStatus::kOk);
  EXPECT_EQ(resolver->Servers(), absl::StrCat(broken.address(), ", ", good.address()));
}

TEST_F(ResolverTest, NobodyThereIsNotATimeout) {
  std::string address;
  {
    DnsServer gone([](const DnsQuestion&, bool) { return NoSuchName(); });
    address = gone.address();
  }
  const auto resolver = Make({address}, &random_);
  resolver->Ask(Now(), 1, {"2.0.0.127.list.example", DnsType::kA});
  EXPECT_EQ(Wait(resolver.get(), 1)[1].status, DnsStatus::kUnreachable);
}

TEST_F(ResolverTest, ANameThatCanNotBeAskedGetsAReply) {
  const auto resolver = Make({"127.0.0.1"}, &random_);
  resolver->Ask(Now(), 1, {std::string(64, 'x') + ".example", DnsType::kA});
  resolver->Ask(Now(), 2, {"a..example", DnsType::kA});
  std::map<uint64_t, DnsAnswer> answers = Wait(resolver.get(), 2);
  EXPECT_EQ(answers[1].status, DnsStatus::kMalformed);
  EXPECT_EQ(answers[2].status, DnsStatus::kMalformed);
}

TEST_F(ResolverTest, MayEndWhileQuestionsAreUnderWay) {
  DnsServer server([](const DnsQuestion&, bool) {
    DnsScript script;
    script.lost = true;
    return script;
  });
  auto resolver = Make({server.address()}, &random_);
  for (uint64_t id = 0; id < 600; ++id) {
    resolver->Ask(Now(), id, {"a.example", DnsType::kA});
  }
  resolver.reset();
}

TEST_F(ResolverTest, AServerThatIsNoAddressIsAnError) {
  for (const char* server : {"ns.example", "127.0.0.1:0", "127.0.0.1:x", "[::1", "1:2:3",
                             "", "127.0.0.1:53:1", "[::1]53"}) {
    ResolverOptions options;
    options.servers = {server};
    EXPECT_THAT(MakeResolver(options, &random_),
                StatusIs(absl::StatusCode::kInvalidArgument))
        << server;
  }
  ResolverOptions options;
  options.servers = {"::1", "[::1]:5300", "127.0.0.1"};
  const auto resolver = MakeResolver(options, &random_);
  ASSERT_OK(resolver);
  EXPECT_EQ((*resolver)->Servers(), "[::1]:53, [::1]:5300, 127.0.0.1:53");
}

}  // namespace
}  // namespace mailvane
