// One message of a mail queue, whichever mail program it belongs to and however it
// was read.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "absl/hash/hash.h"
#include "absl/strings/string_view.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

// Names a message within this process: its log lines are joined to it by this.
inline uint64_t QueueIdKey(absl::string_view queue_id) { return absl::HashOf(queue_id); }

// The views live for the call.
struct QueuedMessage {
  uint64_t key = 0;  // QueueIdKey of its id
  v1::Queue queue = v1::QUEUE_UNSPECIFIED;
  uint64_t bytes = 0;
  int64_t arrived = 0;  // seconds since 1970
  // It has the null sender, so its lifetime may be another; false if not known.
  bool is_notice = false;
  // An alias or a .forward of this host sends it elsewhere; absent: its file does not
  // tell.
  std::optional<bool> forwarded;
  // Domain of the first recipient that still waits; empty: not known.
  absl::string_view to_domain;
  // Why it waits and the server that said so, where the reader was told; empty: not
  // told.
  absl::string_view reason;
  absl::string_view relay_host;
};

// Called once for each message of a reading, before the reading itself is given.  Of
// a reading that fails in the end, what was taken so far means nothing.
using QueueSink = std::function<void(const QueuedMessage&)>;

// Whether a walker looks beside a message for what was last said of it, which costs it
// another file.  The log says the same to whoever has listened long enough.
enum class SpoolReasons { kLeave, kRead };

// "example.org" of "ann@example.org" and of "\"a@b\"@example.org"; empty without one.
inline absl::string_view DomainOf(absl::string_view address) {
  const size_t at = address.rfind('@');
  return at == absl::string_view::npos ? absl::string_view() : address.substr(at + 1);
}

}  // namespace mailvane
