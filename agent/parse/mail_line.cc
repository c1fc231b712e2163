#include "agent/parse/mail_line.h"

namespace mailvane {

absl::string_view MailKindName(MailKind kind) {
  switch (kind) {
    case MailKind::kOther:
      return "other";
    case MailKind::kConnect:
      return "connect";
    case MailKind::kDisconnect:
      return "disconnect";
    case MailKind::kClient:
      return "client";
    case MailKind::kReject:
      return "reject";
    case MailKind::kAuthFailed:
      return "auth_failed";
    case MailKind::kAuthOk:
      return "auth_ok";
    case MailKind::kMessageId:
      return "message_id";
    case MailKind::kQueued:
      return "queued";
    case MailKind::kDelivery:
      return "delivery";
    case MailKind::kInterimFailure:
      return "interim_failure";
    case MailKind::kBounceNotice:
      return "bounce_notice";
    case MailKind::kRemoved:
      return "removed";
    case MailKind::kHeld:
      return "held";
    case MailKind::kPickup:
      return "pickup";
    case MailKind::kLogin:
      return "login";
    case MailKind::kLoginFailed:
      return "login_failed";
    case MailKind::kScreen:
      return "screen";
  }
  return "other";
}

absl::string_view DeliveryStatusName(DeliveryStatus status) {
  switch (status) {
    case DeliveryStatus::kNone:
      return "";
    case DeliveryStatus::kSent:
      return "sent";
    case DeliveryStatus::kDeferred:
      return "deferred";
    case DeliveryStatus::kBounced:
      return "bounced";
    case DeliveryStatus::kExpired:
      return "expired";
  }
  return "";
}

}  // namespace mailvane
