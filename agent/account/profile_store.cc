#include "agent/account/profile_store.h"

#include <algorithm>
#include <utility>

namespace mailvane {
namespace {

// What a name costs beside its own bytes: its node, its place in the table, and malloc's
// own for both.
constexpr size_t kNodeBytes = 104;
// What packing costs beside the bytes.
constexpr size_t kPackedBytes = 88;
// A server of a few accounts may have a few heavy senders, too.
constexpr size_t kFewExtensions = 4;

}  // namespace

Profile* ProfileStore::Find(absl::string_view account) {
  const auto found = homes_.find(account);
  return found == homes_.end() ? nullptr : Use(&*found);
}

Profile& ProfileStore::FindOrMake(absl::string_view account) {
  // Looked for first, since making the key costs more than finding it.
  const auto known = homes_.find(account);
  if (known != homes_.end()) return *Use(&*known);
  const auto home = homes_.try_emplace(std::string(account)).first;
  name_bytes_ += account.size() + kNodeBytes;
  home->second.slot = TakeSlot();
  Slot& slot = At(home->second.slot);
  slot.home = &*home;
  slot.established = false;
  Link(home->second.slot);
  MarkDirty(&*home);
  return slot.profile;
}

Profile* ProfileStore::Use(Homes::value_type* home) {
  if (home->second.slot == kNone) Wake(home);
  const uint32_t index = home->second.slot;
  Slot& slot = At(index);
  if (OrderOf(slot).newest != index || !slot.established) {
    Unlink(index);
    slot.established = slot.profile.messages >= kEstablished;
    Link(index);
  }
  MarkDirty(home);
  return &slot.profile;
}

void ProfileStore::Wake(Homes::value_type* home) {
  // First, since making room may forget packed ones.
  const std::unique_ptr<Packed> packed = std::move(home->second.packed);
  packed_bytes_ -= packed->bytes.size();
  packed_.erase(packed->place);
  const uint32_t index = TakeSlot();
  Slot& slot = At(index);
  std::vector<uint16_t> extension;
  if (!ParseProfile(packed->bytes, &slot.profile, &extension)) ++damaged_;
  slot.home = home;
  slot.established = slot.profile.messages >= kEstablished;
  home->second.slot = index;
  Link(index);
  if (extension.empty()) return;
  Rent(&slot.profile);
  const absl::Span<uint16_t> cells = Extension(slot.profile);
  if (!cells.empty()) std::copy(extension.begin(), extension.end(), cells.begin());
}

void ProfileStore::Link(uint32_t index) {
  Slot& slot = At(index);
  Order& order = OrderOf(slot);
  slot.newer = kNone;
  slot.older = order.newest;
  if (order.newest != kNone) At(order.newest).newer = index;
  order.newest = index;
  if (order.oldest == kNone) order.oldest = index;
  ++order.size;
}

void ProfileStore::Unlink(uint32_t index) {
  Slot& slot = At(index);
  Order& order = OrderOf(slot);
  (slot.newer == kNone ? order.newest : At(slot.newer).older) = slot.older;
  (slot.older == kNone ? order.oldest : At(slot.older).newer) = slot.newer;
  --order.size;
}

uint32_t ProfileStore::TakeSlot() {
  if (free_.empty() && unused_ >= options_.most_at_work) MakeRoom();
  uint32_t index;
  if (!free_.empty()) {
    index = free_.back();
    free_.pop_back();
  } else {
    index = unused_++;
    if (index / kSlab >= slabs_.size()) {
      slabs_.push_back(std::make_unique<std::array<Slot, kSlab>>());
    }
  }
  At(index).profile = Profile();
  return index;
}

void ProfileStore::MakeRoom() {
  const bool young_gives = established_.size == 0 || young_.size * 4 > unused_;
  PackAway(young_gives ? young_.oldest : established_.oldest);
}

void ProfileStore::PackAway(uint32_t index) {
  Slot& slot = At(index);
  Unlink(index);
  KeepPacked(slot.home, PackSlot(slot));
  if (slot.profile.extension >= 0) free_extensions_.push_back(slot.profile.extension);
  slot.home = nullptr;
  free_.push_back(index);
  while (packed_bytes_ + packed_.size() * kPackedBytes > options_.most_packed_bytes) {
    Forget(*packed_.front());
  }
}

void ProfileStore::KeepPacked(Homes::value_type* home, std::string bytes) {
  packed_bytes_ += bytes.size();
  home->second.slot = kNone;
  home->second.packed = std::make_unique<Packed>(
      Packed{std::move(bytes), packed_.insert(packed_.end(), &home->first)});
}

void ProfileStore::Forget(const std::string& account) {
  const auto home = homes_.find(account);
  packed_bytes_ -= home->second.packed->bytes.size();
  name_bytes_ -= account.size() + kNodeBytes;
  packed_.erase(home->second.packed->place);
  if (home->second.saved) erased_.push_back(account);
  if (home->second.dirty_at != kNone) {
    dirty_.back()->second.dirty_at = home->second.dirty_at;
    std::swap(dirty_[home->second.dirty_at], dirty_.back());
    dirty_.pop_back();
  }
  homes_.erase(home);
  ++forgotten_;
}

absl::Span<uint16_t> ProfileStore::Extension(const Profile& profile) {
  if (profile.extension < 0) return {};
  return absl::MakeSpan(*extensions_[profile.extension]);
}

void ProfileStore::Rent(Profile* profile) {
  if (profile->extension >= 0) return;
  if (free_extensions_.empty()) {
    const size_t most = kFewExtensions + (young_.size + established_.size) *
                                             options_.extensions_per_thousand / 1000;
    if (extensions_.size() >= most) return;
    extensions_.push_back(std::make_unique<Extensions>());
    free_extensions_.push_back(static_cast<int16_t>(extensions_.size() - 1));
  }
  profile->extension = free_extensions_.back();
  free_extensions_.pop_back();
  extensions_[profile->extension]->fill(0);
}

void ProfileStore::ForEach(
    absl::FunctionRef<void(absl::string_view, const Profile&)> visit) const {
  for (const auto& [account, home] : homes_) {
    if (home.slot != kNone) visit(account, At(home.slot).profile);
  }
}

void ProfileStore::MarkDirty(Homes::value_type* home) {
  if (home->second.dirty_at != kNone) return;
  home->second.dirty_at = static_cast<uint32_t>(dirty_.size());
  dirty_.push_back(home);
}

std::string ProfileStore::PackSlot(const Slot& slot) const {
  const int16_t extension = slot.profile.extension;
  return SerializeProfile(slot.profile,
                          extension < 0 ? absl::Span<const uint16_t>()
                                        : absl::MakeConstSpan(*extensions_[extension]));
}

void ProfileStore::Save(absl::FunctionRef<void(absl::string_view, absl::string_view)> put,
                        absl::FunctionRef<void(absl::string_view)> erase) {
  for (const std::string& account : erased_) erase(account);
  erased_.clear();
  for (Homes::value_type* home : dirty_) {
    const Home& at = home->second;
    put(home->first, at.slot == kNone ? at.packed->bytes : PackSlot(At(at.slot)));
    home->second.dirty_at = kNone;
    home->second.saved = true;
  }
  dirty_.clear();
}

bool ProfileStore::Restore(absl::string_view account, absl::string_view packed) {
  Profile profile;
  std::vector<uint16_t> extension;
  if (!ParseProfile(packed, &profile, &extension)) {
    ++damaged_;
    return false;
  }
  const auto [home, is_new] = homes_.try_emplace(std::string(account));
  if (!is_new) return true;
  name_bytes_ += account.size() + kNodeBytes;
  home->second.saved = true;
  KeepPacked(&*home, std::string(packed));
  return true;
}

std::string ProfileStore::Pack(absl::string_view account) {
  const auto home = homes_.find(account);
  if (home == homes_.end()) return std::string();
  return home->second.slot == kNone ? home->second.packed->bytes
                                    : PackSlot(At(home->second.slot));
}

ProfileStore::Stats ProfileStore::stats() const {
  Stats stats;
  stats.at_work = young_.size + established_.size;
  stats.packed = packed_.size();
  stats.extensions = extensions_.size() - free_extensions_.size();
  stats.bytes = slabs_.size() * sizeof(*slabs_[0]) +
                extensions_.size() * sizeof(Extensions) + packed_bytes_ +
                packed_.size() * kPackedBytes + name_bytes_;
  stats.forgotten = forgotten_;
  stats.damaged = damaged_;
  return stats;
}

}  // namespace mailvane
