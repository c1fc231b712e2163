#include "platform/ping_round.h"

#include <algorithm>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"

namespace mailvane {
namespace {

// Below this a round is a flood.
constexpr absl::Duration kMinInterval = absl::Seconds(1);
constexpr size_t kMaxDetail = 256;

PingRounds::Options Sane(PingRounds::Options options) {
  options.interval = std::max(options.interval, kMinInterval);
  options.timeout = std::min(options.timeout, options.interval);
  return options;
}

bool SameTarget(const PingRequest& a, const PingRequest& b) {
  return a.peer == b.peer && a.address == b.address && a.tcp_port == b.tcp_port;
}

v1::PingReading::Verdict ToProto(PingVerdict verdict) {
  switch (verdict) {
    case PingVerdict::kPass:
      return v1::PingReading::VERDICT_PASS;
    case PingVerdict::kFail:
      return v1::PingReading::VERDICT_FAIL;
    case PingVerdict::kUnknown:
      return v1::PingReading::VERDICT_UNKNOWN;
  }
  return v1::PingReading::VERDICT_UNSPECIFIED;
}

v1::PingReading::Method ToProto(PingMethod method) {
  switch (method) {
    case PingMethod::kNone:
      return v1::PingReading::METHOD_UNSPECIFIED;
    case PingMethod::kIcmp:
      return v1::PingReading::METHOD_ICMP;
    case PingMethod::kTcp:
      return v1::PingReading::METHOD_TCP;
    case PingMethod::kScript:
      return v1::PingReading::METHOD_SCRIPT;
  }
  return v1::PingReading::METHOD_UNSPECIFIED;
}

}  // namespace

PingRounds::PingRounds(const Options& options) : options_(Sane(options)) {}

void PingRounds::SetTargets(Instant now, const std::vector<PingRequest>& targets) {
  std::vector<Target> old = std::exchange(targets_, {});
  std::set<std::string> peers;
  refused_ = 0;
  for (const PingRequest& request : targets) {
    if (targets_.size() >= kMaxTargets || !peers.insert(request.peer).second) {
      ++refused_;
      continue;
    }
    const auto known = std::find_if(
        old.begin(), old.end(),
        [&request](const Target& target) { return target.request.peer == request.peer; });
    if (known != old.end() && SameTarget(known->request, request)) {
      targets_.push_back(std::move(*known));
      continue;
    }
    Target target;
    target.request = request;
    target.since = now.mono;
    if (known != old.end()) {
      target.not_before = known->asked ? known->asked_at + options_.timeout + kMinInterval
                                       : known->not_before;
    }
    targets_.push_back(std::move(target));
  }
}

std::vector<PingRequest> PingRounds::Step(Instant now) {
  if (targets_.empty()) return {};
  if (!next_round_.has_value()) next_round_ = now.mono;
  if (now.mono < *next_round_) return {};
  // On the same grid as before, however late this one is; rounds that were slept
  // through are not made up for.
  const int64_t missed = (now.mono - *next_round_) / options_.interval;
  *next_round_ += options_.interval * (missed + 1);

  std::vector<PingRequest> due;
  for (Target& target : targets_) {
    if (target.asked) {
      // The Pinger broke its promise: nothing is known of that round.
      PingResult lost;
      lost.detail = "the last round has no result";
      Record(&target, now, std::move(lost));
    }
    if (now.mono < target.not_before) continue;
    target.asked = true;
    target.asked_at = now.mono;
    due.push_back(target.request);
  }
  return due;
}

PingRounds::Target* PingRounds::Find(const std::string& peer) {
  for (Target& target : targets_) {
    if (target.request.peer == peer) return &target;
  }
  return nullptr;
}

void PingRounds::Record(Target* target, Instant now, PingResult result) {
  target->asked = false;
  target->since = now.mono;
  target->results.push_back(std::move(result));
  if (target->results.size() > kRounds) target->results.pop_front();
}

void PingRounds::Take(Instant now, const std::vector<PingResult>& results) {
  for (const PingResult& result : results) {
    Target* target = Find(result.peer);
    if (target == nullptr || !target->asked) {
      ++strays_;
      continue;
    }
    Record(target, now, result);
  }
}

std::vector<v1::PingReading> PingRounds::Readings(Instant now) const {
  std::vector<v1::PingReading> readings;
  for (const Target& target : targets_) {
    v1::PingReading reading;
    reading.set_peer(target.request.peer);
    reading.set_age_ms(
        std::max<int64_t>(0, absl::ToInt64Milliseconds(now.mono - target.since)));
    if (target.results.empty()) {
      reading.set_verdict(v1::PingReading::VERDICT_UNKNOWN);
      reading.set_detail("not asked yet");
      readings.push_back(std::move(reading));
      continue;
    }
    const PingResult& last = target.results.back();
    reading.set_verdict(ToProto(last.verdict));
    reading.set_method(ToProto(last.method));
    for (char c : absl::string_view(last.detail).substr(0, kMaxDetail)) {
      reading.mutable_detail()->push_back(absl::ascii_isprint(c) ? c : '?');
    }
    uint32_t sent = 0;
    uint32_t received = 0;
    for (const PingResult& result : target.results) {
      if (result.verdict == PingVerdict::kUnknown) continue;
      ++sent;
      if (result.verdict != PingVerdict::kPass) continue;
      ++received;
      if (result.rtt.has_value()) {
        reading.set_rtt_us(std::max<int64_t>(0, absl::ToInt64Microseconds(*result.rtt)));
      }
    }
    reading.set_sent(sent);
    reading.set_received(received);
    readings.push_back(std::move(reading));
  }
  return readings;
}

absl::Duration PingRounds::NextDeadline() const {
  if (targets_.empty()) return absl::InfiniteDuration();
  return next_round_.value_or(-absl::InfiniteDuration());
}

}  // namespace mailvane
