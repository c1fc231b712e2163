// What the analyzers are told: messages and what became of them, whichever mail
// program logged it in however many lines.
//
// These are plain values whose views live for the call.  Of a line that can be read in
// two ways comes no more than that it was there: no client, no account.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/parse/mail_line.h"

namespace mailvane {

// How a message came to this server.
enum class MessageOrigin {
  kUnknown,    // its beginning is not in the log that we have
  kSubmitted,  // over SMTP, by whoever authenticated: `account`
  kLocalUser,  // by a program on the host itself, through sendmail(1): `local_user`
  kLoopback,   // over SMTP from the host itself, without an account: webmail, as a rule
  kNetwork,    // over SMTP from another host, without an account: mail from outside, or
               // of a host that may relay
  kNotice,     // made by the mail program: a bounce, a delay warning
};
// "submitted", "local_user", …; empty for kUnknown.
absl::string_view MessageOriginName(MessageOrigin origin);

// A message, from its arrival to its removal.
//
// A filter that takes it and gives it back makes a second entry in the queue.  That one
// is `reinjected`: it has the origin, account and client of the first, and was counted
// with it.
struct MailMessage {
  // The present entry's, as logged.
  absl::string_view queue_id;
  // When it arrived; log time.  Of a reinjected message: the first time.
  absl::Time time;
  MessageOrigin origin = MessageOrigin::kUnknown;
  bool reinjected = false;
  // One more message received, as the mail program's own statistics count: whatever
  // has a line that says how it came.  Exim's bounces have, Postfix' have not.
  bool received = false;

  // The account as logged; empty but for kSubmitted.
  absl::string_view account;
  // A uid ("33") or a name ("www-data"); empty but for kLocalUser.
  absl::string_view local_user;
  // In the spelling of the log; empty: not over SMTP, or not known.
  absl::string_view client_ip;
  absl::string_view from;
  // Set when `from` is: the null sender is empty, and known.
  bool has_from = false;

  // Only of the moment of acceptance; empty later on, and where the log does not say.
  absl::string_view client_host;
  absl::string_view sasl_method;
  absl::string_view helo;
  absl::string_view message_id;
  std::optional<uint64_t> size;
  // After aliases.
  std::optional<uint32_t> nrcpt;

  // Somebody of ours sent it, as far as the log tells.
  bool submitted() const {
    return origin == MessageOrigin::kSubmitted || origin == MessageOrigin::kLocalUser ||
           origin == MessageOrigin::kLoopback;
  }
};

// What became of one recipient, or of one attempt to deliver to it.
struct RecipientFate {
  absl::Time time;
  const MailMessage* message = nullptr;
  DeliveryStatus status = DeliveryStatus::kNone;
  absl::string_view to;
  // Before aliases and forwards; empty when that is `to`.
  absl::string_view orig_to;
  // Recipients that the line stands for; more than one with Sendmail, and in what
  // qmgr says of a whole message that expired.
  uint32_t recipients = 1;

  // As logged; "local", "virtual", a pipe's name for Postfix' own; empty: none.
  absl::string_view relay_host;
  absl::string_view relay_ip;
  uint16_t relay_port = 0;
  absl::string_view transport;
  absl::string_view dsn;
  absl::string_view reply;
  std::optional<double> delay_seconds;

  // A step on the way through this server, to a filter or to the second half of an
  // alias: the recipient's fate is told again later, and is to be counted then.
  bool interim = false;
  // Not refused by anybody: the mail program waits by its own settings, or has not
  // tried again yet.  Never counts as a deferral.
  bool own_pause = false;
  // The message came from outside and goes outside.
  bool forwarded = false;
  // The first deferral of this message (that counts).
  bool first_deferral = false;
  // Only now is it known that a message which Accept told as `received` was this one,
  // reinjected: it is one less.
  bool received_twice = false;
};

// Something that a client did, or tried to do.
struct ClientAttempt {
  enum class Kind {
    kRefused,      // a command was answered with 4xx or 5xx
    kAuthFailed,   // SMTP AUTH
    kAuthOk,       // SMTP AUTH; Postfix says so only with a message, see kSubmitted
    kLogin,        // to a mailbox
    kLoginFailed,  // to a mailbox
  };
  Kind kind = Kind::kRefused;
  absl::Time time;
  // Attempts that the line stands for.
  uint32_t times = 1;
  // The name that was used or tried; empty: none, or the log does not say.
  absl::string_view account;
  absl::string_view client_ip;
  absl::string_view client_host;
  absl::string_view helo;
  absl::string_view sasl_method;
  // "imap-login", "submission", "smtpd".
  absl::string_view service;
  // kRefused only.  The stage is "RCPT", "CONNECT", "END-OF-MESSAGE", …
  absl::string_view stage;
  absl::string_view from;
  absl::string_view to;
  absl::string_view dsn;
  absl::string_view reply;
};

// Whoever is told.
class FlowSink {
 public:
  virtual ~FlowSink() = default;
  // A message was accepted; also told of one that is `reinjected`.
  virtual void Accept(const MailMessage&) {}
  virtual void Settle(const RecipientFate&) {}
  virtual void Try(const ClientAttempt&) {}
};

}  // namespace mailvane
