#include "agent/parse/dropped_lines.h"

#include "agent/parse/scan.h"

namespace mailvane {
namespace {

bool IsMailUnit(absl::string_view unit) {
  for (const char* program : {"postfix", "exim", "dovecot", "opensmtpd", "smtpd",
                              "sendmail", "amavis", "rspamd", "opendkim"}) {
    if (unit.find(program) != scan::kNone) return true;
  }
  return false;
}

std::optional<uint64_t> ByJournald(absl::string_view text) {
  uint64_t count = 0;
  if (!scan::Take(&text, "Suppressed ") || !scan::TakeNumber(&text, &count) ||
      !scan::Take(&text, " messages from ") || !IsMailUnit(text)) {
    return std::nullopt;
  }
  return count;
}

std::optional<uint64_t> ByRsyslog(absl::string_view text) {
  if (!scan::Take(&text, "imuxsock") && !scan::Take(&text, "imjournal")) {
    return std::nullopt;
  }
  uint64_t count = 0;
  if (scan::Take(&text, " lost ")) {
    const bool known = scan::TakeNumber(&text, &count) &&
                       scan::Take(&text, " messages from pid ") &&
                       text.find(" due to rate-limiting") != scan::kNone;
    return known ? std::optional<uint64_t>(count) : std::nullopt;
  }
  if (!text.empty() && text[0] == '[') {
    const size_t end = text.find("]: ");
    if (end == absl::string_view::npos) return std::nullopt;
    text.remove_prefix(end + 1);
  }
  const bool known = scan::Take(&text, ": ") && scan::TakeNumber(&text, &count) &&
                     scan::Take(&text, " messages lost due to rate-limiting");
  return known ? std::optional<uint64_t>(count) : std::nullopt;
}

std::optional<uint64_t> Repeated(absl::string_view text) {
  uint64_t count = 0;
  const bool known =
      scan::Take(&text, "last message repeated ") && scan::TakeNumber(&text, &count) &&
      (text == " times" || text == " time" || text == " time(s)");
  return known ? std::optional<uint64_t>(count) : std::nullopt;
}

}  // namespace

std::optional<uint64_t> LinesDropped(const SyslogLine& line) {
  if (line.program.empty()) return Repeated(line.text);
  // Mail's lines are the many: one look at a letter lets them pass.
  if (line.program.size() < 8 || (line.program[0] != 'r' && line.program[0] != 's')) {
    return std::nullopt;
  }
  if (line.program == "systemd-journald") return ByJournald(line.text);
  if (line.program == "rsyslogd" || scan::StartsWith(line.program, "rsyslogd-")) {
    return ByRsyslog(line.text);
  }
  return std::nullopt;
}

}  // namespace mailvane
