// The head of a syslog line: when, where, which program.
//
//   May  6 09:25:41 mx1 postfix/submission/smtpd[812]: connect from ...
//   2026-05-06T09:25:41.123456+02:00 mx1 postfix/smtpd[812]: connect from ...
//   <22>1 2026-05-06T09:25:41Z mx1 postfix/smtpd 812 - - connect from ...
//
// and of the files that Exim and Dovecot write themselves, which name no host:
//
//   2026-05-06 09:25:41.123 +0200 [812] 1rVDhn-0001bo-D3 <= ann@example.net ...
//   May 06 09:25:41 imap-login: Info: Login: user=<ann>, ...
//
// Pure, and without allocation: what comes out are views into the line.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"

namespace mailvane {

// Views live as long as the line.
struct SyslogLine {
  absl::Time time;
  absl::string_view host;
  // As it stands: "postfix/submission/smtpd".  Empty: the line names no program.
  absl::string_view program;
  // Its first part before a slash ("postfix"), its last ("smtpd"), and what is
  // between ("submission").  Without a slash all of it is the daemon.
  absl::string_view instance;
  absl::string_view service;
  absl::string_view daemon;
  // 0: not given.
  uint32_t pid = 0;
  // The time is not to be believed: in the future, or days away from the line before
  // with no other line that agrees.  Nothing may be moved to that time.
  bool clock_suspect = false;
  absl::string_view text;
};

// Splits "postfix/submission/smtpd" into instance, service and daemon.
void SplitProgram(absl::string_view program, SyslogLine* line);

// Reads lines of one log in their order: an old header has no year, and the line
// before is the best guess there is.  Belongs to one thread.
class SyslogReader {
 public:
  // `zone`: what the headers without a zone are in.  `past_only`: no line can be
  // from a later time than Parse's `now`, by more than clocks differ.
  explicit SyslogReader(absl::TimeZone zone, bool past_only = true)
      : zone_(zone), past_only_(past_only) {}

  // Absent: no header that we know.  `now` decides the year until a line has been
  // read: the latest one that is not more than a day ahead.
  std::optional<SyslogLine> Parse(absl::string_view line, absl::Time now);

  // "IDENT[PID]: MESSAGE", as the journal source gives it.
  std::optional<SyslogLine> ParseTagged(absl::string_view text, absl::Time time,
                                        absl::string_view host);

 private:
  void JudgeTime(absl::Time now, SyslogLine* line);
  bool OldTime(absl::string_view text, absl::Time now, absl::Time* time);
  // Returns the length; 0: it is not one.
  size_t LocalTime(absl::string_view text, absl::Time* time);

  absl::TimeZone zone_;
  bool past_only_;
  // Of the last line whose time was believed.
  std::optional<absl::Time> previous_;
  // Of the line before, when that was far from previous_.
  std::optional<absl::Time> far_;
  // The last "Mmm dd hh:mm", or "YYYY-MM-DD hh:mm", seen and when that minute begins.
  char minute_text_[12] = {};
  absl::Time minute_;
  char local_minute_text_[16] = {};
  absl::Time local_minute_;
};

}  // namespace mailvane
