// Where profiles live: a slab of the accounts at work, and the rest packed small.
//
//   at work (788 bytes) ── the longest silent ──▶ packed (some 200) ──▶ forgotten
//                       ◀──── when it sends ─────
//
// Bounded whatever the traffic.  Accounts that have hardly sent anything give way
// first, so a flood of made-up names pushes no real account out.
//
// Belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <list>
#include <memory>
#include <string>
#include <vector>

#include "absl/container/node_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/types/span.h"
#include "agent/account/profile.h"

namespace mailvane {

class ProfileStore {
 public:
  struct Options {
    size_t most_at_work = 8192;
    size_t most_packed_bytes = 16 << 20;
    // Of those at work, so many per thousand may rent a larger memory of recipients.
    size_t extensions_per_thousand = 24;
  };
  struct Stats {
    size_t at_work = 0;
    size_t packed = 0;
    size_t extensions = 0;
    size_t bytes = 0;  // of all of it, names included
    uint64_t forgotten = 0;
    uint64_t damaged = 0;
  };

  explicit ProfileStore(const Options& options) : options_(options) {}
  ProfileStore(const ProfileStore&) = delete;
  ProfileStore& operator=(const ProfileStore&) = delete;

  // Null: not known.  The pointer lives until the next call of Find or FindOrMake.
  Profile* Find(absl::string_view account);
  Profile& FindOrMake(absl::string_view account);

  // The larger memory of `profile`, which must be the last one found; empty: it has
  // none.  Rent gives it one if the pool has one left.
  absl::Span<uint16_t> Extension(const Profile& profile);
  void Rent(Profile* profile);

  // Every account at work, for `list`.
  void ForEach(absl::FunctionRef<void(absl::string_view, const Profile&)> visit) const;

  // What changed since the last call: `put` the packed profile, or `erase` it.
  void Save(absl::FunctionRef<void(absl::string_view, absl::string_view)> put,
            absl::FunctionRef<void(absl::string_view)> erase);
  // False: damaged, or of another version.
  bool Restore(absl::string_view account, absl::string_view packed);
  // The packed form of one account; empty: not known.
  std::string Pack(absl::string_view account);

  Stats stats() const;
  size_t size() const { return homes_.size(); }

 private:
  static constexpr uint32_t kNone = UINT32_MAX;
  // Accounts with fewer messages may be at most a quarter of those at work while
  // others want their place.
  static constexpr uint32_t kEstablished = 5;

  struct Packed {
    std::string bytes;
    std::list<const std::string*>::iterator place;  // in `packed_`
  };
  struct Home {
    std::unique_ptr<Packed> packed;  // when `slot` is none
    uint32_t slot = kNone;
    uint32_t dirty_at = kNone;  // its place in `dirty_`
    bool saved = false;         // somebody keeps a copy, and must be told when it goes
  };
  using Homes = absl::node_hash_map<std::string, Home>;
  using Extensions = std::array<uint16_t, kExtensionCells>;
  struct Slot {
    Profile profile;
    Homes::value_type* home = nullptr;
    uint32_t newer = kNone;
    uint32_t older = kNone;
    bool established = false;
  };
  // The newest first.
  struct Order {
    uint32_t newest = kNone;
    uint32_t oldest = kNone;
    size_t size = 0;
  };

  Slot& At(uint32_t slot) { return (*slabs_[slot / kSlab])[slot % kSlab]; }
  const Slot& At(uint32_t slot) const { return (*slabs_[slot / kSlab])[slot % kSlab]; }
  Order& OrderOf(const Slot& slot) { return slot.established ? established_ : young_; }
  void Link(uint32_t slot);
  void Unlink(uint32_t slot);
  uint32_t TakeSlot();
  void MakeRoom();
  void PackAway(uint32_t slot);
  void KeepPacked(Homes::value_type* home, std::string bytes);
  void Forget(const std::string& account);
  void Wake(Homes::value_type* home);
  Profile* Use(Homes::value_type* home);
  void MarkDirty(Homes::value_type* home);
  std::string PackSlot(const Slot& slot) const;

  static constexpr size_t kSlab = 32;

  const Options options_;
  Homes homes_;
  std::vector<std::unique_ptr<std::array<Slot, kSlab>>> slabs_;
  uint32_t unused_ = 0;
  std::vector<uint32_t> free_;
  Order young_;
  Order established_;
  // The longest packed first.
  std::list<const std::string*> packed_;
  size_t packed_bytes_ = 0;
  std::vector<std::unique_ptr<Extensions>> extensions_;
  std::vector<int16_t> free_extensions_;
  std::vector<Homes::value_type*> dirty_;
  std::vector<std::string> erased_;
  size_t name_bytes_ = 0;
  uint64_t forgotten_ = 0;
  uint64_t damaged_ = 0;
};

}  // namespace mailvane
