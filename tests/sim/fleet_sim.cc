#include "tests/sim/fleet_sim.h"

#include <algorithm>
#include <cstdlib>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr char kLogSource[] = "postfix_log";

std::string DroppedLines(int64_t number, size_t) {
  return absl::StrCat("2027-01-15T08:00:00Z mx1 rsyslogd: imuxsock[pid 1]: ", number,
                      " messages lost due to rate-limiting");
}

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
    case Fault::kLogRotated:
      return "log rotated";
    case Fault::kLogRotatedWhileAgentIsDown:
      return "log rotated while the agent is down";
    case Fault::kLogEmptied:
      return "log emptied";
    case Fault::kHalfLine:
      return "half a line";
    case Fault::kKilledBeforeCommit:
      return "agent killed with lines read and not committed";
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
    agent.files = std::make_unique<FakeFileSystem>();
    agent.log = std::make_unique<RotatingLog>(agent.files.get(), Habit(), DroppedLines);
    StartAgent(agent);
    ReadLog(agent, /*all=*/true);
  }
}

FleetSim::~FleetSim() = default;

RotationHabit FleetSim::Habit() {
  RotationHabit habit;
  habit.kind = static_cast<RotationHabit::Kind>(random_.Next() % 4);
  habit.packing = static_cast<RotationHabit::Packing>(random_.Next() % 3);
  habit.naming = static_cast<RotationHabit::Naming>(random_.Next() % 2);
  if (Chance(3)) habit.keep = 1 + random_.Next() % 3;
  if (Chance(3)) habit.written_amid = static_cast<int>(random_.Next() % 3);
  return habit;
}

void FleetSim::StartAgent(Agent& agent) {
  Outbox::Options outbox;
  outbox.vfs = kMemory;
  agent.outbox = OrDie(Outbox::Open(agent.path, &random_, outbox));
  AgentCore::Options options;
  options.session.agent_id = agent.id;
  options.session.version = "sim";
  options.session.boot_id = std::string(16, 'b');
  options.session.collectors = {"collector"};
  agent.core = std::make_unique<AgentCore>(options, agent.outbox.get(), &random_, now_);
  OrDie(agent.core->Start(now_));
  LogFile::Options log;
  log.max_chunk_bytes = 512;
  agent.log_file = std::make_unique<LogFile>(agent.files.get(), agent.log->path(), log);
  OrDie(agent.log_file->Resume(OrDie(agent.outbox->Checkpoint(kLogSource)).value_or("")));
}

void FleetSim::KillAgent(Agent& agent) {
  Count(Fault::kAgentKilled);
  if (!agent.link.down.empty()) Count(Fault::kAgentKilledBeforeAckReachedIt);
  CutLink(agent, Chance(2));
  agent.log_file.reset();
  agent.core.reset();
  agent.outbox.reset();
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
  if (link.agent_sees) agent.session().Disconnected(now_, "cut");
  if (link.collector_sees && collector_sees) collector_->Closed(link.id);
  // Else the collector finds out by itself, or by a newer session.
  link = Link();
}

void FleetSim::StepAgent(Agent& agent) {
  if (agent.core == nullptr) return;
  OrDie(agent.core->Commit(now_));
  Link& link = agent.link;
  if (link.write_done) {
    link.write_done = false;
    agent.session().WriteDone();
  }
  UplinkActions actions = OrDie(agent.session().Step(now_));
  if (actions.close && link.agent_sees) CutLink(agent, /*collector_sees=*/true);
  if (actions.connect) {
    link = Link();
    link.id = next_session_++;
    link.agent_sees = link.collector_sees = true;
    collector_->Opened(now_, link.id, "sim");
    agent.session().Connected(now_);
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
    OrDie(agent.session().Receive(now_, frame));
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

void FleetSim::Write(Agent& agent) {
  if (Chance(4)) {
    Count(Fault::kHalfLine);
    agent.log->WriteHalf(0, 1 + random_.Next() % 80);
  }
  for (uint64_t i = random_.Next() % 5; i > 0; --i) agent.log->Write(0);
}

void FleetSim::Rotate(Agent& agent) {
  if (Chance(8)) {
    // What nobody has seen anything of can be emptied unseen.
    if (agent.core == nullptr) return;
    agent.log->HangUp();
    agent.log->Write(0);
    ReadLog(agent, /*all=*/true);
    if (Chance(2)) agent.log->Write(0);
    Advance(absl::Milliseconds(1));
    Count(Fault::kLogEmptied);
    return agent.log->Empty();
  }
  for (uint64_t i = random_.Next() % 3; i > 0; --i) {
    Advance(absl::Milliseconds(1100));
    if (!agent.log->Rotate()) agent.log->HangUp();
    Count(agent.core == nullptr ? Fault::kLogRotatedWhileAgentIsDown
                                : Fault::kLogRotated);
    Write(agent);
    if (agent.log_file != nullptr) agent.log_file->Look(now_);
  }
  if (Chance(2)) agent.log->HangUp();
}

void FleetSim::ReadLog(Agent& agent, bool all) {
  if (agent.core == nullptr) return;
  for (int i = 0; i < 1000; ++i) {
    const absl::StatusOr<LogChunk> chunk = agent.log_file->Read(now_);
    const bool more = OrDie(absl::StatusOr<bool>(
        chunk.ok() ? absl::StatusOr<bool>(chunk->more) : chunk.status()));
    if (!all && !chunk->lines.empty() && Chance(10)) {
      Count(Fault::kKilledBeforeCommit);
      return KillAgent(agent);
    }
    OrDie(agent.core->TakeLog(now_, kLogSource, *chunk));
    if (!more || (!all && Chance(3))) return;
  }
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
  // The devices' own clocks do not jump.
  for (Agent& agent : agents_) agent.files->now += by;
  collector_->Tick(now_);
}

void FleetSim::Misfortune() {
  Agent& agent = agents_[random_.Next() % agents_.size()];
  switch (random_.Next() % 7) {
    case 0:
      if (agent.core != nullptr) {
        KillAgent(agent);
        if (Chance(2)) StartAgent(agent);
      }
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
    if (agent.outbox == nullptr) continue;
    const uint64_t forgotten = agent.outbox->first_unacked() - 1;
    const uint64_t stored = committed[{agent.id, agent.outbox->epoch()}];
    if (forgotten > stored) {
      return absl::StrCat(agent.id, " forgot up to ", forgotten, ", stored is only ",
                          stored);
    }
  }
  return "";
}

// Each number was stored once, or its line was gone before anybody could read it
// and a loss is stored.  A log that is copied and truncated while nobody reads may
// lose lines that its copy still has: then, too, a loss is stored.
std::string FleetSim::CheckLines(const Agent& agent,
                                 const std::vector<v1::Event>& stored) {
  std::map<int64_t, int> seen;
  int losses = 0;
  for (const v1::Event& event : stored) {
    if (!event.has_loss()) continue;
    if (event.loss().cause() == v1::LossRecord::CAUSE_RATE_LIMITED) {
      ++seen[event.loss().lines()];
    } else {
      ++losses;
    }
  }
  for (int64_t number = 1; number <= agent.log->last(); ++number) {
    const auto times = seen.find(number);
    if (times != seen.end() && times->second > 1) {
      return absl::StrCat(agent.id, ": line ", number, " has ", times->second,
                          " effects");
    }
    if (times != seen.end()) continue;
    ++lines_lost_;
    const bool copied = agent.log->habit().kind == RotationHabit::Kind::kCopyTruncate;
    if ((!agent.log->gone(number) && !copied) || losses == 0) {
      return absl::StrCat(agent.id, ": line ", number, " of ", agent.log->last(),
                          " has no effect, and ", losses, " losses are told; ",
                          agent.log->habit().Describe());
    }
  }
  if (!seen.empty() &&
      (seen.begin()->first < 1 || seen.rbegin()->first > agent.log->last())) {
    return absl::StrCat(agent.id, ": an effect of a line that was never written");
  }
  return "";
}

std::string FleetSim::CheckAtTheEnd() {
  std::map<std::string, std::vector<v1::Event>> stored;
  for (const EventRow& row : OrDie(store_->LoadEvents(1'000'000))) {
    v1::Event event;
    if (row.rejected != 0 || !event.ParseFromString(row.body) ||
        event.loss().cause() == v1::LossRecord::CAUSE_SEQUENCE_GAP) {
      return absl::StrCat("event ", row.seq, " of ", row.agent,
                          " is stored as rejected or lost");
    }
    stored[row.agent].push_back(std::move(event));
  }
  lines_ = lines_lost_ = 0;
  for (const Agent& agent : agents_) {
    if (!agent.outbox->empty()) {
      return absl::StrCat(agent.id, " still has ",
                          agent.outbox->next_seq() - agent.outbox->first_unacked(),
                          " to tell");
    }
    lines_ += agent.log->last();
    std::string wrong = CheckLines(agent, stored[agent.id]);
    if (!wrong.empty()) return wrong;
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
        if (Chance(6)) {
          Rotate(agent);
        } else {
          Write(agent);
        }
        break;
      case 5:
        if (agent.core == nullptr && Chance(2)) StartAgent(agent);
        ReadLog(agent, /*all=*/false);
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
  for (Agent& agent : agents_) {
    if (agent.core == nullptr) StartAgent(agent);
    agent.log->HangUp();
    agent.log->Write(0);
    ReadLog(agent, /*all=*/true);
  }
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
