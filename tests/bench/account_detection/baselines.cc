#include "tests/bench/account_detection/baselines.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "tests/bench/account_detection/dice.h"

namespace mailvane {
namespace {

constexpr int kHour = 3600;
constexpr int kDay = 86400;

enum Baseline {
  kHundredAnHour,
  kHourAndDay,
  kMinuteAndDay,
  kNetworks,
  kDead,
  kSpot90,
  kSpot70,
  kSpot50,
  kEwma
};

// SPOT: the sequential probability ratio test of Duan et al. with alpha = beta = 0.01,
// a clean account's share of spam 0.2, a spammer's 0.9.
constexpr double kCaught[3] = {0.9, 0.7, 0.5};
const double kSpotUpper = std::log(99.0);
const double kSpotSpam = std::log(0.9 / 0.2);
const double kSpotHam = std::log(0.1 / 0.8);

}  // namespace

const char* BaselineName(int baseline) {
  constexpr const char* kNames[kBaselines] = {
      "100/h",           "25/h + 100/d",    "10/min + 150/d rcpt",
      "5 networks/h",    "100 dead/h",      "SPOT, filter .9",
      "SPOT, filter .7", "SPOT, filter .5", "EWMA + 3 sigma"};
  return kNames[baseline];
}

double Baselines::State::Window::Add(int64_t second, int length, int count) {
  const int64_t at = second / length;
  if (at != bucket) {
    before = at == bucket + 1 ? now : 0;
    now = 0;
    bucket = at;
  }
  now += count;
  return now + before * (1 - static_cast<double>(second % length) / length);
}

std::string Baselines::NameOf(const MailMessage& message) {
  if (!message.account.empty()) return std::string(message.account);
  if (!message.local_user.empty()) return absl::StrCat("uid:", message.local_user);
  return "";
}

void Baselines::Accept(const MailMessage& message) {
  const std::string name = NameOf(message);
  if (name.empty() || message.reinjected) return;
  State& state = states_[name];
  const int64_t now = absl::ToUnixSeconds(message.time);
  const int recipients = static_cast<int>(message.nrcpt.value_or(1));
  const double hour = state.hour.Add(now, kHour, 1);
  const double day = state.day.Add(now, kDay, 1);
  if (hour > 100) told_(kHundredAnHour, name);
  if (hour > 25 || day > 100) told_(kHourAndDay, name);
  if (state.minute.Add(now, 60, recipients) > 10 ||
      state.day_recipients.Add(now, kDay, recipients) > 150) {
    told_(kMinuteAndDay, name);
  }
  const std::string network(message.client_ip.substr(0, message.client_ip.rfind('.')));
  if (!network.empty()) {
    auto& seen = state.networks;
    const auto known = std::find_if(
        seen.begin(), seen.end(), [&](const auto& one) { return one.second == network; });
    if (known != seen.end()) seen.erase(known);
    seen.emplace_back(now, network);
    while (seen.front().first < now - kHour) seen.pop_front();
    if (seen.size() > 5) told_(kNetworks, name);
  }
  const Truth truth = label_(message.queue_id, name);
  uint64_t seed = 5;
  for (char c : message.queue_id) seed = seed * 131 + static_cast<uint8_t>(c);
  Dice dice(seed);
  const double draw = dice.Share();
  for (int i = 0; i < 3; ++i) {
    const double caught = truth == Truth::kSpam   ? kCaught[i]
                          : truth == Truth::kBulk ? 0.15
                                                  : 0.02;
    double& sum = state.sprt[i];
    sum = std::max(-kSpotUpper, sum + (draw < caught ? kSpotSpam : kSpotHam));
    if (sum >= kSpotUpper) {
      told_(kSpot90 + i, name);
      sum = 0;
    }
    if (sum <= -kSpotUpper) sum = 0;
  }
  const int64_t at = now / kHour;
  if (at != state.ewma_hour) {
    if (state.ewma_count > 0) {
      const double rate = std::max(0.05, 1.0 / (state.hours + 1));
      const double difference = state.ewma_count - state.mean;
      state.mean += rate * difference;
      state.variance = (1 - rate) * (state.variance + rate * difference * difference);
      ++state.hours;
    }
    state.ewma_count = 0;
    state.ewma_hour = at;
  }
  ++state.ewma_count;
  if (state.hours >= 10 && state.ewma_count >= 10 &&
      state.ewma_count > state.mean + 3 * std::sqrt(state.variance)) {
    told_(kEwma, name);
  }
}

void Baselines::Settle(const RecipientFate& fate) {
  if (fate.message == nullptr || fate.status != DeliveryStatus::kBounced) return;
  const std::string name = NameOf(*fate.message);
  if (name.empty() || fate.dsn.substr(0, 3) != "5.1") return;
  if (states_[name].dead_hour.Add(absl::ToUnixSeconds(fate.time), kHour, 1) > 100) {
    told_(kDead, name);
  }
}

Baselines::State Baselines::StateOf(const std::string& account) const {
  const auto found = states_.find(account);
  return found == states_.end() ? State() : found->second;
}

}  // namespace mailvane
