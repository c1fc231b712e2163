#include "agent/core.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "agent/analyze/content_key.h"
#include "agent/analyze/redact.h"
#include "agent/parse/dropped_lines.h"
#include "agent/parse/mail.h"
#include "agent/parse/mail_line.h"
#include "platform/log.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// Raised when a rule changes so much that an old finding is not the same one.
constexpr char kRuleVersion[] = "1";
// A checkpoint alone may be this old when the power fails: the lines behind it
// are read again, and lead to the same keys.
constexpr absl::Duration kCheckpointPause = absl::Seconds(1);
// The collector takes no longer event; evidence is what gives way.
constexpr size_t kMostEventBytes = 4 << 10;
constexpr size_t kMostDetailBytes = 200;
constexpr char kBlocklistState[] = "blocklists";

// Where a line stands, for ever: by its file and offset, or by its cursor.
std::string LineKey(const LogChunk& chunk, const LogLine& line) {
  return line.cursor.empty() ? absl::StrCat(chunk.file_key, "@", line.offset)
                             : std::string(line.cursor);
}

}  // namespace

AgentCore::AgentCore(Options options, Outbox* outbox, Random* random, Instant now)
    : options_(std::move(options)),
      outbox_(outbox),
      random_(random),
      counting_since_(now.wall),
      session_(options_.session, outbox, random,
               UplinkSession::Reporter{[this](Instant at) { return Snapshot(at); },
                                       options_.self}),
      reader_(options_.log_zone),
      judge_(options_.tracker, MakeAnalyzers(options_.analyzers)),
      queue_view_(options_.queue) {}

absl::Status AgentCore::Start(Instant now) {
  absl::StatusOr<std::vector<std::pair<std::string, std::string>>> states =
      outbox_->States();
  if (!states.ok()) return states.status();
  for (const auto& [name, state] : *states) {
    if (name == kBlocklistState) {
      blocklist_state_ = state;
      continue;
    }
    if (judge_.Restore(name, state)) continue;
    Log(LogLevel::kWarning, "what an analyzer remembered is of another version",
        {{"state", name}});
    staged_states_[name] = "";
  }
  if (outbox_->lost_previous()) {
    v1::Event lost;
    *lost.mutable_time() = ToProto(now.wall);
    lost.set_key(random_->Bytes(16));
    lost.mutable_loss()->set_cause(v1::LossRecord::CAUSE_OUTBOX_LOST);
    lost.mutable_loss()->set_source("outbox");
    Stage(lost);
  }
  v1::Event started;
  *started.mutable_time() = ToProto(now.wall);
  started.set_key(random_->Bytes(16));
  started.mutable_agent_started()->set_version(options_.session.version);
  started.mutable_agent_started()->set_after_clean_stop(outbox_->after_clean_stop());
  Stage(started);
  return Flush(now);
}

absl::Status AgentCore::TakeLog(Instant now, absl::string_view source,
                                const LogChunk& chunk) {
  for (const LogLoss& loss : chunk.losses) TakeLoss(now, source, loss);
  for (const LogLine& line : chunk.lines) TakeLine(now, source, chunk, line);
  std::string& checkpoint = checkpoints_[std::string(source)];
  // Without any checkpoint a restart would begin at the log's end, whatever came
  // before it.
  const bool first = checkpoint.empty() && !chunk.checkpoint.empty();
  // A log at rest must not keep the disk awake.
  if (!chunk.checkpoint.empty() && chunk.checkpoint != checkpoint) {
    checkpoint = chunk.checkpoint;
    staged_checkpoints_[std::string(source)] = chunk.checkpoint;
    commit_due_ = std::min(commit_due_, now.mono + kCheckpointPause);
  }
  if (first || !staged_events_.empty()) return Flush(now);
  return Commit(now);
}

absl::Status AgentCore::Commit(Instant now) {
  return now.mono >= commit_due_ ? Flush(now) : absl::OkStatus();
}

void AgentCore::TakeLine(Instant now, absl::string_view source, const LogChunk& chunk,
                         const LogLine& line) {
  counts_.set_lines(counts_.lines() + 1);
  std::optional<SyslogLine> syslog =
      line.time ? reader_.ParseTagged(line.text, *line.time, line.host)
                : reader_.Parse(line.text, now.wall);
  if (!syslog) return counts_.set_unparsed(counts_.unparsed() + 1);
  // What is counted from now on must not be counted for a year that has not come.
  if (syslog->clock_suspect) syslog->time = last_line_at_.value_or(now.wall);
  last_line_at_ = syslog->time;
  if (const std::optional<uint64_t> dropped = LinesDropped(*syslog)) {
    LogLoss loss;
    loss.cause = v1::LossRecord::CAUSE_RATE_LIMITED;
    loss.lines = dropped;
    loss.file_key = LineKey(chunk, line);
    return TakeLoss(now, source, loss);
  }
  const std::optional<MailLine> mail = ParseMail(*syslog);
  if (!mail) return counts_.set_unparsed(counts_.unparsed() + 1);
  if (mail->ambiguous) {
    counts_.set_ambiguous(counts_.ambiguous() + 1);
  } else if (mail->kind == MailKind::kOther) {
    counts_.set_other(counts_.other() + 1);
  } else {
    counts_.set_parsed(counts_.parsed() + 1);
  }
  if (!mail->ambiguous) queue_view_.TakeLine(*mail);
  judge_.Take(*syslog, *mail);
  if (!judge_.has_findings()) return;
  const std::string line_key = LineKey(chunk, line);
  for (v1::Finding& finding : judge_.TakeFindings()) {
    StageFinding(std::move(finding), line_key);
  }
}

void AgentCore::StageFinding(v1::Finding finding, absl::string_view line_key) {
  ++findings_[{finding.type(), finding.level()}];
  v1::Event event;
  *event.mutable_time() = finding.last_seen();
  event.set_key(ContentKey({options_.session.agent_id, finding.type(), kRuleVersion,
                            finding.subject(), line_key}));
  *event.mutable_finding() = std::move(finding);
  auto& evidence = *event.mutable_finding()->mutable_evidence();
  while (event.ByteSizeLong() > kMostEventBytes && evidence.size() > 1) {
    evidence.RemoveLast();
  }
  Log(LogLevel::kWarning, "finding",
      {{"type", event.finding().type()},
       {"messages", event.finding().messages()},
       {"evidence", evidence.empty() ? "" : evidence.Get(0)}});
  Stage(event);
  session_.SnapshotChanged();
}

void AgentCore::TakeLoss(Instant now, absl::string_view source, const LogLoss& loss) {
  v1::Event event;
  *event.mutable_time() = ToProto(now.wall);
  v1::LossRecord& record = *event.mutable_loss();
  record.set_cause(loss.cause);
  record.set_source(std::string(source));
  if (loss.bytes) record.set_bytes(*loss.bytes);
  if (loss.from_offset) record.set_from_offset(*loss.from_offset);
  if (last_line_at_) *record.mutable_after() = ToProto(*last_line_at_);
  if (loss.lines) record.set_lines(*loss.lines);
  // A place in a file can be lost once; where none is known, each is its own.
  event.set_key(loss.file_key.empty()
                    ? random_->Bytes(16)
                    : ContentKey({options_.session.agent_id, "loss",
                                  absl::StrCat(loss.cause), loss.file_key,
                                  absl::StrCat(loss.from_offset.value_or(0))}));
  Log(LogLevel::kError, "a part of the log is lost",
      {{"source", source},
       {"cause", v1::LossRecord::Cause_Name(loss.cause)},
       {"bytes", loss.bytes ? absl::StrCat(*loss.bytes) : "unknown"},
       {"lines", loss.lines ? absl::StrCat(*loss.lines) : "unknown"}});
  Stage(event);
}

absl::Status AgentCore::TakeSource(Instant now, v1::SourceReading reading) {
  reading.set_detail(Redact(reading.detail(), kMostDetailBytes));
  const auto known = sources_.find(reading.source());
  const bool changed = known == sources_.end()
                           ? reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED
                           : known->second.unavailable() != reading.unavailable();
  if (known == sources_.end() || changed) session_.SnapshotChanged();
  const std::string name = reading.source();
  const v1::SourceReading& kept = sources_[name] = std::move(reading);
  // What this host simply does not have is no trouble.
  if (!changed || kept.unavailable() == v1::UNAVAILABLE_NOT_CONFIGURED) {
    return absl::OkStatus();
  }
  v1::Event event;
  *event.mutable_time() = ToProto(now.wall);
  event.set_key(random_->Bytes(16));
  event.mutable_source()->set_source(kept.source());
  event.mutable_source()->set_unavailable(kept.unavailable());
  event.mutable_source()->set_detail(kept.detail());
  if (kept.unavailable() == v1::UNAVAILABLE_UNSPECIFIED) {
    Log(LogLevel::kInfo, "can be read again", {{"source", kept.source()}});
  } else {
    Log(LogLevel::kWarning, "cannot be read",
        {{"source", kept.source()}, {"why", kept.detail()}});
  }
  Stage(event);
  return Flush(now);
}

absl::Status AgentCore::TakeQueue(Instant now, absl::string_view source_name,
                                  absl::string_view location, v1::QueueReading reading) {
  if (reading.unavailable() == v1::UNAVAILABLE_UNSPECIFIED) {
    queue_view_.Finish(now, &reading);
  }
  reading.set_detail(Redact(reading.detail(), kMostDetailBytes));
  v1::SourceReading source;
  source.set_source(std::string(source_name));
  source.set_unavailable(reading.unavailable());
  source.set_detail(reading.detail());
  source.set_location(std::string(location));
  queue_ = std::move(reading);
  queue_read_at_ = now.mono;
  return TakeSource(now, std::move(source));
}

void AgentCore::TakePings(Instant now, std::vector<v1::PingReading> readings) {
  const auto verdicts = [](const std::vector<v1::PingReading>& all) {
    std::map<std::string, v1::PingReading::Verdict> by_peer;
    for (const v1::PingReading& one : all) by_peer[one.peer()] = one.verdict();
    return by_peer;
  };
  if (verdicts(pings_) != verdicts(readings)) session_.SnapshotChanged();
  pings_ = std::move(readings);
  pings_read_at_ = now.mono;
}

absl::Status AgentCore::TakeBlocklists(Instant now, std::vector<v1::Finding> findings,
                                       std::string state, v1::BlocklistReading reading) {
  blocklists_ = std::move(reading);
  staged_states_[kBlocklistState] = std::move(state);
  for (v1::Finding& finding : findings) {
    // A finding is told at one moment of one incident.
    const std::string key =
        absl::StrCat(absl::ToUnixMicros(FromProto(finding.first_seen())), "/",
                     absl::ToUnixMicros(FromProto(finding.last_seen())));
    StageFinding(std::move(finding), key);
  }
  session_.SnapshotChanged();
  return Flush(now);
}

absl::Status AgentCore::Stop(Instant now, absl::string_view reason) {
  v1::Event event;
  *event.mutable_time() = ToProto(now.wall);
  event.set_key(random_->Bytes(16));
  event.mutable_agent_stopping()->set_reason(std::string(reason));
  Stage(event);
  absl::Status status = Flush(now);
  if (status.ok()) status = outbox_->MarkCleanStop();
  session_.Stop(reason, absl::ZeroDuration());
  return status;
}

void AgentCore::Stage(const v1::Event& event) {
  staged_events_.push_back(event.SerializeAsString());
}

absl::Status AgentCore::Flush(Instant now) {
  OutboxTransaction transaction;
  transaction.events = staged_events_;
  transaction.checkpoints.assign(staged_checkpoints_.begin(), staged_checkpoints_.end());
  // Kept until they are committed: the disk may be full now.
  for (auto& [name, state] : judge_.Save()) staged_states_[name] = std::move(state);
  transaction.states.assign(staged_states_.begin(), staged_states_.end());
  absl::Status status = outbox_->Commit(transaction);
  if (absl::IsResourceExhausted(status)) {
    // Reading has stopped by now; what is staged waits for room.
    if (!disk_full_) Log(LogLevel::kError, "the outbox cannot grow", {{"why", status}});
    disk_full_ = true;
    commit_due_ = now.mono + kCheckpointPause;
    return absl::OkStatus();
  }
  disk_full_ = false;
  staged_events_.clear();
  staged_checkpoints_.clear();
  staged_states_.clear();
  commit_due_ = absl::InfiniteDuration();
  return status;
}

v1::Snapshot AgentCore::Snapshot(Instant now) const {
  v1::Snapshot snapshot;
  *snapshot.mutable_host() = host_;
  for (const auto& [name, source] : sources_) *snapshot.add_sources() = source;
  if (queue_) {
    *snapshot.mutable_queue() = *queue_;
    snapshot.mutable_queue()->set_age_ms(
        absl::ToInt64Milliseconds(now.mono - queue_read_at_));
  }
  const uint64_t pings_age = absl::ToInt64Milliseconds(now.mono - pings_read_at_);
  for (const v1::PingReading& ping : pings_) {
    v1::PingReading& copy = *snapshot.add_pings() = ping;
    copy.set_age_ms(ping.age_ms() + pings_age);
  }
  judge_.Report(&snapshot);
  if (blocklists_) *snapshot.mutable_blocklists() = *blocklists_;
  *snapshot.mutable_log() = counts_;
  for (const auto& [key, count] : findings_) {
    v1::FindingCount& one = *snapshot.add_findings();
    one.set_type(key.first);
    one.set_level(key.second);
    one.set_count(count);
  }
  *snapshot.mutable_counting_since() = ToProto(counting_since_);
  return snapshot;
}

}  // namespace mailvane
