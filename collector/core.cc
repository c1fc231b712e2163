#include "collector/core.h"

#include <utility>

#include "collector/incident/drafts.h"
#include "platform/log.h"

namespace mailvane {
namespace {

constexpr int kPostsRestored = 20;
// Waiting for a store that cannot write; the oldest are the least worth.
constexpr size_t kMostDrafts = 100;

}  // namespace

CollectorCore::CollectorCore(const v1::Inventory& inventory, const Options& options,
                             Instant now)
    : options_(options),
      fleet_(inventory, options.fleet, now),
      sessions_(options.sessions, &fleet_, &stats_),
      seen_at_(now.mono) {
  stats_.started_at = now.wall;
}

absl::Status CollectorCore::Restore(Store* store) {
  absl::StatusOr<std::vector<CommittedRow>> committed = store->LoadCommitted();
  if (!committed.ok()) return committed.status();
  for (const CommittedRow& row : *committed) sessions_.Restore(row);
  absl::StatusOr<std::vector<SeenRow>> seen = store->LoadSeen();
  if (!seen.ok()) return seen.status();
  for (const SeenRow& row : *seen) fleet_.Restore(row.agent, row.at, row.version);
  absl::StatusOr<std::vector<PostRow>> posts = store->LoadPosts(kPostsRestored);
  if (!posts.ok()) return posts.status();
  for (auto row = posts->rbegin(); row != posts->rend(); ++row) {
    fleet_.AddPost({row->id, row->created, row->system, row->title, row->body});
  }
  return absl::OkStatus();
}

void CollectorCore::Opened(Instant now, SessionId id, absl::string_view peer) {
  sessions_.Opened(now, id, peer);
}

void CollectorCore::Received(Instant now, SessionId id, const v1::AgentFrame& frame) {
  sessions_.Receive(now, id, frame);
}

void CollectorCore::ReceivedGarbage(Instant now, SessionId id, absl::string_view why) {
  sessions_.ReceiveGarbage(now, id, why);
}

void CollectorCore::Closed(SessionId id) { sessions_.Closed(id); }

void CollectorCore::Pinged(Instant now, absl::string_view system,
                           const v1::PingReading& reading) {
  fleet_.Pinged(now, system, reading);
}

void CollectorCore::SetInventory(Instant now, const v1::Inventory& inventory) {
  fleet_.SetInventory(inventory, now);
  sessions_.InventoryChanged();
}

void CollectorCore::Tick(Instant now) {
  sessions_.Tick(now);
  const std::vector<HealthTransition> transitions = fleet_.Tick(now);
  const bool write_all = now.mono - seen_at_ >= options_.seen_interval;
  if (write_all) seen_at_ = now.mono;
  WriteSeen(write_all);
  if (transitions.empty()) return;
  const FleetSnapshot snapshot = fleet_.Snapshot(now, stats_);
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
}

void CollectorCore::WriteSeen(bool all) {
  for (Seen& seen : fleet_.TakeSeen(all)) {
    seen_.push_back({std::move(seen.system), seen.at, std::move(seen.version)});
  }
}

CollectorOutput CollectorCore::Take() {
  GatewayOutput gateway = sessions_.Take();
  CollectorOutput output;
  output.send = std::move(gateway.send);
  output.close = std::move(gateway.close);
  output.store.events = std::move(gateway.store);
  output.store.seen = std::move(seen_);
  seen_.clear();
  for (const Post& post : drafted_) {
    output.store.posts.push_back(
        {0, post.created_at, post.system, post.title, post.body});
  }
  if (!output.store.empty()) {
    output.ticket = next_ticket_++;
    at_store_.push_back({output.ticket, gateway.ticket, std::move(drafted_)});
    drafted_.clear();
  }
  return output;
}

void CollectorCore::Stored(Instant now, uint64_t ticket,
                           const absl::StatusOr<StoreResult>& result) {
  if (at_store_.empty() || at_store_.front().ticket != ticket) {
    Log(LogLevel::kError, "the store answered out of order", {{"ticket", ticket}});
    return;
  }
  AtStore batch = std::move(at_store_.front());
  at_store_.pop_front();
  if (result.ok()) {
    ++stats_.store_commits;
    for (size_t i = 0; i < batch.posts.size() && i < result->post_ids.size(); ++i) {
      batch.posts[i].id = result->post_ids[i];
      fleet_.AddPost(std::move(batch.posts[i]));
    }
  } else {
    ++stats_.store_failures;
    Log(LogLevel::kError, "the store cannot write", {{"why", result.status()}});
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
  return fleet_.Snapshot(now, stats_);
}

}  // namespace mailvane
