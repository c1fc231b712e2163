#include "collector/collector.h"

#include <errno.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/alert/rule.h"
#include "platform/file_system.h"
#include "platform/log.h"
#include "platform/proto_time.h"
#include "platform/version.h"

namespace mailvane {
namespace {

// The table may be this old when something changed.
constexpr absl::Duration kPublishPause = absl::Milliseconds(200);
constexpr absl::Duration kTick = absl::Seconds(1);
// Agents that are told to come back later spread over this time.
constexpr absl::Duration kDrainSpread = absl::Seconds(2);
// For frames that are still to be written at the end.
constexpr absl::Duration kDrainGrace = absl::Milliseconds(500);

CollectorCore::Options CoreOptions(const v1::CollectorConfig& config) {
  CollectorCore::Options options;
  options.sessions.heartbeat_interval = FromProto(config.sessions().heartbeat_interval());
  options.sessions.snapshot_interval = FromProto(config.sessions().snapshot_interval());
  options.fleet.heartbeat_interval = options.sessions.heartbeat_interval;
  options.fleet.snapshot_interval = options.sessions.snapshot_interval;
  options.fleet.ping_interval = FromProto(config.ping().interval());
  options.fleet.trouble_lasts = FromProto(config.finding_shown());
  return options;
}

std::vector<PingRequest> ToRequests(const std::vector<v1::PingTarget>& targets) {
  std::vector<PingRequest> requests;
  for (const v1::PingTarget& target : targets) {
    PingRequest request;
    request.peer = target.peer();
    request.address = target.address();
    if (target.tcp_port() != 0) request.tcp_port = static_cast<int>(target.tcp_port());
    requests.push_back(std::move(request));
  }
  return requests;
}

bool PingsAtAll(const v1::CollectorConfig& config) {
  return !config.ping().has_enabled() || config.ping().enabled();
}

// Whether the disk may hold something else than what SQLite believes; nothing
// that is written after this could be vouched for.
bool IsBeyondRetry(const absl::Status& status) {
  return status.code() == absl::StatusCode::kInternal ||
         status.code() == absl::StatusCode::kDataLoss;
}

// Without the subject, which may be somebody's address.
void LogNotice(const Notice& notice) {
  const v1::Alert& alert = notice.alert;
  Log(LogLevel::kWarning,
      notice.kind == Notice::Kind::kResolve ? "alert resolved" : "alert",
      {{"rule", alert.rule()},
       {"severity", Name(alert.severity())},
       {"system", alert.system()},
       {"alerts", std::max<uint32_t>(alert.members(), 1)},
       {"id", alert.id()}});
}

int ToPollTimeout(absl::Duration until) {
  const int64_t ms = absl::ToInt64Milliseconds(
      std::clamp(until, absl::ZeroDuration(), absl::Seconds(60)));
  return static_cast<int>(ms) + 1;
}

}  // namespace

Collector::Collector(LoadedCollectorConfig loaded) : loaded_(std::move(loaded)) {}

absl::StatusOr<std::unique_ptr<Collector>> Collector::Start(
    LoadedCollectorConfig loaded) {
  std::unique_ptr<Collector> collector(new Collector(std::move(loaded)));
  absl::Status status = collector->Open();
  if (!status.ok()) return status;
  return collector;
}

absl::Status Collector::Open() {
  const v1::CollectorConfig& config = loaded_.config;
  failed_descriptor_ = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
  if (failed_descriptor_ < 0) return ErrnoStatus(errno, "eventfd");

  absl::StatusOr<std::unique_ptr<SqliteStore>> store =
      SqliteStore::Open(config.database());
  if (!store.ok()) return store.status();
  store_ = *std::move(store);
  const Instant now = clock_.Now();
  core_ = std::make_unique<CollectorCore>(loaded_.inventory, CoreOptions(config), now);
  absl::Status status = core_->Restore(store_.get());
  if (!status.ok()) return status;
  Publish();

  GrpcGateway::Options gateway_options;
  gateway_options.listen = config.agent_listen();
  absl::StatusOr<std::unique_ptr<GrpcGateway>> gateway =
      GrpcGateway::Start(gateway_options);
  if (!gateway.ok()) return gateway.status();
  gateway_ = *std::move(gateway);

  absl::StatusOr<std::unique_ptr<HttpServer>> operator_http = HttpServer::Start(
      config.operator_listen(),
      [this](const HttpRequest& request) { return OperatorRoutes(request, Context()); });
  if (!operator_http.ok()) return operator_http.status();
  operator_http_ = *std::move(operator_http);
  absl::StatusOr<std::unique_ptr<HttpServer>> status_http = HttpServer::Start(
      config.status_listen(),
      [this](const HttpRequest& request) { return PublicRoutes(request, Context()); });
  if (!status_http.ok()) return status_http.status();
  status_http_ = *std::move(status_http);

  pinger_ = config.ping().script().empty() ? MakeHostPinger()
                                           : MakeScriptedPinger(config.ping().script());
  PingRounds::Options rounds;
  rounds.interval = FromProto(config.ping().interval());
  rounds.timeout = std::min(rounds.timeout, rounds.interval);
  ping_rounds_ = std::make_unique<PingRounds>(rounds);
  if (PingsAtAll(config)) {
    ping_rounds_->SetTargets(now, ToRequests(core_->PingTargets()));
  }

  // Beyond this point other threads are at work.
  writer_ = std::make_unique<StoreWriter>(
      store_.get(),
      [this](uint64_t ticket, absl::StatusOr<StoreResult> result, absl::Duration took) {
        if (!result.ok() && IsBeyondRetry(result.status())) Fail(result.status());
        {
          MutexLock lock(&mu_);
          inbox_.answers.push_back({ticket, std::move(result), took});
        }
        gateway_->Wake();
      });
  gateway_thread_ = std::thread([this] { RunGateway(); });
  return absl::OkStatus();
}

Collector::~Collector() {
  stopping_ = true;
  if (gateway_thread_.joinable()) {
    gateway_->Wake();
    gateway_thread_.join();
  }
  // Views first, then what feeds them.
  status_http_.reset();
  operator_http_.reset();
  writer_.reset();
  gateway_.reset();
  if (failed_descriptor_ >= 0) close(failed_descriptor_);
}

void Collector::Fail(const absl::Status& status) {
  MutexLock lock(&mu_);
  if (failure_.ok()) failure_ = status;
  const uint64_t one = 1;
  // Readable already is as good.
  if (write(failed_descriptor_, &one, sizeof one) < 0) return;
}

ViewContext Collector::Context() const {
  ViewContext context;
  {
    MutexLock lock(&mu_);
    context.fleet = published_;
  }
  context.now = clock_.Now().wall;
  const v1::StatusPage& page = loaded_.config.status_page();
  if (!page.title().empty()) context.page.title = page.title();
  context.page.url = page.url();
  context.version = kVersion;
  context.process = ReadProcessUsage();
  context.self_address = loaded_.config.operator_listen();
  return context;
}

void Collector::Publish() {
  if (gateway_ != nullptr) core_->stats().connections_refused = gateway_->refused();
  auto snapshot = std::make_shared<const FleetSnapshot>(core_->Snapshot(clock_.Now()));
  MutexLock lock(&mu_);
  published_ = std::move(snapshot);
}

void Collector::RunGateway() {
  while (!stopping_) {
    HandleEvents(gateway_->Wait(std::min(kTick, tick_due_ - clock_.Now().mono)));
    HandleInbox();
    const Instant now = clock_.Now();
    const bool tick = now.mono >= tick_due_;
    if (tick) {
      core_->Tick(now);
      tick_due_ = now.mono + kTick;
    }
    CarryOut(core_->Take());
    if (tick || now.mono - published_at_ >= kPublishPause) {
      Publish();
      published_at_ = now.mono;
    }
  }
  core_->Drain(kDrainSpread);
  CarryOut(core_->Take());
  const absl::Duration end = clock_.Now().mono + kDrainGrace;
  while (core_->stats().sessions_now > 0 && clock_.Now().mono < end) {
    HandleEvents(gateway_->Wait(end - clock_.Now().mono));
  }
  gateway_->Shutdown();
}

void Collector::HandleEvents(std::vector<GatewayEvent> events) {
  const Instant now = clock_.Now();
  for (GatewayEvent& event : events) {
    switch (event.kind) {
      case GatewayEvent::Kind::kOpened:
        core_->Opened(now, event.session, event.text);
        break;
      case GatewayEvent::Kind::kFrame:
        core_->Received(now, event.session, event.frame);
        break;
      case GatewayEvent::Kind::kGarbage:
        core_->ReceivedGarbage(now, event.session, event.text);
        break;
      case GatewayEvent::Kind::kClosed:
        core_->Closed(event.session);
        break;
    }
  }
}

void Collector::HandleInbox() {
  Inbox inbox;
  {
    MutexLock lock(&mu_);
    inbox = std::exchange(inbox_, Inbox());
  }
  const Instant now = clock_.Now();
  for (Inbox::Answer& answer : inbox.answers) {
    core_->stats().store_commit_time += answer.took;
    core_->Stored(now, answer.ticket, answer.result);
  }
  for (const v1::PingReading& reading : inbox.pings) {
    core_->Pinged(now, reading.peer(), reading);
  }
  if (inbox.inventory != nullptr) core_->SetInventory(now, *inbox.inventory);
}

void Collector::CarryOut(CollectorOutput output) {
  for (const auto& [session, frame] : output.send) gateway_->Send(session, frame);
  for (SessionId session : output.close) gateway_->Close(session);
  for (const Notice& notice : output.notices) {
    if (!notice.each) LogNotice(notice);
  }
  if (output.ticket != 0) writer_->Write(output.ticket, std::move(output.store));
}

void Collector::SetInventory(v1::Inventory inventory) {
  if (PingsAtAll(loaded_.config)) {
    std::vector<v1::PingTarget> targets =
        FleetState(inventory, FleetState::Options(), clock_.Now()).CollectorTargets();
    ping_rounds_->SetTargets(clock_.Now(), ToRequests(targets));
  }
  {
    MutexLock lock(&mu_);
    inbox_.inventory = std::make_unique<v1::Inventory>(std::move(inventory));
  }
  gateway_->Wake();
}

void Collector::PingDue(Instant now) {
  const std::vector<PingRequest> requests = ping_rounds_->Step(now);
  if (!requests.empty()) pinger_->Start(now, requests, ping_rounds_->timeout());
  const std::vector<PingResult> results = pinger_->Poll(now);
  if (results.empty()) return;
  ping_rounds_->Take(now, results);
  std::vector<v1::PingReading> readings = ping_rounds_->Readings(now);
  {
    MutexLock lock(&mu_);
    inbox_.pings = std::move(readings);
  }
  gateway_->Wake();
}

absl::Status Collector::Run(int stop_descriptor) {
  while (true) {
    PingDue(clock_.Now());
    std::vector<pollfd> waiting = {{stop_descriptor, POLLIN, 0},
                                   {failed_descriptor_, POLLIN, 0}};
    for (int descriptor : pinger_->Descriptors()) {
      waiting.push_back({descriptor, POLLIN, 0});
    }
    const absl::Duration due =
        std::min(ping_rounds_->NextDeadline(), pinger_->NextDeadline());
    if (poll(waiting.data(), waiting.size(), ToPollTimeout(due - clock_.Now().mono)) <
            0 &&
        errno != EINTR) {
      return ErrnoStatus(errno, "poll");
    }
    if (waiting[1].revents != 0) {
      MutexLock lock(&mu_);
      return failure_;
    }
    if (waiting[0].revents != 0) return absl::OkStatus();
  }
}

}  // namespace mailvane
