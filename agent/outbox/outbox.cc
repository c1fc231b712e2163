#include "agent/outbox/outbox.h"

#include <cstdio>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "platform/log.h"

namespace mailvane {
namespace {

// Raised with each change that an older program could not read.
constexpr int kSchemaVersion = 1;

constexpr char kSchema[] =
    "CREATE TABLE IF NOT EXISTS meta (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS spool (seq INTEGER PRIMARY KEY, body BLOB NOT NULL);"
    "CREATE TABLE IF NOT EXISTS checkpoint (key TEXT PRIMARY KEY, value BLOB) WITHOUT "
    "ROWID;"
    "CREATE TABLE IF NOT EXISTS state (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID;";

// Moves a file that cannot be read, and what SQLite keeps beside it, out of the
// way; a person may want to look at it.
void SetAside(const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    std::rename((path + suffix).c_str(), (path + ".corrupt" + suffix).c_str());
  }
}

absl::StatusOr<std::unique_ptr<Database>> OpenSound(const std::string& path,
                                                    const std::string& vfs) {
  absl::StatusOr<std::unique_ptr<Database>> db = Database::Open(path, {vfs});
  if (!db.ok()) return db;
  absl::StatusOr<int64_t> version = (*db)->QueryInt("PRAGMA user_version");
  if (!version.ok()) return version.status();
  if (*version > kSchemaVersion) {
    return absl::FailedPreconditionError(
        absl::StrCat("open ", path, ": made by a newer version (schema ", *version,
                     ", this one reads ", kSchemaVersion, ")"));
  }
  absl::StatusOr<Statement> check = (*db)->Prepare("PRAGMA quick_check(1)");
  if (!check.ok()) return check.status();
  absl::StatusOr<bool> row = check->Step();
  if (!row.ok()) return row.status();
  if (!*row || check->Text(0) != "ok") {
    return absl::DataLossError(absl::StrCat("open ", path, ": ", check->Text(0)));
  }
  check->Reset();
  absl::Status status =
      (*db)->Run(absl::StrCat(kSchema, "PRAGMA user_version=", kSchemaVersion));
  if (!status.ok()) return status;
  return db;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Outbox>> Outbox::Open(const std::string& path,
                                                     Random* random,
                                                     const Options& options) {
  bool lost_previous = false;
  for (int attempt = 0;; ++attempt) {
    absl::StatusOr<std::unique_ptr<Database>> db = OpenSound(path, options.vfs);
    absl::Status status = db.status();
    std::unique_ptr<Outbox> outbox;
    if (status.ok()) {
      outbox.reset(new Outbox(*std::move(db), random, options));
      status = outbox->Load();
    }
    if (status.ok()) {
      outbox->lost_previous_ = lost_previous;
      return outbox;
    }
    if (status.code() != absl::StatusCode::kDataLoss || attempt > 0) return status;
    outbox.reset();
    Log(LogLevel::kError, "outbox is corrupt: set aside, starting a new one",
        {{"path", path}, {"why", status}});
    SetAside(path);
    lost_previous = true;
  }
}

absl::Status Outbox::Load() {
  absl::StatusOr<std::optional<std::string>> epoch = Lookup("meta", "epoch");
  if (!epoch.ok()) return epoch.status();
  if (!epoch->has_value()) {
    epoch_ = random_->Bytes(16);
    absl::Status status = SetMeta("epoch", epoch_);
    if (status.ok()) status = SetMeta("next_seq", "1");
    return status;
  }
  absl::StatusOr<std::optional<std::string>> next = Lookup("meta", "next_seq");
  absl::StatusOr<std::optional<std::string>> clean = Lookup("meta", "clean_stop");
  if (!next.ok()) return next.status();
  if (!clean.ok()) return clean.status();
  epoch_ = **epoch;
  if (epoch_.size() != 16 || !next->has_value() ||
      !absl::SimpleAtoi(**next, &next_seq_) || next_seq_ == 0) {
    return absl::DataLossError("outbox: its epoch or its number makes no sense");
  }
  absl::StatusOr<Statement> spool =
      db_->Prepare("SELECT min(seq), max(seq), count(*), sum(length(body)) FROM spool");
  if (!spool.ok()) return spool.status();
  absl::StatusOr<bool> row = spool->Step();
  if (!row.ok()) return row.status();
  first_unacked_ = next_seq_;
  const uint64_t count = spool->Int(2);
  if (count > 0) {
    first_unacked_ = spool->Int(0);
    bytes_ = spool->Int(3);
    const uint64_t last = spool->Int(1);
    if (last != next_seq_ - 1 || last - first_unacked_ + 1 != count) {
      return absl::DataLossError("outbox: its numbers have a hole");
    }
  }
  spool->Reset();
  after_clean_stop_ = clean->has_value() && **clean == "1";
  return SetMeta("clean_stop", "0");
}

absl::Status Outbox::SetMeta(absl::string_view key, absl::string_view value) {
  absl::StatusOr<Statement> put =
      db_->Prepare("INSERT OR REPLACE INTO meta VALUES (?, ?)");
  if (!put.ok()) return put.status();
  put->BindText(1, key);
  put->BindBlob(2, value);
  return put->Run();
}

absl::Status Outbox::Commit(const OutboxTransaction& transaction) {
  absl::Status status = Append(transaction);
  disk_full_ = absl::IsResourceExhausted(status);
  return status;
}

absl::Status Outbox::Append(const OutboxTransaction& transaction) {
  absl::StatusOr<Transaction> sql = Transaction::Begin(db_.get());
  if (!sql.ok()) return sql.status();

  absl::StatusOr<Statement> append = db_->Prepare("INSERT INTO spool VALUES (?, ?)");
  if (!append.ok()) return append.status();
  uint64_t seq = next_seq_;
  uint64_t added_bytes = 0;
  for (const std::string& event : transaction.events) {
    append->Bind(1, static_cast<int64_t>(seq++));
    append->BindBlob(2, event);
    added_bytes += event.size();
    absl::Status status = append->Run();
    if (!status.ok()) return status;
  }
  if (seq != next_seq_) {
    absl::Status status = SetMeta("next_seq", absl::StrCat(seq));
    if (!status.ok()) return status;
  }
  for (const auto& [table, rows] :
       {std::make_pair("checkpoint", &transaction.checkpoints),
        std::make_pair("state", &transaction.states)}) {
    absl::StatusOr<Statement> put =
        db_->Prepare(absl::StrCat("INSERT OR REPLACE INTO ", table, " VALUES (?, ?)"));
    if (!put.ok()) return put.status();
    for (const auto& [key, value] : *rows) {
      put->BindText(1, key);
      put->BindBlob(2, value);
      absl::Status status = put->Run();
      if (!status.ok()) return status;
    }
  }
  absl::Status status = ForgetEmptyStates(transaction);
  if (status.ok()) status = sql->Commit();
  if (!status.ok()) return status;
  // Beyond this point it is on disk.
  next_seq_ = seq;
  bytes_ += added_bytes;
  return absl::OkStatus();
}

absl::Status Outbox::ForgetEmptyStates(const OutboxTransaction& transaction) {
  absl::StatusOr<Statement> forget =
      db_->Prepare("DELETE FROM state WHERE key = ? AND length(value) = 0");
  if (!forget.ok()) return forget.status();
  for (const auto& [name, bytes] : transaction.states) {
    if (!bytes.empty()) continue;
    forget->BindText(1, name);
    absl::Status status = forget->Run();
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<std::string>> Outbox::Read(uint64_t from_seq,
                                                      size_t max_events,
                                                      size_t max_bytes) const {
  absl::StatusOr<Statement> query =
      db_->Prepare("SELECT body FROM spool WHERE seq >= ? ORDER BY seq LIMIT ?");
  if (!query.ok()) return query.status();
  query->Bind(1, static_cast<int64_t>(from_seq));
  query->Bind(2, static_cast<int64_t>(max_events));
  std::vector<std::string> events;
  size_t bytes = 0;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return events;
    const absl::string_view body = query->Blob(0);
    bytes += body.size();
    if (!events.empty() && bytes > max_bytes) return events;
    events.emplace_back(body);
  }
}

absl::Status Outbox::Acknowledge(uint64_t upto) {
  if (upto >= next_seq_) {
    return absl::InvalidArgumentError(
        absl::StrCat("ack of ", upto, ": only ", next_seq_ - 1, " were given out"));
  }
  if (upto < first_unacked_) return absl::OkStatus();
  absl::StatusOr<int64_t> bytes = db_->QueryInt(
      absl::StrCat("SELECT sum(length(body)) FROM spool WHERE seq <= ", upto));
  if (!bytes.ok()) return bytes.status();
  absl::Status status = db_->Run(absl::StrCat("DELETE FROM spool WHERE seq <= ", upto));
  if (!status.ok()) return status;
  bytes_ -= *bytes;
  first_unacked_ = upto + 1;
  return absl::OkStatus();
}

absl::Status Outbox::StartNewEpoch() {
  absl::StatusOr<Transaction> sql = Transaction::Begin(db_.get());
  if (!sql.ok()) return sql.status();
  const std::string epoch = random_->Bytes(16);
  const uint64_t shift = first_unacked_ - 1;
  // In ascending order each number moves to one that is free: the first to 1,
  // since all below it are acked and gone, and the others close up behind it.
  absl::Status status = db_->Run(absl::StrCat("UPDATE spool SET seq = seq - ", shift));
  if (status.ok()) status = SetMeta("epoch", epoch);
  if (status.ok()) status = SetMeta("next_seq", absl::StrCat(next_seq_ - shift));
  if (status.ok()) status = sql->Commit();
  if (!status.ok()) return status;
  epoch_ = epoch;
  next_seq_ -= shift;
  first_unacked_ = 1;
  return absl::OkStatus();
}

absl::StatusOr<std::optional<std::string>> Outbox::Lookup(absl::string_view table,
                                                          absl::string_view key) const {
  absl::StatusOr<Statement> query =
      db_->Prepare(absl::StrCat("SELECT value FROM ", table, " WHERE key = ?"));
  if (!query.ok()) return query.status();
  query->BindText(1, key);
  absl::StatusOr<bool> row = query->Step();
  if (!row.ok()) return row.status();
  if (!*row) return std::nullopt;
  return std::string(query->Blob(0));
}

absl::StatusOr<std::optional<std::string>> Outbox::Checkpoint(
    absl::string_view source) const {
  return Lookup("checkpoint", source);
}

absl::StatusOr<std::optional<std::string>> Outbox::State(absl::string_view name) const {
  return Lookup("state", name);
}

absl::StatusOr<std::vector<std::pair<std::string, std::string>>> Outbox::States() const {
  absl::StatusOr<Statement> query =
      db_->Prepare("SELECT key, value FROM state ORDER BY key");
  if (!query.ok()) return query.status();
  std::vector<std::pair<std::string, std::string>> states;
  while (true) {
    absl::StatusOr<bool> row = query->Step();
    if (!row.ok()) return row.status();
    if (!*row) return states;
    states.emplace_back(query->Blob(0), query->Blob(1));
  }
}

absl::Status Outbox::MarkCleanStop() { return SetMeta("clean_stop", "1"); }

}  // namespace mailvane
