#include "collector/core.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "collector/incident/drafts.h"
#include "platform/log.h"

namespace mailvane {
namespace {

constexpr int kPostsRestored = 20;
// Waiting for a store that cannot write; the oldest are the least worth.
constexpr size_t kMostDrafts = 100;
// What an agent tells is judged at once, but not more often than this.
constexpr absl::Duration kLookPause = absl::Milliseconds(200);
constexpr int kDaysShown = 90;
constexpr absl::Duration kDaysPause = absl::Minutes(1);

// Whose days are counted: a system that is being built, or that serves the house
// itself, owes nobody anything.
bool IsInService(Lifecycle lifecycle) {
  return lifecycle == Lifecycle::kOperational || lifecycle == Lifecycle::kRetiring;
}

}  // namespace

CollectorCore::CollectorCore(const v1::Inventory& inventory, const Options& options,
                             Instant now)
    : options_(options),
      fleet_(inventory, options.fleet, now),
      sessions_(options.sessions, &fleet_, &stats_),
      seen_at_(now.mono),
      now_(now),
      looked_at_(now.mono),
      listed_(std::make_shared<const std::vector<v1::Alert>>()),
      ledger_(options.ledger) {
  stats_.started_at = now.wall;
}

absl::Status CollectorCore::Restore(Store* store) {
  absl::StatusOr<std::vector<CommittedRow>> committed = store->LoadCommitted();
  if (!committed.ok()) return committed.status();
  for (const CommittedRow& row : *committed) sessions_.Restore(row);
  absl::StatusOr<std::vector<SeenRow>> seen = store->LoadSeen();
  if (!seen.ok()) return seen.status();
  for (const SeenRow& row : *seen) {
    fleet_.Restore(row.agent, row.at, row.version, row.first);
  }
  absl::StatusOr<std::vector<PostRow>> posts = store->LoadPosts(kPostsRestored);
  if (!posts.ok()) return posts.status();
  for (auto row = posts->rbegin(); row != posts->rend(); ++row) {
    fleet_.AddPost({row->id, row->created, row->system, row->title, row->body});
  }
  absl::StatusOr<std::vector<HealthRow>> health = store->LoadHealth();
  if (!health.ok()) return health.status();
  for (HealthRow& row : *health) {
    // A word of a later version is unknown to this one.
    ledger_.Restore({std::move(row.system), row.from, row.until,
                     HealthOf(row.health).value_or(Health::kUnknown)});
  }
  if (ledger_.dropped() > 0) {
    Log(LogLevel::kWarning, "spans of health in the store make no sense",
        {{"spans", ledger_.dropped()}});
  }
  absl::StatusOr<std::vector<AlertRow>> alerts = store->LoadAlerts();
  if (!alerts.ok()) return alerts.status();
  std::vector<v1::Alert> restored(alerts->size());
  for (size_t i = 0; i < alerts->size(); ++i) {
    if (!restored[i].ParseFromString((*alerts)[i].body)) {
      return absl::DataLossError(
          absl::StrCat("alert ", (*alerts)[i].id, " in the store is malformed"));
    }
  }
  alerts_.Restore(now_, restored);
  listed_ = std::make_shared<const std::vector<v1::Alert>>(alerts_.List());
  return absl::OkStatus();
}

void CollectorCore::Opened(Instant now, SessionId id, absl::string_view peer) {
  now_ = now;
  sessions_.Opened(now, id, peer);
}

void CollectorCore::Received(Instant now, SessionId id, const v1::AgentFrame& frame) {
  now_ = now;
  sessions_.Receive(now, id, frame);
}

void CollectorCore::ReceivedGarbage(Instant now, SessionId id, absl::string_view why) {
  now_ = now;
  sessions_.ReceiveGarbage(now, id, why);
}

void CollectorCore::Closed(SessionId id) { sessions_.Closed(id); }

void CollectorCore::Pinged(Instant now, absl::string_view system,
                           const v1::PingReading& reading) {
  now_ = now;
  fleet_.Pinged(now, system, reading);
}

void CollectorCore::SetInventory(Instant now, const v1::Inventory& inventory) {
  fleet_.SetInventory(inventory, now);
  sessions_.InventoryChanged();
}

void CollectorCore::Tick(Instant now) {
  now_ = now;
  may_write_ = true;
  sessions_.Tick(now);
  const std::vector<HealthTransition> transitions = fleet_.Tick(now);
  const bool write_all = now.mono - seen_at_ >= options_.seen_interval;
  if (write_all) seen_at_ = now.mono;
  WriteSeen(write_all);
  const FleetSnapshot snapshot = fleet_.Snapshot(now, stats_);
  ObserveHealth(snapshot);
  if (write_all) TakeHealth();
  LookAt(snapshot);
  for (const HealthTransition& transition : transitions) {
    for (const SystemState& system : snapshot.systems) {
      if (system.id != transition.system) continue;
      std::optional<Post> post = DraftPost(transition, system);
      if (post) drafted_.push_back(*std::move(post));
    }
  }
}

void CollectorCore::Drain(absl::Duration spread) {
  sessions_.Drain(spread);
  WriteSeen(true);
  TakeHealth();
  may_write_ = true;
}

void CollectorCore::ObserveHealth(const FleetSnapshot& fleet) {
  const bool make_days = now_.mono - days_at_ >= kDaysPause;
  if (make_days) {
    days_at_ = now_.mono;
    days_.clear();
  }
  for (const SystemState& system : fleet.systems) {
    if (!IsInService(system.lifecycle)) continue;
    ledger_.Observe(now_, system.id, system.health);
    if (!make_days) continue;
    days_[system.id] = std::make_shared<const std::vector<DayShares>>(
        ledger_.Days(system.id, kDaysShown, now_.wall));
  }
}

void CollectorCore::TakeHealth() {
  for (HealthSpan& span : ledger_.TakeChanged()) {
    health_rows_[{span.system, span.from}] = {span.system, span.from, span.until,
                                              Name(span.health)};
  }
}

void CollectorCore::WriteSeen(bool all) {
  for (Seen& seen : fleet_.TakeSeen(all)) {
    seen_.push_back(
        {std::move(seen.system), seen.at, std::move(seen.version), seen.first});
  }
}

// What is told of is judged before it is committed, so that event and alert are
// on disk together or not at all.
void CollectorCore::JudgeEvents(const std::vector<EventRow>& rows) {
  for (const EventRow& row : rows) {
    v1::Event event;
    if (row.rejected == 0 && event.ParseFromString(row.body)) {
      alerts_.Told(now_, row.agent, event);
    }
  }
  if (!rows.empty() && now_.mono - looked_at_ >= kLookPause) {
    LookAt(fleet_.Snapshot(now_, stats_));
  }
}

void CollectorCore::LookAt(const FleetSnapshot& fleet) {
  looked_at_ = now_.mono;
  AlertInputs inputs{fleet};
  inputs.store_writes = store_writes_;
  alerts_.Tick(now_, inputs);
}

void CollectorCore::TakeAlerts() {
  AlertChanges changes = alerts_.Take();
  if (changes.empty()) return;
  for (const v1::Alert& alert : changes.changed) {
    alert_rows_[alert.id()] = alert.SerializeAsString();
  }
  for (const std::string& id : changes.forgotten) alert_rows_[id] = "";
  for (Notice& notice : changes.notices) notices_.push_back(std::move(notice));
  listed_ = std::make_shared<const std::vector<v1::Alert>>(alerts_.List());
}

CollectorOutput CollectorCore::Take() {
  GatewayOutput gateway = sessions_.Take();
  JudgeEvents(gateway.store);
  TakeAlerts();
  CollectorOutput output;
  output.send = std::move(gateway.send);
  output.close = std::move(gateway.close);
  output.store.events = std::move(gateway.store);
  output.store.seen = std::move(seen_);
  seen_.clear();
  // With the events, or alone; but a store that fails is not asked without end.
  if (may_write_ || !output.store.empty()) {
    for (auto& [id, body] : alert_rows_) {
      output.store.alerts.push_back({id, std::move(body)});
    }
    alert_rows_.clear();
    for (auto& [key, row] : health_rows_) output.store.health.push_back(std::move(row));
    health_rows_.clear();
    output.store.forget_health_until = ledger_.ForgottenUntil(now_.wall);
    for (const Post& post : drafted_) {
      output.store.posts.push_back(
          {0, post.created_at, post.system, post.title, post.body});
    }
  }
  if (!output.store.empty()) {
    output.ticket = next_ticket_++;
    at_store_.push_back({output.ticket, gateway.ticket, std::move(drafted_),
                         output.store.alerts, output.store.health, std::move(notices_)});
    drafted_.clear();
    notices_.clear();
  }
  output.notices = std::exchange(told_, {});
  return output;
}

void CollectorCore::Stored(Instant now, uint64_t ticket,
                           const absl::StatusOr<StoreResult>& result) {
  now_ = now;
  if (at_store_.empty() || at_store_.front().ticket != ticket) {
    Log(LogLevel::kError, "the store answered out of order", {{"ticket", ticket}});
    return;
  }
  AtStore batch = std::move(at_store_.front());
  at_store_.pop_front();
  store_writes_ = may_write_ = result.ok();
  // Told once it is on disk; and if it can't be, told all the same.
  for (Notice& notice : batch.notices) told_.push_back(std::move(notice));
  if (result.ok()) {
    ++stats_.store_commits;
    for (size_t i = 0; i < batch.posts.size() && i < result->post_ids.size(); ++i) {
      batch.posts[i].id = result->post_ids[i];
      fleet_.AddPost(std::move(batch.posts[i]));
    }
  } else {
    ++stats_.store_failures;
    Log(LogLevel::kError, "the store cannot write", {{"why", result.status()}});
    // What is newer is there already, and stays.
    for (AlertRow& row : batch.alerts) {
      alert_rows_.emplace(std::move(row.id), std::move(row.body));
    }
    for (HealthRow& row : batch.health) {
      health_rows_.emplace(std::make_pair(row.system, row.from), row);
    }
    // A post is told again when it can be written.
    for (Post& post : batch.posts) drafted_.push_back(std::move(post));
    if (drafted_.size() > kMostDrafts) {
      drafted_.erase(drafted_.begin(), drafted_.end() - kMostDrafts);
    }
  }
  if (batch.sessions_ticket != 0) sessions_.Stored(now, batch.sessions_ticket, result);
  stats_.store_queue_length = at_store_.size();
}

FleetSnapshot CollectorCore::Snapshot(Instant now) {
  stats_.store_queue_length = at_store_.size();
  stats_.alerts_refused = alerts_.refused();
  FleetSnapshot snapshot = fleet_.Snapshot(now, stats_);
  snapshot.alerts = listed_;
  for (SystemState& system : snapshot.systems) {
    const auto days = days_.find(system.id);
    if (days != days_.end()) system.days = days->second;
  }
  return snapshot;
}

}  // namespace mailvane
