// The agent with its files, its sockets and its clock.
//
// Threads: the caller's, which does everything, and the uplink's, which waits
// for gRPC.  They meet in the uplink's events.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "agent/core.h"
#include "agent/outbox/outbox.h"
#include "agent/reputation/blocklist_watch.h"
#include "agent/source/host.h"
#include "agent/source/journal.h"
#include "agent/source/log_file.h"
#include "agent/source/mail_queue.h"
#include "agent/source/main_cf.h"
#include "agent/source/queue_reader.h"
#include "agent/uplink/grpc_uplink.h"
#include "mailvane/v1/config.pb.h"
#include "platform/clock.h"
#include "platform/file_system.h"
#include "platform/ping_round.h"
#include "platform/pinger.h"
#include "platform/random.h"
#include "platform/resolver.h"

namespace mailvane {

class Agent {
 public:
  // Opens the outbox; everything else may come and go while it runs.
  static absl::StatusOr<std::unique_ptr<Agent>> Start(const v1::AgentConfig& config);
  ~Agent();

  // Works until `stop_descriptor` is readable.  An error means that the disk can
  // no longer be trusted: exit, and start again.
  absl::Status Run(int stop_descriptor);
  // Tells the collector, for at most two seconds.
  absl::Status Stop(absl::string_view reason);

 private:
  explicit Agent(const v1::AgentConfig& config);

  absl::Status Open();
  absl::Status OpenLog(const MailPaths& paths);
  absl::Status OpenBlocklists();
  absl::Status Pass(Instant now);
  absl::Status PassLog(Instant now);
  absl::Status PassQueue(Instant now);
  void PassPings(Instant now);
  absl::Status PassBlocklists(Instant now);
  void PassHost(Instant now);
  void WatchBlocklists(Instant now, const v1::Host& host);
  absl::Status PassUplink(Instant now);
  absl::Status Wait(int stop_descriptor, bool* stop);
  absl::Duration NextDeadline() const;
  void WatchLog();

  // Constant after Start.
  const v1::AgentConfig config_;
  const SystemClock clock_;
  const HostFileSystem files_;
  KernelRandom random_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<AgentCore> core_;
  std::unique_ptr<GrpcUplink> uplink_;

  // One of the two, or none.
  std::unique_ptr<LogFile> log_file_;
  std::unique_ptr<JournalApi> journal_api_;
  std::unique_ptr<Journal> journal_;
  std::string log_source_;    // "postfix_log", "journal"; empty: none is wanted
  std::string log_location_;  // a path
  absl::Status log_missing_;  // why it can never be read here
  int inotify_ = -1;
  absl::Duration log_due_ = absl::ZeroDuration();
  absl::Duration log_read_at_ = absl::ZeroDuration();

  std::unique_ptr<QueueReader> queue_;
  absl::Duration queue_due_ = absl::ZeroDuration();
  absl::Duration queue_started_ = absl::ZeroDuration();

  std::unique_ptr<Pinger> pinger_;
  std::unique_ptr<PingRounds> ping_rounds_;
  uint64_t ping_config_version_ = 0;

  // Null: none is asked.
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<BlocklistWatch> blocklists_;

  std::unique_ptr<HostReader> host_;
  bool has_queue_program_ = false;
  absl::Duration host_due_ = absl::ZeroDuration();
};

}  // namespace mailvane
