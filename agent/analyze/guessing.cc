#include "agent/analyze/guessing.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// Dovecot's own process logs what its login services log, too.
bool IsTwiceLogged(const ClientAttempt& attempt) {
  return attempt.kind == ClientAttempt::Kind::kAuthFailed &&
         (attempt.service == "auth" || attempt.service == "auth-worker");
}

// "550 5.1.1", and what Postfix and Exim say where the code is another.
bool IsUnknownRecipient(const ClientAttempt& attempt) {
  return absl::StartsWith(attempt.dsn, "5.1.1") ||
         absl::StrContains(attempt.reply, "User unknown") ||
         absl::StrContains(attempt.reply, "Unrouteable address") ||
         absl::StrContains(attempt.reply, "Unknown user");
}

std::string AtLeast(int count, bool more) {
  return absl::StrCat(more ? "at least " : "", count);
}

}  // namespace

std::string SubnetOf(absl::string_view ip) {
  in6_addr address;
  const std::string text(ip);
  if (inet_pton(AF_INET, text.c_str(), &address) == 1) {
    return absl::StrCat(ip.substr(0, ip.rfind('.')), ".0/24");
  }
  if (inet_pton(AF_INET6, text.c_str(), &address) != 1) return text;
  std::fill(address.s6_addr + 6, address.s6_addr + 16, 0);
  char shown[INET6_ADDRSTRLEN];
  inet_ntop(AF_INET6, &address, shown, sizeof shown);
  return absl::StrCat(shown, "/48");
}

GuessingAnalyzer::Network* GuessingAnalyzer::Find(absl::string_view ip, absl::Time time,
                                                  std::string* name) {
  if (ip.empty()) return nullptr;
  *name = SubnetOf(ip);
  const auto known = networks_.find(*name);
  if (known != networks_.end()) {
    Network& network = known->second;
    // What was an hour ago is another story.
    if (time - network.last > absl::Hours(1)) {
      network.names.Clear();
      network.recipients.Clear();
      network.successes = 0;
      network.first = time;
    }
    network.last = time;
    return &network;
  }
  if (networks_.size() >= options_.most_networks) return nullptr;
  Network& network = networks_.emplace(*name, Network(options_.window)).first->second;
  network.first = network.last = time;
  return &network;
}

void GuessingAnalyzer::Pass(absl::Time now) {
  if (networks_.size() < options_.most_networks / 2) return;
  for (auto it = networks_.begin(); it != networks_.end();) {
    const auto here = it++;
    if (now - here->second.last > absl::Hours(1)) networks_.erase(here);
  }
}

void GuessingAnalyzer::Accept(const MailMessage& message) {
  if (message.reinjected || message.client_ip.empty()) return;
  const auto known = networks_.find(SubnetOf(message.client_ip));
  if (known == networks_.end()) return;
  known->second.accepted.Add(message.time, 1);
  known->second.successes += message.origin == MessageOrigin::kSubmitted;
}

void GuessingAnalyzer::Try(const ClientAttempt& attempt) {
  switch (attempt.kind) {
    case ClientAttempt::Kind::kAuthFailed:
    case ClientAttempt::Kind::kLoginFailed:
      if (!IsTwiceLogged(attempt)) Failed(attempt);
      return;
    case ClientAttempt::Kind::kRefused:
      if (IsUnknownRecipient(attempt)) Refused(attempt);
      return;
    case ClientAttempt::Kind::kAuthOk:
    case ClientAttempt::Kind::kLogin: {
      const auto known = networks_.find(SubnetOf(attempt.client_ip));
      if (known != networks_.end()) known->second.successes += attempt.times;
      return;
    }
  }
}

void GuessingAnalyzer::Failed(const ClientAttempt& attempt) {
  std::string name;
  Network* const network = Find(attempt.client_ip, attempt.time, &name);
  if (failures_.Sum(attempt.time) == 0) {
    failing_.Clear();
    failing_since_ = attempt.time;
  }
  failures_.Add(attempt.time, attempt.times);
  if (network == nullptr) return;
  failing_.Add(name);
  network->failures.Add(attempt.time, attempt.times);
  if (!attempt.account.empty()) network->names.Add(attempt.account);
  const uint64_t failures = network->failures.Sum(attempt.time);
  const bool many_names =
      failures >= options_.failures && network->names.size() >= options_.names;
  const bool nameless =
      failures >= options_.nameless_failures && network->names.size() == 0;
  const bool slowly = network->successes == 0 &&
                      network->names.size() >= options_.slow_names &&
                      attempt.time - network->first > options_.window;
  v1::Finding finding;
  finding.set_type("bruteforce");
  *finding.mutable_last_seen() = ToProto(attempt.time);
  if ((many_names || nameless || slowly) &&
      attempt.time - network->bruteforce_raised >= options_.again_after) {
    network->bruteforce_raised = attempt.time;
    // Somebody got in among so many who did not.
    finding.set_level(network->successes > 0 ? v1::LEVEL_WARNING : v1::LEVEL_INFO);
    finding.set_subject(name);
    const bool quickly = many_names || nameless;
    *finding.mutable_first_seen() =
        ToProto(quickly ? std::max(network->first, attempt.time - options_.window)
                        : network->first);
    finding.set_messages(quickly ? failures : network->names.size());
    finding.add_evidence(
        quickly
            ? absl::StrFormat("%d logins from %s failed within %d min", failures, name,
                              absl::ToInt64Minutes(options_.window))
            : absl::StrFormat("logins from %s fail one after the other since %s", name,
                              absl::FormatTime("%Y-%m-%d %H:%M UTC", network->first,
                                               absl::UTCTimeZone())));
    finding.add_evidence(
        nameless
            ? std::string("the log does not say for which accounts")
            : absl::StrCat("for ", AtLeast(network->names.size(), network->names.full()),
                           " different names"));
    finding.add_evidence(network->successes > 0
                             ? absl::StrCat(network->successes, " from there succeeded")
                             : "none from there succeeded");
    Raise(std::move(finding));
    return;
  }
  const uint64_t all = failures_.Sum(attempt.time);
  if (all < options_.spread_failures || failing_.size() < options_.spread_networks ||
      attempt.time - spread_raised_ < options_.again_after) {
    return;
  }
  spread_raised_ = attempt.time;
  finding.set_level(v1::LEVEL_WARNING);
  *finding.mutable_first_seen() =
      ToProto(std::max(failing_since_, attempt.time - absl::Hours(1)));
  finding.set_messages(all);
  finding.add_evidence(absl::StrCat(all, " logins failed within an hour, from ",
                                    AtLeast(failing_.size(), failing_.full()),
                                    " networks"));
  Raise(std::move(finding));
}

void GuessingAnalyzer::Refused(const ClientAttempt& attempt) {
  std::string name;
  Network* const network = Find(attempt.client_ip, attempt.time, &name);
  if (network == nullptr) return;
  network->unknown.Add(attempt.time, attempt.times);
  if (!attempt.to.empty()) network->recipients.Add(attempt.to);
  const uint64_t unknown = network->unknown.Sum(attempt.time);
  const uint64_t accepted = network->accepted.Sum(attempt.time);
  // The same dead address, again and again, is a list that nobody tends.
  if (unknown < options_.unknown ||
      static_cast<uint64_t>(network->recipients.size()) < options_.unknown ||
      static_cast<double>(unknown) <
          options_.unknown_to_accepted * static_cast<double>(accepted) ||
      attempt.time - network->harvest_raised < options_.again_after) {
    return;
  }
  network->harvest_raised = attempt.time;
  v1::Finding finding;
  finding.set_type("harvest");
  finding.set_level(v1::LEVEL_INFO);
  finding.set_subject(name);
  *finding.mutable_first_seen() =
      ToProto(std::max(network->first, attempt.time - absl::Hours(1)));
  *finding.mutable_last_seen() = ToProto(attempt.time);
  finding.set_messages(unknown);
  finding.add_evidence(
      absl::StrCat(unknown, " recipients that do not exist were tried from ", name,
                   " within an hour, ",
                   AtLeast(network->recipients.size(), network->recipients.full()),
                   " different ones"));
  finding.add_evidence(absl::StrCat(accepted, " messages from there were accepted"));
  Raise(std::move(finding));
}

}  // namespace mailvane
