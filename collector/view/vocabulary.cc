#include "collector/view/vocabulary.h"

#include "absl/strings/ascii.h"

namespace mailvane {
namespace {

constexpr absl::string_view kOther = "other";

// What agents read, by the names in SourceTransition.source.
struct SourceWords {
  absl::string_view label;
  absl::string_view people;
};
constexpr SourceWords kSources[] = {
    {"postfix_log", "Mail log"}, {"exim_log", "Mail log"}, {"dovecot_log", "Login log"},
    {"mail_log", "Mail log"},    {"log_file", "Mail log"}, {"journal", "Journal"},
    {"postfix_queue", "Queue"},  {"exim_queue", "Queue"},  {"host", "Host"},
    {"outbox", "Outbox"},
};

// Who receives the world's mail, known by the names of its MX hosts.
constexpr absl::string_view kProviders[] = {
    "alibaba",     "all-inkl",     "amazon",       "apple",
    "aruba",       "barracuda",    "bell",         "bouygues",
    "broadcom",    "bt",           "centurylink",  "charter",
    "cisco",       "cloudflare",   "cloudmark",    "comcast",
    "cox",         "docomo",       "dreamhost",    "earthlink",
    "facebook",    "fastmail",     "forwardemail", "free",
    "freenet",     "gandi",        "gmx",          "godaddy",
    "google",      "hetzner",      "home_pl",      "hornetsecurity",
    "hosteurope",  "hostinger",    "hushmail",     "iinet",
    "improvmx",    "infomaniak",   "interia",      "ionos",
    "juno",        "kakao",        "kddi",         "kpn",
    "laposte",     "libero",       "local",        "locaweb",
    "magenta",     "mail_ru",      "mailbox_org",  "mailfence",
    "mailgun",     "mailroute",    "microsoft",    "microsoft365",
    "migadu",      "mimecast",     "mxthunder",    "n-able",
    "namecheap",   "naver",        "netease",      "newfold",
    "nic_ru",      "nospamproxy",  "one_com",      "onet",
    "optus",       "oracle",       "orange",       "ovh",
    "posteo",      "proofpoint",   "proton",       "proximus",
    "qq",          "rackspace",    "rambler",      "rediff",
    "register_it", "retarus",      "runbox",       "sendgrid",
    "seznam",      "sfr",          "shaw",         "sina",
    "siteground",  "sky",          "softbank",     "sohu",
    "sophos",      "strato",       "swisscom",     "synacor",
    "t-online",    "talktalk",     "telenet",      "telia",
    "telstra",     "telus",        "terra",        "tim",
    "titan",       "titanhq",      "trellix",      "trendmicro",
    "tuta",        "ukr_net",      "unknown",      "uol",
    "videotron",   "virgin_media", "vodafone",     "wp_pl",
    "xtra",        "yahoo",        "yahoo-jp",     "yandex",
    "ziggo",       "zoho",
};

constexpr absl::string_view kQueueAges[] = {
    "under_10m", "under_1h", "under_4h", "under_1d", "under_3d", "older",
};

// The classes of replies, and what is no reply's.
constexpr absl::string_view kScopes[] = {
    "ip",        "netblock",       "domain",     "content",
    "recipient", "authentication", "connection", "none",
};

constexpr absl::string_view kQueueReasons[] = {
    "not_tried",       "held",
    "unknown",         "delivered",
    "mailbox_unknown", "domain_unknown",
    "mailbox_full",    "mailbox_disabled",
    "ip_blocked",      "dnsbl_listed",
    "ip_reputation",   "domain_reputation",
    "rate_limited",    "too_many_connections",
    "greylisted",      "ptr_missing",
    "auth_failed",     "tls_required",
    "content_spam",    "content_virus",
    "policy",          "message_too_big",
    "relay_denied",    "network",
    "dns_failure",     "tls_failure",
    "system",          "expired",
    "syntax",          "unclassified",
};

constexpr absl::string_view kFindings[] = {
    "account_compromised",
    "account_watch",
    "provider_block",
    "rate_limited",
    "dnsbl_rejection",
    "queue_stuck",
    "dns_failure",
    "mass_expiry",
    "bounce_rate",
    "bruteforce",
    "harvest",
    "deferral_rate",
    "expiry",
    "tls_failure",
    "dnsbl_listed",
    "dnsbl_cleared",
    "dnsbl_zone_sick",
    "dnsbl_resolver",
};

template <size_t N>
absl::string_view OneOf(const absl::string_view (&words)[N], absl::string_view word) {
  for (const absl::string_view known : words) {
    if (word == known) return known;
  }
  return kOther;
}

}  // namespace

absl::string_view QueueLabel(v1::Queue queue) {
  // No case for the sentinels that protoc adds: a newer agent may send any number.
  switch (static_cast<int>(queue)) {
    case v1::QUEUE_ACTIVE:
      return "active";
    case v1::QUEUE_INCOMING:
      return "incoming";
    case v1::QUEUE_DEFERRED:
      return "deferred";
    case v1::QUEUE_HOLD:
      return "hold";
    case v1::QUEUE_MAILDROP:
      return "maildrop";
    case v1::QUEUE_CORRUPT:
      return "corrupt";
    case v1::QUEUE_FROZEN:
      return "frozen";
    default:
      return kOther;
  }
}

absl::string_view QueueAgeLabel(absl::string_view age) { return OneOf(kQueueAges, age); }

absl::string_view QueueReasonLabel(absl::string_view reason) {
  return OneOf(kQueueReasons, reason);
}

absl::string_view StatusLabel(v1::DeliveryStatus status) {
  switch (static_cast<int>(status)) {
    case v1::DELIVERY_STATUS_SENT:
      return "sent";
    case v1::DELIVERY_STATUS_DEFERRED:
      return "deferred";
    case v1::DELIVERY_STATUS_BOUNCED:
      return "bounced";
    case v1::DELIVERY_STATUS_EXPIRED:
      return "expired";
    default:
      return kOther;
  }
}

absl::string_view LevelLabel(v1::Level level) {
  switch (static_cast<int>(level)) {
    case v1::LEVEL_INFO:
      return "info";
    case v1::LEVEL_WARNING:
      return "warning";
    case v1::LEVEL_CRITICAL:
      return "critical";
    default:
      return kOther;
  }
}

absl::string_view ReasonLabel(v1::Unavailable unavailable) {
  switch (static_cast<int>(unavailable)) {
    case v1::UNAVAILABLE_NOT_FOUND:
      return "not_found";
    case v1::UNAVAILABLE_PERMISSION_DENIED:
      return "permission_denied";
    case v1::UNAVAILABLE_TIMEOUT:
      return "timeout";
    case v1::UNAVAILABLE_MALFORMED:
      return "malformed";
    case v1::UNAVAILABLE_NOT_CONFIGURED:
      return "not_configured";
    case v1::UNAVAILABLE_OUTBOX_FULL:
      return "outbox_full";
    default:
      return kOther;
  }
}

absl::string_view SourceLabel(absl::string_view source) {
  for (const SourceWords& words : kSources) {
    if (source == words.label) return words.label;
  }
  return kOther;
}

absl::string_view ProviderLabel(absl::string_view provider) {
  return OneOf(kProviders, provider);
}

absl::string_view ScopeLabel(absl::string_view scope) { return OneOf(kScopes, scope); }

absl::string_view FindingLabel(absl::string_view type) { return OneOf(kFindings, type); }

absl::string_view ListLabel(absl::string_view zone) {
  if (zone.empty() || zone.size() > 64) return kOther;
  for (const char c : zone) {
    if (!absl::ascii_islower(c) && !absl::ascii_isdigit(c) && c != '.' && c != '-') {
      return kOther;
    }
  }
  return zone;
}

absl::string_view FamilyLabel(absl::string_view kind) {
  if (kind == "v4") return "ipv4";
  if (kind == "v6") return "ipv6";
  return kind == "domain" ? "domain" : kOther;
}

absl::string_view VersionLabel(absl::string_view version) {
  if (version.empty() || version.size() > 32) return kOther;
  for (const char c : version) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '+' && c != '-' && c != '~') {
      return kOther;
    }
  }
  return version;
}

absl::string_view SourceForPeople(absl::string_view source) {
  for (const SourceWords& words : kSources) {
    if (source == words.label) return words.people;
  }
  return "Another source";
}

absl::string_view QueueForPeople(v1::Queue queue) {
  switch (static_cast<int>(queue)) {
    case v1::QUEUE_ACTIVE:
      return "Active";
    case v1::QUEUE_INCOMING:
      return "Incoming";
    case v1::QUEUE_DEFERRED:
      return "Deferred";
    case v1::QUEUE_HOLD:
      return "Hold";
    case v1::QUEUE_MAILDROP:
      return "Maildrop";
    case v1::QUEUE_CORRUPT:
      return "Corrupt";
    case v1::QUEUE_FROZEN:
      return "Frozen";
    default:
      return "Other";
  }
}

}  // namespace mailvane
