#include "agent/parse/syslog_line.h"

#include <string.h>

#include "absl/time/civil_time.h"

namespace mailvane {
namespace {

// The zone may be wrong, on one side or the other.
constexpr absl::Duration kClocksDiffer = absl::Hours(24);
constexpr absl::Duration kFuture = absl::Minutes(15);
constexpr absl::Duration kFar = absl::Hours(24 * 7);

bool IsDigit(char c) { return c >= '0' && c <= '9'; }

// `size` digits at `text`; -1 when they are not.
int Digits(const char* text, int size) {
  int value = 0;
  for (int i = 0; i < size; ++i) {
    if (!IsDigit(text[i])) return -1;
    value = value * 10 + (text[i] - '0');
  }
  return value;
}

// 1 to 12; 0: no month.
int Month(const char* text) {
  static constexpr char kMonths[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
  for (int i = 0; i < 12; ++i) {
    if (memcmp(text, kMonths + 3 * i, 3) == 0) return i + 1;
  }
  return 0;
}

// Days from 1970 to a date of the Gregorian calendar.
int64_t DaysFromCivil(int64_t year, int month, int day) {
  year -= month <= 2;
  const int64_t era = (year >= 0 ? year : year - 399) / 400;
  const int64_t of_era = year - era * 400;
  const int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
  return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

// "2026-05-06T09:25:41.123456+02:00", "...Z", at the start of `text`; returns its
// length, 0 when it is not one.
size_t IsoTime(absl::string_view text, absl::Time* time) {
  const char* p = text.data();
  if (text.size() < 20 || p[4] != '-' || p[7] != '-' || p[10] != 'T' || p[13] != ':' ||
      p[16] != ':') {
    return 0;
  }
  const int year = Digits(p, 4), month = Digits(p + 5, 2), day = Digits(p + 8, 2);
  const int hour = Digits(p + 11, 2), minute = Digits(p + 14, 2);
  const int second = Digits(p + 17, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
      hour > 23 || minute < 0 || minute > 59 || second < 0 || second > 60) {
    return 0;
  }
  size_t at = 19;
  int64_t nanoseconds = 0;
  if (p[at] == '.') {
    int64_t unit = 100'000'000;
    for (++at; at < text.size() && IsDigit(p[at]); ++at) {
      nanoseconds += (p[at] - '0') * unit;
      unit /= 10;
    }
  }
  int64_t offset = 0;
  if (at < text.size() && p[at] == 'Z') {
    ++at;
  } else if (at + 5 <= text.size() && (p[at] == '+' || p[at] == '-')) {
    // journalctl -o short-iso has no colon.
    const size_t colon = p[at + 3] == ':' ? 1 : 0;
    if (at + 5 + colon > text.size()) return 0;
    const int hours = Digits(p + at + 1, 2), minutes = Digits(p + at + 3 + colon, 2);
    if (hours < 0 || minutes < 0) return 0;
    offset = (p[at] == '-' ? -1 : 1) * (hours * 3600 + minutes * 60);
    at += 5 + colon;
  } else {
    return 0;
  }
  const int64_t seconds = DaysFromCivil(year, month, day) * 86400 + hour * 3600 +
                          minute * 60 + second - offset;
  *time = absl::FromUnixSeconds(seconds) + absl::Nanoseconds(nanoseconds);
  return at;
}

// ".123456", as journalctl -o short-precise has it behind an old time.
void Fraction(absl::string_view* text, absl::Time* time) {
  if (text->empty() || (*text)[0] != '.') return;
  int64_t nanoseconds = 0;
  int64_t unit = 100'000'000;
  size_t at = 1;
  for (; at < text->size() && IsDigit((*text)[at]); ++at) {
    nanoseconds += ((*text)[at] - '0') * unit;
    unit /= 10;
  }
  if (at > 1) *time += absl::Nanoseconds(nanoseconds);
  text->remove_prefix(at);
}

// What is before the next blank; the blank is taken too.
absl::string_view Word(absl::string_view* rest) {
  const size_t end = rest->find(' ');
  const absl::string_view word = rest->substr(0, end);
  rest->remove_prefix(end == absl::string_view::npos ? rest->size() : end + 1);
  return word;
}

// "PROGRAM[PID]: text" or "PROGRAM: text".  Otherwise all of it is text, of no
// program: "last message repeated 3 times".
void Tag(absl::string_view rest, SyslogLine* line) {
  line->text = rest;
  size_t end = 0;
  size_t first_slash = absl::string_view::npos;
  size_t last_slash = absl::string_view::npos;
  for (; end < rest.size() && rest[end] != '[' && rest[end] != ':' && rest[end] != ' ';
       ++end) {
    if (rest[end] != '/') continue;
    if (first_slash == absl::string_view::npos) first_slash = end;
    last_slash = end;
  }
  if (end == 0 || end == rest.size() || rest[end] == ' ') return;
  size_t after = end;
  uint32_t pid = 0;
  if (rest[end] == '[') {
    for (++after; after < rest.size() && IsDigit(rest[after]) && after - end <= 9;
         ++after) {
      pid = pid * 10 + (rest[after] - '0');
    }
    if (after == end + 1 || after >= rest.size() || rest[after] != ']') return;
    ++after;
  }
  if (after >= rest.size() || rest[after] != ':') return;
  ++after;
  if (after < rest.size()) {
    if (rest[after] != ' ') return;
    ++after;
  }
  line->pid = pid;
  line->text = rest.substr(after);
  // As SplitProgram; the slashes are known by now.
  if (last_slash == absl::string_view::npos)
    return SplitProgram(rest.substr(0, end), line);
  line->program = rest.substr(0, end);
  line->instance = rest.substr(0, first_slash);
  line->daemon = rest.substr(last_slash + 1, end - last_slash - 1);
  if (last_slash > first_slash) {
    line->service = rest.substr(first_slash + 1, last_slash - first_slash - 1);
  }
}

bool IsHostChar(char c) {
  return IsDigit(c) || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '.' ||
         c == '-' || c == '_' || c == ':';
}

// "Info: " and its like, as Dovecot has them behind its service in its own file.
bool HasDovecotLevel(absl::string_view text) {
  for (absl::string_view level :
       {"Info: ", "Warning: ", "Error: ", "Debug: ", "Fatal: ", "Panic: "}) {
    if (text.substr(0, level.size()) == level) return true;
  }
  return false;
}

// What follows a header that may name no host.
void HostAndTag(absl::string_view text, SyslogLine* line) {
  const absl::string_view whole = text;
  line->host = Word(&text);
  const bool tagged = !line->host.empty() && line->host.back() == ':';
  if (!tagged) return Tag(text, line);
  line->host = absl::string_view();
  if (HasDovecotLevel(text)) {
    SplitProgram("dovecot", line);
    line->text = whole;
  } else {
    Tag(whole, line);
  }
}

// "mx1 postfix/smtpd[812]: ", which nothing in Exim's own log looks like.
bool HasHostAndPid(absl::string_view text) {
  size_t at = 0;
  while (at < text.size() && IsHostChar(text[at])) ++at;
  if (at == 0 || at == text.size() || text[at] != ' ') return false;
  const size_t program = ++at;
  while (at < text.size() && (IsHostChar(text[at]) || text[at] == '/') &&
         text[at] != ':') {
    ++at;
  }
  if (at == program || at == text.size() || text[at] != '[') return false;
  const size_t pid = ++at;
  while (at < text.size() && IsDigit(text[at])) ++at;
  return at > pid && text.substr(at, 3) == "]: ";
}

// "<22>", skipped.
void Priority(absl::string_view* rest) {
  if (rest->empty() || (*rest)[0] != '<') return;
  size_t at = 1;
  while (at < rest->size() && at < 4 && IsDigit((*rest)[at])) ++at;
  if (at > 1 && at < rest->size() && (*rest)[at] == '>') rest->remove_prefix(at + 1);
}

// Structured data at the start of `rest`: "-", or elements in brackets.
bool SkipStructuredData(absl::string_view* rest) {
  size_t at = 0;
  if (!rest->empty() && (*rest)[0] == '-') {
    at = 1;
  } else {
    bool quoted = false;
    bool open = false;
    for (; at < rest->size(); ++at) {
      const char c = (*rest)[at];
      if (quoted && c == '\\') {
        ++at;
      } else if (c == '"' && open) {
        quoted = !quoted;
      } else if (quoted) {
        continue;
      } else if (c == '[' && !open) {
        open = true;
      } else if (c == ']' && open) {
        open = false;
      } else if (!open) {
        break;
      }
    }
    if (at == 0 || open || at > rest->size()) return false;
  }
  if (at < rest->size() && (*rest)[at] != ' ') return false;
  rest->remove_prefix(at < rest->size() ? at + 1 : at);
  return true;
}

}  // namespace

void SplitProgram(absl::string_view program, SyslogLine* line) {
  line->program = program;
  const size_t first = program.find('/');
  if (first == absl::string_view::npos) {
    line->daemon = program;
    return;
  }
  const size_t last = program.rfind('/');
  line->instance = program.substr(0, first);
  line->daemon = program.substr(last + 1);
  if (last > first) line->service = program.substr(first + 1, last - first - 1);
}

// "May  6 09:25:41", 15 bytes.
bool SyslogReader::OldTime(absl::string_view text, absl::Time now, absl::Time* time) {
  const char* p = text.data();
  if (p[3] != ' ' || p[6] != ' ' || p[9] != ':' || p[12] != ':') return false;
  const int second = Digits(p + 13, 2);
  if (second < 0 || second > 60) return false;
  if (memcmp(p, minute_text_, sizeof minute_text_) == 0) {
    *time = minute_ + absl::Seconds(second);
    return true;
  }
  const int month = Month(p);
  const int day = p[4] == ' ' ? Digits(p + 5, 1) : Digits(p + 4, 2);
  const int hour = Digits(p + 7, 2), minute = Digits(p + 10, 2);
  if (month == 0 || day < 1 || day > 31 || hour < 0 || hour > 23 || minute < 0 ||
      minute > 59) {
    return false;
  }
  // The year that is nearest to the line before; at first, the latest that is not
  // in the future.
  const absl::Time near = previous_.value_or(now);
  const absl::CivilYear year(absl::ToCivilSecond(near, zone_));
  std::optional<absl::Time> best;
  for (int64_t candidate = year.year() - 1; candidate <= year.year() + 1; ++candidate) {
    const absl::CivilMinute civil(candidate, month, day, hour, minute);
    // February 29 of another year.
    if (civil.month() != month) continue;
    const absl::Time at = absl::FromCivil(absl::CivilSecond(civil), zone_);
    if (past_only_ && at > now + kClocksDiffer && best.has_value()) continue;
    if (previous_.has_value()) {
      if (!best.has_value() ||
          absl::AbsDuration(at - near) < absl::AbsDuration(*best - near)) {
        best = at;
      }
    } else if (at <= now + kClocksDiffer) {
      best = at;
    }
  }
  if (!best.has_value()) return false;
  memcpy(minute_text_, p, sizeof minute_text_);
  minute_ = *best;
  *time = minute_ + absl::Seconds(second);
  return true;
}

// "2026-05-06 09:25:41", "...41.123", "...41 +0200".
size_t SyslogReader::LocalTime(absl::string_view text, absl::Time* time) {
  const char* p = text.data();
  if (text.size() < 20 || p[4] != '-' || p[7] != '-' || p[10] != ' ' || p[13] != ':' ||
      p[16] != ':') {
    return 0;
  }
  const int second = Digits(p + 17, 2);
  if (second < 0 || second > 60) return 0;
  size_t at = 19;
  int64_t nanoseconds = 0;
  if (p[at] == '.') {
    int64_t unit = 100'000'000;
    for (++at; at < text.size() && IsDigit(p[at]); ++at) {
      nanoseconds += (p[at] - '0') * unit;
      unit /= 10;
    }
  }
  const int year = Digits(p, 4), month = Digits(p + 5, 2), day = Digits(p + 8, 2);
  const int hour = Digits(p + 11, 2), minute = Digits(p + 14, 2);
  if (year < 0 || month < 1 || month > 12 || day < 1 || day > 31 || hour < 0 ||
      hour > 23 || minute < 0 || minute > 59) {
    return 0;
  }
  if (text.size() >= at + 6 && p[at] == ' ' && (p[at + 1] == '+' || p[at + 1] == '-') &&
      Digits(p + at + 2, 4) >= 0) {
    const int64_t offset = (p[at + 1] == '-' ? -1 : 1) *
                           (Digits(p + at + 2, 2) * 3600 + Digits(p + at + 4, 2) * 60);
    *time = absl::FromUnixSeconds(DaysFromCivil(year, month, day) * 86400 + hour * 3600 +
                                  minute * 60 + second - offset) +
            absl::Nanoseconds(nanoseconds);
    return at + 6;
  }
  if (memcmp(p, local_minute_text_, sizeof local_minute_text_) != 0) {
    local_minute_ =
        absl::FromCivil(absl::CivilSecond(year, month, day, hour, minute), zone_);
    memcpy(local_minute_text_, p, sizeof local_minute_text_);
  }
  *time = local_minute_ + absl::Seconds(second) + absl::Nanoseconds(nanoseconds);
  return at;
}

// One line from the future, or from another year, must not take those behind it
// along.
void SyslogReader::JudgeTime(absl::Time now, SyslogLine* line) {
  const absl::Time time = line->time;
  line->clock_suspect = past_only_ && time > now + kFuture;
  if (previous_ && absl::AbsDuration(time - *previous_) > kFar) {
    const bool agrees = far_ && absl::AbsDuration(time - *far_) <= kFar;
    far_ = time;
    if (!agrees) {
      // A log may have a gap of days; one that goes on from there says so.
      line->clock_suspect = line->clock_suspect || time > *previous_;
      return;
    }
  }
  far_.reset();
  if (!line->clock_suspect || !previous_) previous_ = time;
}

std::optional<SyslogLine> SyslogReader::Parse(absl::string_view text, absl::Time now) {
  SyslogLine line;
  // Of a log that went through other hands; no daemon ends a line with it.
  if (!text.empty() && text.back() == '\r') text.remove_suffix(1);
  // The first line of a file that went through an editor.
  if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
  Priority(&text);
  if (text.size() < 20) return std::nullopt;
  if (!IsDigit(text[0])) {
    if (!OldTime(text, now, &line.time)) return std::nullopt;
    text.remove_prefix(15);
    Fraction(&text, &line.time);
    if (text.empty() || text[0] != ' ') return std::nullopt;
    text.remove_prefix(1);
    // FreeBSD's syslogd -v: "<mail.info> " or "<2.6> ".
    if (!text.empty() && text[0] == '<') {
      const size_t end = text.find("> ");
      if (end == absl::string_view::npos || end > 20) return std::nullopt;
      text.remove_prefix(end + 2);
    }
    HostAndTag(text, &line);
  } else if (text[10] == ' ') {
    const size_t size = LocalTime(text, &line.time);
    if (size == 0 || size >= text.size() || text[size] != ' ') return std::nullopt;
    text.remove_prefix(size + 1);
    const absl::string_view service = text.substr(0, text.find(' '));
    if (HasHostAndPid(text)) {
      line.host = Word(&text);
      Tag(text, &line);
    } else if (!service.empty() && service.back() == ':' &&
               service.size() + 1 < text.size() &&
               HasDovecotLevel(text.substr(service.size() + 1))) {
      SplitProgram("dovecot", &line);
      line.text = text;
    } else {
      SplitProgram("exim", &line);
      line.text = text;
    }
  } else if (text[1] == ' ') {
    // RFC 5424.
    text.remove_prefix(2);
    const size_t size = IsoTime(text, &line.time);
    if (size == 0 || size >= text.size() || text[size] != ' ') return std::nullopt;
    text.remove_prefix(size + 1);
    line.host = Word(&text);
    const absl::string_view program = Word(&text);
    const absl::string_view pid = Word(&text);
    Word(&text);
    if (!SkipStructuredData(&text)) return std::nullopt;
    if (text.substr(0, 3) == "\xef\xbb\xbf") text.remove_prefix(3);
    if (program != "-") SplitProgram(program, &line);
    if (!pid.empty() && pid.size() <= 9) {
      const int value = Digits(pid.data(), static_cast<int>(pid.size()));
      if (value > 0) line.pid = value;
    }
    line.text = text;
  } else {
    const size_t size = IsoTime(text, &line.time);
    if (size == 0 || size >= text.size() || text[size] != ' ') return std::nullopt;
    text.remove_prefix(size + 1);
    line.host = Word(&text);
    Tag(text, &line);
  }
  if (line.host.empty() && line.program.empty()) return std::nullopt;
  JudgeTime(now, &line);
  return line;
}

std::optional<SyslogLine> SyslogReader::ParseTagged(absl::string_view text,
                                                    absl::Time time,
                                                    absl::string_view host) {
  SyslogLine line;
  line.time = time;
  line.host = host;
  Tag(text, &line);
  previous_ = time;
  return line;
}

}  // namespace mailvane
