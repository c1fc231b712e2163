// How many different things there were, up to a small number: from there on "at least".
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"

namespace mailvane {

template <int kMost>
class FewDistinct {
 public:
  void Add(absl::string_view thing) {
    const size_t hash = absl::Hash<absl::string_view>()(thing);
    if (size_ < kMost && std::find(begin(), begin() + size_, hash) == begin() + size_) {
      seen_[size_++] = hash;
    }
  }
  int size() const { return size_; }
  bool full() const { return size_ == kMost; }
  void Clear() { size_ = 0; }

 private:
  const size_t* begin() const { return seen_.data(); }

  int size_ = 0;
  std::array<size_t, kMost> seen_;
};

}  // namespace mailvane
