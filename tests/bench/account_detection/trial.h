// One server's honest mail and the thefts from it, from one seed, through the same code
// that the agent runs: text, parser, tracker, analyzer.
//
// A theft happens in a copy: the analyzer's saved state is given to another one, which
// then reads the log of the thief, with the owner's own mail going on.  So thousands of
// thefts do not teach each other, and saving and restoring are tried on the way.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "tests/bench/account_detection/baselines.h"
#include "tests/bench/account_detection/log_writer.h"
#include "tests/bench/account_detection/thefts.h"
#include "tests/bench/account_detection/world.h"

namespace mailvane {

// The detector as a hold, as a watch or a hold, then the baselines.
inline constexpr int kJudges = 2 + kBaselines;
std::string JudgeName(int judge);

struct TrialOptions {
  WorldOptions world;
  MailServer server = MailServer::kPostfix;
  int thefts_per_cell = 20;
  double budget = 1;
  bool baselines = true;
  // Seconds by which lines are out of order.
  double jitter = 0;
  // Prints the evidence of so many alarms.
  int show = 0;
};

struct FalseAlarms {
  uint64_t alarms = 0;
  double account_months = 0;
};

struct Caught {
  int thefts = 0;
  // Messages and recipients let out by each theft that was found, the message that gave
  // the alarm included.
  std::vector<double> messages;
  std::vector<double> recipients;
};

struct TrialResult {
  // By judge and habit.
  std::array<std::array<FalseAlarms, kHabits>, kJudges> honest;
  // Of invoices and newsletters after their third run: runs, and alarms on their days.
  uint64_t runs = 0;
  std::array<uint64_t, kJudges> run_alarms = {};
  std::array<std::array<std::array<Caught, kOrigins>, kCampaigns>, kJudges> thefts;
  uint64_t lines = 0;
  uint64_t events = 0;
  double detector_seconds = 0;
  double seconds = 0;
  double threshold = 0;
  size_t accounts = 0;
  size_t state_bytes = 0;
  size_t packed_bytes = 0;
};

TrialResult RunTrial(const TrialOptions& options);
void Merge(const TrialResult& from, TrialResult* into);

}  // namespace mailvane
