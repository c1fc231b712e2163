// Nothing lost, nothing doubled, whatever is killed, cut or full: thousands of
// stories, each from one seed.  One seed alone: --gtest_filter=*Replay with
// MAILVANE_SIM_SEED set; more of them: MAILVANE_SIM_SEEDS.
#include <cstdlib>

#include "absl/strings/numbers.h"
#include "platform/log.h"
#include "tests/sim/fleet_sim.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

uint64_t FromEnvironment(const char* name, uint64_t fallback) {
  const char* text = std::getenv(name);
  uint64_t value = 0;
  return text != nullptr && absl::SimpleAtoi(text, &value) ? value : fallback;
}

class DeliverySim : public testing::Test {
 protected:
  // Thousands of refusals are the point here.
  DeliverySim() { SetLogLevel(LogLevel::kError); }
};

TEST_F(DeliverySim, LosesAndDoublesNothingOverThousandsOfSeeds) {
  const uint64_t seeds = FromEnvironment("MAILVANE_SIM_SEEDS", 1000);
  std::array<uint64_t, static_cast<size_t>(Fault::kCount)> fired{};
  uint64_t told = 0;
  for (uint64_t seed = 1; seed <= seeds; ++seed) {
    SimOptions options;
    options.seed = seed;
    FleetSim sim(options);
    const std::string wrong = sim.Run();
    ASSERT_EQ(wrong, "") << "replay it with MAILVANE_SIM_SEED=" << seed;
    told += sim.events_told();
    for (size_t i = 0; i < fired.size(); ++i)
      fired[i] += sim.fired(static_cast<Fault>(i));
  }
  EXPECT_GT(told, seeds * 10);
  for (size_t i = 0; i < fired.size(); ++i) {
    printf("%8llu  %s\n", static_cast<unsigned long long>(fired[i]),
           Name(static_cast<Fault>(i)));
    EXPECT_GT(fired[i], 0u) << Name(static_cast<Fault>(i)) << " never happened";
  }
}

TEST_F(DeliverySim, Replay) {
  SetLogLevel(LogLevel::kInfo);
  SimOptions options;
  options.seed = FromEnvironment("MAILVANE_SIM_SEED", 1);
  FleetSim sim(options);
  EXPECT_EQ(sim.Run(), "");
}

}  // namespace
}  // namespace mailvane
