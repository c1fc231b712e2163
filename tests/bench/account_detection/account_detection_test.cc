// A floor under the detector: two small worlds, one by Postfix and one by Exim.  Such a
// world is too small and too short for the detector to learn where its threshold may be,
// and has few thefts: the numbers are what it does there, with room for chance, and are
// no measure of it.  `account_detection` measures.
#include <gtest/gtest.h>

#include <algorithm>
#include <vector>

#include "tests/bench/account_detection/trial.h"

namespace mailvane {
namespace {

constexpr Campaign kStrangers[] = {Campaign::kBlast, Campaign::kFast, Campaign::kSteady,
                                   Campaign::kDrip, Campaign::kSlow};

class AccountDetection : public ::testing::TestWithParam<MailServer> {
 protected:
  AccountDetection() {
    TrialOptions options;
    options.world.accounts = 400;
    options.world.days = 60;
    options.world.seed = 97;
    options.thefts_per_cell = 5;
    options.server = GetParam();
    options.baselines = false;
    // Lines of several processes are not in order.
    options.jitter = 0.5;
    result_ = RunTrial(options);
  }

  // Of thefts by strangers' mail from the given origins: messages let out.
  Caught Gather(int judge, std::vector<Origin> origins) const {
    Caught all;
    for (Campaign campaign : kStrangers) {
      for (Origin origin : origins) {
        const Caught& one =
            result_.thefts[judge][static_cast<int>(campaign)][static_cast<int>(origin)];
        all.thefts += one.thefts;
        all.messages.insert(all.messages.end(), one.messages.begin(), one.messages.end());
      }
    }
    std::sort(all.messages.begin(), all.messages.end());
    return all;
  }

  static double Median(const Caught& caught) {
    return caught.messages[caught.messages.size() / 2];
  }

  TrialResult result_;
};

TEST_P(AccountDetection, FindsThievesSoonAndAccusesFew) {
  const Caught foreign = Gather(0, {Origin::kBotnet, Origin::kServer});
  ASSERT_EQ(foreign.thefts, 50);
  EXPECT_GE(foreign.messages.size(), 49u);
  EXPECT_LE(Median(foreign), 20);
  EXPECT_LE(foreign.messages[foreign.messages.size() * 9 / 10], 35);
  const Caught home = Gather(0, {Origin::kOwn, Origin::kWebmail});
  EXPECT_GE(home.messages.size(), 45u);
  EXPECT_LE(Median(home), 45);
  const Caught watched = Gather(1, {Origin::kOwn, Origin::kWebmail});
  EXPECT_GE(watched.messages.size(), 47u);
  EXPECT_LE(Median(watched), 35);

  uint64_t holds = 0;
  for (const FalseAlarms& habit : result_.honest[0]) holds += habit.alarms;
  // 800 account-months.
  EXPECT_LE(holds, 6u);
  EXPECT_LE(result_.run_alarms[0] * 20, result_.runs);
  EXPECT_LE(result_.state_bytes / result_.accounts, 1150u);
}

INSTANTIATE_TEST_SUITE_P(Servers, AccountDetection,
                         ::testing::Values(MailServer::kPostfix, MailServer::kExim),
                         [](const auto& info) {
                           return info.param == MailServer::kPostfix ? "Postfix" : "Exim";
                         });

}  // namespace
}  // namespace mailvane
