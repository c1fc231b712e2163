// What thieves do with an account.
#pragma once

#include <string>
#include <vector>

#include "tests/bench/account_detection/dice.h"
#include "tests/bench/account_detection/submission.h"
#include "tests/bench/account_detection/world.h"

namespace mailvane {

enum class Campaign {
  kBlast,      // 3,000 an hour
  kFast,       // 300
  kSteady,     // 60
  kDrip,       // 20
  kSlow,       // 5
  kStuffed,    // guessed, tried with a letter to the thief's own mailbox, sold; then 60
  kPoisoned,   // three strangers a day for a month before; then 60
  kMimic,      // no more in a day than the owner
  kBccFast,    // 30 an hour to 100 each
  kBccSlow,    // 4 an hour to 50 each
  kContacts,   // 60 an hour; seven of ten recipients are the owner's friends
  kReplies,    // 60 an hour to friends alone
  kColleagues  // one to 40 colleagues, then 60 an hour to strangers
};
inline constexpr int kCampaigns = 13;
const char* CampaignName(Campaign campaign);

enum class Origin { kBotnet, kServer, kOwn, kWebmail };
inline constexpr int kOrigins = 4;
const char* OriginName(Origin origin);

struct FailedLogin {
  double time;
  std::string ip;
};

struct Theft {
  Campaign campaign;
  Origin origin;
  int victim = 0;
  double start = 0;
  std::vector<FailedLogin> guesses;
  std::vector<Submission> messages;
  double end = 0;
};

Theft MakeTheft(const World& world, Campaign campaign, Origin origin, int victim,
                double start, Dice* dice);

}  // namespace mailvane
