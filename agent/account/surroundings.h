// What all accounts of a server share: the networks and mail programs that many use,
// and the networks from which passwords are being guessed.
//
// A new network that colleagues have long used is a provider's; one that nobody used
// before, or that several accounts began to use today, is not.  A table of fixed size:
// what collides replaces what is older.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "agent/account/profile.h"

namespace mailvane {

// The networks around a client's address; both 0 where there is none.
struct ClientNetwork {
  uint64_t near = 0;
  uint64_t far = 0;
};
ClientNetwork NetworkOf(absl::string_view client_ip);

class Surroundings {
 public:
  // A thing seen with accounts: a network, a form.
  struct Shared {
    bool familiar = false;  // two accounts or more have used it, the first a day ago
    int newcomers = 0;      // accounts that began to use it within its first day
  };
  struct Guessing {
    int failures = 0;  // within the last day or two
    int accounts = 0;  // about: on so many
  };

  Surroundings() : things_(kThings), guessed_(kGuessed) {}

  Shared LookUp(uint64_t thing, uint32_t now) const;
  // One more account uses it.
  void Learn(uint64_t thing, uint32_t now);

  Guessing GuessedFrom(uint64_t network, uint32_t now) const;
  void LearnFailure(uint64_t network, uint64_t account, uint32_t times, uint32_t now);

  // The table in numbered pieces, those that changed since the last call.
  void Save(absl::FunctionRef<void(int, absl::string_view)> put);
  bool Restore(int piece, absl::string_view bytes);

 private:
  static constexpr size_t kThings = 4096;
  static constexpr size_t kGuessed = 4096;
  static constexpr size_t kPiece = 64;

  struct Thing {
    uint32_t print = 0;
    Hour first = 0;
    Hour last = 0;
    uint16_t accounts = 0;
    uint16_t newcomers = 0;
  };
  // Not kept over a restart: it is of a day.
  struct Guessed {
    uint32_t print = 0;
    Hour last = 0;
    uint16_t failures = 0;
    uint32_t accounts = 0;  // a bit each
  };

  std::vector<Thing> things_;
  std::vector<Guessed> guessed_;
  std::array<bool, kThings / kPiece> changed_ = {};
};

}  // namespace mailvane
