#include "tests/sim/fleet_sim.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// A database in memory that all connections of this process share by its name.
constexpr char kMemory[] = "memdb";

template <typename T>
T OrDie(absl::StatusOr<T> result) {
  if (!result.ok()) {
    fprintf(stderr, "%s\n", result.status().ToString().c_str());
    std::abort();
  }
  return *std::move(result);
}

void OrDie(const absl::Status& status) {
  OrDie(absl::StatusOr<int>(status.ok() ? absl::StatusOr<int>(0) : status));
}

}  // namespace

const char* Name(Fault fault) {
  switch (fault) {
    case Fault::kAgentKilled:
      return "agent killed";
    case Fault::kAgentKilledBeforeAckReachedIt:
      return "agent killed before an ack reached it";
    case Fault::kCollectorKilled:
      return "collector killed";
    case Fault::kCollectorKilledBetweenCommitAndAck:
      return "collector killed between commit and ack";
    case Fault::kStoreFailed:
      return "store failed";
    case Fault::kConnectionCut:
      return "connection cut";
    case Fault::kConnectionCutUnseenByCollector:
      return "connection cut unseen by the collector";
    case Fault::kConnectionCutWithFramesUnderWay:
      return "connection cut with frames under way";
    case Fault::kGarbageFrame:
      return "garbage frame";
    case Fault::kWallClockJumped:
      return "wall clock jumped";
    case Fault::kCount:
      break;
  }
  return "";
}

FleetSim::FleetSim(const SimOptions& options)
    : options_(options),
      random_(options.seed),
      now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(100)} {
  const std::string prefix = absl::StrCat("/sim-", options.seed, "-");
  store_disk_ = OrDie(Database::Open(prefix + "collector", {kMemory}));
  StartCollector();
  agents_.resize(options.agents);
  for (int i = 0; i < options.agents; ++i) {
    Agent& agent = agents_[i];
    agent.id = absl::StrCat("NC", i);
    agent.path = prefix + agent.id;
    agent.disk = OrDie(Database::Open(agent.path, {kMemory}));
    StartAgent(agent);
  }
}

FleetSim::~FleetSim() = default;

void FleetSim::StartAgent(Agent& agent) {
  agent.session.reset();
  agent.outbox.reset();
  Outbox::Options options;
  options.vfs = kMemory;
  agent.outbox = OrDie(Outbox::Open(agent.path, &random_, options));
  UplinkSession::Options session;
  session.agent_id = agent.id;
  session.version = "sim";
  session.boot_id = std::string(16, 'b');
  session.collectors = {"collector"};
  agent.session = std::make_unique<UplinkSession>(
      session, agent.outbox.get(), &random_,
      UplinkSession::Reporter{[](Instant) { return v1::Snapshot(); }, nullptr});
}

void FleetSim::StartCollector() {
  v1::Inventory inventory;
  for (int i = 0; i < options_.agents; ++i) {
    inventory.add_systems()->set_id(absl::StrCat("NC", i));
  }
  CollectorCore::Options options;
  options.sessions.window_events = options_.window_events;
  store_ = OrDie(
      SqliteStore::Open(absl::StrCat("/sim-", options_.seed, "-collector"), kMemory));
  collector_ = std::make_unique<CollectorCore>(inventory, options, now_);
  OrDie(collector_->Restore(store_.get()));
}

void FleetSim::KillCollector() {
  Count(Fault::kCollectorKilled);
  at_store_.clear();
  collector_.reset();
  store_.reset();
  for (Agent& agent : agents_) {
    agent.link.collector_sees = false;
    CutLink(agent, /*collector_sees=*/false);
  }
  StartCollector();
}

void FleetSim::CutLink(Agent& agent, bool collector_sees) {
  Link& link = agent.link;
  if (!link.up.empty() || !link.down.empty()) {
    Count(Fault::kConnectionCutWithFramesUnderWay);
  }
  if (link.agent_sees) agent.session->Disconnected(now_, "cut");
  if (link.collector_sees && collector_sees) collector_->Closed(link.id);
  // Else the collector finds out by itself, or by a newer session.
  link = Link();
}

void FleetSim::StepAgent(Agent& agent) {
  Link& link = agent.link;
  if (link.write_done) {
    link.write_done = false;
    agent.session->WriteDone();
  }
  UplinkActions actions = OrDie(agent.session->Step(now_));
  if (actions.close && link.agent_sees) CutLink(agent, /*collector_sees=*/true);
  if (actions.connect) {
    link = Link();
    link.id = next_session_++;
    link.agent_sees = link.collector_sees = true;
    collector_->Opened(now_, link.id, "sim");
    agent.session->Connected(now_);
  }
  if (actions.write) {
    link.up.push_back(*std::move(actions.write));
    link.write_done = true;
  }
}

void FleetSim::PumpCollector() {
  CollectorOutput output = collector_->Take();
  if (output.ticket != 0) at_store_.emplace_back(output.ticket, std::move(output.store));
  for (auto& [id, frame] : output.send) {
    for (Agent& agent : agents_) {
      if (agent.link.id == id) agent.link.down.push_back(std::move(frame));
    }
  }
  for (SessionId id : output.close) {
    collector_->Closed(id);
    for (Agent& agent : agents_) {
      if (agent.link.id == id) agent.link.collector_sees = false;
    }
  }
}

// One frame in one direction; a stream that the collector ended is seen to be
// over when its last frame was.
void FleetSim::Deliver(Agent& agent) {
  Link& link = agent.link;
  if (!link.agent_sees) return;
  if (!link.down.empty() && (link.up.empty() || Chance(2))) {
    const v1::CollectorFrame frame = std::move(link.down.front());
    link.down.pop_front();
    OrDie(agent.session->Receive(now_, frame));
  } else if (!link.up.empty() && link.collector_sees) {
    const v1::AgentFrame frame = std::move(link.up.front());
    link.up.pop_front();
    if (Chance(400)) {
      Count(Fault::kGarbageFrame);
      collector_->ReceivedGarbage(now_, link.id, "simulated");
    } else {
      collector_->Received(now_, link.id, frame);
    }
  } else if (!link.collector_sees && link.down.empty()) {
    CutLink(agent, /*collector_sees=*/false);
  }
}

void FleetSim::Tell(Agent& agent) {
  OutboxTransaction transaction;
  const int count = 1 + static_cast<int>(random_.Next() % 5);
  for (int i = 0; i < count; ++i) {
    v1::Event event;
    *event.mutable_time() = ToProto(now_.wall);
    event.set_key(random_.Bytes(16));
    event.mutable_finding()->set_type("sim");
    agent.told.insert(event.key());
    transaction.events.push_back(event.SerializeAsString());
    ++told_;
  }
  OrDie(agent.outbox->Commit(transaction));
}

void FleetSim::CommitOne(bool fail, bool answer) {
  if (at_store_.empty()) return;
  auto [ticket, batch] = std::move(at_store_.front());
  at_store_.pop_front();
  absl::StatusOr<StoreResult> result = absl::ResourceExhaustedError("disk full");
  if (fail) {
    Count(Fault::kStoreFailed);
  } else {
    result = store_->Commit(batch);
  }
  if (answer) collector_->Stored(now_, ticket, result);
}

void FleetSim::Advance(absl::Duration by) {
  now_.mono += by;
  now_.wall += by;
  collector_->Tick(now_);
}

void FleetSim::Misfortune() {
  Agent& agent = agents_[random_.Next() % agents_.size()];
  switch (random_.Next() % 7) {
    case 0:
      Count(Fault::kAgentKilled);
      if (!agent.link.down.empty()) Count(Fault::kAgentKilledBeforeAckReachedIt);
      CutLink(agent, Chance(2));
      StartAgent(agent);
      break;
    case 1:
      KillCollector();
      break;
    case 2:
      if (at_store_.empty()) return;
      Count(Fault::kCollectorKilledBetweenCommitAndAck);
      CommitOne(/*fail=*/false, /*answer=*/false);
      KillCollector();
      break;
    case 3:
      CommitOne(/*fail=*/true, /*answer=*/true);
      break;
    case 4:
      if (!agent.link.agent_sees) return;
      Count(Fault::kConnectionCut);
      CutLink(agent, /*collector_sees=*/true);
      break;
    case 5:
      if (!agent.link.agent_sees) return;
      Count(Fault::kConnectionCutUnseenByCollector);
      CutLink(agent, /*collector_sees=*/false);
      break;
    case 6:
      Count(Fault::kWallClockJumped);
      now_.wall += absl::Hours(1) * (Chance(2) ? 1 : -1);
      break;
  }
}

std::string FleetSim::CheckAlways() {
  std::map<std::pair<std::string, std::string>, uint64_t> committed;
  for (const CommittedRow& row : OrDie(store_->LoadCommitted())) {
    committed[{row.agent, row.epoch}] = row.seq;
  }
  for (const Agent& agent : agents_) {
    const uint64_t forgotten = agent.outbox->first_unacked() - 1;
    const uint64_t stored = committed[{agent.id, agent.outbox->epoch()}];
    if (forgotten > stored) {
      return absl::StrCat(agent.id, " forgot up to ", forgotten, ", stored is only ",
                          stored);
    }
  }
  return "";
}

std::string FleetSim::CheckAtTheEnd() {
  std::map<std::string, std::multiset<std::string>> stored;
  for (const EventRow& row : OrDie(store_->LoadEvents(1'000'000))) {
    v1::Event event;
    if (row.rejected != 0 || !event.ParseFromString(row.body) || event.has_loss()) {
      return absl::StrCat("event ", row.seq, " of ", row.agent,
                          " is stored as rejected or lost");
    }
    stored[row.agent].insert(row.key);
  }
  for (const Agent& agent : agents_) {
    if (!agent.outbox->empty()) {
      return absl::StrCat(agent.id, " still has ",
                          agent.outbox->next_seq() - agent.outbox->first_unacked(),
                          " to tell");
    }
    const auto& got = stored[agent.id];
    if (!std::equal(got.begin(), got.end(), agent.told.begin(), agent.told.end())) {
      return absl::StrCat(agent.id, " told ", agent.told.size(), " events, stored are ",
                          got.size());
    }
  }
  return "";
}

std::string FleetSim::Run() {
  for (int step = 0; step < options_.steps; ++step) {
    Agent& agent = agents_[random_.Next() % agents_.size()];
    switch (random_.Next() % 8) {
      case 0:
        Advance(absl::Milliseconds(random_.Next() % 3000));
        break;
      case 1:
        Tell(agent);
        break;
      case 2:
        if (!Chance(3)) {
          CommitOne(/*fail=*/false, /*answer=*/true);
        } else {
          Misfortune();
        }
        break;
      case 3:
      case 4:
        Deliver(agent);
        break;
      default:
        StepAgent(agent);
    }
    PumpCollector();
    std::string broken = CheckAlways();
    if (!broken.empty()) return absl::StrCat("step ", step, ": ", broken);
  }
  // No more misfortune: within ten minutes all must be whole.
  for (int step = 0; step < 6000; ++step) {
    Advance(absl::Milliseconds(100));
    for (Agent& agent : agents_) {
      for (int i = 0; i < 3; ++i) {
        StepAgent(agent);
        Deliver(agent);
        PumpCollector();
      }
    }
    while (!at_store_.empty()) {
      CommitOne(/*fail=*/false, /*answer=*/true);
      PumpCollector();
    }
    if (step > 100 && CheckAtTheEnd().empty()) return CheckAlways();
  }
  return CheckAtTheEnd();
}

}  // namespace mailvane
