#include "collector/store/sqlite_store.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

constexpr int kSchemaVersion = 3;

// A duplicate is found by number (a replay) or by key (a log that was read
// twice, under a new number); either way the row that is there stays.
constexpr char kSchema[] = R"(
CREATE TABLE IF NOT EXISTS committed (
  agent TEXT NOT NULL, epoch BLOB NOT NULL, seq INTEGER NOT NULL,
  PRIMARY KEY (agent, epoch)) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS events (
  id INTEGER PRIMARY KEY, agent TEXT NOT NULL, epoch BLOB NOT NULL,
  seq INTEGER NOT NULL, key BLOB NOT NULL, time_us INTEGER NOT NULL,
  arrived_us INTEGER NOT NULL, body BLOB NOT NULL, rejected INTEGER NOT NULL,
  UNIQUE (agent, epoch, seq), UNIQUE (agent, key));
CREATE TABLE IF NOT EXISTS seen (
  agent TEXT PRIMARY KEY, at_us INTEGER NOT NULL, version TEXT NOT NULL) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS posts (
  id INTEGER PRIMARY KEY AUTOINCREMENT, created_us INTEGER NOT NULL,
  system TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL);
)";

// What each version added to the one before; the first makes version 2 of 1.
constexpr const char* kMigrations[] = {
    // Whoever was heard by a collector of version 1 has been there for long.
    "ALTER TABLE seen ADD COLUMN first_us INTEGER NOT NULL DEFAULT 0;"
    "CREATE TABLE alerts (id TEXT PRIMARY KEY, body BLOB NOT NULL) WITHOUT ROWID;",
    "CREATE TABLE health (system TEXT NOT NULL, from_s INTEGER NOT NULL, "
    "until_s INTEGER NOT NULL, health TEXT NOT NULL, PRIMARY KEY (system, from_s)) "
    "WITHOUT ROWID;"
    "CREATE INDEX health_until ON health (until_s);",
};

constexpr char kInsertEvent[] =
    "INSERT OR IGNORE INTO events (agent, epoch, seq, key, time_us, arrived_us, body, "
    "rejected) VALUES (?, ?, ?, ?, ?, ?, ?, ?)";
constexpr char kRaiseCommitted[] =
    "INSERT INTO committed VALUES (?, ?, ?) ON CONFLICT (agent, epoch) DO UPDATE SET "
    "seq = max(seq, excluded.seq)";
constexpr char kCommitted[] = "SELECT seq FROM committed WHERE agent = ? AND epoch = ?";
constexpr char kPutSeen[] =
    "INSERT INTO seen (agent, at_us, version, first_us) VALUES (?, ?, ?, ?) "
    "ON CONFLICT (agent) DO UPDATE SET "
    "at_us = excluded.at_us, version = excluded.version WHERE excluded.at_us >= at_us";
constexpr char kPutAlert[] =
    "INSERT INTO alerts VALUES (?, ?) ON CONFLICT (id) DO UPDATE SET body = "
    "excluded.body";
constexpr char kForgetAlert[] = "DELETE FROM alerts WHERE id = ?";
constexpr char kPutHealth[] =
    "INSERT INTO health VALUES (?, ?, ?, ?) ON CONFLICT (system, from_s) DO UPDATE SET "
    "until_s = excluded.until_s, health = excluded.health";
constexpr char kForgetHealth[] = "DELETE FROM health WHERE until_s <= ?";
constexpr char kInsertPost[] =
    "INSERT INTO posts (created_us, system, title, body) VALUES (?, ?, ?, ?) "
    "RETURNING id";

// Brings the file's schema up to date, in one transaction.
absl::Status Migrate(Database* db, int64_t version) {
  absl::StatusOr<Transaction> sql = Transaction::Begin(db);
  if (!sql.ok()) return sql.status();
  absl::Status status = version == 0 ? db->Run(kSchema) : absl::OkStatus();
  for (int64_t from = std::max<int64_t>(version, 1); from < kSchemaVersion; ++from) {
    if (status.ok()) status = db->Run(kMigrations[from - 1]);
  }
  if (status.ok()) status = db->Run(absl::StrCat("PRAGMA user_version=", kSchemaVersion));
  return status.ok() ? sql->Commit() : status;
}

}  // namespace

struct SqliteStore::Statements {
  Statement insert_event;
  Statement committed;
  Statement raise_committed;
  Statement put_seen;
  Statement insert_post;
  Statement put_alert;
  Statement forget_alert;
  Statement put_health;
  Statement forget_health;
};

SqliteStore::SqliteStore(std::unique_ptr<Database> db, Statements statements)
    : db_(std::move(db)),
      statements_(std::make_unique<Statements>(std::move(statements))) {}

SqliteStore::~SqliteStore() = default;

absl::StatusOr<std::unique_ptr<SqliteStore>> SqliteStore::Open(const std::string& path,
                                                               const std::string& vfs) {
  absl::StatusOr<std::unique_ptr<Database>> db = Database::Open(path, {vfs});
  if (!db.ok()) return db.status();
  absl::StatusOr<int64_t> version = (*db)->QueryInt("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path, ": made by a newer version (schema ", *version,
                     ", this one reads ", kSchemaVersion, ")"));
  }
  absl::Status status = Migrate(db->get(), *version);
  if (!status.ok()) return status;
  absl::StatusOr<Statement> insert_event = (*db)->Prepare(kInsertEvent);
  if (!insert_event.ok()) return insert_event.status();
  absl::StatusOr<Statement> committed = (*db)->Prepare(kCommitted);
  if (!committed.ok()) return committed.status();
  absl::StatusOr<Statement> raise = (*db)->Prepare(kRaiseCommitted);
  if (!raise.ok()) return raise.status();
  absl::StatusOr<Statement> put_seen = (*db)->Prepare(kPutSeen);
  if (!put_seen.ok()) return put_seen.status();
  absl::StatusOr<Statement> insert_post = (*db)->Prepare(kInsertPost);
  if (!insert_post.ok()) return insert_post.status();
  absl::StatusOr<Statement> put_alert = (*db)->Prepare(kPutAlert);
  if (!put_alert.ok()) return put_alert.status();
  absl::StatusOr<Statement> forget_alert = (*db)->Prepare(kForgetAlert);
  if (!forget_alert.ok()) return forget_alert.status();
  absl::StatusOr<Statement> put_health = (*db)->Prepare(kPutHealth);
  if (!put_health.ok()) return put_health.status();
  absl::StatusOr<Statement> forget_health = (*db)->Prepare(kForgetHealth);
  if (!forget_health.ok()) return forget_health.status();
  return std::unique_ptr<SqliteStore>(new SqliteStore(
      *std::move(db),
      {*std::move(insert_event), *std::move(committed), *std::move(raise),
       *std::move(put_seen), *std::move(insert_post), *std::move(put_alert),
       *std::move(forget_alert), *std::move(put_health), *std::move(forget_health)}));
}

absl::StatusOr<uint64_t> SqliteStore::Committed(const EventRow& row) {
  Statement& query = statements_->committed;
  query.BindText(1, row.agent);
  query.BindBlob(2, row.epoch);
  absl::StatusOr<bool> found = query.Step();
  if (!found.ok()) return found.status();
  const uint64_t seq = *found ? query.Int(0) : 0;
  query.Reset();
  return seq;
}

absl::Status SqliteStore::RaiseCommitted(const EventRow& row) {
  Statement& raise = statements_->raise_committed;
  raise.BindText(1, row.agent);
  raise.BindBlob(2, row.epoch);
  raise.Bind(3, static_cast<int64_t>(row.covers_upto));
  return raise.Run();
}

absl::Status SqliteStore::InsertEvent(const EventRow& row, StoreResult* result) {
  Statement& insert = statements_->insert_event;
  insert.BindText(1, row.agent);
  insert.BindBlob(2, row.epoch);
  insert.Bind(3, static_cast<int64_t>(row.seq));
  insert.BindBlob(4, row.key);
  insert.Bind(5, absl::ToUnixMicros(row.time));
  insert.Bind(6, absl::ToUnixMicros(row.arrived));
  insert.BindBlob(7, row.body);
  insert.Bind(8, row.rejected);
  absl::Status status = insert.Run();
  if (status.ok() && db_->Changes() == 0) ++result->duplicates;
  return status;
}

// Rows of one agent come in runs, so what is committed is read once at a run's
// beginning and written once at its end.
absl::Status SqliteStore::CommitEvents(const std::vector<EventRow>& events,
                                       StoreResult* result) {
  uint64_t committed = 0;
  for (size_t i = 0; i < events.size(); ++i) {
    const EventRow& row = events[i];
    const auto same_run = [&row](const EventRow& other) {
      return other.agent == row.agent && other.epoch == row.epoch;
    };
    if (i == 0 || !same_run(events[i - 1])) {
      absl::StatusOr<uint64_t> before = Committed(row);
      if (!before.ok()) return before.status();
      committed = *before;
    }
    if (row.seq > committed + 1) {
      return absl::FailedPreconditionError(absl::StrCat(
          "event ", row.seq, " of ", row.agent, ": what comes before it, from ",
          committed + 1, ", is not committed"));
    }
    committed = std::max(committed, row.covers_upto);
    absl::Status status = InsertEvent(row, result);
    if (!status.ok()) return status;
    if (i + 1 == events.size() || !same_run(events[i + 1])) {
      status = RaiseCommitted(row);
      if (!status.ok()) return status;
    }
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::PutSeen(const std::vector<SeenRow>& seen) {
  for (const SeenRow& row : seen) {
    Statement& put = statements_->put_seen;
    put.BindText(1, row.agent);
    put.Bind(2, absl::ToUnixMicros(row.at));
    put.BindText(3, row.version);
    put.Bind(4, absl::ToUnixMicros(row.first));
    absl::Status status = put.Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::InsertPosts(const std::vector<PostRow>& posts,
                                      StoreResult* result) {
  for (const PostRow& row : posts) {
    Statement& insert = statements_->insert_post;
    insert.Bind(1, absl::ToUnixMicros(row.created));
    insert.BindText(2, row.system);
    insert.BindText(3, row.title);
    insert.BindText(4, row.body);
    absl::StatusOr<bool> id = insert.Step();
    if (!id.ok()) return id.status();
    result->post_ids.push_back(insert.Int(0));
    absl::Status status = insert.Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::PutAlerts(const std::vector<AlertRow>& alerts) {
  for (const AlertRow& row : alerts) {
    Statement& put =
        row.body.empty() ? statements_->forget_alert : statements_->put_alert;
    put.BindText(1, row.id);
    if (!row.body.empty()) put.BindBlob(2, row.body);
    absl::Status status = put.Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status SqliteStore::PutHealth(const StoreBatch& batch) {
  for (const HealthRow& row : batch.health) {
    Statement& put = statements_->put_health;
    put.BindText(1, row.system);
    put.Bind(2, row.from);
    put.Bind(3, row.until);
    put.BindText(4, row.health);
    absl::Status status = put.Run();
    if (!status.ok()) return status;
  }
  if (batch.forget_health_until == 0) return absl::OkStatus();
  statements_->forget_health.Bind(1, batch.forget_health_until);
  return statements_->forget_health.Run();
}

absl::StatusOr<StoreResult> SqliteStore::Commit(const StoreBatch& batch) {
  StoreResult result;
  absl::StatusOr<Transaction> sql = Transaction::Begin(db_.get());
  if (!sql.ok()) return sql.status();
  absl::Status status = CommitEvents(batch.events, &result);
  if (status.ok()) status = PutSeen(batch.seen);
  if (status.ok()) status = InsertPosts(batch.posts, &result);
  if (status.ok()) status = PutAlerts(batch.alerts);
  if (status.ok()) status = PutHealth(batch);
  if (status.ok()) status = sql->Commit();
  if (!status.ok()) return status;
  return result;
}

absl::StatusOr<std::vector<CommittedRow>> SqliteStore::LoadCommitted() {
  absl::StatusOr<Statement> query =
      db_->Prepare("SELECT agent, epoch, seq FROM committed");
  if (!query.ok()) return query.status();
  std::vector<CommittedRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    rows.push_back({std::string(query->Text(0)), std::string(query->Blob(1)),
                    static_cast<uint64_t>(query->Int(2))});
  }
}

absl::StatusOr<std::vector<SeenRow>> SqliteStore::LoadSeen() {
  absl::StatusOr<Statement> query =
      db_->Prepare("SELECT agent, at_us, version, first_us FROM seen");
  if (!query.ok()) return query.status();
  std::vector<SeenRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    rows.push_back({std::string(query->Text(0)), absl::FromUnixMicros(query->Int(1)),
                    std::string(query->Text(2)), absl::FromUnixMicros(query->Int(3))});
  }
}

absl::StatusOr<std::vector<AlertRow>> SqliteStore::LoadAlerts() {
  absl::StatusOr<Statement> query = db_->Prepare("SELECT id, body FROM alerts");
  if (!query.ok()) return query.status();
  std::vector<AlertRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    rows.push_back({std::string(query->Text(0)), std::string(query->Blob(1))});
  }
}

absl::StatusOr<std::vector<HealthRow>> SqliteStore::LoadHealth() {
  absl::StatusOr<Statement> query =
      db_->Prepare("SELECT system, from_s, until_s, health FROM health ORDER BY from_s");
  if (!query.ok()) return query.status();
  std::vector<HealthRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    rows.push_back({std::string(query->Text(0)), query->Int(1), query->Int(2),
                    std::string(query->Text(3))});
  }
}

absl::StatusOr<std::vector<PostRow>> SqliteStore::LoadPosts(int limit) {
  absl::StatusOr<Statement> query = db_->Prepare(
      "SELECT id, created_us, system, title, body FROM posts ORDER BY id DESC LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(1, limit);
  std::vector<PostRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    rows.push_back({query->Int(0), absl::FromUnixMicros(query->Int(1)),
                    std::string(query->Text(2)), std::string(query->Text(3)),
                    std::string(query->Text(4))});
  }
}

absl::StatusOr<std::vector<EventRow>> SqliteStore::LoadEvents(int limit) {
  absl::StatusOr<Statement> query = db_->Prepare(
      "SELECT agent, epoch, seq, key, time_us, arrived_us, body, rejected FROM events "
      "ORDER BY id DESC LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(1, limit);
  std::vector<EventRow> rows;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return rows;
    EventRow event;
    event.agent = std::string(query->Text(0));
    event.epoch = std::string(query->Blob(1));
    event.seq = event.covers_upto = query->Int(2);
    event.key = std::string(query->Blob(3));
    event.time = absl::FromUnixMicros(query->Int(4));
    event.arrived = absl::FromUnixMicros(query->Int(5));
    event.body = std::string(query->Blob(6));
    event.rejected = static_cast<int>(query->Int(7));
    rows.push_back(std::move(event));
  }
}

}  // namespace mailvane
