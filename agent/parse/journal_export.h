// Lines of `journalctl -o json`, as people save and send them.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

// Belongs to one thread.
class JournalExport {
 public:
  // Views live until the next call.  Absent: no JSON object, or without a time and a
  // message.  A field that is not UTF-8 is an array of bytes there, and one that an
  // entry has several times an array of texts: the first counts.
  std::optional<SyslogLine> Parse(absl::string_view json, SyslogReader* reader);

 private:
  std::string text_;
  std::string host_;
};

}  // namespace mailvane
