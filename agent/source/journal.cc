#include "agent/source/journal.h"

#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "platform/file_system.h"

namespace mailvane {
namespace {

// sd-journal.h, which we do not want to need.
struct sd_journal;
constexpr int kLocalOnly = 1;  // SD_JOURNAL_LOCAL_ONLY

struct Library {
  int (*open)(sd_journal**, int);
  int (*open_directory)(sd_journal**, const char*, int);
  void (*close)(sd_journal*);
  int (*add_match)(sd_journal*, const void*, size_t);
  int (*add_disjunction)(sd_journal*);
  int (*seek_head)(sd_journal*);
  int (*seek_tail)(sd_journal*);
  int (*seek_cursor)(sd_journal*, const char*);
  int (*test_cursor)(sd_journal*, const char*);
  int (*next)(sd_journal*);
  int (*previous)(sd_journal*);
  int (*get_cursor)(sd_journal*, char**);
  int (*get_realtime_usec)(sd_journal*, uint64_t*);
  int (*get_data)(sd_journal*, const char*, const void**, size_t*);
  int (*get_fd)(sd_journal*);
  int (*process)(sd_journal*);
};

class HostJournal final : public JournalHandle {
 public:
  HostJournal(const Library* library, sd_journal* journal)
      : lib_(*library), journal_(journal) {}
  ~HostJournal() override { lib_.close(journal_); }
  HostJournal(const HostJournal&) = delete;
  HostJournal& operator=(const HostJournal&) = delete;

  int AddMatch(absl::string_view match) override {
    return lib_.add_match(journal_, match.data(), match.size());
  }
  int AddDisjunction() override { return lib_.add_disjunction(journal_); }
  int SeekHead() override { return lib_.seek_head(journal_); }
  int SeekTail() override { return lib_.seek_tail(journal_); }
  int SeekCursor(const std::string& cursor) override {
    return lib_.seek_cursor(journal_, cursor.c_str());
  }
  int TestCursor(const std::string& cursor) override {
    return lib_.test_cursor(journal_, cursor.c_str());
  }
  int Next() override { return lib_.next(journal_); }
  int Previous() override { return lib_.previous(journal_); }
  int GetCursor(std::string* cursor) override {
    char* text = nullptr;
    const int result = lib_.get_cursor(journal_, &text);
    if (result >= 0) cursor->assign(text);
    free(text);
    return result;
  }
  int GetRealtime(uint64_t* microseconds) override {
    return lib_.get_realtime_usec(journal_, microseconds);
  }
  int GetField(const char* name, absl::string_view* value) override {
    const void* data = nullptr;
    size_t size = 0;
    const int result = lib_.get_data(journal_, name, &data, &size);
    if (result < 0) return result;
    const size_t prefix = strlen(name) + 1;
    if (size < prefix) return -EBADMSG;
    *value = absl::string_view(static_cast<const char*>(data) + prefix, size - prefix);
    return 0;
  }
  int Descriptor() override { return lib_.get_fd(journal_); }
  int Process() override { return lib_.process(journal_); }

 private:
  const Library& lib_;
  sd_journal* const journal_;
};

class HostJournalApi final : public JournalApi {
 public:
  explicit HostJournalApi(const Library& library) : library_(library) {}

  absl::StatusOr<std::unique_ptr<JournalHandle>> Open(
      const std::string& directory) override {
    sd_journal* journal = nullptr;
    const int result = directory.empty()
                           ? library_.open(&journal, kLocalOnly)
                           : library_.open_directory(&journal, directory.c_str(), 0);
    if (result < 0) {
      return ErrnoStatus(-result, absl::StrCat("open journal ", directory));
    }
    return std::make_unique<HostJournal>(&library_, journal);
  }

 private:
  // The shared object stays loaded for the life of the process.
  const Library library_;
};

template <typename Function>
bool Load(void* object, const char* name, Function* function) {
  *function = reinterpret_cast<Function>(dlsym(object, name));
  return *function != nullptr;
}

}  // namespace

absl::StatusOr<std::unique_ptr<JournalApi>> LoadJournalApi() {
  void* object = dlopen("libsystemd.so.0", RTLD_NOW | RTLD_LOCAL);
  if (object == nullptr) {
    return absl::UnimplementedError(
        "read the journal: libsystemd.so.0 is not on this host");
  }
  Library lib;
  if (!Load(object, "sd_journal_open", &lib.open) ||
      !Load(object, "sd_journal_open_directory", &lib.open_directory) ||
      !Load(object, "sd_journal_close", &lib.close) ||
      !Load(object, "sd_journal_add_match", &lib.add_match) ||
      !Load(object, "sd_journal_add_disjunction", &lib.add_disjunction) ||
      !Load(object, "sd_journal_seek_head", &lib.seek_head) ||
      !Load(object, "sd_journal_seek_tail", &lib.seek_tail) ||
      !Load(object, "sd_journal_seek_cursor", &lib.seek_cursor) ||
      !Load(object, "sd_journal_test_cursor", &lib.test_cursor) ||
      !Load(object, "sd_journal_next", &lib.next) ||
      !Load(object, "sd_journal_previous", &lib.previous) ||
      !Load(object, "sd_journal_get_cursor", &lib.get_cursor) ||
      !Load(object, "sd_journal_get_realtime_usec", &lib.get_realtime_usec) ||
      !Load(object, "sd_journal_get_data", &lib.get_data) ||
      !Load(object, "sd_journal_get_fd", &lib.get_fd) ||
      !Load(object, "sd_journal_process", &lib.process)) {
    dlclose(object);
    return absl::UnimplementedError(
        "read the journal: libsystemd.so.0 lacks a function that we need");
  }
  return std::make_unique<HostJournalApi>(lib);
}

Journal::Journal(JournalApi* api, Options options)
    : api_(api), options_(std::move(options)) {}

void Journal::Resume(absl::string_view checkpoint) {
  cursor_ = std::string(checkpoint);
  if (!cursor_.empty()) first_ = false;
}

absl::Status Journal::Open() {
  absl::StatusOr<std::unique_ptr<JournalHandle>> opened = api_->Open(options_.directory);
  if (!opened.ok()) return opened.status();
  std::unique_ptr<JournalHandle> journal = *std::move(opened);
  int result = 0;
  for (size_t i = 0; i < options_.matches.size() && result >= 0; ++i) {
    if (i > 0) result = journal->AddDisjunction();
    if (result >= 0) result = journal->AddMatch(options_.matches[i]);
  }
  // Without it there is nothing to poll, and changes are not noticed.
  if (result >= 0) result = std::min(journal->Descriptor(), 0);
  if (result < 0) return ErrnoStatus(-result, "prepare the journal");

  if (!cursor_.empty()) {
    // The cursor's own entry must still be there: it is the proof that nothing
    // behind it was dropped.
    result = journal->SeekCursor(cursor_);
    if (result >= 0) result = journal->Next();
    if (result > 0) result = journal->TestCursor(cursor_);
    if (result <= 0) {
      result = journal->SeekHead();
      if (result < 0) return ErrnoStatus(-result, "seek in the journal");
      losses_.push_back(
          {v1::LossRecord::CAUSE_JOURNAL_VACUUMED, std::nullopt, std::nullopt});
      cursor_.clear();
    }
  } else if (first_ && options_.start_at_end) {
    result = journal->SeekTail();
    if (result >= 0) result = journal->Previous();
    if (result > 0) {
      result = journal->GetCursor(&cursor_);
    } else if (result == 0) {
      // No entry yet: all that come are new.
      result = journal->SeekHead();
    }
    if (result < 0) return ErrnoStatus(-result, "seek in the journal");
  } else {
    result = journal->SeekHead();
    if (result < 0) return ErrnoStatus(-result, "seek in the journal");
  }
  first_ = false;
  journal_ = std::move(journal);
  return absl::OkStatus();
}

// "IDENT[PID]: MESSAGE", appended to `text`.
bool Journal::Render(std::string* text, LogLine* line) {
  uint64_t realtime = 0;
  if (journal_->GetRealtime(&realtime) < 0) return false;
  line->time = absl::FromUnixMicros(static_cast<int64_t>(realtime));
  absl::string_view value;
  if (journal_->GetField("SYSLOG_IDENTIFIER", &value) >= 0 ||
      journal_->GetField("_COMM", &value) >= 0) {
    absl::StrAppend(text, value.substr(0, 128));
  }
  if (journal_->GetField("SYSLOG_PID", &value) >= 0 ||
      journal_->GetField("_PID", &value) >= 0) {
    absl::StrAppend(text, "[", value.substr(0, 20), "]");
  }
  absl::StrAppend(text, ": ");
  const int result = journal_->GetField("MESSAGE", &value);
  if (result < 0) return result == -ENOENT;
  const size_t begin = text->size();
  absl::StrAppend(text, value.substr(0, options_.max_line));
  // One entry is one line.
  std::replace(text->begin() + begin, text->end(), '\n', ' ');
  if (value.size() > options_.max_line) {
    losses_.push_back({v1::LossRecord::CAUSE_LINE_TOO_LONG,
                       value.size() - options_.max_line, std::nullopt});
  }
  return true;
}

absl::StatusOr<LogChunk> Journal::Read() {
  if (journal_ == nullptr) {
    const absl::Status opened = Open();
    if (!opened.ok()) return opened;
  }
  LogChunk chunk;
  // Offsets into `text` first: it grows, so views into it come at the end.
  struct Piece {
    size_t text = 0, host = 0, cursor = 0, end = 0;
  };
  std::vector<Piece> pieces;
  std::string text;
  std::string cursor;
  absl::string_view host;
  int result = journal_->Process();
  while (result >= 0) {
    if (text.size() >= options_.max_chunk_bytes) {
      chunk.more = true;
      break;
    }
    result = journal_->Next();
    if (result <= 0) break;
    LogLine line;
    Piece piece;
    piece.text = text.size();
    if (!Render(&text, &line) || journal_->GetCursor(&cursor) < 0) {
      // An entry in a file that was vacuumed under us, or is damaged: skipped, and
      // said to be.
      text.resize(piece.text);
      losses_.push_back(
          {v1::LossRecord::CAUSE_JOURNAL_VACUUMED, std::nullopt, std::nullopt});
      continue;
    }
    piece.host = text.size();
    if (journal_->GetField("_HOSTNAME", &host) >= 0) absl::StrAppend(&text, host);
    piece.cursor = text.size();
    text += cursor;
    piece.end = text.size();
    cursor_ = cursor;
    pieces.push_back(piece);
    chunk.lines.push_back(line);
  }
  // Reopened by the next Read, from cursor_.
  if (result < 0) {
    journal_.reset();
    if (chunk.lines.empty() && losses_.empty()) {
      return ErrnoStatus(-result, "read the journal");
    }
    chunk.more = true;
  }
  chunk.buffer.reset(new char[text.size()]);
  std::copy(text.begin(), text.end(), chunk.buffer.get());
  const absl::string_view all(chunk.buffer.get(), text.size());
  for (size_t i = 0; i < pieces.size(); ++i) {
    const Piece& piece = pieces[i];
    chunk.lines[i].text = all.substr(piece.text, piece.host - piece.text);
    chunk.lines[i].host = all.substr(piece.host, piece.cursor - piece.host);
    chunk.lines[i].cursor = all.substr(piece.cursor, piece.end - piece.cursor);
  }
  chunk.losses = std::exchange(losses_, {});
  chunk.checkpoint = cursor_;
  return chunk;
}

}  // namespace mailvane
