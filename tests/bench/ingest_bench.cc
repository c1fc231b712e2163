// Events per second from frames to acks, through the collector's core, the
// writer's thread and a store on this disk, beside what the same disk takes of
// bare inserts into the same table, as many to a commit.
//
//   bazel run -c opt --copt=-O2 //tests/bench:ingest_bench -- /var/tmp
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "collector/core.h"
#include "collector/store/sqlite_store.h"
#include "collector/store/store_writer.h"
#include "platform/log.h"
#include "platform/mutex.h"
#include "platform/proto_time.h"
#include "platform/random.h"
#include "platform/sqlite.h"
#include "tests/bench/stopwatch.h"

namespace mailvane {
namespace {

constexpr int kAgents = 50;
constexpr int kEvents = 100'000;
constexpr int kBatch = 64;
// What StoreWriter puts into one commit.
constexpr int kGroup = 256;

void OrDie(const absl::Status& status) {
  if (status.ok()) return;
  fprintf(stderr, "%s\n", status.ToString().c_str());
  std::exit(1);
}

std::string NewFile(const std::string& directory, const char* name) {
  const std::string path = absl::StrCat(directory, "/mailvane-bench-", getpid(), name);
  for (const char* suffix : {"", "-wal", "-shm"}) unlink((path + suffix).c_str());
  return path;
}

std::vector<std::string> MakeEvents(SeededRandom* random) {
  std::vector<std::string> events;
  for (int i = 0; i < kEvents; ++i) {
    v1::Event event;
    event.mutable_time()->set_seconds(1'700'000'000 + i);
    event.set_key(random->Bytes(16));
    v1::Finding& finding = *event.mutable_finding();
    finding.set_type("bounce_rate");
    finding.set_level(v1::LEVEL_WARNING);
    *finding.mutable_last_seen() = event.time();
    finding.add_evidence(std::string(200, 'x'));
    events.push_back(event.SerializeAsString());
  }
  return events;
}

// Wall seconds.
double Bare(const std::string& path, const std::vector<std::string>& events) {
  { OrDie(SqliteStore::Open(path).status()); }
  auto db = Database::Open(path);
  OrDie(db.status());
  auto insert = (*db)->Prepare(
      "INSERT INTO events (agent, epoch, seq, key, time_us, arrived_us, body, rejected) "
      "VALUES (?, ?, ?, ?, ?, ?, ?, 0)");
  OrDie(insert.status());
  SeededRandom random(7);
  const double begun = Seconds(CLOCK_MONOTONIC);
  for (int i = 0; i < kEvents;) {
    auto transaction = Transaction::Begin(db->get());
    OrDie(transaction.status());
    for (int j = 0; j < kGroup && i < kEvents; ++j, ++i) {
      insert->BindText(1, absl::StrCat("NC", i / kBatch % kAgents));
      insert->BindBlob(2, "eeeeeeeeeeeeeeee");
      insert->Bind(3, i);
      insert->BindBlob(4, random.Bytes(16));
      insert->Bind(5, i);
      insert->Bind(6, i);
      insert->BindBlob(7, events[i]);
      OrDie(insert->Run());
    }
    OrDie(transaction->Commit());
  }
  return Seconds(CLOCK_MONOTONIC) - begun;
}

// The collector with its agents, all always with something to say.
double Ingest(const std::string& path, const std::vector<std::string>& events,
              double* cpu) {
  v1::Inventory inventory;
  for (int i = 0; i < kAgents; ++i) {
    inventory.add_systems()->set_id(absl::StrCat("NC", i));
  }
  auto store = SqliteStore::Open(path);
  OrDie(store.status());
  Instant now{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  CollectorCore core(inventory, CollectorCore::Options(), now);
  OrDie(core.Restore(store->get()));

  Mutex mu;
  CondVar changed;
  std::vector<std::pair<uint64_t, absl::StatusOr<StoreResult>>> answers;
  StoreWriter writer(
      store->get(),
      [&](uint64_t ticket, absl::StatusOr<StoreResult> result, absl::Duration) {
        MutexLock lock(&mu);
        answers.emplace_back(ticket, std::move(result));
        changed.NotifyAll();
      });

  struct Agent {
    uint64_t sent = 0;
    uint64_t acked = 0;
    uint64_t wanted = kEvents / kAgents;
  };
  std::vector<Agent> agents(kAgents);
  const std::string epoch(16, 'e');
  for (int i = 0; i < kAgents; ++i) {
    core.Opened(now, i + 1, "bench");
    v1::AgentFrame hello;
    hello.mutable_hello()->set_protocol(1);
    hello.mutable_hello()->set_agent_id(absl::StrCat("NC", i));
    hello.mutable_hello()->set_epoch(epoch);
    hello.mutable_hello()->set_first_unacked(1);
    hello.mutable_hello()->set_next_seq(kEvents);
    core.Received(now, i + 1, hello);
  }
  core.Take();

  const double begun = Seconds(CLOCK_MONOTONIC);
  const double cpu_begun = Seconds(CLOCK_THREAD_CPUTIME_ID);
  uint64_t acked = 0;
  while (acked < kEvents) {
    for (int i = 0; i < kAgents; ++i) {
      Agent& agent = agents[i];
      // Half of the window on its way, so that the store never waits.
      if (agent.sent >= agent.wanted || agent.sent - agent.acked > 128) continue;
      v1::AgentFrame frame;
      v1::Batch& batch = *frame.mutable_batch();
      batch.set_epoch(epoch);
      batch.set_first_seq(agent.sent + 1);
      for (int j = 0; j < kBatch && agent.sent < agent.wanted; ++j) {
        batch.add_events(events[i * agent.wanted + agent.sent++]);
      }
      core.Received(now, i + 1, frame);
      // Frame by frame, so that it is the writer who makes groups.
      CollectorOutput output = core.Take();
      if (output.ticket != 0) writer.Write(output.ticket, std::move(output.store));
    }
    std::vector<std::pair<uint64_t, absl::StatusOr<StoreResult>>> ready;
    {
      MutexLock lock(&mu);
      while (answers.empty()) changed.Wait(&mu);
      ready.swap(answers);
    }
    for (const auto& [ticket, result] : ready) {
      OrDie(result.status());
      core.Stored(now, ticket, result);
    }
    CollectorOutput output = core.Take();
    for (const auto& [session, frame] : output.send) {
      Agent& agent = agents[session - 1];
      if (!frame.has_ack()) continue;
      acked += frame.ack().upto_seq() - agent.acked;
      agent.acked = frame.ack().upto_seq();
    }
    if (output.ticket != 0) writer.Write(output.ticket, std::move(output.store));
  }
  *cpu = Seconds(CLOCK_THREAD_CPUTIME_ID) - cpu_begun;
  return Seconds(CLOCK_MONOTONIC) - begun;
}

int Main(const std::string& directory) {
  SetLogLevel(LogLevel::kError);
  SeededRandom random(1);
  const std::vector<std::string> events = MakeEvents(&random);
  double best_bare = 1e9;
  double best_ingest = 1e9;
  double best_cpu = 1e9;
  for (int run = 0; run < 3; ++run) {
    const std::string bare = NewFile(directory, "-bare");
    best_bare = std::min(best_bare, Bare(bare, events));
    NewFile(directory, "-bare");
    const std::string full = NewFile(directory, "-full");
    double cpu = 0;
    best_ingest = std::min(best_ingest, Ingest(full, events, &cpu));
    best_cpu = std::min(best_cpu, cpu);
    NewFile(directory, "-full");
  }
  printf("%d events of %d agents, %d bytes each, on %s\n", kEvents, kAgents,
         static_cast<int>(events[0].size()), directory.c_str());
  printf("bare inserts, %d a commit    %8.0f events a second\n", kGroup,
         kEvents / best_bare);
  printf("frames to acks               %8.0f   %.2f of the bare inserts\n",
         kEvents / best_ingest, best_bare / best_ingest);
  printf("of it the core, CPU          %8.2f us an event\n", best_cpu / kEvents * 1e6);
  return 0;
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) { return mailvane::Main(argc > 1 ? argv[1] : "/tmp"); }
