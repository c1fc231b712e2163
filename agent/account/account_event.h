// What the account detector is told.  Plain values in log time, whose views live for the
// call; whoever reads a log makes them.
//
// An account is whoever can be stopped: a SASL user, a user of the host itself, the
// sender of webmail, a host that may relay.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailvane {

enum class AccountKind : uint8_t {
  kSaslUser,  // "ann@example.net"
  kLocal,     // "uid:33", "user:www-data": a program on the host itself
  kWebmail,   // "web:ann@example.net": from loopback, without a login
  kRelay,     // "relay:10.1.2.3": may send without a login, by its address
};

struct AccountRef {
  AccountKind kind = AccountKind::kSaslUser;
  // One spelling for one account; what profiles are kept under.
  absl::string_view key;
  // As the log has it, for people.
  absl::string_view logged;
};

// A message was accepted, and can still be held.  Its recipients are told later, one
// by one, when they are delivered to.
struct MessageSent {
  absl::Time time;
  AccountRef account;
  absl::string_view queue_id;
  absl::string_view client_ip;  // empty: from the host itself
  absl::string_view helo;
  absl::string_view sasl_method;
  absl::string_view sender;
  absl::string_view message_id;
  std::optional<uint64_t> size;
  std::optional<uint32_t> recipients;
};

enum class Outcome : uint8_t {
  kDelivered,
  kUnknownRecipient,  // no such mailbox or domain: what bought lists are full of
  kRefusedAsSpam,     // content, reputation, a listing
  kRateLimited,       // "too many messages", "slow down"
  kNeutral,           // greylisting, network, a full mailbox: says nothing of the sender
};

// What became of one recipient of a message.  Comes again for a retry.
struct RecipientOutcome {
  absl::Time time;
  AccountRef account;
  absl::string_view queue_id;
  absl::string_view address;
  Outcome outcome = Outcome::kNeutral;
  // For the evidence; may hold anything.
  absl::string_view reply;
};

// Somebody tried to be this account, and was (ok) or was not.
struct LoginSeen {
  absl::Time time;
  AccountRef account;
  absl::string_view client_ip;
  bool ok = false;
  // To read mail, not to send it.
  bool mailbox = false;
  uint32_t times = 1;
};

}  // namespace mailvane
