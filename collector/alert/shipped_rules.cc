// The rules as one table.  What an operator does about each stands in
// docs/runbooks/<name>.md.
#include <iterator>

#include "collector/alert/look.h"
#include "collector/alert/rule.h"

namespace mailvane {
namespace {

constexpr AlertSeverity kInfo = v1::Alert::SEVERITY_INFO;
constexpr AlertSeverity kWarning = v1::Alert::SEVERITY_WARNING;
constexpr AlertSeverity kCritical = v1::Alert::SEVERITY_CRITICAL;

constexpr absl::Duration kNow = absl::ZeroDuration();
// One minute without trouble is chance; agents come back within it.
constexpr absl::Duration kSettle = absl::Minutes(2);
// What many systems have at once comes to light within two rounds of pings.
constexpr absl::Duration kGather = absl::Seconds(30);

constexpr Rule Seen(absl::string_view name, AlertSeverity severity,
                    Reading (*look)(const SystemFacts&), absl::Duration pending_for,
                    absl::Duration keep_firing_for, absl::string_view what,
                    absl::string_view first_step, absl::string_view said_by = "",
                    absl::string_view or_said_by = "") {
  return {name,        severity,        look,    nullptr,
          pending_for, keep_firing_for, kGather, {said_by, or_said_by},
          what,        first_step};
}

constexpr Rule Seen(absl::string_view name, AlertSeverity severity,
                    Reading (*look)(const AlertInputs&), absl::Duration pending_for,
                    absl::Duration keep_firing_for, absl::string_view what,
                    absl::string_view first_step) {
  return {name, severity, nullptr, look,      pending_for, keep_firing_for,
          kNow, {},       what,    first_step};
}

// What agents tell has no end that is told: an hour without another finding is
// one.
constexpr Rule Told(absl::string_view type, AlertSeverity severity,
                    absl::string_view what, absl::string_view first_step,
                    absl::Duration lasts = absl::Hours(1),
                    absl::Duration gather_for = kGather) {
  Rule rule;
  rule.name = type;
  rule.severity = severity;
  rule.keep_firing_for = lasts;
  rule.gather_for = gather_for;
  rule.what = what;
  rule.first_step = first_step;
  return rule;
}

// It lasts until somebody acts, so it is told however late it arrives.
constexpr Rule Lasting(Rule rule) {
  rule.told_late = true;
  return rule;
}

// What was listed before our time is no news.
constexpr Rule Listing(Rule rule) {
  rule.old_at_first = true;
  return Lasting(rule);
}

constexpr Rule kRules[] = {
    // What is measured of a system.
    Seen("system_down", kCritical, &SystemDown, absl::Seconds(30), kSettle,
         "The server answers neither its pings nor its collector.",
         "Open its console at the hoster. Is it the host, or the way to it?",
         "observer_cut_off"),
    Seen("ping_lost", kWarning, &PingLost, absl::Minutes(5), kSettle,
         "The server reports, and does not answer pings.",
         "Ping it from elsewhere: a firewall, or packets that are lost on the way?"),
    Seen("agent_silent", kCritical, &AgentSilent, absl::Minutes(5), kSettle,
         "Nobody watches this server: its agent is silent.",
         "systemctl status mailvane-agent; is the server itself well?", "system_down",
         "observer_cut_off"),
    Seen("source_unreadable", kWarning, &SourceUnreadable, absl::Minutes(5), kSettle,
         "The agent can't read what it should: it is blind there.",
         "Look at the path and its permissions; was the log moved?", "agent_outbox_full"),
    Seen("agent_outbox_full", kWarning, &OutboxFull, absl::Minutes(1), kSettle,
         "The agent has stopped reading: its outbox or its disk is full.",
         "df on the server; then why the collector does not take its events."),
    Seen("queue_growing", kWarning, &QueueGrowing, absl::Minutes(5), absl::Minutes(15),
         "The mail queue has more than doubled within half an hour.",
         "Whose mail is it? qshape deferred; a stolen account, or a provider that "
         "refuses?",
         "queue_not_draining"),
    Seen("queue_not_draining", kCritical, &QueueNotDraining, absl::Minutes(2), kSettle,
         "Mail comes in and is not taken up.",
         "postfix status; df; is the queue manager running?"),
    Seen("clock_skew", kWarning, &ClockSkew, absl::Minutes(5), kSettle,
         "The server's clock is wrong.", "timedatectl; is NTP reachable?"),

    // What is seen of the fleet and of the collector.
    Seen("observer_cut_off", kCritical, &ObserverCutOff, absl::Seconds(10), kSettle,
         "Most systems fell silent at once: it may be this collector.",
         "Can the collector's host reach anything? Its network first, then its agents."),
    Seen("store_failing", kCritical, &StoreFailing, absl::Minutes(1), kSettle,
         "The collector can't write to its database; agents keep their events.",
         "df and dmesg on the collector's host."),
    Seen("notifications_stuck", kCritical, &NotificationsStuck, absl::Minutes(1), kSettle,
         "Alerts could not be delivered to a receiver.",
         "mailvane_notification_queue_length says which; can its URL be reached?"),
    Seen("watchdog", kInfo, &Always, kNow, kNow, "The way of the alerts works.",
         "Nothing to do."),

    // What agents tell.
    Lasting(Told("account_compromised", kCritical,
                 "Somebody else sends mail through an account.",
                 "Lock the account and change its password; then look at what left.",
                 absl::Hours(1), kNow)),
    Told("account_watch", kWarning, "An account behaves unlike itself.",
         "Ask its owner, or look at its latest mail."),
    Lasting(Told("provider_block", kCritical, "A provider refuses this server's mail.",
                 "Read the refusal; find the account that caused it before asking for "
                 "mercy.",
                 absl::Hours(2))),
    Told("rate_limited", kWarning, "A provider slows this server down.",
         "Send more slowly; is something in the queue that should not be there?"),
    Told("dnsbl_rejection", kCritical,
         "Mail is refused because this server's address is listed.",
         "Find and stop the cause, then ask for delisting.", absl::Hours(2)),
    Listing(Told("dnsbl_listed", kCritical,
                 "An address of this server is on a blocklist.",
                 "Find and stop the cause, then ask for delisting.", absl::Hours(26))),
    Told("queue_stuck", kCritical, "Mail is stuck in the queue.",
         "Which destination, and what does it answer? qshape deferred."),
    Told("dns_failure", kCritical, "The server can't resolve names: mail waits.",
         "dig at the server's own resolver; restart it if it hangs."),
    Told("mass_expiry", kCritical, "Much mail is returned because it waited too long.",
         "Which destination? Raise maximal_queue_lifetime while you repair."),
    Told("bounce_rate", kWarning, "Much of the mail that leaves is refused.",
         "Which provider, and what does it answer?"),
    Told("bruteforce", kInfo, "Somebody tries passwords.",
         "Nothing by night; fail2ban, if it goes on."),
    Told("harvest", kInfo, "Somebody tries out which mailboxes exist.",
         "Nothing by night."),
    Lasting(Told(kLogLost, kWarning, "A part of the log can never be read.",
                 "Which source and why: rotation, or a disk that is full?")),
    Told(kOtherFinding, kWarning,
         "The agent found something that this collector "
         "does not know.",
         "Upgrade the collector; the evidence says what it is."),
};

}  // namespace

const char* Name(AlertSeverity severity) {
  switch (static_cast<int>(severity)) {
    case v1::Alert::SEVERITY_CRITICAL:
      return "critical";
    case v1::Alert::SEVERITY_WARNING:
      return "warning";
    default:
      return "info";
  }
}

const char* Name(v1::Alert::State state) {
  switch (static_cast<int>(state)) {
    case v1::Alert::STATE_PENDING:
      return "pending";
    case v1::Alert::STATE_FIRING:
      return "firing";
    default:
      return "resolved";
  }
}

absl::Span<const Rule> ShippedRules() { return kRules; }

const Rule* FindRule(absl::string_view name) {
  for (const Rule& rule : kRules) {
    if (rule.name == name) return &rule;
  }
  return nullptr;
}

}  // namespace mailvane
