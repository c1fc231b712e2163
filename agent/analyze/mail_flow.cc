#include "agent/analyze/mail_flow.h"

namespace mailvane {

absl::string_view MessageOriginName(MessageOrigin origin) {
  switch (origin) {
    case MessageOrigin::kUnknown:
      return "";
    case MessageOrigin::kSubmitted:
      return "submitted";
    case MessageOrigin::kLocalUser:
      return "local_user";
    case MessageOrigin::kLoopback:
      return "loopback";
    case MessageOrigin::kNetwork:
      return "network";
    case MessageOrigin::kNotice:
      return "notice";
  }
  return "";
}

}  // namespace mailvane
