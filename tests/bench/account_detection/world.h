// Honest people and machines that send mail through one server, from one seed.
//
// Their kinds and shares follow what mail hosts have (most personal, some offices, a few
// who send in bulk); their rhythm and how often they write to somebody new follow two
// published traces of real mail.  Each account draws its own habits, and WorldOptions
// scales them, so that a detector can be tried on worlds that it was not tuned on.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "tests/bench/account_detection/dice.h"
#include "tests/bench/account_detection/submission.h"

namespace mailvane {

enum class Habit {
  kPersonal,
  kOffice,
  kRoamer,      // phones: another address for each session
  kSales,       // writes to strangers for a living
  kInvoices,    // some hundred single mails at the month's end
  kNewsletter,  // thousands, once or more a month
  kList,        // a mailing list: one message to many
  kRole,        // info@: five people behind it
  kWebForm,     // a script on the host itself
  kMachine,     // a scanner, an ERP: day and night to a few
  kDormant,     // hardly ever
};
inline constexpr int kHabits = 11;
const char* HabitName(Habit habit);

struct WorldOptions {
  int accounts = 2000;
  int days = 90;
  uint64_t seed = 1;
  // Of the world as described: strangers written to, networks used, dead addresses,
  // senders in bulk, messages.
  double novelty = 1;
  double roaming = 1;
  double dead = 1;
  double bulk = 1;
  double volume = 1;
};

class World {
 public:
  explicit World(const WorldOptions& options);

  struct Account {
    Habit habit = Habit::kPersonal;
    std::string login;  // empty: a local program
    std::string sender;
    int born = 0;  // the day of its first message
    double active_share = 0;
    double daily = 0;
    double fano = 3;
    double novelty = 0;
    double cc_share = 0;
    double roam_share = 0;
    double webmail_share = 0;
    double dead_share = 0;
    int night_owl = 0;  // hours
    std::vector<std::string> contacts;
    std::vector<std::string> subscribers;
    double churn = 0;
    int run_day = 0;
    int runs = 0;
    int known_runs = 0;              // of the runs so far, for "established"
    std::vector<std::string> homes;  // client addresses
    std::vector<MailProgram> programs;
    int trip_from = -1;
    int trip_to = -1;
    std::string trip_ip;
  };

  // Everything that honest accounts send on day `day`, in no order.
  std::vector<Submission> Day(int day);
  // What one of them sends on it, for a copy of the world that goes another way.
  std::vector<Submission> DayOf(int account, int day, Dice* dice) const;

  const std::vector<Account>& accounts() const { return accounts_; }
  int days() const { return options_.days; }
  double StartOf(int day) const { return start_ + day * 86400.0; }
  // The account that Submission::account numbers began to send in bulk long ago.
  bool Established(int account) const { return accounts_[account].known_runs >= 3; }

  std::string Stranger(Dice* dice) const;
  std::string ForeignAddress(Dice* dice) const;
  MailProgram ForeignProgram(Dice* dice) const;

 private:
  void Make(int index, Habit habit);
  std::string HomeAddress(int provider, Dice* dice) const;
  std::string MobileAddress(int account, Dice* dice) const;
  double TimeOfDay(const Account& account, int day, Dice* dice) const;
  void AddPeople(int index, int day, Dice* dice, Account* account,
                 std::vector<Submission>* out) const;
  void AddRun(int index, int day, Dice* dice, Account* account,
              std::vector<Submission>* out) const;
  std::string ClientFor(int index, const Account& account, int day, Dice* dice) const;
  Answer HonestAnswer(bool stranger, const Account& account, Dice* dice) const;
  void MakeDay(int index, int day, Dice* dice, Account* account,
               std::vector<Submission>* out) const;

  const WorldOptions options_;
  double start_;
  Dice dice_;
  std::vector<Account> accounts_;
  std::vector<std::string> offices_;
};

}  // namespace mailvane
