#include "agent/account/surroundings.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/match.h"

namespace mailvane {
namespace {

constexpr Hour kDay = 24;

Hour AgeOf(Hour then, uint32_t now) { return static_cast<Hour>(HourOf(now) - then); }

uint32_t PrintOf(uint64_t thing) { return static_cast<uint32_t>(thing >> 32) | 1; }

}  // namespace

ClientNetwork NetworkOf(absl::string_view client_ip) {
  if (absl::StartsWithIgnoreCase(client_ip, "ipv6:")) client_ip.remove_prefix(5);
  char text[INET6_ADDRSTRLEN] = {};
  if (client_ip.empty() || client_ip.size() >= sizeof(text)) return {};
  client_ip.copy(text, client_ip.size());
  unsigned char bytes[16];
  const auto prefix = [&bytes](size_t size) {
    return Fingerprint(absl::string_view(reinterpret_cast<const char*>(bytes), size));
  };
  if (inet_pton(AF_INET, text, bytes) == 1) {
    // All of loopback is one place: webmail, as a rule.
    return bytes[0] == 127 ? ClientNetwork{prefix(1), prefix(1)}
                           : ClientNetwork{prefix(3), prefix(2)};
  }
  if (inet_pton(AF_INET6, text, bytes) != 1) return {};
  constexpr unsigned char kMapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xFF, 0xFF};
  if (std::memcmp(bytes, kMapped, sizeof(kMapped)) == 0) {
    return NetworkOf(client_ip.substr(client_ip.rfind(':') + 1));
  }
  constexpr unsigned char kLoopback[16] = {0, 0, 0, 0, 0, 0, 0, 0,
                                           0, 0, 0, 0, 0, 0, 0, 1};
  if (std::memcmp(bytes, kLoopback, sizeof(kLoopback)) == 0)
    return NetworkOf("127.0.0.1");
  return {prefix(6), prefix(4)};
}

Surroundings::Shared Surroundings::LookUp(uint64_t thing, uint32_t now) const {
  const Thing& known = things_[thing % kThings];
  if (known.print != PrintOf(thing)) return {};
  return {known.accounts >= 2 && AgeOf(known.first, now) >= kDay, known.newcomers};
}

void Surroundings::Learn(uint64_t thing, uint32_t now) {
  Thing& known = things_[thing % kThings];
  changed_[thing % kThings / kPiece] = true;
  if (known.print != PrintOf(thing)) {
    // What many use stays unless it has not been heard of for a month.
    if (known.accounts > 2 && AgeOf(known.last, now) < 30 * kDay) return;
    known = {PrintOf(thing), HourOf(now), HourOf(now), 0, 0};
  }
  known.last = HourOf(now);
  if (known.accounts < UINT16_MAX) ++known.accounts;
  if (AgeOf(known.first, now) < kDay && known.newcomers < UINT16_MAX) ++known.newcomers;
}

Surroundings::Guessing Surroundings::GuessedFrom(uint64_t network, uint32_t now) const {
  const Guessed& known = guessed_[network % kGuessed];
  if (known.print != PrintOf(network) || AgeOf(known.last, now) > 2 * kDay) return {};
  return {known.failures, __builtin_popcount(known.accounts)};
}

void Surroundings::LearnFailure(uint64_t network, uint64_t account, uint32_t times,
                                uint32_t now) {
  Guessed& known = guessed_[network % kGuessed];
  if (known.print != PrintOf(network) || AgeOf(known.last, now) > 2 * kDay) {
    known = {PrintOf(network), 0, 0, 0};
  }
  known.last = HourOf(now);
  known.failures =
      static_cast<uint16_t>(std::min<uint32_t>(known.failures + times, UINT16_MAX));
  known.accounts |= 1u << (account >> 59);
}

void Surroundings::Save(absl::FunctionRef<void(int, absl::string_view)> put) {
  for (size_t piece = 0; piece < changed_.size(); ++piece) {
    if (!changed_[piece]) continue;
    changed_[piece] = false;
    put(static_cast<int>(piece),
        absl::string_view(reinterpret_cast<const char*>(&things_[piece * kPiece]),
                          kPiece * sizeof(Thing)));
  }
}

bool Surroundings::Restore(int piece, absl::string_view bytes) {
  if (piece < 0 || static_cast<size_t>(piece) >= changed_.size() ||
      bytes.size() != kPiece * sizeof(Thing)) {
    return false;
  }
  std::memcpy(&things_[static_cast<size_t>(piece) * kPiece], bytes.data(), bytes.size());
  return true;
}

}  // namespace mailvane
