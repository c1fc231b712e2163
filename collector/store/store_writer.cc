#include "collector/store/store_writer.h"

#include <iterator>

#include "absl/time/clock.h"

namespace mailvane {
namespace {

constexpr size_t kMostEvents = 256;

template <typename T>
void Append(std::vector<T>* all, std::vector<T>&& more) {
  all->insert(all->end(), std::make_move_iterator(more.begin()),
              std::make_move_iterator(more.end()));
}

}  // namespace

StoreWriter::StoreWriter(Store* store, Answer answer)
    : store_(store), answer_(std::move(answer)), thread_([this] { Run(); }) {}

StoreWriter::~StoreWriter() {
  {
    MutexLock lock(&mu_);
    stopping_ = true;
    changed_.NotifyAll();
  }
  thread_.join();
}

void StoreWriter::Write(uint64_t ticket, StoreBatch batch) {
  MutexLock lock(&mu_);
  waiting_.emplace_back(ticket, std::move(batch));
  changed_.NotifyAll();
}

void StoreWriter::Run() {
  while (true) {
    std::vector<Item> group = TakeGroup();
    if (group.empty()) return;
    CommitGroup(std::move(group));
  }
}

// Empty: stopping, and nothing waits.
std::vector<StoreWriter::Item> StoreWriter::TakeGroup() {
  MutexLock lock(&mu_);
  while (waiting_.empty() && !stopping_) changed_.Wait(&mu_);
  std::vector<Item> group;
  size_t events = 0;
  while (!waiting_.empty()) {
    events += waiting_.front().second.events.size();
    if (!group.empty() && events > kMostEvents) break;
    group.push_back(std::move(waiting_.front()));
    waiting_.pop_front();
  }
  return group;
}

void StoreWriter::CommitGroup(std::vector<Item> group) {
  StoreBatch all;
  std::vector<size_t> posts;
  for (auto& [ticket, batch] : group) {
    posts.push_back(batch.posts.size());
    Append(&all.events, std::move(batch.events));
    Append(&all.seen, std::move(batch.seen));
    Append(&all.posts, std::move(batch.posts));
    Append(&all.alerts, std::move(batch.alerts));
    Append(&all.health, std::move(batch.health));
    all.forget_health_until =
        std::max(all.forget_health_until, batch.forget_health_until);
  }
  const absl::Time before = absl::Now();
  const absl::StatusOr<StoreResult> result = store_->Commit(all);
  absl::Duration took = absl::Now() - before;
  size_t next_post = 0;
  for (size_t i = 0; i < group.size(); ++i) {
    absl::StatusOr<StoreResult> own = result;
    if (own.ok()) {
      const auto first = result->post_ids.begin() + next_post;
      own->post_ids.assign(first, first + posts[i]);
      next_post += posts[i];
      // Of the whole group: told once.
      if (i > 0) own->duplicates = 0;
    }
    answer_(group[i].first, std::move(own), took);
    took = absl::ZeroDuration();
  }
}

}  // namespace mailvane
