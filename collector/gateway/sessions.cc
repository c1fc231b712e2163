#include "collector/gateway/sessions.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "platform/log.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr uint32_t kProtocol = 1;
// Numbers beyond this can only be a lie: 2^62 at a thousand a second is longer
// than anybody will wait.
constexpr uint64_t kMostSeq = uint64_t{1} << 62;
// A silent session is ended after so many heartbeats; its agent is long shown
// as silent by then.
constexpr int kDeadAfterBeats = 6;
constexpr absl::Duration kStoreRetry = absl::Seconds(5);
constexpr size_t kKeyBytes = 16;
// Lengths that text from an agent is cut to.
constexpr size_t kMostVersion = 64;

// A row without a key of its own is its own effect.
std::string KeyByNumber(absl::string_view epoch, uint64_t seq) {
  return absl::StrCat("#", epoch, "#", seq);
}

}  // namespace

v1::CollectorFrame& Sessions::Send(SessionId id) {
  return output_.send.emplace_back(id, v1::CollectorFrame()).second;
}

void Sessions::Close(SessionId id, Session& session) {
  if (session.closing) return;
  session.closing = true;
  output_.close.push_back(id);
}

void Sessions::Refuse(SessionId id, Session& session, v1::Error::Code code,
                      absl::string_view detail, absl::Duration retry_after, bool fatal) {
  if (session.closing) return;
  v1::Error& error = *Send(id).mutable_error();
  error.set_code(code);
  error.set_detail(std::string(detail));
  *error.mutable_retry_after() = ToProto(retry_after);
  error.set_fatal(fatal);
  Close(id, session);
}

void Sessions::Opened(Instant now, SessionId id, absl::string_view peer) {
  Session& session = sessions_[id];
  session.peer = std::string(peer);
  session.opened_at = session.heard_at = now.mono;
  stats_->sessions_now = sessions_.size();
  if (sessions_.size() > options_.max_sessions) {
    ++stats_->sessions_refused;
    return Refuse(id, session, v1::Error::CODE_FLOODING, "too many sessions",
                  absl::Seconds(30), false);
  }
  ++stats_->sessions_opened;
}

void Sessions::Closed(SessionId id) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end()) return;
  const auto by_agent = by_agent_.find(found->second.agent);
  if (by_agent != by_agent_.end() && by_agent->second == id) by_agent_.erase(by_agent);
  sessions_.erase(found);
  stats_->sessions_now = sessions_.size();
}

void Sessions::Receive(Instant now, SessionId id, const v1::AgentFrame& frame) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.closing) return;
  Session& session = found->second;
  session.heard_at = now.mono;
  ++stats_->frames_received;
  if (frame.has_hello() != session.agent.empty()) {
    return ReceiveGarbage(now, id,
                          frame.has_hello() ? "a second Hello" : "no Hello at first");
  }
  switch (frame.frame_case()) {
    case v1::AgentFrame::kHello:
      return Hello(now, id, session, frame.hello());
    case v1::AgentFrame::kBatch:
      return Batch(now, id, session, frame.batch());
    case v1::AgentFrame::kSnapshot:
      return Snapshot(now, id, session, frame.snapshot());
    case v1::AgentFrame::kHeartbeat:
      fleet_->ToldTime(now, session.agent, frame.heartbeat().clocks());
      return fleet_->Beat(now, session.agent);
    case v1::AgentFrame::kGoodbye:
      fleet_->SaidGoodbye(now, session.agent, frame.goodbye());
      return Close(id, session);
    case v1::AgentFrame::FRAME_NOT_SET:
      // A frame of a newer protocol: not for us.
      return;
  }
}

void Sessions::ReceiveGarbage(Instant, SessionId id, absl::string_view why) {
  const auto found = sessions_.find(id);
  if (found == sessions_.end() || found->second.closing) return;
  ++stats_->frames_malformed;
  ++stats_->sessions_closed_for_error;
  Log(LogLevel::kWarning, "session closed: not our protocol",
      {{"peer", found->second.peer}, {"agent", found->second.agent}, {"why", why}});
  Refuse(id, found->second, v1::Error::CODE_PROTOCOL, why, absl::Seconds(10), false);
}

void Sessions::Hello(Instant now, SessionId id, Session& session,
                     const v1::Hello& hello) {
  if (hello.protocol() != kProtocol) {
    ++stats_->sessions_refused;
    return Refuse(id, session, v1::Error::CODE_VERSION,
                  absl::StrCat("this collector speaks protocol ", kProtocol, ", not ",
                               hello.protocol()),
                  absl::Seconds(60), true);
  }
  if (hello.epoch().size() != 16 || hello.first_unacked() < 1 ||
      hello.first_unacked() > hello.next_seq() || hello.next_seq() > kMostSeq) {
    return ReceiveGarbage(now, id, "a Hello whose numbers make no sense");
  }
  if (!fleet_->Knows(hello.agent_id())) {
    ++stats_->sessions_refused;
    Log(LogLevel::kWarning, "refused an agent that the inventory does not have",
        {{"peer", session.peer}, {"agent", hello.agent_id().substr(0, 64)}});
    return Refuse(id, session, v1::Error::CODE_UNKNOWN_AGENT,
                  "the inventory has no system of this id", absl::Seconds(30), true);
  }
  const auto known = committed_.find({hello.agent_id(), hello.epoch()});
  const uint64_t committed = known == committed_.end() ? 0 : known->second;
  if (hello.next_seq() <= committed) {
    Log(LogLevel::kWarning, "an agent's disk went back in time",
        {{"agent", hello.agent_id()}, {"next", hello.next_seq()}, {"has", committed}});
    return Refuse(id, session, v1::Error::CODE_EPOCH_STALE,
                  absl::StrCat("number ", committed, " of this epoch is stored already"),
                  absl::ZeroDuration(), false);
  }
  Supersede(id, hello.agent_id());
  session.agent = hello.agent_id();
  session.epoch = hello.epoch();
  session.received_upto = session.acked_upto = committed;
  if (hello.first_unacked() > committed + 1) {
    TakeGap(now, session, committed + 1, hello.first_unacked() - 1);
  }
  Welcome(now, id, session);
  fleet_->Greeted(now, session.agent, hello.version().substr(0, kMostVersion));
  fleet_->ToldTime(now, session.agent, hello.clocks());
}

void Sessions::Welcome(Instant now, SessionId id, const Session& session) {
  v1::Welcome& welcome = *Send(id).mutable_welcome();
  welcome.set_session_id(absl::StrCat(id));
  welcome.set_resume_after_seq(session.received_upto);
  welcome.set_window_events(options_.window_events);
  welcome.set_window_bytes(options_.window_bytes);
  *welcome.mutable_heartbeat_interval() = ToProto(options_.heartbeat_interval);
  *welcome.mutable_snapshot_interval() = ToProto(options_.snapshot_interval);
  welcome.set_max_frame_bytes(options_.max_frame_bytes);
  *welcome.mutable_clocks()->mutable_wall() = ToProto(now.wall);
  welcome.mutable_clocks()->set_monotonic_ms(absl::ToInt64Milliseconds(now.mono));
  *Send(id).mutable_config() = fleet_->ConfigFor(session.agent);
}

void Sessions::TakeGap(Instant now, Session& session, uint64_t first, uint64_t last) {
  Log(LogLevel::kError, "an agent's events are missing",
      {{"agent", session.agent}, {"first", first}, {"last", last}});
  v1::Event event;
  *event.mutable_time() = ToProto(now.wall);
  event.mutable_loss()->set_cause(v1::LossRecord::CAUSE_SEQUENCE_GAP);
  event.mutable_loss()->set_source("outbox");
  event.mutable_loss()->set_first_seq(first);
  event.mutable_loss()->set_last_seq(last);
  EventRow row;
  row.agent = session.agent;
  row.epoch = session.epoch;
  row.seq = first;
  row.covers_upto = last;
  row.key = KeyByNumber(row.epoch, row.seq);
  row.time = row.arrived = now.wall;
  row.body = event.SerializeAsString();
  session.received_upto = last;
  session.pending.emplace_back(last, row.body.size());
  session.pending_bytes += row.body.size();
  output_.store.push_back(std::move(row));
}

void Sessions::Supersede(SessionId id, const std::string& agent) {
  const auto older = by_agent_.find(agent);
  if (older != by_agent_.end()) {
    Refuse(older->second, sessions_.at(older->second), v1::Error::CODE_SUPERSEDED,
           "a newer session of this agent took over", absl::Seconds(10), false);
  }
  by_agent_[agent] = id;
}

void Sessions::Batch(Instant now, SessionId id, Session& session,
                     const v1::Batch& batch) {
  if (batch.epoch() != session.epoch) {
    return ReceiveGarbage(now, id, "a batch of another epoch than Hello's");
  }
  if (batch.first_seq() < 1 || batch.first_seq() > session.received_upto + 1) {
    return ReceiveGarbage(now, id, "a batch that leaves numbers out");
  }
  uint64_t seq = batch.first_seq();
  for (const std::string& body : batch.events()) {
    if (seq++ > session.received_upto) TakeEvent(now, session, body);
  }
  if (session.pending.size() > options_.window_events ||
      session.pending_bytes > options_.window_bytes + options_.max_frame_bytes) {
    ++stats_->sessions_closed_for_error;
    Refuse(id, session, v1::Error::CODE_FLOODING, "more than the window allows",
           absl::Seconds(10), false);
  }
}

void Sessions::TakeEvent(Instant now, Session& session, const std::string& body) {
  EventRow row;
  row.agent = session.agent;
  row.epoch = session.epoch;
  row.seq = row.covers_upto = ++session.received_upto;
  row.arrived = row.time = now.wall;
  row.body = body.substr(0, options_.max_event_bytes);
  v1::Event event;
  if (body.size() > options_.max_event_bytes) {
    row.rejected = v1::Ack::Rejected::CODE_TOO_LONG;
  } else if (!event.ParseFromString(body) || event.key().size() != kKeyBytes) {
    row.rejected = v1::Ack::Rejected::CODE_MALFORMED;
  }
  if (row.rejected != 0) {
    row.key = KeyByNumber(row.epoch, row.seq);
    ++stats_->events_rejected;
    v1::Ack::Rejected& rejected = session.rejected.emplace_back();
    rejected.set_seq(row.seq);
    rejected.set_code(static_cast<v1::Ack::Rejected::Code>(row.rejected));
  } else {
    row.key = event.key();
    row.time = FromProto(event.time());
  }
  session.pending.emplace_back(row.seq, row.body.size());
  session.pending_bytes += row.body.size();
  output_.store.push_back(std::move(row));
}

void Sessions::Snapshot(Instant now, SessionId id, Session& session,
                        const v1::Snapshot& snapshot) {
  if (snapshot.epoch() != session.epoch) {
    return ReceiveGarbage(now, id, "a snapshot of another epoch than Hello's");
  }
  // Ten times the agreed rate is not ours to digest; the next one has it all.
  if (now.mono - session.snapshot_at < options_.snapshot_interval / 10) {
    ++stats_->snapshots_ignored;
    return;
  }
  session.snapshot_at = now.mono;
  fleet_->Measured(now, session.agent, snapshot);
}

void Sessions::Tick(Instant now) {
  for (auto& [id, session] : sessions_) {
    if (session.closing) continue;
    if (session.agent.empty() && now.mono - session.opened_at > options_.hello_timeout) {
      ReceiveGarbage(now, id, "no Hello in time");
    } else if (now.mono - session.heard_at >
               kDeadAfterBeats * options_.heartbeat_interval) {
      Close(id, session);
    }
  }
}

GatewayOutput Sessions::Take() {
  GatewayOutput output = std::move(output_);
  output_ = GatewayOutput();
  if (!output.store.empty()) {
    output.ticket = next_ticket_++;
    at_store_.push_back({output.ticket, output.store});
  }
  return output;
}

void Sessions::Stored(Instant now, uint64_t ticket,
                      const absl::StatusOr<StoreResult>& result) {
  if (at_store_.empty() || at_store_.front().ticket != ticket) {
    Log(LogLevel::kError, "the store answered out of order", {{"ticket", ticket}});
    return;
  }
  const AtStore batch = std::move(at_store_.front());
  at_store_.pop_front();
  if (result.ok()) {
    stats_->events_duplicate += result->duplicates;
    return Committed(now, batch.rows);
  }
  // Nothing of it may be acked, now or with what comes after it, so whoever sent
  // some of it begins anew from what is committed.
  for (const EventRow& row : batch.rows) {
    const auto by_agent = by_agent_.find(row.agent);
    if (by_agent == by_agent_.end()) continue;
    Session& session = sessions_.at(by_agent->second);
    if (session.epoch != row.epoch) continue;
    Refuse(by_agent->second, session, v1::Error::CODE_STORE_UNAVAILABLE,
           "the store cannot write at present", kStoreRetry, false);
  }
}

void Sessions::Committed(Instant now, const std::vector<EventRow>& rows) {
  stats_->events_committed += rows.size();
  std::map<EpochKey, uint64_t> reached;
  for (const EventRow& row : rows) {
    uint64_t& upto = reached[{row.agent, row.epoch}];
    upto = std::max(upto, row.covers_upto);
    v1::Event event;
    if (row.rejected == 0 && event.ParseFromString(row.body)) {
      fleet_->Told(now, row.agent, event);
    }
  }
  for (const auto& [key, upto] : reached) {
    uint64_t& committed = committed_[key];
    committed = std::max(committed, upto);
    const auto by_agent = by_agent_.find(key.first);
    if (by_agent == by_agent_.end()) continue;
    Session& session = sessions_.at(by_agent->second);
    if (session.epoch == key.second && !session.closing) {
      Acknowledge(by_agent->second, session, upto);
    }
  }
}

void Sessions::Acknowledge(SessionId id, Session& session, uint64_t upto) {
  while (!session.pending.empty() && session.pending.front().first <= upto) {
    session.pending_bytes -= session.pending.front().second;
    session.pending.pop_front();
  }
  // What an older session sent, and this one has not sent again yet, is no news
  // that this agent could use: its next batch will be acked.
  if (upto <= session.acked_upto || upto > session.received_upto) return;
  session.acked_upto = upto;
  v1::Ack& ack = *Send(id).mutable_ack();
  ack.set_epoch(session.epoch);
  ack.set_upto_seq(upto);
  auto& rejected = session.rejected;
  const auto beyond = std::find_if(rejected.begin(), rejected.end(),
                                   [&](const auto& one) { return one.seq() > upto; });
  for (auto one = rejected.begin(); one != beyond; ++one) *ack.add_rejected() = *one;
  rejected.erase(rejected.begin(), beyond);
}

void Sessions::InventoryChanged() {
  for (auto& [id, session] : sessions_) {
    if (session.closing || session.agent.empty()) continue;
    if (fleet_->Knows(session.agent)) {
      *Send(id).mutable_config() = fleet_->ConfigFor(session.agent);
    } else {
      Refuse(id, session, v1::Error::CODE_UNKNOWN_AGENT,
             "the inventory has no system of this id any more", absl::Seconds(30), true);
    }
  }
}

void Sessions::Drain(absl::Duration spread) {
  for (auto& [id, session] : sessions_) {
    if (session.closing) continue;
    *Send(id).mutable_drain()->mutable_spread() = ToProto(spread);
    Close(id, session);
  }
}

}  // namespace mailvane
