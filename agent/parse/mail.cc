#include "agent/parse/mail.h"

#include <utility>

#include "agent/parse/accounting.h"
#include "agent/parse/dovecot.h"
#include "agent/parse/exim.h"
#include "agent/parse/postfix.h"
#include "agent/parse/scan.h"

namespace mailvane {
namespace {

// Every parser there is.  Each knows its programs by name, and no two share one.
using Parser = bool (*)(const SyslogLine& line, MailLine* out);
constexpr Parser kParsers[] = {
    ParsePostfix, ParseDovecot, ParseExim, ParseSendmail, ParseOpenSmtpd,
};

bool ParseBy(const SyslogLine& line, MailLine* out) {
  for (const Parser parser : kParsers) {
    if (parser(line, out)) return true;
  }
  return false;
}

// rsyslog's "message repeated 3 times: [ TEXT]".  It cuts TEXT at 800 bytes, and a
// cut line must not be read as a whole one.
bool Unwrap(absl::string_view text, SyslogLine* line, uint32_t* times) {
  if (!scan::Take(&text, "message repeated ") || !scan::TakeNumber(&text, times) ||
      !scan::Take(&text, " times: [ ") || !scan::TakeBack(&text, "]")) {
    return false;
  }
  line->text = text.size() < 799 ? text : absl::string_view();
  return true;
}

}  // namespace

std::optional<MailLine> ParseMail(const SyslogLine& line) {
  std::optional<MailLine> out(std::in_place);
  if (line.text.size() > kLongestMailText) {
    SyslogLine empty = line;
    empty.text = absl::string_view();
    if (!ParseBy(empty, &*out)) out.reset();
    return out;
  }
  if (!line.text.empty() && line.text[0] == 'm') {
    SyslogLine inner = line;
    uint32_t times = 0;
    if (Unwrap(line.text, &inner, &times)) {
      if (!ParseBy(inner, &*out)) {
        out.reset();
      } else {
        out->repeated = times;
      }
      return out;
    }
  }
  if (!ParseBy(line, &*out)) out.reset();
  return out;
}

}  // namespace mailvane
