// One address on sixty DNS lists whose answers take 10 to 80 ms: our check, with the
// test points of each list, beside the slowest answer, which nobody can beat, and
// beside a check that asks one list after the other, as scripts around `host` do.
//
//   bazel run -c opt //tests/bench:blocklist_bench
#include <poll.h>

#include <algorithm>
#include <cstdio>
#include <functional>
#include <mutex>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/reputation/list_checker.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "platform/resolver.h"
#include "tests/fakes/dns_server.h"

namespace mailvane {
namespace {

constexpr int kLists = 60;
constexpr int kRuns = 25;
constexpr char kLabel[] = "7.100.51.198";

absl::Duration Now() { return SystemClock().Now().mono; }

// Answers late, and loses some of what comes and goes.
class Internet {
 public:
  Internet(uint64_t seed, double loss) : random_(seed), loss_(loss) {}

  DnsScript operator()(const DnsQuestion& question, bool) {
    DnsScript script;
    if (absl::StartsWith(question.name, "2.0.0.127.")) {
      script.records = {ARecord("127.0.0.2")};
    } else {
      script.rcode = 3;
    }
    const std::lock_guard<std::mutex> lock(mutex_);
    script.delay = absl::Milliseconds(10) + random_.Below(absl::Milliseconds(70));
    script.lost = Chance() < loss_ || Chance() < loss_;
    if (!script.lost) slowest_ = std::max(slowest_, script.delay);
    return script;
  }

  absl::Duration TakeSlowest() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return std::exchange(slowest_, absl::ZeroDuration());
  }

 private:
  double Chance() { return static_cast<double>(random_.Next() >> 11) * 0x1.0p-53; }

  std::mutex mutex_;
  SeededRandom random_;
  const double loss_;
  absl::Duration slowest_;
};

void Wait(const Resolver& resolver) {
  pollfd polled = {resolver.Descriptors()[0], POLLIN, 0};
  const absl::Duration until =
      std::clamp(resolver.NextDeadline() - Now(), absl::ZeroDuration(), absl::Seconds(1));
  const timespec wait = absl::ToTimespec(until);
  ppoll(&polled, 1, &wait, nullptr);
}

// All lists at once, as the command does.
absl::Duration CheckAtOnce(const std::string& server, Random* random) {
  std::vector<ListToAsk> lists;
  for (int i = 0; i < kLists; ++i) {
    BlockList list = StandardList(absl::StrCat("l", i, ".example"), false);
    lists.push_back({std::move(list), ""});
  }
  ResolverOptions options;
  options.servers = {server};
  const absl::Duration started = Now();
  const std::unique_ptr<Resolver> resolver = *MakeResolver(options, random);
  ListChecker::Options once;
  once.once = true;
  ListChecker checker(std::move(lists), once, random);
  const SystemClock clock;
  checker.SetSubjects(clock.Now(), {*ParseSubject("198.51.100.7")});
  int clean = 0;
  while (!checker.idle()) {
    const Instant now = clock.Now();
    for (const ListQuestion& ask : checker.Step(now)) {
      resolver->Ask(now, ask.id, ask.question);
    }
    Wait(*resolver);
    for (const DnsReply& reply : resolver->Poll(clock.Now())) {
      checker.Take(clock.Now(), reply);
    }
    for (const ListPass& pass : checker.TakePasses()) {
      clean += pass.verdicts[0].second.verdict == ListVerdict::kClean ? 1 : 0;
    }
  }
  if (clean != kLists) printf("  only %d of %d lists answered\n", clean, kLists);
  return Now() - started;
}

// One list after the other, and nothing but the address.
absl::Duration CheckInTurn(const std::string& server, Random* random) {
  ResolverOptions options;
  options.servers = {server};
  const std::unique_ptr<Resolver> resolver = *MakeResolver(options, random);
  const SystemClock clock;
  const absl::Duration started = Now();
  for (int i = 0; i < kLists; ++i) {
    resolver->Ask(clock.Now(), 1,
                  {absl::StrCat(kLabel, ".l", i, ".example"), DnsType::kA});
    while (resolver->Poll(clock.Now()).empty()) Wait(*resolver);
  }
  return Now() - started;
}

double Ms(absl::Duration time) { return absl::ToDoubleMilliseconds(time); }

void Report(const char* name, double loss) {
  Internet internet(7, loss);
  DnsServer server(std::ref(internet));
  SeededRandom random(3);
  std::vector<absl::Duration> times, beyond;
  for (int run = 0; run < kRuns; ++run) {
    internet.TakeSlowest();
    times.push_back(CheckAtOnce(server.address(), &random));
    beyond.push_back(times.back() - internet.TakeSlowest());
  }
  const absl::Duration serial = CheckInTurn(server.address(), &random);
  std::sort(times.begin(), times.end());
  std::sort(beyond.begin(), beyond.end());
  printf("%s: %.1f ms (median of %d; worst %.1f)\n", name, Ms(times[kRuns / 2]), kRuns,
         Ms(times.back()));
  printf("  beyond the slowest answer: %.1f ms (worst %.1f)\n", Ms(beyond[kRuns / 2]),
         Ms(beyond.back()));
  printf("  one list after the other:  %.1f ms, %.0f times as long\n", Ms(serial),
         serial / times[kRuns / 2]);
}

}  // namespace
}  // namespace mailvane

int main() {
  printf("one address on %d lists, answers after 10 to 80 ms\n", mailvane::kLists);
  mailvane::Report("no loss", 0);
  mailvane::Report("2 % of the packets lost, each way", 0.02);
  return 0;
}
