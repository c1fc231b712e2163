#include "agent/account/profile.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <type_traits>

namespace mailvane {
namespace {

// A cell is a print of 14 bits above an age of two; 0 is free, so no print is 0.
constexpr uint16_t kAgeMask = 3;
constexpr uint16_t kTrustedAge = 2;
uint16_t PrintOf(uint64_t hash) {
  const uint16_t print = static_cast<uint16_t>(hash >> 48) & ~kAgeMask;
  return print == 0 ? 4 : print;
}
bool Trusted(uint16_t cell) { return (cell & kAgeMask) >= kTrustedAge; }

// "MVA", and the version of the layout.
constexpr char kMagic[] = {'M', 'V', 'A', '\1'};
static_assert(std::is_trivially_copyable<Profile>::value, "copied as bytes");
static_assert(sizeof(Profile) == 788, "another layout is another version");

uint32_t Checksum(absl::string_view bytes) {
  return static_cast<uint32_t>(Fingerprint(bytes, sizeof(kMagic)));
}

void Append32(uint32_t value, std::string* out) {
  for (int i = 0; i < 4; ++i) out->push_back(static_cast<char>(value >> (8 * i)));
}

uint32_t Read32(absl::string_view bytes) {
  uint32_t value = 0;
  for (int i = 3; i >= 0; --i) value = value << 8 | static_cast<uint8_t>(bytes[i]);
  return value;
}

absl::string_view BytesOf(const void* data, size_t size) {
  return absl::string_view(static_cast<const char*>(data), size);
}

void PackZeros(absl::string_view raw, std::string* out) {
  for (size_t i = 0; i < raw.size();) {
    out->push_back(raw[i]);
    if (raw[i++] != 0) continue;
    uint8_t more = 0;
    for (; i < raw.size() && raw[i] == 0 && more < 255; ++i) ++more;
    out->push_back(static_cast<char>(more));
  }
}

// Stops where it is too long for any profile.
bool UnpackZeros(absl::string_view packed, std::string* raw) {
  constexpr size_t kMost = sizeof(Profile) + kExtensionCells * sizeof(uint16_t);
  for (size_t i = 0; i < packed.size(); ++i) {
    raw->push_back(packed[i]);
    if (packed[i] == 0) {
      if (++i == packed.size()) return false;
      raw->append(static_cast<uint8_t>(packed[i]), '\0');
    }
    if (raw->size() > kMost) return false;
  }
  return true;
}

bool Sane(float value) { return std::isfinite(value) && std::abs(value) < 1e9f; }

bool Sane(const Profile& profile) {
  for (const Rate& rate : {profile.stranger, profile.stranger_again, profile.near_network,
                           profile.far_network, profile.far_again, profile.unknown,
                           profile.spam, profile.new_form, profile.new_sender}) {
    if (!Sane(rate.hits) || !Sane(rate.trials) || rate.hits < 0 ||
        rate.trials < rate.hits) {
      return false;
    }
  }
  for (const VolumeWindow& window : profile.volume) {
    if (!Sane(window.mean) || !Sane(window.variance) || window.mean < 0 ||
        window.variance < 0) {
      return false;
    }
  }
  for (float score : profile.score) {
    if (!Sane(score)) return false;
  }
  return Sane(profile.highest_today) && Sane(profile.leniency) &&
         profile.next_open < Profile::kOpen;
}

}  // namespace

uint64_t Fingerprint(absl::string_view text, uint64_t seed) {
  // Eight bytes at a time through a multiplication, folded: the idea of wyhash.
  constexpr uint64_t kOdd = 0x9E3779B97F4A7C15;
  const auto fold = [](uint64_t a, uint64_t b) {
    const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
    return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
  };
  uint64_t hash = fold(seed ^ kOdd, text.size() ^ 0xD1B54A32D192ED03);
  while (!text.empty()) {
    uint64_t word = 0;
    const size_t size = std::min<size_t>(text.size(), 8);
    std::memcpy(&word, text.data(), size);
    hash = fold(hash ^ word, kOdd) + size;
    text.remove_prefix(size);
  }
  return fold(hash, kOdd ^ seed);
}

void Rate::Learn(bool hit, float weight, float memory) {
  hits += hit ? weight : 0;
  trials += weight;
  if (trials > memory) {
    hits /= 2;
    trials /= 2;
  }
}

absl::Span<uint16_t> RecipientMemory::SetOf(uint64_t hash) {
  const size_t sets = cells_.size() / kWays;
  return cells_.subspan((hash & 0xFFFFFFFF) % sets * kWays, kWays);
}

Acquaintance RecipientMemory::LookUp(uint64_t hash) {
  const absl::Span<uint16_t> set = SetOf(hash);
  const uint16_t print = PrintOf(hash);
  for (size_t i = 0; i < kWays; ++i) {
    if ((set[i] & ~kAgeMask) != print) continue;
    std::rotate(set.begin(), set.begin() + i, set.begin() + i + 1);
    return Trusted(set[0]) ? Acquaintance::kTrusted : Acquaintance::kFresh;
  }
  return Acquaintance::kNew;
}

bool RecipientMemory::Insert(uint64_t hash) {
  const absl::Span<uint16_t> set = SetOf(hash);
  // The one that goes: the longest unused of the untrusted, if there is any.
  size_t goes = kWays - 1;
  while (goes > 0 && Trusted(set[goes])) --goes;
  if (Trusted(set[goes])) goes = kWays - 1;
  const bool pushed = set[goes] != 0;
  std::rotate(set.begin(), set.begin() + goes, set.begin() + goes + 1);
  set[0] = PrintOf(hash);
  return pushed;
}

void RecipientMemory::PassAge() {
  for (uint16_t& cell : cells_) {
    if (cell != 0 && !Trusted(cell)) ++cell;
  }
}

void RecipientMemory::TrustAll() {
  PassAge();
  PassAge();
}

absl::string_view FamilyName(Family family) {
  switch (family) {
    case Family::kRecipients:
      return "recipients";
    case Family::kOrigin:
      return "origin";
    case Family::kVolume:
      return "volume";
    case Family::kOutcome:
      return "outcome";
    case Family::kForm:
      return "form";
  }
  return "";
}

// The magic, a checksum, and the profile's bytes and the extension's, with each run of
// zeros as a zero and how many more there are.
std::string SerializeProfile(const Profile& profile,
                             absl::Span<const uint16_t> extension) {
  std::string packed;
  PackZeros(BytesOf(&profile, sizeof(profile)), &packed);
  PackZeros(BytesOf(extension.data(), extension.size() * sizeof(uint16_t)), &packed);
  std::string out(kMagic, sizeof(kMagic));
  Append32(Checksum(packed), &out);
  return out + packed;
}

bool ParseProfile(absl::string_view bytes, Profile* profile,
                  std::vector<uint16_t>* extension) {
  constexpr size_t kHead = sizeof(kMagic) + 4;
  if (bytes.size() < kHead ||
      bytes.substr(0, sizeof(kMagic)) != absl::string_view(kMagic, sizeof(kMagic)) ||
      Read32(bytes.substr(sizeof(kMagic))) != Checksum(bytes.substr(kHead))) {
    return false;
  }
  std::string raw;
  if (!UnpackZeros(bytes.substr(kHead), &raw) || raw.size() < sizeof(Profile)) {
    return false;
  }
  const size_t more = raw.size() - sizeof(Profile);
  if (more != 0 && more != kExtensionCells * sizeof(uint16_t)) return false;
  Profile parsed;
  std::memcpy(&parsed, raw.data(), sizeof(parsed));
  if (!Sane(parsed)) return false;
  parsed.extension = -1;
  *profile = parsed;
  extension->resize(more / sizeof(uint16_t));
  if (more != 0) std::memcpy(extension->data(), raw.data() + sizeof(parsed), more);
  return true;
}

}  // namespace mailvane
