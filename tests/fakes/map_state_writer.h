// Keeps what an analyzer saves as the outbox would: piece → bytes.
#pragma once

#include <map>
#include <string>

#include "agent/analyze/analyzer.h"

namespace mailvane {

class MapStateWriter final : public StateWriter {
 public:
  void Put(absl::string_view piece, absl::string_view bytes) override {
    pieces[std::string(piece)] = std::string(bytes);
  }
  void Erase(absl::string_view piece) override { pieces.erase(std::string(piece)); }

  // False: a piece was not taken.
  bool GiveBackTo(Analyzer* analyzer) const {
    bool all = true;
    for (const auto& [piece, bytes] : pieces) all &= analyzer->Restore(piece, bytes);
    return all;
  }

  std::map<std::string, std::string> pieces;
};

}  // namespace mailvane
