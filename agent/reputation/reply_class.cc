#include "agent/reputation/reply_class.h"

namespace mailvane {
namespace {

constexpr absl::string_view kClassNames[] = {
    "delivered",         "mailbox_unknown", "domain_unknown",       "mailbox_full",
    "mailbox_disabled",  "ip_blocked",      "dnsbl_listed",         "ip_reputation",
    "domain_reputation", "rate_limited",    "too_many_connections", "greylisted",
    "ptr_missing",       "auth_failed",     "tls_required",         "content_spam",
    "content_virus",     "policy",          "message_too_big",      "relay_denied",
    "network",           "dns_failure",     "tls_failure",          "system",
    "expired",           "syntax",          "unclassified",
};
static_assert(sizeof(kClassNames) / sizeof(kClassNames[0]) == kReplyClasses);

constexpr absl::string_view kScopeNames[] = {
    "ip",        "netblock",       "domain",     "content",
    "recipient", "authentication", "connection", "none",
};
static_assert(sizeof(kScopeNames) / sizeof(kScopeNames[0]) == kReplyScopes);

template <typename Value, size_t size>
std::optional<Value> Find(const absl::string_view (&names)[size],
                          absl::string_view name) {
  for (size_t i = 0; i < size; ++i) {
    if (names[i] == name) return static_cast<Value>(i);
  }
  return std::nullopt;
}

}  // namespace

absl::string_view ReplyClassName(ReplyClass reply_class) {
  return kClassNames[static_cast<int>(reply_class)];
}

absl::string_view ReplyScopeName(ReplyScope scope) {
  return kScopeNames[static_cast<int>(scope)];
}

std::optional<ReplyClass> ReplyClassOf(absl::string_view name) {
  return Find<ReplyClass>(kClassNames, name);
}

std::optional<ReplyScope> ReplyScopeOf(absl::string_view name) {
  return Find<ReplyScope>(kScopeNames, name);
}

}  // namespace mailvane
