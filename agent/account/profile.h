// What is learned of one account: whom it writes to, from where, how much, in which
// form, and what became of it; together with how odd it looks just now.
//
// A fixed-size value without pointers (the heavy few rent a larger memory of
// recipients, see ProfileStore), so that a server's accounts fit one slab.  Fingerprints
// stand for names: a profile says whether it knows an address, never which ones.
//
// Seconds are log time since 1970.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/types/span.h"

namespace mailvane {

// Stable over restarts and versions: fingerprints are kept on disk.
uint64_t Fingerprint(absl::string_view text, uint64_t seed = 0);

// How often something happens, as seen of late: a Beta posterior whose prior is the
// population's.
struct Rate {
  // Of weighted trials: some months of an ordinary account.
  static constexpr float kMemory = 400;

  float hits = 0;
  float trials = 0;

  // Old trials fade, so that habits may change: at `memory` of them, by half.
  void Learn(bool hit, float weight, float memory = kMemory);
  float Expect(float prior, float prior_weight) const {
    return (hits + prior * prior_weight) / (trials + prior_weight);
  }
};

// Addresses written to: sets of four fingerprints, the last used first.  What came in
// newly is not trusted until two ages have passed, so a thief's addresses do not become
// the owner's friends within the day, and a flood of them pushes no friend out.
enum class Acquaintance : uint8_t { kNew, kFresh, kTrusted };
class RecipientMemory {
 public:
  static constexpr size_t kWays = 4;

  explicit RecipientMemory(absl::Span<uint16_t> cells) : cells_(cells) {}

  Acquaintance LookUp(uint64_t hash);
  // Returns true when another one had to go.
  bool Insert(uint64_t hash);
  void PassAge();
  void TrustAll();

 private:
  absl::Span<uint16_t> SetOf(uint64_t hash);

  absl::Span<uint16_t> cells_;
};

// Of the memory that a heavy sender rents: 1,024 recipients in 2 KiB.
inline constexpr size_t kExtensionCells = 256 * RecipientMemory::kWays;

// Hours of log time since 1970, modulo 65536: good for ages of up to seven years.
using Hour = uint16_t;
inline Hour HourOf(uint32_t seconds) { return static_cast<Hour>(seconds / 3600); }

// A client network: a /24 (IPv6: /48) and the wider one around it (/16; /32).
struct KnownNetwork {
  uint16_t near = 0;  // 0: free
  uint16_t far = 0;
  Hour first = 0;
  Hour last = 0;
  // How surprising it was when it was new, in tenths of a nat.
  uint8_t surprise = 0;
  // Days it was used on, to 255.
  uint8_t days = 0;
};

// How mail looks that this account sends: a client's kind, an envelope sender.
struct KnownForm {
  uint16_t print = 0;  // 0: free
  Hour first = 0;
  Hour last = 0;
  uint8_t surprise = 0;
  uint8_t days = 0;
};

// Messages within a window that slides in steps of half its length or less.
struct VolumeWindow {
  uint32_t bucket = 0;
  uint16_t now = 0;
  uint16_t before = 0;
  // Of the windows that were not empty.
  float mean = 0;
  float variance = 0;
  uint16_t learned = 0;
};

// A message whose recipients are being told.
struct OpenMessage {
  uint16_t id = 0;
  uint8_t seen = 0;
  uint8_t strangers = 0;
};

// The families of evidence.
enum class Family : uint8_t { kRecipients, kOrigin, kVolume, kOutcome, kForm };
inline constexpr size_t kFamilies = 5;
absl::string_view FamilyName(Family family);

// What has happened since the account began to look odd: for people.
struct Episode {
  uint32_t begun = 0;
  uint16_t messages = 0;
  uint16_t recipients = 0;
  uint16_t to_strangers = 0;
  uint16_t strangers = 0;
  uint16_t networks = 0;
  uint16_t failed_logins = 0;
  uint16_t unknown = 0;
  uint16_t spam = 0;
  uint16_t forms = 0;
  uint16_t senders = 0;
};

struct Profile {
  static constexpr size_t kRecipientCells = 40 * RecipientMemory::kWays;
  static constexpr size_t kNetworks = 10;
  static constexpr size_t kForms = 8;
  static constexpr size_t kSenders = 4;
  static constexpr size_t kOpen = 8;

  uint32_t first_seen = 0;
  uint32_t last_seen = 0;
  uint32_t messages = 0;

  std::array<uint16_t, kRecipientCells> recipients = {};
  uint32_t recipients_aged = 0;
  uint32_t last_stranger = 0;
  // Of messages: to somebody new, when the one before was not, and when it was.
  Rate stranger;
  Rate stranger_again;
  uint16_t forgotten = 0;  // recipients that had to go, to 65535
  int16_t extension = -1;  // in the store's pool

  std::array<KnownNetwork, kNetworks> networks = {};
  uint32_t last_far = 0;
  Rate near_network;
  Rate far_network;
  Rate far_again;

  std::array<VolumeWindow, 3> volume = {};

  Rate unknown;
  Rate spam;

  std::array<KnownForm, kForms> forms = {};
  std::array<KnownForm, kSenders> senders = {};
  Rate new_form;
  Rate new_sender;

  std::array<OpenMessage, kOpen> open = {};
  uint8_t next_open = 0;

  // Days on which it sent to many, and those of them on which most were known.
  uint8_t bulk_days = 0;
  uint32_t last_bulk = 0;
  // Recipients of the running day, and strangers among them.
  uint32_t day = 0;
  uint16_t day_recipients = 0;
  uint16_t day_bad = 0;

  // Nats of each family at `scored`; they fade.
  std::array<float, kFamilies> score = {};
  uint32_t scored = 0;
  float highest_today = 0;
  Episode episode;
  // Of the last findings; 0: none.
  uint32_t watched = 0;
  uint32_t alarmed = 0;
  // What an operator's "this was me" adds to the threshold.
  float leniency = 0;
};

// The compact form, mostly a fifth of the size, with a version and a checksum.
// `extension` is the rented memory of recipients; empty: none.
std::string SerializeProfile(const Profile& profile,
                             absl::Span<const uint16_t> extension);
// False: not ours, or damaged; nothing is changed.
bool ParseProfile(absl::string_view bytes, Profile* profile,
                  std::vector<uint16_t>* extension);

}  // namespace mailvane
