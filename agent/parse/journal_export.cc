#include "agent/parse/journal_export.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

using Json = nlohmann::json;

std::optional<std::string> Field(const Json& entry, const char* name) {
  const auto found = entry.find(name);
  if (found == entry.end()) return std::nullopt;
  const Json& value =
      found->is_array() && !found->empty() && !found->front().is_number()
          ? found->front()
          : *found;
  if (value.is_string()) return value.get<std::string>();
  if (!value.is_array()) return std::nullopt;
  std::string bytes;
  for (const Json& byte : value) {
    if (!byte.is_number_unsigned() || byte.get<uint64_t>() > 255) return std::nullopt;
    bytes.push_back(static_cast<char>(byte.get<uint64_t>()));
  }
  return bytes;
}

}  // namespace

std::optional<SyslogLine> JournalExport::Parse(absl::string_view json,
                                               SyslogReader* reader) {
  const Json entry =
      Json::parse(json.begin(), json.end(), nullptr, /*allow_exceptions=*/false);
  if (!entry.is_object()) return std::nullopt;
  const std::optional<std::string> time = Field(entry, "__REALTIME_TIMESTAMP");
  std::optional<std::string> message = Field(entry, "MESSAGE");
  int64_t microseconds = 0;
  if (!time || !message || !absl::SimpleAtoi(*time, &microseconds)) return std::nullopt;
  std::optional<std::string> program = Field(entry, "SYSLOG_IDENTIFIER");
  if (!program) program = Field(entry, "_COMM");
  std::optional<std::string> pid = Field(entry, "SYSLOG_PID");
  if (!pid) pid = Field(entry, "_PID");
  // One entry is one line.
  std::replace(message->begin(), message->end(), '\n', ' ');
  text_ = absl::StrCat(program.value_or(""), pid ? absl::StrCat("[", *pid, "]") : "",
                       ": ", *message);
  host_ = Field(entry, "_HOSTNAME").value_or("");
  return reader->ParseTagged(text_, absl::FromUnixMicros(microseconds), host_);
}

}  // namespace mailvane
