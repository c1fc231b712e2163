#include "tests/bench/account_detection/thefts.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

constexpr double kDay = 86400;

struct Plan {
  const char* name;
  double hourly;
  int messages;
  int recipients;
  double friends;  // share of recipients
};
constexpr Plan kPlans[kCampaigns] = {{"3,000/h", 3000, 400, 1, 0},
                                     {"300/h", 300, 400, 1, 0},
                                     {"60/h", 60, 300, 1, 0},
                                     {"20/h", 20, 480, 1, 0},
                                     {"5/h", 5, 360, 1, 0},
                                     {"stuffed, 60/h", 60, 300, 1, 0},
                                     {"poisoned, 60/h", 60, 300, 1, 0},
                                     {"own rate", 0, 200, 1, 0},
                                     {"BCC 30/h x 100", 30, 20, 100, 0},
                                     {"BCC 4/h x 50", 4, 20, 50, 0},
                                     {"contacts, 60/h", 60, 360, 1, .7},
                                     {"replies, 60/h", 60, 360, 1, 1},
                                     {"colleagues, 60/h", 60, 200, 1, 0}};

// A thief's tools and lists, drawn once for a campaign.
struct Thief {
  std::vector<std::string> addresses;
  MailProgram program;
  std::string sender;
  double dead = 0;
  double refused_at_last = 0;
};

Thief Equip(const World& world, const World::Account& victim, Origin origin, Dice* dice) {
  Thief thief;
  switch (origin) {
    case Origin::kBotnet:
      for (int i = 0; i < 200; ++i) thief.addresses.push_back(world.ForeignAddress(dice));
      break;
    case Origin::kServer:
      thief.addresses = {world.ForeignAddress(dice)};
      break;
    case Origin::kOwn:
      thief.addresses = {victim.homes[0]};
      break;
    case Origin::kWebmail:
      thief.addresses = {"127.0.0.1"};
      break;
  }
  const double same = origin == Origin::kOwn ? 0.5 : 0.2;
  thief.program = origin == Origin::kWebmail ? MailProgram{2, "LOGIN", 2}
                  : dice->Chance(same)       ? victim.programs[0]
                                             : world.ForeignProgram(dice);
  thief.sender = victim.sender;
  if (dice->Chance(0.2)) thief.sender = world.Stranger(dice);
  thief.dead = dice->Between(0.05, 0.30);
  thief.refused_at_last = dice->Between(0, 0.4);
  return thief;
}

Answer AnswerTo(const Thief& thief, bool is_friend, double progress, Dice* dice) {
  if (dice->Chance(is_friend ? 0.02 : thief.dead)) return Answer::kUnknown;
  if (dice->Chance(thief.refused_at_last * progress)) return Answer::kSpam;
  if (dice->Chance(0.05 * progress)) return Answer::kRateLimited;
  return dice->Chance(is_friend ? 0.02 : 0.1) ? Answer::kGreylisted : Answer::kTaken;
}

}  // namespace

const char* CampaignName(Campaign campaign) {
  return kPlans[static_cast<int>(campaign)].name;
}

const char* OriginName(Origin origin) {
  constexpr const char* kNames[kOrigins] = {"botnet", "server", "own net", "webmail"};
  return kNames[static_cast<int>(origin)];
}

Theft MakeTheft(const World& world, Campaign campaign, Origin origin, int victim_index,
                double start, Dice* dice) {
  const Plan& plan = kPlans[static_cast<int>(campaign)];
  const World::Account& victim = world.accounts()[victim_index];
  const Thief thief = Equip(world, victim, origin, dice);
  Theft theft;
  theft.campaign = campaign;
  theft.origin = origin;
  theft.victim = victim_index;
  theft.start = start;
  int sent = 0;
  const auto send = [&](double time, int recipients, double friends) {
    Submission s;
    s.account = victim_index;
    s.time = time;
    s.client_ip =
        thief.addresses[dice->Below(static_cast<uint32_t>(thief.addresses.size()))];
    s.login = victim.login;
    s.sender = thief.sender;
    s.program = thief.program;
    s.theft = true;
    s.delay = 1 + dice->Exponential(3);
    const double progress = std::min(1.0, sent / 100.0);
    for (int i = 0; i < recipients; ++i) {
      const bool is_friend = dice->Chance(friends);
      s.recipients.emplace_back(
          is_friend
              ? victim
                    .contacts[dice->Below(static_cast<uint32_t>(victim.contacts.size()))]
              : world.Stranger(dice),
          AnswerTo(thief, is_friend, progress, dice));
    }
    ++sent;
    theft.messages.push_back(std::move(s));
  };
  double at = start;
  if (campaign == Campaign::kStuffed) {
    const int guesses = 1 + static_cast<int>(dice->Below(20));
    for (int i = 0; i < guesses; ++i) {
      theft.guesses.push_back({at, thief.addresses[i % thief.addresses.size()]});
      at += dice->Exponential(60);
    }
    send(at, 1, 0);
    at += dice->Between(2, 48) * 3600;
  }
  if (campaign == Campaign::kPoisoned) {
    for (int day = 0; day < 30; ++day) {
      for (int i = 0; i < 3; ++i) send(at + dice->Between(0, 40000), 1, 0);
      at += kDay;
    }
    // What is counted is what leaves after the month.
    for (Submission& message : theft.messages) message.theft = false;
    std::sort(theft.messages.begin(), theft.messages.end(),
              [](const Submission& a, const Submission& b) { return a.time < b.time; });
  }
  if (campaign == Campaign::kColleagues) {
    Submission s;
    send(at, 1, 1);
    Submission& first = theft.messages.back();
    first.recipients.clear();
    const std::string domain = victim.login.substr(victim.login.find('@') + 1);
    for (int i = 0; i < 40; ++i) {
      first.recipients.emplace_back(
          absl::StrCat("user", victim_index / 25 * 25 + i, "@", domain),
          i < 25 ? Answer::kTaken : Answer::kUnknown);
    }
    at += 600;
  }
  const double hourly = campaign == Campaign::kMimic
                            ? std::max(0.3, victim.daily * victim.active_share / 10)
                            : plan.hourly;
  const int begun = sent;
  while (sent - begun < plan.messages) {
    send(at, plan.recipients, plan.friends);
    at += dice->Exponential(3600 / hourly);
    if (campaign == Campaign::kMimic && std::fmod(at, kDay) > 18 * 3600) at += 14 * 3600;
    if (at > start + 40 * kDay) break;
  }
  theft.end = at;
  return theft;
}

}  // namespace mailvane
