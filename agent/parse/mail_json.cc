#include "agent/parse/mail_json.h"

#include <charconv>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailvane {
namespace {

using absl::string_view;

// The texts of a line, in the order in which they are shown.
struct TextField {
  const char* name;
  string_view MailLine::*value;
};
constexpr TextField kTexts[] = {
    {"queue_id", &MailLine::queue_id},
    {"action", &MailLine::action},
    {"account", &MailLine::account},
    {"local_user", &MailLine::local_user},
    {"client_host", &MailLine::client_host},
    {"client_ip", &MailLine::client_ip},
    {"orig_client_ip", &MailLine::orig_client_ip},
    {"helo", &MailLine::helo},
    {"protocol", &MailLine::protocol},
    {"sasl_method", &MailLine::sasl_method},
    {"sasl_sender", &MailLine::sasl_sender},
    {"stage", &MailLine::stage},
    {"message_id", &MailLine::message_id},
    {"from", &MailLine::from},
    {"to", &MailLine::to},
    {"orig_to", &MailLine::orig_to},
    {"transport", &MailLine::transport},
    {"relay_host", &MailLine::relay_host},
    {"relay_ip", &MailLine::relay_ip},
    {"dsn", &MailLine::dsn},
    {"reply", &MailLine::reply},
};

// The length of the UTF-8 sequence at the start of `text`, which is not empty; 0:
// it is none.  Without surrogates, overlong forms, and what is beyond U+10FFFF.
size_t Utf8Size(string_view text) {
  const auto byte = [&](size_t i) { return static_cast<uint8_t>(text[i]); };
  const uint8_t first = byte(0);
  if (first < 0x80) return 1;
  const size_t size = first < 0xc2   ? 0
                      : first < 0xe0 ? 2
                      : first < 0xf0 ? 3
                      : first < 0xf5 ? 4
                                     : 0;
  if (size == 0 || text.size() < size) return 0;
  for (size_t i = 1; i < size; ++i) {
    if ((byte(i) & 0xc0) != 0x80) return 0;
  }
  if ((first == 0xe0 && byte(1) < 0xa0) || (first == 0xed && byte(1) > 0x9f) ||
      (first == 0xf0 && byte(1) < 0x90) || (first == 0xf4 && byte(1) > 0x8f)) {
    return 0;
  }
  return size;
}

bool IsPlain(char c) {
  return static_cast<uint8_t>(c) >= 0x20 && static_cast<uint8_t>(c) < 0x7f && c != '"' &&
         c != '\\';
}

void AppendNumber(uint64_t number, std::string* out) {
  char digits[24];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out->append(digits, end - digits);
}

void AppendDecimal(double number, std::string* out) {
  char digits[40];
  const auto end = std::to_chars(digits, digits + sizeof digits, number).ptr;
  out->append(digits, end - digits);
}

// `,"name":`.
void Name(string_view name, std::string* out) {
  out->append(",\"");
  out->append(name.data(), name.size());
  out->append("\":");
}

void Text(string_view name, string_view value, std::string* out) {
  if (value.empty()) return;
  Name(name, out);
  AppendJsonString(value, out);
}

void Number(string_view name, uint64_t value, std::string* out) {
  Name(name, out);
  AppendNumber(value, out);
}

void Word(string_view name, string_view value, std::string* out) {
  Name(name, out);
  absl::StrAppend(out, value);
}

string_view OtherQueueIdName(const MailLine& line) {
  return line.kind == MailKind::kBounceNotice ? "notice_queue_id" : "orig_queue_id";
}

// A word of a row: as it stands when a terminal can show it.
void AppendShown(string_view text, std::string* out) {
  for (size_t i = 0; i < text.size();) {
    const size_t size = Utf8Size(text.substr(i));
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    // C1 controls are two bytes in UTF-8, and some terminals obey them.
    const bool control =
        size == 0 || byte < 0x20 || byte == 0x7f ||
        (byte == 0xc2 && size == 2 && static_cast<uint8_t>(text[i + 1]) < 0xa0);
    if (control) {
      absl::StrAppendFormat(out, "\\x%02x", byte);
      ++i;
    } else {
      out->append(text.data() + i, size);
      i += size;
    }
  }
}

}  // namespace

void AppendJsonString(string_view text, std::string* out) {
  static constexpr char kHex[] = "0123456789abcdef";
  out->push_back('"');
  for (size_t i = 0; i < text.size();) {
    size_t plain = i;
    while (plain < text.size() && IsPlain(text[plain])) ++plain;
    out->append(text.data() + i, plain - i);
    i = plain;
    if (i == text.size()) break;
    const uint8_t byte = static_cast<uint8_t>(text[i]);
    if (byte == '"' || byte == '\\') {
      out->push_back('\\');
      out->push_back(static_cast<char>(byte));
      ++i;
    } else if (byte < 0x20 || byte == 0x7f) {
      out->append("\\u00");
      out->push_back(kHex[byte >> 4]);
      out->push_back(kHex[byte & 15]);
      ++i;
    } else if (const size_t size = Utf8Size(text.substr(i)); size > 0) {
      out->append(text.data() + i, size);
      i += size;
    } else {
      out->append("\xef\xbf\xbd");
      ++i;
    }
  }
  out->push_back('"');
}

void AppendTime(absl::Time time, std::string* out) {
  const absl::TimeZone::CivilInfo info = absl::UTCTimeZone().At(time);
  absl::StrAppendFormat(out, "%04d-%02d-%02dT%02d:%02d:%02d", info.cs.year(),
                        info.cs.month(), info.cs.day(), info.cs.hour(), info.cs.minute(),
                        info.cs.second());
  const int64_t nanoseconds = absl::ToInt64Nanoseconds(info.subsecond);
  if (nanoseconds != 0) {
    char fraction[12];
    snprintf(fraction, sizeof fraction, ".%09d", static_cast<int>(nanoseconds));
    size_t size = 10;
    while (fraction[size - 1] == '0') --size;
    out->append(fraction, size);
  }
  out->push_back('Z');
}

void AppendMailJson(string_view place, uint64_t number, const SyslogLine& header,
                    const MailLine& line, std::string* out) {
  absl::StrAppend(out, place);
  AppendNumber(number, out);
  out->append(",\"time\":\"");
  AppendTime(header.time, out);
  out->push_back('"');
  Text("host", header.host, out);
  Text("program", header.program, out);
  Text("service", line.service.empty() ? header.service : line.service, out);
  Text("daemon", header.daemon, out);
  Name("kind", out);
  out->push_back('"');
  absl::StrAppend(out, MailKindName(line.kind));
  out->push_back('"');
  if (header.clock_suspect) Word("clock_suspect", "true", out);
  if (line.ambiguous) Word("ambiguous", "true", out);
  if (line.kind == MailKind::kReject) {
    Word("enforced", line.enforced ? "true" : "false", out);
  }
  if (line.own_pause) Word("own_pause", "true", out);
  if (line.status != DeliveryStatus::kNone) {
    Text("status", DeliveryStatusName(line.status), out);
  }
  for (const TextField& field : kTexts) Text(field.name, line.*field.value, out);
  Text(OtherQueueIdName(line), line.other_queue_id, out);
  if (line.has_from && line.from.empty()) Word("null_sender", "true", out);
  if (line.client_port != 0) Number("client_port", line.client_port, out);
  if (line.relay_port != 0) Number("relay_port", line.relay_port, out);
  if (line.size) Number("size", *line.size, out);
  if (line.nrcpt) Number("nrcpt", *line.nrcpt, out);
  if (line.delay_seconds) {
    Name("delay_seconds", out);
    AppendDecimal(*line.delay_seconds, out);
  }
  if (line.auth_failures != 0) Number("auth_failures", line.auth_failures, out);
  if (line.repeated != 1) Number("repeated", line.repeated, out);
  out->append("}\n");
}

void AppendMailRow(absl::TimeZone zone, const SyslogLine& header, const MailLine& line,
                   std::string* out) {
  const auto pad = [&](size_t begin, size_t width) {
    const size_t used = out->size() - begin;
    out->append(used < width ? width - used + 1 : 1, ' ');
  };
  absl::StrAppend(out, absl::FormatTime("%Y-%m-%d %H:%M:%S ", header.time, zone));
  size_t begin = out->size();
  AppendShown(line.service.empty() ? header.daemon : line.service, out);
  pad(begin, 12);
  begin = out->size();
  absl::StrAppend(out, line.status != DeliveryStatus::kNone
                           ? DeliveryStatusName(line.status)
                           : MailKindName(line.kind));
  pad(begin, 15);
  if (line.ambiguous) out->append("AMBIGUOUS ");
  if (!line.enforced) out->append("(only a warning) ");
  for (const TextField& field : kTexts) {
    const string_view value = line.*field.value;
    if (value.empty()) continue;
    const bool quoted = value.find_first_of(" \"=") != string_view::npos;
    if (field.value != &MailLine::queue_id) absl::StrAppend(out, field.name, "=");
    if (quoted) out->push_back('"');
    AppendShown(value, out);
    if (quoted) out->push_back('"');
    out->push_back(' ');
  }
  if (line.has_from && line.from.empty()) out->append("from=<> ");
  if (!line.other_queue_id.empty()) {
    absl::StrAppend(out, OtherQueueIdName(line), "=");
    AppendShown(line.other_queue_id, out);
    out->push_back(' ');
  }
  if (line.size) absl::StrAppend(out, "size=", *line.size, " ");
  if (line.nrcpt) absl::StrAppend(out, "nrcpt=", *line.nrcpt, " ");
  if (line.delay_seconds) absl::StrAppend(out, "delay=", *line.delay_seconds, "s ");
  if (line.auth_failures != 0) {
    absl::StrAppend(out, "auth_failures=", line.auth_failures, " ");
  }
  if (line.repeated != 1) absl::StrAppend(out, "times=", line.repeated, " ");
  while (out->back() == ' ') out->pop_back();
  out->push_back('\n');
}

std::vector<string_view> MailJsonFields() {
  std::vector<string_view> names = {"file",      "line",     "time",      "host",
                                    "program",   "service",  "daemon",    "kind",
                                    "clock_suspect", "ambiguous", "enforced", "own_pause",
                                    "status"};
  for (const TextField& field : kTexts) names.push_back(field.name);
  for (string_view name :
       {"notice_queue_id", "orig_queue_id", "null_sender", "client_port", "relay_port",
        "size", "nrcpt", "delay_seconds", "auth_failures", "repeated"}) {
    names.push_back(name);
  }
  return names;
}

}  // namespace mailvane
