// How soon a stolen account is found, and how often an honest one is accused: the
// detector beside what mail servers use today.  docs/accounts.md explains the table.
//
//   account_detection [--seeds 11,12,13,14,15] [--accounts 2000] [--days 90] …
#include <algorithm>
#include <cmath>
#include <cstdio>
#include <string>
#include <vector>

#include "CLI/CLI.hpp"
#include "tests/bench/account_detection/trial.h"

namespace mailvane {
namespace {

double Quantile(std::vector<double> values, double share) {
  if (values.empty()) return NAN;
  std::sort(values.begin(), values.end());
  return values[static_cast<size_t>(share * static_cast<double>(values.size() - 1) +
                                    0.5)];
}

// Of a Poisson count: where 95 % of the means lie that can have led to it (Wilson and
// Hilferty's approximation to the exact interval).
std::pair<double, double> PoissonInterval(double count) {
  const auto bound = [](double n, double z) {
    return n <= 0 ? 0.0 : n * std::pow(1 - 1 / (9 * n) + z / (3 * std::sqrt(n)), 3);
  };
  return {bound(count, -1.96), bound(count + 1, 1.96)};
}

FalseAlarms Sum(const TrialResult& result, int judge) {
  FalseAlarms all;
  for (const FalseAlarms& one : result.honest[judge]) {
    all.alarms += one.alarms;
    all.account_months += one.account_months;
  }
  return all;
}

Caught Gather(const TrialResult& result, int judge,
              const std::vector<Campaign>& campaigns,
              const std::vector<Origin>& origins) {
  Caught all;
  for (Campaign campaign : campaigns) {
    for (Origin origin : origins) {
      const Caught& one =
          result.thefts[judge][static_cast<int>(campaign)][static_cast<int>(origin)];
      all.thefts += one.thefts;
      all.messages.insert(all.messages.end(), one.messages.begin(), one.messages.end());
      all.recipients.insert(all.recipients.end(), one.recipients.begin(),
                            one.recipients.end());
    }
  }
  return all;
}

std::string Text(const Caught& caught) {
  if (caught.thefts == 0) return "-";
  const double share =
      100.0 * static_cast<double>(caught.messages.size()) / caught.thefts;
  char text[80];
  if (caught.messages.empty()) return "never";
  std::snprintf(text, sizeof(text), "%.0f/%.0f/%.0f %3.0f%%",
                Quantile(caught.messages, .5), Quantile(caught.messages, .95),
                Quantile(caught.messages, 1), share);
  return text;
}

const std::vector<Campaign> kStrangers = {Campaign::kBlast, Campaign::kFast,
                                          Campaign::kSteady, Campaign::kDrip,
                                          Campaign::kSlow};
const std::vector<Campaign> kBcc = {Campaign::kBccFast, Campaign::kBccSlow};
const std::vector<Campaign> kFriends = {Campaign::kContacts};
const std::vector<Origin> kAnywhere = {Origin::kBotnet, Origin::kServer, Origin::kOwn,
                                       Origin::kWebmail};
const std::vector<Origin> kForeign = {Origin::kBotnet, Origin::kServer};

void PrintJudges(const TrialResult& result, int judges) {
  std::printf(
      "\nMessages let out (median/p95/most, share of thefts found), and false alarms\n");
  std::printf("%-24s %-16s %-11s %-20s %-20s %-18s %-18s\n", "", "per 1,000 acc-mo.",
              "per 100", "strangers,", "strangers,", "BCC,", "contacts,");
  std::printf("%-24s %-16s %-11s %-20s %-20s %-18s %-18s\n", "", "(95 % interval)",
              "bulk runs", "anywhere", "foreign network", "anywhere", "foreign network");
  for (int judge = 0; judge < judges; ++judge) {
    const FalseAlarms honest = Sum(result, judge);
    const auto [low, high] = PoissonInterval(static_cast<double>(honest.alarms));
    const double scale = 1000 / honest.account_months;
    char alarms[40];
    std::snprintf(alarms, sizeof(alarms), "%.2f (%.2f-%.2f)",
                  static_cast<double>(honest.alarms) * scale, low * scale, high * scale);
    std::printf("%-24s %-16s %-11.1f %-20s %-20s %-18s %-18s\n", JudgeName(judge).c_str(),
                alarms,
                result.runs == 0 ? 0.0
                                 : 100.0 * static_cast<double>(result.run_alarms[judge]) /
                                       static_cast<double>(result.runs),
                Text(Gather(result, judge, kStrangers, kAnywhere)).c_str(),
                Text(Gather(result, judge, kStrangers, kForeign)).c_str(),
                Text(Gather(result, judge, kBcc, kAnywhere)).c_str(),
                Text(Gather(result, judge, kFriends, kForeign)).c_str());
  }
}

void PrintThefts(const TrialResult& result, int judge) {
  std::printf("\n%s: by campaign and origin\n%-18s", JudgeName(judge).c_str(), "");
  for (Origin origin : kAnywhere) std::printf(" %-20s", OriginName(origin));
  std::printf("\n");
  for (int campaign = 0; campaign < kCampaigns; ++campaign) {
    std::printf("%-18s", CampaignName(static_cast<Campaign>(campaign)));
    for (int origin = 0; origin < kOrigins; ++origin) {
      std::printf(" %-20s", Text(result.thefts[judge][campaign][origin]).c_str());
    }
    std::printf("\n");
  }
}

void PrintHonest(const TrialResult& result) {
  std::printf(
      "\nFalse holds, and watches or holds, by habit (per 1,000 account-months)\n");
  for (int habit = 0; habit < kHabits; ++habit) {
    const FalseAlarms& holds = result.honest[0][habit];
    const FalseAlarms& both = result.honest[1][habit];
    if (holds.account_months == 0) continue;
    std::printf("%-12s %4d holds %7.2f   %4d both %7.2f   of %.0f account-months\n",
                HabitName(static_cast<Habit>(habit)), static_cast<int>(holds.alarms),
                1000.0 * static_cast<double>(holds.alarms) / holds.account_months,
                static_cast<int>(both.alarms),
                1000.0 * static_cast<double>(both.alarms) / both.account_months,
                holds.account_months);
  }
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) {
  using namespace mailvane;  // NOLINT: a program's only function
  std::vector<uint64_t> seeds = {11, 12, 13, 14, 15};
  TrialOptions options;
  bool brief = false;
  CLI::App app("How soon a stolen account is found");
  app.add_option("--seeds", seeds, "Worlds")->delimiter(',');
  app.add_option("--accounts", options.world.accounts, "Of each world");
  app.add_option("--days", options.world.days, "Of each world");
  app.add_option("--thefts", options.thefts_per_cell, "Of each kind in each world");
  app.add_option("--novelty", options.world.novelty,
                 "How much more people write to strangers");
  app.add_option("--roaming", options.world.roaming, "How much more they move about");
  app.add_option("--dead", options.world.dead, "How many more addresses are dead");
  app.add_option("--bulk", options.world.bulk, "How many more send in bulk");
  app.add_option("--volume", options.world.volume, "How much more they send");
  app.add_option("--budget", options.budget, "False holds in 1,000 accounts' months");
  app.add_option("--jitter", options.jitter, "Seconds by which lines are out of order");
  app.add_option("--show", options.show, "Print the evidence of so many alarms");
  app.add_flag("!--no-baselines", options.baselines, "Leave them out");
  app.add_flag("--brief", brief, "Only the first table");
  CLI11_PARSE(app, argc, argv);
  TrialResult all;
  for (uint64_t seed : seeds) {
    options.world.seed = seed;
    options.server = seed % 2 == 1 ? MailServer::kPostfix : MailServer::kExim;
    Merge(RunTrial(options), &all);
  }
  std::printf("%zu worlds of %d accounts and %d days: %.1f M lines in %.0f s of CPU\n",
              seeds.size(), options.world.accounts, options.world.days,
              static_cast<double>(all.lines) / 1e6, all.seconds);
  std::printf(
      "%.2f us an event; %.0f bytes an account, %.0f on disk; threshold %.1f at last\n",
      1e6 * all.detector_seconds / static_cast<double>(all.events),
      static_cast<double>(all.state_bytes) / static_cast<double>(all.accounts),
      static_cast<double>(all.packed_bytes) / static_cast<double>(all.accounts),
      all.threshold);
  PrintJudges(all, options.baselines ? kJudges : 2);
  if (brief) return 0;
  PrintThefts(all, 0);
  PrintThefts(all, 1);
  PrintHonest(all);
  return 0;
}
