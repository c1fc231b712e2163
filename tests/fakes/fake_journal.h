// A journal in memory, which a test can vacuum and break.
#pragma once

#include <errno.h>

#include <deque>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "agent/source/journal.h"

namespace mailvane {

class FakeJournal final : public JournalApi {
 public:
  struct Entry {
    int64_t number = 0;
    uint64_t realtime_us = 0;
    std::map<std::string, std::string> fields;
  };

  std::deque<Entry> entries;
  absl::Status open_status;
  // What the next call of Next returns in place of an entry.
  int fail_next = 0;
  int opened = 0;

  void Add(std::map<std::string, std::string> fields) {
    Entry entry;
    entry.number = ++last_;
    entry.realtime_us = 1'800'000'000'000'000 + last_;
    entry.fields = std::move(fields);
    entries.push_back(entry);
  }
  void AddMail(const std::string& message) {
    Add({{"SYSLOG_FACILITY", "2"},
         {"SYSLOG_IDENTIFIER", "postfix/smtpd"},
         {"_PID", "7"},
         {"_HOSTNAME", "mx1"},
         {"MESSAGE", message}});
  }

  absl::StatusOr<std::unique_ptr<JournalHandle>> Open(const std::string&) override {
    if (!open_status.ok()) return open_status;
    ++opened;
    return std::make_unique<Handle>(this);
  }

 private:
  class Handle final : public JournalHandle {
   public:
    explicit Handle(FakeJournal* journal) : journal_(journal) {}
    int AddMatch(absl::string_view match) override {
      matches_.emplace_back(match);
      return 0;
    }
    int AddDisjunction() override { return 0; }
    // As in sd-journal, a seek stands between entries: number_ is the last one
    // before the place.
    int SeekHead() override { return number_ = 0; }
    int SeekTail() override {
      number_ = journal_->last_ + 1;
      return 0;
    }
    int SeekCursor(const std::string& cursor) override {
      int64_t number = 0;
      if (!absl::SimpleAtoi(cursor, &number)) return -EINVAL;
      number_ = number - 1;
      return 0;
    }
    int TestCursor(const std::string& cursor) override {
      return cursor == absl::StrCat(number_) ? 1 : 0;
    }
    int Next() override {
      if (journal_->fail_next < 0) return std::exchange(journal_->fail_next, 0);
      for (const Entry& entry : journal_->entries) {
        if (entry.number > number_ && Matches(entry)) {
          number_ = entry.number;
          return 1;
        }
      }
      return 0;
    }
    int Previous() override {
      for (auto entry = journal_->entries.rbegin(); entry != journal_->entries.rend();
           ++entry) {
        if (entry->number < number_ && Matches(*entry)) {
          number_ = entry->number;
          return 1;
        }
      }
      return 0;
    }
    int GetCursor(std::string* cursor) override {
      *cursor = absl::StrCat(number_);
      return 0;
    }
    int GetRealtime(uint64_t* microseconds) override {
      *microseconds = Here()->realtime_us;
      return 0;
    }
    int GetField(const char* name, absl::string_view* value) override {
      const auto found = Here()->fields.find(name);
      if (found == Here()->fields.end()) return -ENOENT;
      *value = found->second;
      return 0;
    }
    int Descriptor() override { return 99; }
    int Process() override { return 0; }

   private:
    bool Matches(const Entry& entry) const {
      for (const std::string& match : matches_) {
        const size_t equals = match.find('=');
        const auto field = entry.fields.find(match.substr(0, equals));
        if (field != entry.fields.end() && field->second == match.substr(equals + 1)) {
          return true;
        }
      }
      return matches_.empty();
    }
    const Entry* Here() const {
      for (const Entry& entry : journal_->entries) {
        if (entry.number == number_) return &entry;
      }
      return nullptr;
    }

    FakeJournal* const journal_;
    std::vector<std::string> matches_;
    int64_t number_ = 0;
  };

  int64_t last_ = 0;
};

}  // namespace mailvane
