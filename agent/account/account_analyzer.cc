#include "agent/account/account_analyzer.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/account/evidence.h"
#include "agent/account/profile.h"
#include "agent/reputation/reply_class.h"

namespace mailvane {
namespace {

// A longer name is kept as its head and a fingerprint.
constexpr size_t kLongestName = 200;

// Leaves this server: told by a name with dots, which Postfix' own agents have not.
bool Leaves(const RecipientFate& fate) {
  return absl::StrContains(fate.relay_host, '.') &&
         !absl::StartsWith(fate.relay_ip, "127.");
}

bool IsPrivate(absl::string_view ip) {
  if (absl::StartsWith(ip, "10.") || absl::StartsWith(ip, "192.168.")) return true;
  if (absl::StartsWithIgnoreCase(ip, "fd") && absl::StrContains(ip, ':')) return true;
  if (!absl::StartsWith(ip, "172.") || ip.size() < 7) return false;
  const absl::string_view second = ip.substr(4, ip.find('.', 4) - 4);
  return second >= "16" && second <= "31" && second.size() == 2;
}

}  // namespace

AccountAnalyzer::AccountAnalyzer(const Options& options)
    : options_(options),
      detector_(options.detector),
      own_classifier_(options.classifier == nullptr ? std::make_unique<ReplyClassifier>()
                                                    : nullptr),
      classifier_(options.classifier == nullptr ? own_classifier_.get()
                                                : options.classifier) {}

AccountRef AccountAnalyzer::Named(AccountKind kind, absl::string_view prefix,
                                  absl::string_view name, absl::string_view logged) {
  key_.assign(prefix.data(), prefix.size());
  for (char c : name.substr(0, kLongestName)) key_.push_back(absl::ascii_tolower(c));
  if (name.size() > kLongestName) {
    absl::StrAppend(&key_, "#", absl::Hex(Fingerprint(name)));
  }
  logged_.assign(logged.data(), logged.size());
  return {kind, key_, logged_};
}

// What a fate says of whoever wrote the message.  Refusals of our address or domain say
// nothing of one account: all of them meet these.  Nor does a domain that is not found:
// it may be our own resolver that does not find it.
Outcome AccountAnalyzer::OutcomeOf(const RecipientFate& fate) {
  if (fate.status == DeliveryStatus::kSent) return Outcome::kDelivered;
  const bool final = fate.status == DeliveryStatus::kBounced;
  if (!final && fate.status != DeliveryStatus::kDeferred) return Outcome::kNeutral;
  switch (classifier_->Classify({fate.relay_host, fate.reply, fate.dsn}).reply_class) {
    case ReplyClass::kMailboxUnknown:
    case ReplyClass::kMailboxDisabled:
      return final ? Outcome::kUnknownRecipient : Outcome::kNeutral;
    case ReplyClass::kContentSpam:
    case ReplyClass::kContentVirus:
      return final ? Outcome::kRefusedAsSpam : Outcome::kNeutral;
    case ReplyClass::kRateLimited:
      return Outcome::kRateLimited;
    default:
      return Outcome::kNeutral;
  }
}

std::optional<AccountRef> AccountAnalyzer::SaslAccount(absl::string_view logged) {
  // "ann*master": whoever logged in as Ann with the master's password.
  const absl::string_view name =
      logged.substr(0, std::min(logged.find('*'), logged.size()));
  if (name.empty()) return std::nullopt;
  AccountRef account = Named(AccountKind::kSaslUser, "sasl/", name, logged);
  if (!options_.default_realm.empty() && !absl::StrContains(name, '@')) {
    absl::StrAppend(&key_, "@", absl::AsciiStrToLower(options_.default_realm));
    account.key = key_;
  }
  return account;
}

std::optional<AccountRef> AccountAnalyzer::AccountOf(const MailMessage& message) {
  switch (message.origin) {
    case MessageOrigin::kSubmitted:
      return SaslAccount(message.account);
    case MessageOrigin::kLocalUser: {
      if (message.local_user.empty()) return std::nullopt;
      const bool uid = std::all_of(message.local_user.begin(), message.local_user.end(),
                                   absl::ascii_isdigit);
      return Named(AccountKind::kLocal, "local/", message.local_user,
                   absl::StrCat(uid ? "uid:" : "", message.local_user));
    }
    case MessageOrigin::kLoopback:
      if (message.from.empty()) return std::nullopt;
      return Named(AccountKind::kWebmail, "webmail/", message.from, message.from);
    case MessageOrigin::kNetwork:
      // A host outside that may relay looks like any stranger's.
      if (!IsPrivate(message.client_ip)) return std::nullopt;
      return Named(AccountKind::kRelay, "relay/", message.client_ip,
                   absl::StrCat("relay:", message.client_ip));
    case MessageOrigin::kUnknown:
    case MessageOrigin::kNotice:
      break;
  }
  return std::nullopt;
}

void AccountAnalyzer::Accept(const MailMessage& message) {
  // An automatic answer goes to whoever wrote: its recipients are nobody's choice.
  if (message.reinjected || (message.has_from && message.from.empty())) return;
  const std::optional<AccountRef> account = AccountOf(message);
  if (!account) return;
  MessageSent sent;
  sent.time = message.time;
  sent.account = *account;
  sent.queue_id = message.queue_id;
  sent.client_ip = message.client_ip;
  sent.helo = message.helo;
  sent.sasl_method = message.sasl_method;
  sent.sender = message.from;
  sent.message_id = message.message_id;
  sent.size = message.size;
  sent.recipients = message.nrcpt;
  detector_.Consume(sent);
  TellAlarms();
}

void AccountAnalyzer::Settle(const RecipientFate& fate) {
  const MailMessage* const message = fate.message;
  if (message == nullptr || fate.interim || fate.own_pause ||
      (message->has_from && message->from.empty())) {
    return;
  }
  const std::optional<AccountRef> account = AccountOf(*message);
  if (!account) return;
  // What arrives here through loopback or a gateway may be anybody's mail to us.
  if ((account->kind == AccountKind::kWebmail || account->kind == AccountKind::kRelay) &&
      !Leaves(fate)) {
    return;
  }
  RecipientOutcome outcome;
  outcome.time = fate.time;
  outcome.account = *account;
  outcome.queue_id = message->queue_id;
  outcome.address = fate.orig_to.empty() ? fate.to : fate.orig_to;
  outcome.outcome = OutcomeOf(fate);
  outcome.reply = fate.reply;
  detector_.Consume(outcome);
  TellAlarms();
}

void AccountAnalyzer::Try(const ClientAttempt& attempt) {
  LoginSeen login;
  switch (attempt.kind) {
    case ClientAttempt::Kind::kRefused:
      return;
    case ClientAttempt::Kind::kAuthFailed:
      break;
    case ClientAttempt::Kind::kAuthOk:
      login.ok = true;
      break;
    case ClientAttempt::Kind::kLogin:
      login.ok = login.mailbox = true;
      break;
    case ClientAttempt::Kind::kLoginFailed:
      login.mailbox = true;
      break;
  }
  const std::optional<AccountRef> account = SaslAccount(attempt.account);
  if (!account) return;
  login.time = attempt.time;
  login.account = *account;
  login.client_ip = attempt.client_ip;
  login.times = attempt.times;
  detector_.Consume(login);
}

void AccountAnalyzer::TellAlarms() {
  if (!detector_.has_alarms()) return;
  for (const AccountAlarm& alarm : detector_.TakeAlarms()) Raise(FindingOf(alarm));
}

void AccountAnalyzer::Report(v1::Snapshot* snapshot) const {
  if (now_ == absl::InfinitePast()) return;
  snapshot->set_accounts_suspected(static_cast<uint32_t>(detector_.Suspected(now_)));
}

void AccountAnalyzer::Save(StateWriter* writer) {
  detector_.Save([writer](absl::string_view piece,
                          absl::string_view bytes) { writer->Put(piece, bytes); },
                 [writer](absl::string_view piece) { writer->Erase(piece); });
}

bool AccountAnalyzer::Restore(absl::string_view piece, absl::string_view bytes) {
  return detector_.Restore(piece, bytes);
}

}  // namespace mailvane
