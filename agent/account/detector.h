// Finds accounts that somebody else is using.
//
// Five families of evidence, each a sum of log-likelihood ratios ("how much likelier is
// this if the account is stolen than if it is its owner") with a floor of zero, a cap,
// and a half-life, so none can decide alone and an owner's own mail can't cancel a
// thief's:
//
//   recipients  mail to addresses that this account never wrote to
//   origin      from networks that it never used
//   volume      more, in 10 minutes, an hour, a day, than it ever sends
//   outcome     unknown mailboxes and refusals as spam among the new addresses
//   form        another mail program, another envelope sender
//
// It is an alarm (hold) when the sum reaches the threshold and it can be told from a
// busy day: origin, outcome or form must speak, beside recipients or volume.  Otherwise
// it is worth a look (watch).  docs/accounts.md explains it to an operator.
//
// Pure: log time comes with each event, in the log's order, which is only roughly that
// of the time.  Belongs to one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/functional/function_ref.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/account/account_event.h"
#include "agent/account/population.h"
#include "agent/account/profile.h"
#include "agent/account/profile_store.h"
#include "agent/account/surroundings.h"
#include "agent/account/threshold.h"

namespace mailvane {

enum class Suspicion : uint8_t {
  kNone,
  kWatch,  // odd enough for a person to look; may be an honest busy day
  kHold,   // its mail should stop
};

// What is held against an account just now.
struct AccountVerdict {
  Suspicion suspicion = Suspicion::kNone;
  float sum = 0;
  float threshold = 0;
  // Of the threshold: what this account needs more than others.
  float margin = 0;
  std::array<float, kFamilies> parts = {};
};

// Origin, outcome or form speak: it is no mere busy day.
bool TellsFromBusyDay(const std::array<float, kFamilies>& parts);
// Recipients or volume speak: mail is being sent.
bool Sends(const std::array<float, kFamilies>& parts);

// What the account usually does, for the evidence.
struct UsualConduct {
  float stranger = 0;  // share of messages to somebody new
  float unknown = 0;   // share of new addresses that do not exist
  float hourly = 0;    // messages in an hour in which it sends
  int networks = 0;
};

// An account crossed a threshold.
struct AccountAlarm {
  absl::Time time;
  AccountKind kind = AccountKind::kSaslUser;
  // As logged, whatever it holds; at most 256 bytes.
  std::string account;
  AccountVerdict verdict;
  Episode episode;
  UsualConduct usual;
  // Facts as they were logged, redacted, the oldest first.
  std::vector<std::string> exhibits;
  // False holds expected in a thousand accounts' months; negative: not known yet.
  double expected_false_holds = -1;
};

class AccountDetector {
 public:
  struct Options {
    // The operator's budget.
    double false_holds_per_1000_account_months = 1;
    ProfileStore::Options profiles;
  };

  explicit AccountDetector(const Options& options);

  void Consume(const MessageSent& sent);
  void Consume(const RecipientOutcome& outcome);
  void Consume(const LoginSeen& login);

  bool has_alarms() const { return !alarms_.empty(); }
  std::vector<AccountAlarm> TakeAlarms();

  // What is held against it now.  Absent: not an account that we know.
  std::optional<AccountVerdict> Judge(absl::string_view account, absl::Time now);
  // The owner or an operator says that all this was right: what is new is known from now
  // on, and more is needed to suspect it again.
  void Trust(absl::string_view account);
  // Accounts with a watch or a hold within the last day.
  size_t Suspected(absl::Time now) const;

  ProfileStore::Stats stats() const { return profiles_.stats(); }
  const AlarmThreshold& threshold() const { return threshold_; }

  // Named pieces, those that changed since the last call.
  void Save(absl::FunctionRef<void(absl::string_view, absl::string_view)> put,
            absl::FunctionRef<void(absl::string_view)> erase);
  // False: damaged or of another version, and forgotten.
  bool Restore(absl::string_view piece, absl::string_view bytes);

 private:
  // An account with the present event's time.
  struct Subject {
    Profile* profile = nullptr;
    AccountRef ref;
    uint32_t now = 0;
  };

  Subject SubjectOf(const AccountRef& account, absl::Time time);
  void PassTime(Subject* subject);
  void CloseDay(Profile* profile, uint32_t day);

  void JudgeOrigin(const Subject& subject, absl::string_view client_ip);
  float MeetNetwork(const Subject& subject, absl::string_view client_ip);
  float NewNetwork(const Subject& subject, const ClientNetwork& network, bool far_known);
  void JudgeForm(const Subject& subject, const MessageSent& sent);
  void JudgeSender(const Subject& subject, absl::string_view sender);
  void JudgeVolume(const Subject& subject, uint32_t recipients);
  void JudgeRecipient(const Subject& subject, const RecipientOutcome& outcome,
                      Acquaintance acquaintance);
  void JudgeOutcome(const Subject& subject, const RecipientOutcome& outcome);
  void Decide(const Subject& subject);

  Acquaintance MeetRecipient(Profile* profile, absl::string_view address);
  // Learning nearly stops while an account looks odd, or a thief would teach us.
  float LearningWeight(const Profile& profile) const;
  float Settled(const Profile& profile) const;
  AccountVerdict VerdictOn(const Profile& profile) const;
  void Exhibit(const Subject& subject, std::string fact);

  const Options options_;
  ProfileStore profiles_;
  Population population_;
  Surroundings surroundings_;
  AlarmThreshold threshold_;
  uint32_t day_ = 0;
  // Accounts that look odd → the last facts; at most kMostExhibited accounts.
  absl::flat_hash_map<std::string, std::vector<std::string>> exhibits_;
  std::vector<AccountAlarm> alarms_;
  // When each suspected account was last told of.
  absl::flat_hash_map<std::string, uint32_t> suspected_;
};

}  // namespace mailvane
