// The mail entries of the systemd journal, as a stream of lines that looks like
// a log file's: for hosts without a syslog daemon, as Debian 12 installs them.
//
// libsystemd is opened at run time, so that the agent runs on hosts without it.
// No thread, no timer: read when Descriptor() is readable, else every second.
// Belongs to one thread.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/source/log_chunk.h"

namespace mailvane {

// The part of sd-journal(3) that we use, one open journal.  Each returns what the
// C function does: a negative errno, or what it says.
class JournalHandle {
 public:
  virtual ~JournalHandle() = default;
  virtual int AddMatch(absl::string_view match) = 0;
  virtual int AddDisjunction() = 0;
  virtual int SeekHead() = 0;
  virtual int SeekTail() = 0;
  virtual int SeekCursor(const std::string& cursor) = 0;
  virtual int TestCursor(const std::string& cursor) = 0;
  // 0: there is no such entry.
  virtual int Next() = 0;
  virtual int Previous() = 0;
  virtual int GetCursor(std::string* cursor) = 0;
  virtual int GetRealtime(uint64_t* microseconds) = 0;
  // The field's value, without "NAME="; valid until the next call.
  virtual int GetField(const char* name, absl::string_view* value) = 0;
  virtual int Descriptor() = 0;
  // Takes note of what the descriptor said.
  virtual int Process() = 0;
};

class JournalApi {
 public:
  virtual ~JournalApi() = default;
  // `directory` empty: the host's journal.  Errors: kNotFound, kPermissionDenied,
  // kUnavailable.
  virtual absl::StatusOr<std::unique_ptr<JournalHandle>> Open(
      const std::string& directory) = 0;
};

// kUnimplemented when the host has no libsystemd.so.0.
absl::StatusOr<std::unique_ptr<JournalApi>> LoadJournalApi();

class Journal {
 public:
  struct Options {
    // Empty: the host's.
    std::string directory;
    // An entry counts when it has one of these.  Anybody on the host may claim a
    // facility; _SYSTEMD_UNIT is the journal's own word.
    std::vector<std::string> matches = {"SYSLOG_FACILITY=2"};
    size_t max_chunk_bytes = 256 * 1024;
    size_t max_line = 8 * 1024;
    bool start_at_end = true;
  };

  // `api` is not owned and must outlive this.
  Journal(JournalApi* api, Options options);
  Journal(const Journal&) = delete;
  Journal& operator=(const Journal&) = delete;

  // Before the first Read: the last chunk's checkpoint, empty at the very first
  // start.
  void Resume(absl::string_view checkpoint);

  // Errors are as JournalApi::Open's, and may go away: call again.  A journal that
  // fails while it is read is opened anew from the last entry given; if that one
  // is gone, the chunk says CAUSE_JOURNAL_VACUUMED and goes on from the oldest
  // entry there is.
  absl::StatusOr<LogChunk> Read();

  // -1 before the first successful Read, and after a failure.
  int Descriptor() const { return journal_ == nullptr ? -1 : journal_->Descriptor(); }

 private:
  absl::Status Open();
  bool Render(std::string* text, LogLine* line);

  JournalApi* const api_;
  const Options options_;

  std::unique_ptr<JournalHandle> journal_;
  std::string cursor_;
  bool first_ = true;
  std::vector<LogLoss> losses_;
};

}  // namespace mailvane
