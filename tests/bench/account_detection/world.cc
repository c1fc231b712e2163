#include "tests/bench/account_detection/world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// 2026-01-05, a Monday.
constexpr double kStart = 1767571200;

constexpr struct {
  Habit habit;
  int of_thousand;
} kShares[] = {{Habit::kPersonal, 600}, {Habit::kOffice, 200},  {Habit::kRoamer, 60},
               {Habit::kSales, 30},     {Habit::kInvoices, 20}, {Habit::kNewsletter, 15},
               {Habit::kList, 10},      {Habit::kRole, 20},     {Habit::kWebForm, 10},
               {Habit::kMachine, 15},   {Habit::kDormant, 20}};

// Of a working day's mail, by the hour.
constexpr double kHours[24] = {.3, .2, .15, .15, .2, .5, 1.5, 4,   9, 10,  10, 9,
                               7,  8,  9,   9,   8,  5,  3,   2.5, 2, 1.5, 1,  .6};

constexpr const char* kFreeMail[] = {"freemail.example", "gmx.example", "yahoo.example",
                                     "outlook.example", "t-online.example"};

// Somebody's first hundred messages are where most strangers are.
double Youth(size_t known) { return 1 + 6 * std::exp(-static_cast<double>(known) / 12); }

}  // namespace

const char* HabitName(Habit habit) {
  constexpr const char* kNames[kHabits] = {"personal", "office",     "roamer", "sales",
                                           "invoices", "newsletter", "list",   "role",
                                           "web form", "machine",    "dormant"};
  return kNames[static_cast<int>(habit)];
}

World::World(const WorldOptions& options)
    : options_(options), start_(kStart), dice_(options.seed * 7919 + 17) {
  for (int i = 0; i < 1 + options.accounts / 40; ++i)
    offices_.push_back(HomeAddress(i % 12, &dice_));
  accounts_.resize(options.accounts);
  for (int i = 0; i < options.accounts; ++i) {
    double at = dice_.Share() * 1000;
    Habit habit = Habit::kPersonal;
    for (const auto& [one, share] : kShares) {
      const bool bulk =
          one == Habit::kInvoices || one == Habit::kNewsletter || one == Habit::kList;
      const double wide = share * (bulk ? options.bulk : 1);
      if (at < wide) {
        habit = one;
        break;
      }
      at -= wide;
    }
    Make(i, habit);
  }
}

std::string World::HomeAddress(int provider, Dice* dice) const {
  // Twelve access providers of the region, each with a few wider networks.
  const int wide = 60 + provider * 7 + static_cast<int>(dice->Below(3));
  return absl::StrCat(wide % 223 + 1, ".", (provider * 37 + dice->Below(3) * 11) % 256,
                      ".", dice->Below(256), ".", 1 + dice->Below(250));
}

std::string World::MobileAddress(int account, Dice* dice) const {
  const int carrier = account % 3;
  return absl::StrCat(90 + carrier, ".", 40 + dice->Below(2), ".", dice->Below(256), ".",
                      1 + dice->Below(250));
}

std::string World::ForeignAddress(Dice* dice) const {
  return absl::StrCat(2 + dice->Below(220), ".", dice->Below(256), ".", dice->Below(256),
                      ".", 1 + dice->Below(250));
}

MailProgram World::ForeignProgram(Dice* dice) const {
  return {static_cast<int>(dice->Below(kIdStyles)), dice->Chance(0.5) ? "LOGIN" : "PLAIN",
          static_cast<int>(dice->Below(3))};
}

std::string World::Stranger(Dice* dice) const {
  const uint64_t name = dice->Next() >> 20;
  return dice->Chance(0.4)
             ? absl::StrCat("u", absl::Hex(name), "@", kFreeMail[dice->Below(5)])
             : absl::StrCat("p", absl::Hex(name), "@d", dice->Below(60000), ".example");
}

void World::Make(int index, Habit habit) {
  Dice& dice = dice_;
  Account& account = accounts_[index];
  account.habit = habit;
  const int company = index / 25;
  const std::string domain = absl::StrCat("company", company, ".example");
  account.login = account.sender = absl::StrCat("user", index, "@", domain);
  account.born = dice.Chance(0.06) ? static_cast<int>(dice.Below(options_.days)) : 0;
  account.active_share = std::clamp(0.45 + 0.2 * dice.Normal(), 0.05, 0.95);
  account.daily = dice.LogNormal(2.5, 0.6) * options_.volume;
  account.fano = std::max(1.2, dice.LogNormal(2.9, 0.45));
  account.novelty = std::min(0.5, dice.LogNormal(0.05, 0.7)) * options_.novelty;
  account.cc_share = 0.12;
  account.roam_share = dice.Chance(0.5) ? 0.25 : 0;
  account.webmail_share = dice.Chance(0.25) ? 0.3 : 0;
  account.dead_share = 0.015 * options_.dead;
  account.night_owl = dice.Chance(0.1) ? static_cast<int>(dice.Below(12)) : 0;
  account.homes = {HomeAddress(static_cast<int>(dice.Below(12)), &dice)};
  account.programs = {{static_cast<int>(dice.Below(5)),
                       dice.Chance(0.8) ? "PLAIN" : "LOGIN",
                       static_cast<int>(dice.Below(2))}};
  int friends = 8 + static_cast<int>(dice.Below(60));
  switch (habit) {
    case Habit::kPersonal:
      break;
    case Habit::kOffice:
      account.daily = dice.LogNormal(8, 0.4) * options_.volume;
      account.active_share = 0.8;
      account.cc_share = 0.3;
      account.homes.push_back(offices_[company % offices_.size()]);
      friends = 40 + static_cast<int>(dice.Below(120));
      break;
    case Habit::kRoamer:
      account.daily = dice.LogNormal(5, 0.4) * options_.volume;
      account.active_share = 0.8;
      account.roam_share = 0.9;
      break;
    case Habit::kSales:
      account.daily = dice.LogNormal(15, 0.4) * options_.volume;
      account.active_share = 0.9;
      account.novelty = 0.25 + 0.3 * dice.Share();
      account.dead_share = 0.04 * options_.dead;
      account.homes.push_back(offices_[company % offices_.size()]);
      break;
    case Habit::kInvoices:
      account.daily = 4 * options_.volume;
      account.churn = 0.03;
      account.runs = 1;
      break;
    case Habit::kNewsletter:
      account.daily = 1;
      account.churn = 0.02;
      account.dead_share = dice.Between(0.01, 0.04) * options_.dead;
      account.runs = dice.Chance(0.4) ? 4 : 1;  // a month
      account.programs[0].id_style = 6;
      break;
    case Habit::kList:
      account.daily = dice.LogNormal(3, 0.5);
      account.active_share = 0.8;
      account.churn = 0.005;
      account.programs[0].id_style = 0;
      break;
    case Habit::kRole:
      account.daily = dice.LogNormal(12, 0.4) * options_.volume;
      account.active_share = 0.85;
      account.novelty = std::min(0.6, 0.2 + 0.1 * dice.Share()) * options_.novelty;
      for (int i = 0; i < 4; ++i) {
        account.homes.push_back(HomeAddress(static_cast<int>(dice.Below(12)), &dice));
        account.programs.push_back({static_cast<int>(dice.Below(5)), "PLAIN", 0});
      }
      break;
    case Habit::kWebForm:
      account.login.clear();
      account.daily = dice.LogNormal(6, 0.6);
      account.active_share = 1;
      account.novelty = dice.Chance(0.5) ? 0.5 : 0.01;
      account.homes = {""};
      account.roam_share = account.webmail_share = 0;
      account.sender = absl::StrCat("www-data@", domain);
      account.programs = {{6, "PLAIN", 0}};
      friends = 2;
      break;
    case Habit::kMachine:
      account.daily = dice.LogNormal(20, 0.8);
      account.active_share = 1;
      account.novelty = 0.003;
      account.fano = 1.3;
      account.roam_share = account.webmail_share = 0;
      friends = 4;
      break;
    case Habit::kDormant:
      account.daily = 1;
      account.active_share = 0.02;
      account.fano = 1.2;
      break;
  }
  for (int i = 0; i < friends; ++i) {
    account.contacts.push_back(
        habit == Habit::kOffice && dice.Chance(0.4)
            ? absl::StrCat("user", company * 25 + dice.Below(25), "@", domain)
            : Stranger(&dice));
  }
  const int subscribers =
      habit == Habit::kInvoices     ? 80 + static_cast<int>(dice.Below(250))
      : habit == Habit::kNewsletter ? static_cast<int>(dice.LogNormal(600, 0.8))
      : habit == Habit::kList       ? 20 + static_cast<int>(dice.Below(200))
                                    : 0;
  for (int i = 0; i < std::min(subscribers, 5000); ++i) {
    account.subscribers.push_back(Stranger(&dice));
  }
  account.run_day = static_cast<int>(dice.Below(7));
}

double World::TimeOfDay(const Account& account, int day, Dice* dice) const {
  double at = dice->Share() * 101.6;
  int hour = 0;
  while (hour < 23 && at > kHours[hour]) at -= kHours[hour++];
  if (account.habit == Habit::kMachine || account.habit == Habit::kWebForm) {
    hour = static_cast<int>(dice->Below(24));
  }
  return StartOf(day) + ((hour + account.night_owl) % 24) * 3600.0 + dice->Share() * 3600;
}

std::string World::ClientFor(int index, const Account& account, int day,
                             Dice* dice) const {
  if (account.homes[0].empty()) return "";
  if (day >= account.trip_from && day < account.trip_to) {
    return dice->Chance(0.8) ? account.trip_ip : MobileAddress(index, dice);
  }
  if (dice->Chance(account.webmail_share)) return "127.0.0.1";
  if (dice->Chance(account.roam_share * options_.roaming))
    return MobileAddress(index, dice);
  return account.homes[dice->Below(static_cast<uint32_t>(account.homes.size()))];
}

Answer World::HonestAnswer(bool stranger, const Account& account, Dice* dice) const {
  if (dice->Chance(stranger ? account.dead_share : 0.0015 * options_.dead))
    return Answer::kUnknown;
  if (dice->Chance(stranger ? 0.006 : 0.0015)) return Answer::kSpam;
  if (dice->Chance(0.002)) return Answer::kFull;
  if (dice->Chance(0.001)) return Answer::kRateLimited;
  return dice->Chance(stranger ? 0.12 : 0.01) ? Answer::kGreylisted : Answer::kTaken;
}

std::vector<Submission> World::Day(int day) {
  std::vector<Submission> out;
  for (size_t i = 0; i < accounts_.size(); ++i) {
    MakeDay(static_cast<int>(i), day, &dice_, &accounts_[i], &out);
  }
  return out;
}

std::vector<Submission> World::DayOf(int account, int day, Dice* dice) const {
  std::vector<Submission> out;
  Account copy = accounts_[account];
  MakeDay(account, day, dice, &copy, &out);
  return out;
}

void World::MakeDay(int index, int day, Dice* dice, Account* account,
                    std::vector<Submission>* out) const {
  if (day < account->born) return;
  // What changes in a life: a trip, a new home address, a new phone, another program.
  if (account->habit != Habit::kWebForm && account->habit != Habit::kMachine) {
    if (day >= account->trip_to &&
        dice->Chance(options_.roaming *
                     (account->habit == Habit::kRoamer ? 0.03 : 0.006))) {
      account->trip_from = day;
      account->trip_to = day + 1 + static_cast<int>(dice->Below(7));
      account->trip_ip = ForeignAddress(dice);
    }
    if (dice->Chance(0.01 * options_.roaming)) {
      account->homes[0] = HomeAddress(static_cast<int>(dice->Below(12)), dice);
    }
    if (dice->Chance(0.004)) {
      account->programs.push_back({static_cast<int>(dice->Below(5)), "PLAIN", 0});
      if (account->programs.size() > 3)
        account->programs.erase(account->programs.begin());
    }
  }
  const bool weekend = day % 7 >= 5;
  const bool machine =
      account->habit == Habit::kMachine || account->habit == Habit::kWebForm;
  double active = account->active_share * (weekend && !machine ? 0.15 : 1);
  if (dice->Chance(active)) AddPeople(index, day, dice, account, out);
  if (account->subscribers.empty()) return;
  const bool month_end = day % 30 == 28;
  const bool runs = account->habit == Habit::kInvoices ? month_end
                    : account->habit == Habit::kList   ? dice->Chance(0.7)
                    : account->runs > 1                ? day % 7 == account->run_day
                                                       : day % 30 == account->run_day * 4;
  if (runs) AddRun(index, day, dice, account, out);
}

void World::AddPeople(int index, int day, Dice* dice, Account* account,
                      std::vector<Submission>* out) const {
  const int count = std::max(1, dice->NegativeBinomial(account->daily, account->fano));
  double burst_until = 0;
  double at = TimeOfDay(*account, day, dice);
  const std::string session = ClientFor(index, *account, day, dice);
  std::string client = session;
  for (int i = 0; i < count; ++i) {
    // People answer mail in sittings.
    if (dice->Chance(0.45)) {
      at += dice->Exponential(400);
    } else {
      at = TimeOfDay(*account, day, dice);
      client = ClientFor(index, *account, day, dice);
    }
    Submission s;
    s.account = index;
    s.time = at;
    s.client_ip = client;
    s.login = account->login;
    s.sender = account->sender;
    s.delay = 1 + dice->Exponential(2);
    s.program = client == "127.0.0.1" && !account->login.empty()
                    ? MailProgram{2, "LOGIN", 2}
                    : account->programs[dice->Below(
                          static_cast<uint32_t>(account->programs.size()))];
    int recipients = 1;
    if (dice->Chance(account->cc_share)) {
      recipients = 2 + static_cast<int>(
                           dice->Exponential(account->habit == Habit::kOffice ? 5 : 1.5));
    }
    // A change of address, told to everybody ever known, the forgotten ones too.
    const bool to_all = account->contacts.size() > 30 && dice->Chance(0.00008);
    if (to_all) recipients = static_cast<int>(account->contacts.size());
    const double novelty = std::min(
        0.9,
        (at < burst_until ? 0.45 : account->novelty * Youth(account->contacts.size())));
    for (int r = 0; r < std::min(recipients, 300); ++r) {
      if (!to_all && dice->Chance(novelty)) {
        const std::string address = Stranger(dice);
        s.recipients.emplace_back(address, HonestAnswer(true, *account, dice));
        burst_until = at + 1200;
        if (account->contacts.size() < 1500) account->contacts.push_back(address);
      } else {
        const std::string& address =
            to_all ? account->contacts[r]
                   : account->contacts[dice->Zipf(
                         static_cast<uint32_t>(account->contacts.size()))];
        s.recipients.emplace_back(address, to_all && dice->Chance(0.05)
                                               ? Answer::kUnknown
                                               : HonestAnswer(false, *account, dice));
      }
    }
    out->push_back(std::move(s));
  }
}

void World::AddRun(int index, int day, Dice* dice, Account* account,
                   std::vector<Submission>* out) const {
  std::vector<std::string>& list = account->subscribers;
  // Some leave, some join; the dead are taken out after they bounced.
  std::vector<bool> fresh(list.size(), account->known_runs == 0);
  for (size_t i = 0; i < list.size(); ++i) {
    if (dice->Chance(account->churn)) {
      list[i] = Stranger(dice);
      fresh[i] = true;
    }
  }
  ++account->known_runs;
  double at = StartOf(day) + dice->Between(7, 15) * 3600;
  const std::string client = account->homes[0].empty() ? "127.0.0.1" : account->homes[0];
  const double pause = account->habit == Habit::kInvoices ? 15 : 0.3 + dice->Share() * 3;
  if (account->habit == Habit::kList) {
    Submission s;
    s.account = index;
    s.time = at;
    s.client_ip = client;
    s.login = account->login;
    s.sender = account->sender;
    s.program = account->programs[0];
    for (size_t i = 0; i < list.size(); ++i) {
      s.recipients.emplace_back(list[i], HonestAnswer(fresh[i], *account, dice));
    }
    out->push_back(std::move(s));
    return;
  }
  for (size_t i = 0; i < list.size(); ++i) {
    Submission s;
    s.account = index;
    s.time = at;
    s.client_ip = client;
    s.login = account->login;
    s.sender = account->habit == Habit::kNewsletter
                   ? absl::StrCat("bounce+", dice->Below(90000), "-", i, "@",
                                  account->sender.substr(account->sender.find('@') + 1))
                   : account->sender;
    s.program = account->programs[0];
    s.delay = 1 + dice->Exponential(2);
    s.recipients.emplace_back(list[i], HonestAnswer(fresh[i], *account, dice));
    at += dice->Exponential(pause);
    out->push_back(std::move(s));
  }
}

}  // namespace mailvane
