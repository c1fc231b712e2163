// SQLite, with statuses and owners in place of codes and pointers.
//
//   Statement insert = db->Prepare("INSERT INTO t VALUES (?, ?)").value();
//   insert.Bind(1, 7);
//   insert.Bind(2, "seven");
//   absl::Status status = insert.Run();
//
// A database and its statements belong to one thread at a time.  Errors:
// kResourceExhausted (disk full), kDataLoss (corrupt, or not a database),
// kUnavailable (busy), kInternal (I/O, fsync).  After an I/O error the database
// must be closed and opened again: what a failed fsync left behind is unknown.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

struct sqlite3;
struct sqlite3_stmt;

namespace mailvane {

class Statement {
 public:
  Statement(Statement&& other) noexcept;
  Statement& operator=(Statement&& other) noexcept;
  ~Statement();

  // Parameters count from 1.  Text and blobs are copied.
  void Bind(int index, int64_t value);
  void BindText(int index, absl::string_view value);
  void BindBlob(int index, absl::string_view value);

  // Runs a statement that returns no rows, and makes it ready to run again.
  absl::Status Run();
  // True while there is a row; false at the end, ready to run again.
  absl::StatusOr<bool> Step();
  void Reset();

  // Columns count from 0; the views are good until the next Step or Reset.
  int64_t Int(int column) const;
  absl::string_view Text(int column) const;
  absl::string_view Blob(int column) const;
  bool Null(int column) const;

 private:
  friend class Database;
  explicit Statement(sqlite3_stmt* statement) : statement_(statement) {}

  sqlite3_stmt* statement_;
};

class Database {
 public:
  struct Options {
    // Name of a registered VFS; empty for the host's.
    std::string vfs;
  };
  // Opens or makes the file, in WAL mode with synchronous=FULL: what a commit
  // said is done survives power loss.  ":memory:" is a database of its own.
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path,
                                                        const Options& options);
  static absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& path) {
    return Open(path, Options());
  }
  ~Database();
  Database(const Database&) = delete;
  Database& operator=(const Database&) = delete;

  // Runs one or several statements that return no rows.
  absl::Status Run(const std::string& sql);
  absl::StatusOr<Statement> Prepare(absl::string_view sql);
  // Rows changed by the last INSERT, UPDATE or DELETE.
  int64_t Changes() const;
  // The first column of the first row; kNotFound when there is no row.
  absl::StatusOr<int64_t> QueryInt(absl::string_view sql);

 private:
  explicit Database(sqlite3* db) : db_(db) {}
  sqlite3* db_;
};

// Rolls back unless it was committed.
class Transaction {
 public:
  static absl::StatusOr<Transaction> Begin(Database* db);
  Transaction(Transaction&& other) noexcept : db_(other.db_) { other.db_ = nullptr; }
  Transaction& operator=(Transaction&&) = delete;
  ~Transaction();
  absl::Status Commit();

 private:
  explicit Transaction(Database* db) : db_(db) {}
  Database* db_;
};

}  // namespace mailvane
