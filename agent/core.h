// The agent without any I/O: what was read goes in, events and frames come out.
//
//   lines ─ parse ─▶ tracker ─▶ analyzers ─▶ findings ┐
//   readings ─▶ transitions ──────────────────────────┴─▶ outbox ─▶ uplink session
//
// Beyond the commit of a chunk's transaction, its lines are never needed again;
// before it, they are read again after a restart.
//
// Belongs to one thread.  A status that is not OK means that the outbox failed:
// the program must exit, and start again.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzers.h"
#include "agent/analyze/mail_judge.h"
#include "agent/analyze/queue_view.h"
#include "agent/outbox/outbox.h"
#include "agent/parse/syslog_line.h"
#include "agent/source/log_chunk.h"
#include "agent/uplink/session.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"
#include "platform/random.h"

namespace mailvane {

class AgentCore {
 public:
  struct Options {
    UplinkSession::Options session;
    // Fills in a heartbeat what only the process knows; may be null.
    std::function<void(v1::Heartbeat*)> self;
    // Of log headers that don't name theirs.
    absl::TimeZone log_zone = absl::UTCTimeZone();
    MessageTracker::Options tracker;
    AnalyzerOptions analyzers;
    QueueView::Options queue;
  };

  // `outbox` and `random` are not owned and must outlive the core.
  AgentCore(Options options, Outbox* outbox, Random* random, Instant now);

  // Says that the agent has started, and what the outbox lost; takes up what
  // the analyzers remembered.  Before anything else.
  absl::Status Start(Instant now);

  // False: the outbox is full.  What is in the log is safe there.
  bool takes_log() const { return !outbox_->full(); }

  // Lines of one source, in their order.  What they led to is committed at once;
  // a mere checkpoint waits for Commit, at most a second.
  absl::Status TakeLog(Instant now, absl::string_view source, const LogChunk& chunk);
  absl::Status Commit(Instant now);

  // How a source is; a change is an event.  `reading.source` names it.
  absl::Status TakeSource(Instant now, v1::SourceReading reading);
  // A reading of the queue begins: the messages are for queue_view(), and then follows
  // TakeQueue.  `source` is "postfix_queue" or "exim_queue".
  QueueView& queue_view() { return queue_view_; }
  absl::Status TakeQueue(Instant now, absl::string_view source,
                         absl::string_view location, v1::QueueReading reading);
  void TakePings(Instant now, std::vector<v1::PingReading> readings);
  // What became of listings: findings, what the watch remembers, and its present
  // state, all in one transaction.
  absl::Status TakeBlocklists(Instant now, std::vector<v1::Finding> findings,
                              std::string state, v1::BlocklistReading reading);
  // What the watch of DNS lists remembered; empty for nothing.
  const std::string& blocklist_state() const { return blocklist_state_; }
  void TakeHost(v1::Host host) { host_ = std::move(host); }

  // AgentStopping, and Goodbye.
  absl::Status Stop(Instant now, absl::string_view reason);

  UplinkSession& session() { return session_; }
  // When Commit is due; on the monotonic clock.
  absl::Duration NextDeadline() const { return commit_due_; }
  v1::Snapshot Snapshot(Instant now) const;

 private:
  void TakeLine(Instant now, absl::string_view source, const LogChunk& chunk,
                const LogLine& line);
  void TakeLoss(Instant now, absl::string_view source, const LogLoss& loss);
  void StageFinding(v1::Finding finding, absl::string_view line_key);
  void Stage(const v1::Event& event);
  absl::Status Flush(Instant now);

  // Constant after construction.
  const Options options_;
  Outbox* const outbox_;
  Random* const random_;
  const absl::Time counting_since_;

  UplinkSession session_;
  SyslogReader reader_;
  MailJudge judge_;
  QueueView queue_view_;

  // Not committed yet.
  std::vector<std::string> staged_events_;
  std::map<std::string, std::string, std::less<>> staged_states_;
  std::map<std::string, std::string, std::less<>> staged_checkpoints_;
  // Source → the last one taken, committed or staged.
  std::map<std::string, std::string, std::less<>> checkpoints_;
  absl::Duration commit_due_ = absl::InfiniteDuration();
  bool disk_full_ = false;

  // The present state, for snapshots.
  v1::Host host_;
  std::map<std::string, v1::SourceReading> sources_;
  std::optional<v1::QueueReading> queue_;
  absl::Duration queue_read_at_ = absl::ZeroDuration();
  std::vector<v1::PingReading> pings_;
  absl::Duration pings_read_at_ = absl::ZeroDuration();
  v1::LogCounts counts_;
  std::map<std::pair<std::string, v1::Level>, uint64_t> findings_;
  std::optional<absl::Time> last_line_at_;
  std::string blocklist_state_;
  std::optional<v1::BlocklistReading> blocklists_;
};

}  // namespace mailvane
