#include "agent/uplink/session.h"

#include <algorithm>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "platform/log.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr uint32_t kProtocol = 1;
// A batch stays well below the 32 KiB of a frame.
constexpr size_t kBatchBytes = 24 << 10;
constexpr size_t kBatchEvents = 64;
// A session that has lasted this long was no failure.
constexpr absl::Duration kStable = absl::Seconds(60);
// Two changes of the state within this time share a snapshot.
constexpr absl::Duration kSnapshotPause = absl::Seconds(5);
// What a collector may ask for, so that a wrong one can't make an agent spin or
// fall silent.
constexpr absl::Duration kLeastInterval = absl::Milliseconds(100);
constexpr absl::Duration kMostInterval = absl::Minutes(10);

absl::Duration Interval(const google::protobuf::Duration& asked, bool present,
                        absl::Duration fallback) {
  if (!present) return fallback;
  return std::clamp(FromProto(asked), kLeastInterval, kMostInterval);
}

absl::Duration Bounded(const google::protobuf::Duration& pause) {
  return std::clamp(FromProto(pause), absl::ZeroDuration(), kMostInterval);
}

}  // namespace

v1::Clocks ToClocks(Instant now) {
  v1::Clocks clocks;
  *clocks.mutable_wall() = ToProto(now.wall);
  clocks.set_monotonic_ms(absl::ToInt64Milliseconds(now.mono));
  return clocks;
}

UplinkSession::UplinkSession(Options options, Outbox* outbox, Random* random,
                             Reporter reporter)
    : options_(std::move(options)),
      outbox_(outbox),
      random_(random),
      reporter_(std::move(reporter)),
      heartbeat_interval_(options_.heartbeat_interval),
      snapshot_interval_(options_.snapshot_interval) {}

void UplinkSession::Connected(Instant) {
  if (state_ == State::kConnecting) state_ = State::kGreeting;
}

void UplinkSession::Disconnected(Instant now, absl::string_view why) {
  const bool was_stable = now.mono - live_since_ >= kStable;
  if (state_ == State::kLive) {
    Log(LogLevel::kWarning, "session ended", {{"why", why}});
  }
  state_ = State::kDisconnected;
  writing_ = false;
  hello_sent_ = false;
  close_told_ = false;
  live_since_ = absl::InfiniteDuration();
  greeting_deadline_ = absl::InfiniteDuration();
  in_flight_.clear();
  unacked_bytes_ = 0;
  if (was_stable) failures_ = 0;
  // The next collector of the list is asked at once; only a whole round that
  // failed is worth a pause.
  if (next_collector_ == 0 || was_stable) {
    absl::Duration bound = options_.least_backoff * (1 << std::min(failures_, 16));
    bound = std::min(bound, options_.most_backoff);
    RetryAfter(now, random_->Below(bound));
    ++failures_;
  }
}

void UplinkSession::RetryAfter(Instant now, absl::Duration pause) {
  retry_at_ = std::max(retry_at_, now.mono + pause);
}

absl::Status UplinkSession::Receive(Instant now, const v1::CollectorFrame& frame) {
  if (state_ != State::kGreeting && state_ != State::kLive) return absl::OkStatus();
  switch (frame.frame_case()) {
    case v1::CollectorFrame::kWelcome:
      return Welcome(now, frame.welcome());
    case v1::CollectorFrame::kAck:
      return Ack(now, frame.ack());
    case v1::CollectorFrame::kWindow:
      window_events_ = frame.window().events();
      window_bytes_ = frame.window().bytes();
      return absl::OkStatus();
    case v1::CollectorFrame::kRequestSnapshot:
      snapshot_due_ = now.mono;
      return absl::OkStatus();
    case v1::CollectorFrame::kConfig:
      if (!config_ || frame.config().version() != config_->version()) {
        config_ = frame.config();
      }
      return absl::OkStatus();
    case v1::CollectorFrame::kDrain:
      RetryAfter(now, random_->Below(Bounded(frame.drain().spread())));
      state_ = State::kClosing;
      return absl::OkStatus();
    case v1::CollectorFrame::kError:
      return Fail(now, frame.error());
    case v1::CollectorFrame::FRAME_NOT_SET:
      // A frame of a newer protocol: not for us.
      return absl::OkStatus();
  }
  return absl::OkStatus();
}

absl::Status UplinkSession::Welcome(Instant now, const v1::Welcome& welcome) {
  if (state_ == State::kLive || !hello_sent_) {
    Leave(now, "Welcome without Hello");
    return absl::OkStatus();
  }
  if (welcome.resume_after_seq() >= outbox_->next_seq()) {
    // It has more of this epoch than we ever gave out: our disk went back.
    return StartNewEpoch(now);
  }
  acked_upto_ = 0;
  absl::Status status = Forget(welcome.resume_after_seq());
  if (!status.ok()) return status;
  state_ = State::kLive;
  live_since_ = now.mono;
  greeting_deadline_ = absl::InfiniteDuration();
  sent_upto_ = std::max(welcome.resume_after_seq(), outbox_->first_unacked() - 1);
  window_events_ = welcome.window_events();
  window_bytes_ = welcome.window_bytes();
  heartbeat_interval_ =
      Interval(welcome.heartbeat_interval(), welcome.has_heartbeat_interval(),
               options_.heartbeat_interval);
  snapshot_interval_ =
      Interval(welcome.snapshot_interval(), welcome.has_snapshot_interval(),
               options_.snapshot_interval);
  heartbeat_due_ = snapshot_due_ = now.mono;
  Log(LogLevel::kInfo, "session is live",
      {{"session", welcome.session_id()},
       {"resume_after", welcome.resume_after_seq()},
       {"waiting", outbox_->next_seq() - outbox_->first_unacked()}});
  return absl::OkStatus();
}

absl::Status UplinkSession::Ack(Instant now, const v1::Ack& ack) {
  if (state_ != State::kLive || ack.epoch() != outbox_->epoch() ||
      ack.upto_seq() > sent_upto_) {
    Leave(now, absl::StrCat("an ack of ", ack.upto_seq(), ", which was not sent"));
    return absl::OkStatus();
  }
  for (const v1::Ack::Rejected& rejected : ack.rejected()) {
    Log(LogLevel::kError, "the collector will never take this event",
        {{"seq", rejected.seq()},
         {"code", v1::Ack::Rejected::Code_Name(rejected.code())}});
  }
  while (!in_flight_.empty() && in_flight_.front().first <= ack.upto_seq()) {
    unacked_bytes_ -= in_flight_.front().second;
    in_flight_.pop_front();
  }
  return Forget(ack.upto_seq());
}

absl::Status UplinkSession::Forget(uint64_t upto) {
  acked_upto_ = std::max(acked_upto_, upto);
  absl::Status status = outbox_->Acknowledge(acked_upto_);
  // Even forgetting takes room on a disk.  With each heartbeat it is tried
  // again: when the outbox is full no other ack may ever come.
  return absl::IsResourceExhausted(status) ? absl::OkStatus() : status;
}

absl::Status UplinkSession::Fail(Instant now, const v1::Error& error) {
  Log(error.fatal() ? LogLevel::kError : LogLevel::kWarning, "the collector refused",
      {{"code", v1::Error::Code_Name(error.code())}, {"why", error.detail()}});
  if (error.code() == v1::Error::CODE_EPOCH_STALE) return StartNewEpoch(now);
  absl::Duration pause = Bounded(error.retry_after());
  // It may be mended at the other end, so even what can't succeed is tried again.
  if (error.fatal()) pause = std::max(pause, options_.most_backoff);
  RetryAfter(now, pause);
  state_ = State::kClosing;
  return absl::OkStatus();
}

absl::Status UplinkSession::StartNewEpoch(Instant now) {
  const uint64_t left = outbox_->next_seq() - outbox_->first_unacked();
  absl::Status status = outbox_->StartNewEpoch();
  state_ = State::kClosing;
  if (absl::IsResourceExhausted(status)) {
    // Nothing was changed: the collector will say it again when there is room.
    RetryAfter(now, options_.most_backoff);
    return absl::OkStatus();
  }
  if (!status.ok()) return status;
  snapshot_revision_ = 0;
  Log(LogLevel::kWarning, "this host's disk went back in time: a new epoch begins",
      {{"epoch", absl::BytesToHexString(outbox_->epoch())}, {"waiting", left}});
  return absl::OkStatus();
}

void UplinkSession::Leave(Instant now, absl::string_view why) {
  Log(LogLevel::kError, "the collector broke the protocol", {{"how", why}});
  RetryAfter(now, options_.least_backoff);
  state_ = State::kClosing;
}

absl::StatusOr<UplinkActions> UplinkSession::Step(Instant now) {
  UplinkActions actions;
  if (state_ == State::kDisconnected) {
    if (!goodbye_ && now.mono >= retry_at_) {
      actions.connect = options_.collectors[next_collector_];
      next_collector_ = (next_collector_ + 1) % options_.collectors.size();
      state_ = State::kConnecting;
      greeting_deadline_ = now.mono + options_.greeting_timeout;
    }
    return actions;
  }
  if (state_ != State::kClosing && now.mono >= greeting_deadline_) {
    state_ = State::kClosing;
  }
  if (state_ == State::kClosing || (goodbye_written_ && !writing_) ||
      (goodbye_ && state_ != State::kLive)) {
    actions.close = !close_told_;
    close_told_ = true;
    state_ = State::kClosing;
    greeting_deadline_ = absl::InfiniteDuration();
    return actions;
  }
  if (!writing_) {
    absl::StatusOr<std::optional<v1::AgentFrame>> frame = NextFrame(now);
    if (!frame.ok()) return frame.status();
    writing_ = frame->has_value();
    actions.write = *std::move(frame);
  }
  return actions;
}

// Signs of life come before bulk: an agent that has a day to tell is alive now.
absl::StatusOr<std::optional<v1::AgentFrame>> UplinkSession::NextFrame(Instant now) {
  if (state_ == State::kGreeting && !hello_sent_) {
    hello_sent_ = true;
    return MakeHello(now);
  }
  if (state_ != State::kLive) return std::nullopt;
  if (goodbye_) {
    if (goodbye_written_) return std::nullopt;
    // What is still unsent goes first, as far as the window allows.
    absl::StatusOr<std::optional<v1::AgentFrame>> batch = MakeBatch();
    if (!batch.ok() || batch->has_value()) return batch;
    goodbye_written_ = true;
    v1::AgentFrame frame;
    *frame.mutable_goodbye() = *goodbye_;
    return frame;
  }
  if (now.mono >= heartbeat_due_) return MakeHeartbeat(now);
  if (snapshot_changed_) {
    snapshot_due_ = std::min(snapshot_due_, snapshot_sent_ + kSnapshotPause);
  }
  if (now.mono >= snapshot_due_) return MakeSnapshot(now);
  return MakeBatch();
}

v1::AgentFrame UplinkSession::MakeHello(Instant now) const {
  v1::AgentFrame frame;
  v1::Hello& hello = *frame.mutable_hello();
  hello.set_protocol(kProtocol);
  hello.set_version(options_.version);
  hello.set_agent_id(options_.agent_id);
  hello.set_epoch(outbox_->epoch());
  hello.set_boot_id(options_.boot_id);
  hello.set_first_unacked(outbox_->first_unacked());
  hello.set_next_seq(outbox_->next_seq());
  hello.set_config_hash(options_.config_hash);
  *hello.mutable_clocks() = ToClocks(now);
  return frame;
}

absl::StatusOr<std::optional<v1::AgentFrame>> UplinkSession::MakeHeartbeat(Instant now) {
  absl::Status forgotten = Forget(acked_upto_);
  if (!forgotten.ok()) return forgotten;
  // Ten percent of jitter, so that a fleet does not beat as one.
  heartbeat_due_ =
      now.mono + heartbeat_interval_ * 0.9 + random_->Below(heartbeat_interval_ * 0.2);
  v1::AgentFrame frame;
  v1::Heartbeat& heartbeat = *frame.mutable_heartbeat();
  *heartbeat.mutable_clocks() = ToClocks(now);
  heartbeat.set_next_seq(outbox_->next_seq());
  heartbeat.set_outbox_bytes(outbox_->bytes());
  heartbeat.set_outbox_full(outbox_->full());
  absl::StatusOr<std::vector<std::string>> oldest =
      outbox_->Read(outbox_->first_unacked(), 1, 1);
  if (!oldest.ok()) return oldest.status();
  v1::Event event;
  if (!oldest->empty() && event.ParseFromString(oldest->front())) {
    const absl::Duration age =
        std::max(now.wall - FromProto(event.time()), absl::ZeroDuration());
    heartbeat.set_oldest_unacked_age_ms(absl::ToInt64Milliseconds(age));
  }
  if (reporter_.self) reporter_.self(&heartbeat);
  return frame;
}

v1::AgentFrame UplinkSession::MakeSnapshot(Instant now) {
  snapshot_changed_ = false;
  snapshot_sent_ = now.mono;
  snapshot_due_ =
      now.mono + snapshot_interval_ * 0.9 + random_->Below(snapshot_interval_ * 0.2);
  v1::AgentFrame frame;
  *frame.mutable_snapshot() = reporter_.snapshot(now);
  frame.mutable_snapshot()->set_epoch(outbox_->epoch());
  frame.mutable_snapshot()->set_revision(++snapshot_revision_);
  return frame;
}

absl::StatusOr<std::optional<v1::AgentFrame>> UplinkSession::MakeBatch() {
  if (sent_upto_ + 1 >= outbox_->next_seq()) return std::nullopt;
  if (in_flight_.size() >= window_events_ || unacked_bytes_ >= window_bytes_) {
    return std::nullopt;
  }
  absl::StatusOr<std::vector<std::string>> events = outbox_->Read(
      sent_upto_ + 1, std::min(kBatchEvents, window_events_ - in_flight_.size()),
      std::min<uint64_t>(kBatchBytes, window_bytes_ - unacked_bytes_));
  if (!events.ok()) return events.status();
  if (events->empty()) return std::nullopt;
  v1::AgentFrame frame;
  v1::Batch& batch = *frame.mutable_batch();
  batch.set_epoch(outbox_->epoch());
  batch.set_first_seq(sent_upto_ + 1);
  for (std::string& event : *events) {
    in_flight_.emplace_back(++sent_upto_, event.size());
    unacked_bytes_ += event.size();
    batch.add_events(std::move(event));
  }
  return frame;
}

absl::Duration UplinkSession::NextDeadline() const {
  switch (state_) {
    case State::kDisconnected:
      return goodbye_ ? absl::InfiniteDuration() : retry_at_;
    case State::kConnecting:
    case State::kGreeting:
      return greeting_deadline_;
    case State::kClosing:
      return close_told_ ? absl::InfiniteDuration() : absl::ZeroDuration();
    case State::kLive: {
      if (writing_) return absl::InfiniteDuration();
      absl::Duration next = std::min(heartbeat_due_, snapshot_due_);
      if (snapshot_changed_) next = std::min(next, snapshot_sent_ + kSnapshotPause);
      return next;
    }
  }
  return absl::InfiniteDuration();
}

void UplinkSession::Stop(absl::string_view reason, absl::Duration back_in) {
  goodbye_.emplace();
  goodbye_->set_reason(std::string(reason));
  if (back_in > absl::ZeroDuration()) *goodbye_->mutable_back_in() = ToProto(back_in);
}

bool UplinkSession::stopped() const {
  return goodbye_.has_value() && state_ == State::kDisconnected;
}

}  // namespace mailvane
