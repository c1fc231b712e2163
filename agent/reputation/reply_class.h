// What an SMTP reply means: the closed sets of classes and scopes.
//
// Their names are a contract (`mailvane-agent classify`, metric labels): values may
// be added, never renamed.
#pragma once

#include <optional>

#include "absl/strings/string_view.h"

namespace mailvane {

enum class ReplyClass {
  kDelivered,           // it was taken
  kMailboxUnknown,      // no such mailbox at that domain
  kDomainUnknown,       // no such domain, or one that takes no mail at all
  kMailboxFull,         // the mailbox is over its quota
  kMailboxDisabled,     // the mailbox exists, and is closed or suspended
  kIpBlocked,           // the provider refuses our address by a list of its own
  kDnsblListed,         // it refuses us because a DNS blocklist names us
  kIpReputation,        // our address has a bad name there, or none
  kDomainReputation,    // our domain has a bad name there
  kRateLimited,         // too much mail in too short a time
  kTooManyConnections,  // too many connections at once, or too much on one
  kGreylisted,          // first contact: come back in some minutes
  kPtrMissing,          // our address has no name, or one that does not lead back
  kAuthFailed,          // SPF, DKIM or DMARC
  kTlsRequired,         // one side insists on TLS and did not get it
  kContentSpam,         // this message looks like spam
  kContentVirus,        // this message carries malware, or a forbidden attachment
  kPolicy,              // a rule of the recipient's side about this sender or message
  kMessageTooBig,       // over a size limit
  kRelayDenied,         // that host does not take mail for that domain from us
  kNetwork,             // no connection, or it broke
  kDnsFailure,          // the name service did not answer, or answered nonsense
  kTlsFailure,          // the TLS handshake, or a certificate, failed
  kSystem,              // the other side is ill: full disk, bad configuration, restart
  kExpired,             // the queue's patience is over
  kSyntax,              // a command, address or message is not as it has to be
  kUnclassified,        // none of these can be told from the words
};
inline constexpr int kReplyClasses = static_cast<int>(ReplyClass::kUnclassified) + 1;

// What of ours the reply is about: what one would have to change to be let in.
enum class ReplyScope {
  kIp,              // the sending address: another one is not concerned
  kNetblock,        // its whole network
  kDomain,          // the sender's domain, from whichever address
  kContent,         // this message
  kRecipient,       // this recipient, or his organisation's own list
  kAuthentication,  // SPF, DKIM, DMARC, TLS or DNS names, as we have set them up
  kConnection,      // this connection, or how many there are
  kNone,            // nothing of ours
};
inline constexpr int kReplyScopes = static_cast<int>(ReplyScope::kNone) + 1;

// "ip_blocked", "netblock": the names in output and labels.
absl::string_view ReplyClassName(ReplyClass reply_class);
absl::string_view ReplyScopeName(ReplyScope scope);
// Absent: no such name.
std::optional<ReplyClass> ReplyClassOf(absl::string_view name);
std::optional<ReplyScope> ReplyScopeOf(absl::string_view name);

}  // namespace mailvane
