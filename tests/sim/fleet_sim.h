// The protocol's two halves, the outboxes and the store, as they are in the
// programs, on one thread, one seed and a simulated clock, with a network and
// two hosts' worth of misfortune between them.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "agent/outbox/outbox.h"
#include "agent/uplink/session.h"
#include "collector/core.h"
#include "collector/store/sqlite_store.h"
#include "platform/clock.h"
#include "platform/random.h"

namespace mailvane {

enum class Fault {
  kAgentKilled,
  kAgentKilledBeforeAckReachedIt,
  kCollectorKilled,
  kCollectorKilledBetweenCommitAndAck,
  kStoreFailed,
  kConnectionCut,
  kConnectionCutUnseenByCollector,
  kConnectionCutWithFramesUnderWay,
  kGarbageFrame,
  kWallClockJumped,
  kCount,
};
const char* Name(Fault fault);

struct SimOptions {
  uint64_t seed = 1;
  int agents = 3;
  int steps = 400;
  // Tiny windows meet their limit often.
  uint32_t window_events = 8;
};

class FleetSim {
 public:
  explicit FleetSim(const SimOptions& options);
  ~FleetSim();

  // Runs the story, then lets everything heal.  Empty when nothing was lost or
  // doubled; else what went wrong.
  std::string Run();

  uint64_t fired(Fault fault) const { return fired_[static_cast<size_t>(fault)]; }
  uint64_t events_told() const { return told_; }

 private:
  struct Link {
    SessionId id = 0;  // 0: none
    bool agent_sees = false;
    bool collector_sees = false;
    std::deque<v1::AgentFrame> up;
    std::deque<v1::CollectorFrame> down;
    bool write_done = false;
  };
  struct Agent {
    std::string id;
    std::string path;
    std::unique_ptr<Database> disk;  // keeps the in-memory file alive
    std::unique_ptr<Outbox> outbox;
    std::unique_ptr<UplinkSession> session;
    Link link;
    std::set<std::string> told;  // keys that were committed to the outbox
  };

  void StartAgent(Agent& agent);
  void StartCollector();
  void StepAgent(Agent& agent);
  void PumpCollector();
  void Deliver(Agent& agent);
  void Tell(Agent& agent);
  void CommitOne(bool fail, bool answer);
  void CutLink(Agent& agent, bool collector_sees);
  void KillCollector();
  void Misfortune();
  void Advance(absl::Duration by);
  void Count(Fault fault) { ++fired_[static_cast<size_t>(fault)]; }
  bool Chance(int in) { return random_.Next() % in == 0; }
  std::string CheckAlways();
  std::string CheckAtTheEnd();

  const SimOptions options_;
  SeededRandom random_;
  Instant now_;
  std::unique_ptr<Database> store_disk_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<CollectorCore> collector_;
  std::deque<std::pair<uint64_t, StoreBatch>> at_store_;
  std::vector<Agent> agents_;
  SessionId next_session_ = 1;
  uint64_t told_ = 0;
  std::array<uint64_t, static_cast<size_t>(Fault::kCount)> fired_{};
};

}  // namespace mailvane
