// What one line of a mail log says, whichever mail program wrote it.
//
// Each program has its own file beside this one with one function, from the text
// behind the header to a MailLine.  What a stranger chose (addresses, HELO names,
// replies, user names) can hold anything, also what looks like the rest of a line:
// a parser takes only what can be read in one way, and says so when it can't.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace mailvane {

enum class MailKind {
  kOther,           // of the program, and nothing that we read
  kConnect,         // a client connected
  kDisconnect,      // it left, was lost, or timed out
  kClient,          // a message begins: its id, its client, its account
  kReject,          // an attempt was refused; also one that only would have been
  kAuthFailed,      // SMTP AUTH failed
  kAuthOk,          // SMTP AUTH succeeded, where that has a line of its own
  kMessageId,       // the message's Message-ID
  kQueued,          // in the queue, with sender, size, recipients
  kDelivery,        // one recipient's fate
  kInterimFailure,  // one remote host failed; another may be tried
  kBounceNotice,    // a notice about a message was made
  kRemoved,         // the message left the queue
  kHeld,            // the message was put on hold
  kPickup,          // a message was submitted on the host itself
  kLogin,           // a mailbox login
  kLoginFailed,     // one that failed
  kScreen,          // postscreen's judgement
};
// "connect", "disconnect", …: the name in `mailvane-agent parse`.
absl::string_view MailKindName(MailKind kind);
inline constexpr int kMailKinds = static_cast<int>(MailKind::kScreen) + 1;

enum class DeliveryStatus { kNone, kSent, kDeferred, kBounced, kExpired };
// "sent", "deferred", "bounced", "expired"; empty for kNone.
absl::string_view DeliveryStatusName(DeliveryStatus status);

// Views live as long as the line.  Empty or absent: the line does not say, or says
// "unknown".
struct MailLine {
  MailKind kind = MailKind::kOther;
  // It can be read in two ways.  What is set is what both have in common; nobody
  // is accused on it.
  bool ambiguous = false;
  // False: the refusal was only a warning (warn_if_reject).
  bool enforced = true;
  // Of a deferral: nobody refused or failed; the mail program waits by its own settings
  // ("deferred transport"), or until it is time to try again.
  bool own_pause = false;

  absl::string_view queue_id;
  // Of the notice (kBounceNotice), or of the message that this one came from
  // (kClient behind a filter).
  absl::string_view other_queue_id;

  absl::string_view client_host;
  absl::string_view client_ip;
  uint16_t client_port = 0;
  // The client that the one before a filter or proxy was talking to.
  absl::string_view orig_client_ip;

  absl::string_view account;
  absl::string_view sasl_method;
  absl::string_view sasl_sender;

  absl::string_view message_id;
  absl::string_view from;
  // Set when `from` is: the null sender is empty, and known.
  bool has_from = false;
  absl::string_view to;
  absl::string_view orig_to;
  absl::string_view helo;
  absl::string_view protocol;
  // Of a refusal: "RCPT", "CONNECT", "END-OF-MESSAGE".  Of kDisconnect: where the
  // connection was lost; empty after a QUIT.
  absl::string_view stage;
  // What postscreen did (kScreen: "pass_new", "dnsbl"), or an operator (kOther:
  // "requeued", "released"), or a filter before the queue (kOther: "proxied", with its
  // reply).  A word of ours.
  absl::string_view action;
  // Who submitted on the host itself: "33" (Postfix, a uid), "www-data" (Exim).
  absl::string_view local_user;
  // Which part of a program that has no daemons of its own: "imap-login".
  absl::string_view service;
  // Exim's transport or Sendmail's mailer, by its name in the configuration:
  // "remote_smtp", "relay".
  absl::string_view transport;

  std::optional<uint64_t> size;
  std::optional<uint32_t> nrcpt;

  DeliveryStatus status = DeliveryStatus::kNone;
  absl::string_view relay_host;
  absl::string_view relay_ip;
  uint16_t relay_port = 0;
  std::optional<double> delay_seconds;
  // "4.7.1".
  absl::string_view dsn;
  // The text in brackets of a delivery, or what was answered to a client.
  absl::string_view reply;
  // How often authentication was tried and went wrong, from a disconnect's
  // "auth=0/3".
  uint32_t auth_failures = 0;
  // The line stands for so many: "message repeated 3 times: [ ... ]".
  uint32_t repeated = 1;
};

}  // namespace mailvane
