// The store in one SQLite file: the embedded default.
#pragma once

#include <memory>
#include <string>

#include "collector/store/store.h"
#include "platform/sqlite.h"

namespace mailvane {

class SqliteStore final : public Store {
 public:
  // Opens or makes the file.  kFailedPrecondition: a newer version made it;
  // kDataLoss: it is corrupt, and nobody but a person should decide what to do.
  // `vfs`: name of a registered SQLite VFS; empty for the host's.
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path,
                                                           const std::string& vfs = "");
  ~SqliteStore() override;

  absl::StatusOr<StoreResult> Commit(const StoreBatch& batch) override;
  absl::StatusOr<std::vector<CommittedRow>> LoadCommitted() override;
  absl::StatusOr<std::vector<SeenRow>> LoadSeen() override;
  absl::StatusOr<std::vector<AlertRow>> LoadAlerts() override;
  absl::StatusOr<std::vector<HealthRow>> LoadHealth() override;
  absl::StatusOr<std::vector<PostRow>> LoadPosts(int limit) override;
  absl::StatusOr<std::vector<EventRow>> LoadEvents(int limit) override;

 private:
  struct Statements;
  SqliteStore(std::unique_ptr<Database> db, Statements statements);

  absl::Status CommitEvents(const std::vector<EventRow>& events, StoreResult* result);
  absl::Status InsertEvent(const EventRow& row, StoreResult* result);
  absl::StatusOr<uint64_t> Committed(const EventRow& row);
  absl::Status RaiseCommitted(const EventRow& row);
  absl::Status PutSeen(const std::vector<SeenRow>& seen);
  absl::Status InsertPosts(const std::vector<PostRow>& posts, StoreResult* result);
  absl::Status PutAlerts(const std::vector<AlertRow>& alerts);
  absl::Status PutHealth(const StoreBatch& batch);

  std::unique_ptr<Database> db_;
  // After db_: statements must go before their database.
  std::unique_ptr<Statements> statements_;
};

}  // namespace mailvane
