// The one thread that writes to the store.  What waits is committed together:
// one fsync for up to 256 events, whoever sent them.
#pragma once

#include <cstdint>
#include <deque>
#include <functional>
#include <thread>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "collector/store/store.h"
#include "platform/mutex.h"

namespace mailvane {

class StoreWriter {
 public:
  // Called on the writer's thread, in the order of the tickets.  `took` is the
  // commit's whole duration, given to the first ticket of a group and zero to
  // the others.
  using Answer = std::function<void(uint64_t ticket, absl::StatusOr<StoreResult> result,
                                    absl::Duration took)>;

  // `store` is not owned; nobody else may use it while the writer lives.
  StoreWriter(Store* store, Answer answer);
  // Commits what waits.
  ~StoreWriter();

  // Tickets rise by one.  What waits is bounded by the sessions' windows.
  void Write(uint64_t ticket, StoreBatch batch);

 private:
  using Item = std::pair<uint64_t, StoreBatch>;

  void Run();
  std::vector<Item> TakeGroup();
  void CommitGroup(std::vector<Item> group);

  Store* const store_;
  const Answer answer_;

  Mutex mu_;
  CondVar changed_;
  std::deque<Item> waiting_ ABSL_GUARDED_BY(mu_);
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;

  // Last: it uses all of the above.
  std::thread thread_;
};

}  // namespace mailvane
