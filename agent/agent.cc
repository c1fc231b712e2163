#include "agent/agent.h"

#include <errno.h>
#include <poll.h>
#include <sys/inotify.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/analyze/content_key.h"
#include "agent/lists_config.h"
#include "agent/reputation/subject.h"
#include "platform/log.h"
#include "platform/proto_time.h"
#include "platform/version.h"

namespace mailvane {
namespace {

// Lines that follow each other closely are read together: a wake-up for each of a
// thousand a second would cost more than the lines.  A line waits so long at most,
// and not at all after a pause.
constexpr absl::Duration kLogPause = absl::Milliseconds(50);
// inotify tells of what is written; this is for what it can't: rotation's grace
// times, a directory that was not there, a file on a network.
constexpr absl::Duration kLogPoll = absl::Seconds(2);
constexpr absl::Duration kHostPause = absl::Seconds(60);
// A reading that costs the server much is not taken more often than this many
// times its own duration.
constexpr int kQueueRest = 20;
constexpr absl::Duration kStopGrace = absl::Seconds(2);
constexpr char kPostfixLog[] = "postfix_log";
constexpr char kJournal[] = "journal";
// Debian's.
constexpr char kEximLog[] = "/var/log/exim4/mainlog";

v1::Unavailable ToUnavailable(const absl::Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk:
      return v1::UNAVAILABLE_UNSPECIFIED;
    case absl::StatusCode::kNotFound:
    case absl::StatusCode::kUnimplemented:
      return v1::UNAVAILABLE_NOT_FOUND;
    case absl::StatusCode::kPermissionDenied:
      return v1::UNAVAILABLE_PERMISSION_DENIED;
    case absl::StatusCode::kDeadlineExceeded:
      return v1::UNAVAILABLE_TIMEOUT;
    case absl::StatusCode::kInvalidArgument:
    case absl::StatusCode::kDataLoss:
      return v1::UNAVAILABLE_MALFORMED;
    default:
      return v1::UNAVAILABLE_OTHER;
  }
}

std::vector<PingRequest> ToRequests(const v1::Config& config,
                                    const std::string& collector) {
  std::vector<PingRequest> requests;
  for (const v1::PingTarget& target : config.ping_targets()) {
    PingRequest request;
    request.peer = target.peer();
    request.address = target.address();
    if (target.tcp_port() != 0) request.tcp_port = static_cast<int>(target.tcp_port());
    requests.push_back(std::move(request));
  }
  // "127.0.0.1:9471", "[::1]:9471"; a name is left to gRPC.
  const size_t colon = collector.rfind(':');
  PingRequest request;
  request.peer = "collector";
  request.address = collector.substr(0, colon);
  if (request.address.size() > 2 && request.address.front() == '[') {
    request.address = request.address.substr(1, request.address.size() - 2);
  }
  request.tcp_port = std::atoi(collector.c_str() + colon + 1);
  requests.push_back(std::move(request));
  return requests;
}

AgentCore::Options CoreOptions(const v1::AgentConfig& config,
                               const std::string& boot_id) {
  AgentCore::Options options;
  options.session.agent_id = config.id();
  options.session.version = kVersion;
  options.session.boot_id = boot_id;
  options.session.config_hash = ContentKey({config.SerializeAsString()});
  options.session.collectors.assign(config.collector().begin(), config.collector().end());
  options.session.heartbeat_interval = FromProto(config.intervals().heartbeat());
  options.session.snapshot_interval = FromProto(config.intervals().snapshot());
  options.log_zone = absl::LocalTimeZone();
  options.self = [](v1::Heartbeat* heartbeat) {
    const absl::StatusOr<SelfUsage> usage = ReadSelfUsage(HostFileSystem());
    if (!usage.ok()) return;
    heartbeat->set_resident_bytes(usage->resident_bytes);
    heartbeat->set_cpu_ms(absl::ToInt64Milliseconds(usage->cpu));
  };
  return options;
}

// The first there is; where there is none, Postfix's, which may be installed later.
MailQueue QueueToWatch(const FileSystem& files, const v1::AgentConfig& config,
                       const MailPaths& paths) {
  const std::vector<MailQueue> queues = FindMailQueues(files, config);
  if (!queues.empty()) return queues.front();
  MailQueue queue;
  queue.directory = paths.queue_directory;
  return queue;
}

int ToPollTimeout(absl::Duration until) {
  // Rounded up: a millisecond early would be a turn for nothing.
  const absl::Duration bounded =
      std::clamp(until, absl::ZeroDuration(), absl::Seconds(60));
  return static_cast<int>(absl::ToInt64Milliseconds(bounded)) + 1;
}

}  // namespace

Agent::Agent(const v1::AgentConfig& config) : config_(config) {}

Agent::~Agent() {
  if (inotify_ >= 0) close(inotify_);
}

absl::StatusOr<std::unique_ptr<Agent>> Agent::Start(const v1::AgentConfig& config) {
  std::unique_ptr<Agent> agent(new Agent(config));
  absl::Status status = agent->Open();
  if (!status.ok()) return status;
  return agent;
}

absl::Status Agent::Open() {
  Outbox::Options outbox_options;
  outbox_options.max_bytes = config_.limits().outbox_bytes();
  absl::StatusOr<std::unique_ptr<Outbox>> outbox = Outbox::Open(
      absl::StrCat(config_.state_directory(), "/outbox.db"), &random_, outbox_options);
  if (!outbox.ok()) return outbox.status();
  outbox_ = *std::move(outbox);
  const Instant now = clock_.Now();
  // Absent where /proc is: then a cloned host can't be told from a restart.
  const std::string boot_id = ReadBootId(files_).value_or("");
  MailPaths paths = FindMailPaths(files_, config_);
  host_ = std::make_unique<HostReader>(&files_, paths.queue_directory);
  const MailQueue queue = QueueToWatch(files_, config_, paths);
  if (queue.program == QueueProgram::kExim && paths.log_origin == PathOrigin::kDefault) {
    paths.log_file = kEximLog;
  }
  AgentCore::Options options = CoreOptions(config_, boot_id);
  options.queue.lifetime = queue.lifetime;
  options.queue.notice_lifetime = queue.notice_lifetime;
  core_ = std::make_unique<AgentCore>(std::move(options), outbox_.get(), &random_, now);
  absl::Status status = core_->Start(now);
  if (!status.ok()) return status;
  queue_ = std::make_unique<QueueReader>(
      queue, [this](const QueuedMessage& message) { core_->queue_view().Take(message); },
      SpoolReasons::kLeave);
  if (!paths.detail.empty()) {
    Log(LogLevel::kWarning, "main.cf does not say all", {{"why", paths.detail}});
  }
  status = OpenLog(paths);
  if (!status.ok()) return status;
  pinger_ = config_.ping().script().empty() ? MakeHostPinger()
                                            : MakeScriptedPinger(config_.ping().script());
  PingRounds::Options rounds;
  rounds.interval = FromProto(config_.ping().interval());
  rounds.timeout = std::min(rounds.timeout, rounds.interval);
  ping_rounds_ = std::make_unique<PingRounds>(rounds);
  ping_rounds_->SetTargets(now, ToRequests(v1::Config(), config_.collector(0)));
  status = OpenBlocklists();
  if (!status.ok()) return status;
  PassHost(now);

  // Last: gRPC's threads begin here.
  absl::StatusOr<std::unique_ptr<GrpcUplink>> uplink = GrpcUplink::Start();
  if (!uplink.ok()) return uplink.status();
  uplink_ = *std::move(uplink);
  return absl::OkStatus();
}

absl::Status Agent::OpenBlocklists() {
  const v1::AgentBlocklists& config = config_.blocklists();
  if (!config.enabled()) return absl::OkStatus();
  absl::StatusOr<std::vector<ListToAsk>> lists = LoadLists(config, files_);
  if (!lists.ok()) return lists.status();
  ResolverOptions resolver_options;
  resolver_options.servers.assign(config.resolvers().begin(), config.resolvers().end());
  absl::StatusOr<std::unique_ptr<Resolver>> resolver =
      MakeResolver(resolver_options, &random_);
  if (!resolver.ok()) return resolver.status();
  resolver_ = *std::move(resolver);
  ListChecker::Options options;
  options.interval = FromProto(config.interval());
  options.daily_questions = config.daily_questions();
  options.spread = std::min(options.spread, options.interval / 12);
  blocklists_ = std::make_unique<BlocklistWatch>(*std::move(lists), options, &random_);
  if (!blocklists_->Restore(core_->blocklist_state())) {
    Log(LogLevel::kWarning, "what was known of listings is of another version");
  }
  return absl::OkStatus();
}

// The file where there is one, else the journal: a host that has both writes
// the same into both.
absl::Status Agent::OpenLog(const MailPaths& paths) {
  const std::string& wanted = config_.log().source();
  const bool from_end = config_.log().start_at() == "end";
  if (wanted == "none") return absl::OkStatus();
  bool use_journal = wanted == "journal";
  if (wanted == "auto") {
    const bool no_file = absl::IsNotFound(files_.Stat(paths.log_file).status());
    use_journal = no_file && files_.Stat("/run/systemd/system").ok();
  }
  log_source_ = use_journal ? kJournal : kPostfixLog;
  absl::StatusOr<std::optional<std::string>> checkpoint =
      outbox_->Checkpoint(log_source_);
  if (!checkpoint.ok()) return checkpoint.status();
  const std::string resume = checkpoint->value_or("");
  if (use_journal) {
    Journal::Options options;
    options.directory = config_.log().journal_directory();
    options.start_at_end = from_end;
    log_location_ = options.directory.empty() ? "the host's journal" : options.directory;
    absl::StatusOr<std::unique_ptr<JournalApi>> api = LoadJournalApi();
    if (!api.ok()) {
      log_missing_ = api.status();
      return absl::OkStatus();
    }
    journal_api_ = *std::move(api);
    journal_ = std::make_unique<Journal>(journal_api_.get(), options);
    journal_->Resume(resume);
    return absl::OkStatus();
  }
  LogFile::Options options;
  options.start_at_end = from_end;
  log_location_ = paths.log_file;
  log_file_ = std::make_unique<LogFile>(&files_, paths.log_file, options);
  absl::Status resumed = log_file_->Resume(resume);
  if (!resumed.ok()) {
    Log(LogLevel::kError, "the checkpoint makes no sense", {{"why", resumed}});
  }
  inotify_ = inotify_init1(IN_NONBLOCK | IN_CLOEXEC);
  // Without it the log is read every two seconds.
  if (inotify_ < 0) Log(LogLevel::kWarning, "no inotify", {{"errno", errno}});
  return absl::OkStatus();
}

absl::Status Agent::Run(int stop_descriptor) {
  bool stop = false;
  while (!stop) {
    absl::Status status = Pass(clock_.Now());
    if (status.ok()) status = Wait(stop_descriptor, &stop);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// One turn: watch, then tell.
absl::Status Agent::Pass(Instant now) {
  absl::Status status = PassLog(now);
  if (status.ok()) status = PassQueue(now);
  if (!status.ok()) return status;
  PassPings(now);
  PassHost(now);
  status = PassBlocklists(now);
  if (!status.ok()) return status;
  status = core_->Commit(now);
  if (!status.ok()) return status;
  // Beyond this point what was seen is either in the outbox, or will be read
  // again.
  return PassUplink(now);
}

absl::Status Agent::PassLog(Instant now) {
  if (log_source_.empty() || now.mono < log_due_) return absl::OkStatus();
  log_due_ = now.mono + kLogPoll;
  v1::SourceReading reading;
  reading.set_source(log_source_);
  reading.set_location(log_location_);
  absl::Status problem = log_missing_;
  if (!core_->takes_log()) {
    reading.set_unavailable(v1::UNAVAILABLE_OUTBOX_FULL);
    reading.set_detail("the outbox is full: reading has stopped, the log keeps the rest");
    return core_->TakeSource(now, std::move(reading));
  }
  if (problem.ok()) {
    absl::StatusOr<LogChunk> chunk =
        journal_ != nullptr ? journal_->Read() : log_file_->Read(now);
    problem = chunk.status();
    if (chunk.ok()) {
      log_read_at_ = now.mono;
      if (chunk->more) log_due_ = now.mono;
      absl::Status status = core_->TakeLog(now, log_source_, *chunk);
      if (!status.ok()) return status;
      if (log_file_ != nullptr) {
        const std::optional<uint64_t> lag = log_file_->lag_bytes();
        if (lag) reading.set_lag_bytes(*lag);
      }
    }
  }
  WatchLog();
  reading.set_unavailable(ToUnavailable(problem));
  reading.set_detail(std::string(problem.message()));
  return core_->TakeSource(now, std::move(reading));
}

// Asks inotify for the directories; asking again for one that is watched is no
// change, and one that was replaced is watched anew.
void Agent::WatchLog() {
  if (inotify_ < 0 || log_file_ == nullptr) return;
  for (const std::string& directory : log_file_->WatchDirectories()) {
    // It may not be there yet: then the poll finds it.
    inotify_add_watch(inotify_, directory.c_str(),
                      IN_MODIFY | IN_CREATE | IN_MOVED_TO | IN_MOVED_FROM | IN_DELETE);
  }
}

absl::Status Agent::PassQueue(Instant now) {
  if (!queue_->busy() && now.mono >= queue_due_) {
    queue_started_ = now.mono;
    core_->queue_view().Begin(now);
    queue_->Start(now);
  }
  std::optional<v1::QueueReading> reading = queue_->Poll(now);
  if (!reading) return absl::OkStatus();
  const absl::Duration took = now.mono - queue_started_;
  queue_due_ = queue_started_ +
               std::max(FromProto(config_.intervals().queue()), kQueueRest * took);
  if (reading->unavailable() == v1::UNAVAILABLE_NOT_FOUND && !has_queue_program_) {
    reading->set_unavailable(v1::UNAVAILABLE_NOT_CONFIGURED);
    reading->set_detail("there is neither Postfix nor Exim on this host");
  }
  return core_->TakeQueue(now, queue_->source(), queue_->location(), *std::move(reading));
}

void Agent::PassPings(Instant now) {
  const std::optional<v1::Config>& config = core_->session().config();
  if (config && config->version() != ping_config_version_) {
    ping_config_version_ = config->version();
    ping_rounds_->SetTargets(now, ToRequests(*config, config_.collector(0)));
  }
  const std::vector<PingRequest> requests = ping_rounds_->Step(now);
  if (!requests.empty()) pinger_->Start(now, requests, ping_rounds_->timeout());
  const std::vector<PingResult> results = pinger_->Poll(now);
  if (results.empty()) return;
  ping_rounds_->Take(now, results);
  core_->TakePings(now, ping_rounds_->Readings(now));
}

absl::Status Agent::PassBlocklists(Instant now) {
  if (blocklists_ == nullptr) return absl::OkStatus();
  for (const ListQuestion& ask : blocklists_->Step(now)) {
    resolver_->Ask(now, ask.id, ask.question);
  }
  const std::vector<DnsReply> replies = resolver_->Poll(now);
  if (replies.empty()) return absl::OkStatus();
  blocklists_->Take(now, replies);
  if (!blocklists_->has_news()) return absl::OkStatus();
  std::vector<v1::Finding> findings = blocklists_->TakeFindings();
  return core_->TakeBlocklists(now, std::move(findings), blocklists_->State(),
                               blocklists_->Reading());
}

// The addresses may have changed.
void Agent::WatchBlocklists(Instant now, const v1::Host& host) {
  if (blocklists_ == nullptr) return;
  std::vector<Subject> subjects;
  const v1::AgentBlocklists& config = config_.blocklists();
  for (const auto* texts :
       {&host.public_addresses(), &config.addresses(), &config.domains()}) {
    for (const std::string& text : *texts) {
      absl::StatusOr<Subject> subject = ParseSubject(text);
      if (subject.ok()) subjects.push_back(*std::move(subject));
    }
  }
  blocklists_->SetSubjects(now, std::move(subjects));
}

void Agent::PassHost(Instant now) {
  if (now.mono < host_due_) return;
  host_due_ = now.mono + kHostPause;
  v1::Host host = host_->Read();
  has_queue_program_ = false;
  for (const v1::MailProgram& program : host.programs()) {
    has_queue_program_ |= program.name() == QueueProgramName(queue_->queue().program);
  }
  WatchBlocklists(now, host);
  core_->TakeHost(std::move(host));
}

absl::Status Agent::PassUplink(Instant now) {
  UplinkSession& session = core_->session();
  for (UplinkEvent& event : uplink_->Take()) {
    switch (event.kind) {
      case UplinkEvent::Kind::kConnected:
        session.Connected(now);
        break;
      case UplinkEvent::Kind::kFrame: {
        absl::Status status = session.Receive(now, event.frame);
        if (!status.ok()) return status;
        break;
      }
      case UplinkEvent::Kind::kWriteDone:
        session.WriteDone();
        break;
      case UplinkEvent::Kind::kDisconnected:
        session.Disconnected(now, event.text);
        break;
    }
  }
  absl::StatusOr<UplinkActions> actions = session.Step(now);
  if (!actions.ok()) return actions.status();
  if (actions->close) uplink_->Close();
  if (actions->connect) uplink_->Connect(*actions->connect);
  if (actions->write) uplink_->Write(*actions->write);
  return absl::OkStatus();
}

absl::Duration Agent::NextDeadline() const {
  absl::Duration next = core_->session().NextDeadline();
  if (!log_source_.empty()) next = std::min(next, log_due_);
  next = std::min(next, queue_->busy() ? queue_->NextDeadline() : queue_due_);
  next = std::min({next, ping_rounds_->NextDeadline(), pinger_->NextDeadline()});
  if (blocklists_ != nullptr) {
    next = std::min({next, blocklists_->NextDeadline(), resolver_->NextDeadline()});
  }
  return std::min({next, host_due_, core_->NextDeadline()});
}

absl::Status Agent::Wait(int stop_descriptor, bool* stop) {
  std::vector<pollfd> waiting = {{stop_descriptor, POLLIN, 0},
                                 {uplink_->Descriptor(), POLLIN, 0}};
  const size_t log_index = waiting.size();
  // Negative ones are passed over by poll.
  waiting.push_back({journal_ != nullptr ? journal_->Descriptor() : inotify_, POLLIN, 0});
  waiting.push_back({queue_->Descriptor(), POLLIN, 0});
  for (int descriptor : pinger_->Descriptors())
    waiting.push_back({descriptor, POLLIN, 0});
  if (resolver_ != nullptr) {
    for (int descriptor : resolver_->Descriptors())
      waiting.push_back({descriptor, POLLIN, 0});
  }
  const absl::Duration until = NextDeadline() - clock_.Now().mono;
  if (poll(waiting.data(), waiting.size(), ToPollTimeout(until)) < 0 && errno != EINTR) {
    return ErrnoStatus(errno, "poll");
  }
  *stop = waiting[0].revents != 0;
  if (waiting[log_index].revents == 0) return absl::OkStatus();
  if (inotify_ >= 0) {
    char events[4096];
    while (read(inotify_, events, sizeof events) > 0) {
    }
  }
  log_due_ = std::min(log_due_, log_read_at_ + kLogPause);
  return absl::OkStatus();
}

absl::Status Agent::Stop(absl::string_view reason) {
  const Instant begun = clock_.Now();
  absl::Status status = core_->Stop(begun, reason);
  while (status.ok() && !core_->session().stopped()) {
    const Instant now = clock_.Now();
    if (now.mono - begun.mono > kStopGrace) break;
    status = PassUplink(now);
    pollfd waiting = {uplink_->Descriptor(), POLLIN, 0};
    if (status.ok() && !core_->session().stopped()) poll(&waiting, 1, 50);
  }
  return status;
}

}  // namespace mailvane
