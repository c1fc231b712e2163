#include "agent/parse/exim.h"

#include <algorithm>
#include <array>

#include "absl/strings/ascii.h"
#include "agent/parse/scan.h"

namespace mailvane {
namespace {

using absl::string_view;
using scan::DsnOfReply;
using scan::EndsWith;
using scan::FindOnly;
using scan::IsAlnum;
using scan::IsDigit;
using scan::kNone;
using scan::LooksLikeIp;
using scan::StartsWith;
using scan::Take;
using scan::TakeBack;
using scan::TakeNumber;
using scan::TakeWhile;
using scan::TakeWord;

bool IsHostChar(char c) { return IsAlnum(c) || c == '.' || c == '-' || c == '_'; }
bool IsAddressChar(char c) { return IsAlnum(c) || c == '.' || c == ':' || c == '%'; }

// Nothing can be said about who it was.
void Doubt(MailLine* out) {
  out->ambiguous = true;
  out->account = out->sasl_method = out->sasl_sender = out->client_host = out->client_ip =
      out->helo = out->protocol = out->local_user = out->relay_host = out->relay_ip =
          string_view();
  out->size.reset();
  out->client_port = out->relay_port = 0;
}

// "1rVDhn-0001bo-D3 " or, since 4.97, "1rVDhn-000000001bo-D342 ".
bool TakeId(string_view* rest, string_view* id) {
  for (const auto [size, first, second] :
       {std::array<size_t, 3>{16, 6, 13}, std::array<size_t, 3>{23, 6, 18}}) {
    if (rest->size() < size || (rest->size() > size && (*rest)[size] != ' ')) continue;
    bool fits = true;
    for (size_t i = 0; i < size && fits; ++i) {
      fits = i == first || i == second ? (*rest)[i] == '-' : IsAlnum((*rest)[i]);
    }
    if (!fits) continue;
    *id = rest->substr(0, size);
    rest->remove_prefix(std::min(size + 1, rest->size()));
    return true;
  }
  return false;
}

// "2023-04-23 03:47:01.123 +0200 ", as it stands in front of a line even where the
// syslog daemon has written its own.
void SkipTime(string_view* rest) {
  string_view at = *rest;
  for (const char c : string_view("dddd-dd-dd dd:dd:dd")) {
    if (at.empty() || (c == 'd' ? !IsDigit(at[0]) : at[0] != c)) return;
    at.remove_prefix(1);
  }
  if (Take(&at, ".")) TakeWhile(&at, IsDigit);
  string_view zone = at;
  if (Take(&zone, " +") || Take(&zone, " -")) {
    if (TakeWhile(&zone, IsDigit).size() == 4) at = zone;
  }
  if (Take(&at, " ")) *rest = at;
}

// "name (helo) [192.0.2.7]:4711", each part but one optional.  A HELO name may be
// anything where helo_accept_junk_hosts is set; it ends where ") [ADDRESS]" stands,
// which then may stand only once.
bool TakeHost(string_view* rest, MailLine* out) {
  string_view at = *rest;
  const string_view host = TakeWhile(&at, IsHostChar);
  if (!host.empty() && !Take(&at, " ")) return false;
  string_view helo;
  if (Take(&at, "(")) {
    size_t end = kNone;
    for (size_t i = at.find(") ["); i != kNone; i = at.find(") [", i + 1)) {
      string_view ip = at.substr(i + 3, 64);
      ip = TakeWhile(&ip, IsAddressChar);
      const size_t after = i + 3 + ip.size();
      if (!LooksLikeIp(ip) || after >= at.size() || at[after] != ']') continue;
      if (end != kNone) {
        Doubt(out);
        return false;
      }
      end = i;
    }
    if (end == kNone) return false;
    helo = at.substr(0, end);
    at.remove_prefix(end + 2);
  }
  if (!Take(&at, "[")) return false;
  const string_view ip = TakeWhile(&at, IsAddressChar);
  if (!LooksLikeIp(ip) || !Take(&at, "]")) return false;
  string_view after = at;
  uint16_t port = 0;
  if (Take(&after, ":") && TakeNumber(&after, &port)) {
    at = after;
    out->client_port = port;
  }
  out->client_host = host;
  out->client_ip = ip;
  out->helo = helo;
  *rest = at;
  return true;
}

// "mx.example.org [192.0.2.9]:25".
bool TakeRelay(string_view* rest, MailLine* out) {
  string_view at = *rest;
  const string_view host = TakeWhile(&at, IsHostChar);
  if (host.empty()) return false;
  out->relay_host = host;
  string_view address = at;
  if (Take(&address, " [")) {
    const string_view ip = TakeWhile(&address, IsAddressChar);
    if (!LooksLikeIp(ip) || !Take(&address, "]")) return false;
    out->relay_ip = ip;
    at = address;
    if (Take(&address, ":") && TakeNumber(&address, &out->relay_port)) at = address;
  }
  *rest = at;
  return true;
}

// A quoted string, in which Exim puts a backslash before quotes and backslashes.
bool TakeQuoted(string_view* rest, string_view* value) {
  for (size_t i = 1; i < rest->size(); ++i) {
    if ((*rest)[i] == '\\') {
      ++i;
    } else if ((*rest)[i] == '"') {
      *value = rest->substr(1, i - 1);
      rest->remove_prefix(i + 1);
      return true;
    }
  }
  return false;
}

// An address: a quoted local part may hold blanks and brackets, nothing else may.
template <typename Test>
bool TakeAddress(string_view* rest, Test goes_on, string_view* address) {
  string_view at = *rest;
  string_view quoted;
  if (StartsWith(at, "\"") && !TakeQuoted(&at, &quoted)) return false;
  TakeWhile(&at, goes_on);
  *address = rest->substr(0, rest->size() - at.size());
  *rest = at;
  return true;
}
bool TakeBracketed(string_view* rest, string_view* address) {
  return Take(rest, "<") &&
         TakeAddress(
             rest, [](char c) { return c != '>'; }, address) &&
         Take(rest, ">");
}

// "1d2h3m4.5s".
bool TakeInterval(string_view text, double* seconds) {
  *seconds = 0;
  while (!text.empty()) {
    double number = 0;
    if (!scan::TakeDecimal(&text, &number)) return false;
    const char unit = text.empty() ? 's' : text[0];
    const int size = unit == 's'   ? 1
                     : unit == 'm' ? 60
                     : unit == 'h' ? 3600
                     : unit == 'd' ? 86400
                     : unit == 'w' ? 604800
                                   : 0;
    if (size == 0) return false;
    *seconds += number * size;
    text.remove_prefix(std::min<size_t>(1, text.size()));
  }
  return true;
}

// Whose line it is decides what a field means.
enum class Story { kArrival, kDelivery, kRefusal };

// The fields that must not come twice: a second one would be a stranger's.
enum Field : uint32_t {
  kHostField = 1,
  kAuthField = 2,
  kProtocolField = 4,
  kSizeField = 8,
  kFromField = 16,
  kUserField = 32,
  kIdField = 64,
  kOthers = 128,
};

struct Fields {
  uint32_t seen = 0;
  // What ended them: nothing, a blank before a word that is no field, or the ": "
  // before a message.
  bool message = false;
  bool broken = false;
};

void OneField(string_view key, Story story, string_view* rest, Fields* fields,
              MailLine* out) {
  uint32_t field = kOthers;
  string_view value;
  if (key == "H") {
    field = kHostField;
    const bool taken =
        story == Story::kDelivery ? TakeRelay(rest, out) : TakeHost(rest, out);
    if (!taken) fields->broken = true;
  } else if (StartsWith(*rest, "\"")) {
    // T="subject", C="250 ok", DN="/CN=...".
    if (!TakeQuoted(rest, &value)) fields->broken = true;
    if (key == "C" && story == Story::kDelivery) out->reply = value;
    if (key == "C" && story == Story::kDelivery) out->dsn = DsnOfReply(value);
  } else if (StartsWith(*rest, "<")) {
    if (!TakeBracketed(rest, &value)) fields->broken = true;
    if (key == "F") {
      field = kFromField;
      out->from = value;
      out->has_from = true;
    }
  } else if (key == "id" || key == "id*") {
    field = kIdField;
    if (!TakeAddress(
            rest, [](char c) { return c != ' '; }, &out->message_id)) {
      fields->broken = true;
    }
  } else {
    value = TakeWord(rest);
    // The message begins behind it: "T=remote_smtp: SMTP error".
    if (story != Story::kArrival && TakeBack(&value, ":")) fields->message = true;
    if (key == "A") {
      field = kAuthField;
      if (story != Story::kDelivery) {
        // "login:ann@example.net:ann@example.net", with +smtp_mailauth.
        out->sasl_method = value.substr(0, value.find(':'));
        value.remove_prefix(std::min(out->sasl_method.size() + 1, value.size()));
        out->account = value.substr(0, value.find(':'));
        value.remove_prefix(std::min(out->account.size() + 1, value.size()));
        out->sasl_sender = value;
      }
    } else if (key == "P") {
      field = kProtocolField;
      if (story == Story::kArrival) out->protocol = value;
    } else if (key == "S") {
      field = kSizeField;
      uint64_t size = 0;
      if (story == Story::kArrival && TakeNumber(&value, &size) && value.empty()) {
        out->size = size;
      }
    } else if (key == "U") {
      field = kUserField;
      if (story == Story::kArrival) out->local_user = value;
    } else if (key == "T" && story == Story::kDelivery) {
      out->transport = value;
    } else if (key == "R" && story == Story::kArrival) {
      // What a bounce is about.
      string_view id = value;
      TakeId(&id, &out->other_queue_id);
    } else if (key == "QT" && story == Story::kDelivery) {
      double seconds = 0;
      if (TakeInterval(value, &seconds)) out->delay_seconds = seconds;
    }
  }
  if (field != kOthers && (fields->seen & field) != 0) fields->broken = true;
  fields->seen |= field;
}

// "H=... P=esmtpsa A=login:ann S=120", up to a word that is no field.
void TakeFields(Story story, string_view* rest, Fields* fields, MailLine* out) {
  while (!rest->empty() && !fields->broken && !fields->message) {
    string_view at = *rest;
    const string_view key = TakeWhile(&at, [](char c) { return IsAlnum(c) || c == '*'; });
    if (key.empty() || key.size() > 8 || !Take(&at, "=")) return;
    *rest = at;
    OneField(key, story, rest, fields, out);
    if (Take(rest, ":")) fields->message = true;
    if (!rest->empty() && !Take(rest, " ")) fields->broken = true;
  }
}

// A word without a value in an arrival: pipelining ("L", "L.-", "L*"), CHUNKING, and
// the like.
bool IsFlag(string_view word) {
  if (Take(&word, "L") || Take(&word, "K") || Take(&word, "TFO")) {
    return word.size() <= 2 && word.find_first_not_of("-.*") == kNone;
  }
  return word == "PRDR" || word == "PIPE" || word == "UTF8" || word == "I8N" ||
         word == "EARLY";
}

// "ann@example.net H=... P=esmtpsa ... S=120 id=x for b@example.org", behind "<= ".
void Arrival(string_view rest, MailLine* out) {
  out->kind = MailKind::kQueued;
  out->has_from = true;
  if (!TakeAddress(
          &rest, [](char c) { return c != ' '; }, &out->from)) {
    out->has_from = false;
    return Doubt(out);
  }
  if (out->from == "<>") out->from = string_view();
  Fields fields;
  while (Take(&rest, " ") || fields.seen != 0) {
    TakeFields(Story::kArrival, &rest, &fields, out);
    if (rest.empty() || fields.broken) break;
    const string_view word = TakeWord(&rest);
    if (word == "for" || word == "from") {
      if (word == "from") {
        string_view sender;
        if (!Take(&rest, " ") || !TakeBracketed(&rest, &sender)) fields.broken = true;
        if (fields.broken || rest.empty()) break;
        if (!Take(&rest, " for")) fields.broken = true;
      }
      uint32_t recipients = 0;
      while (!fields.broken && Take(&rest, " ")) {
        string_view recipient;
        fields.broken = !TakeAddress(
            &rest, [](char c) { return c != ' '; }, &recipient);
        ++recipients;
      }
      if (!rest.empty()) fields.broken = true;
      if (!fields.broken) out->nrcpt = recipients;
      break;
    }
    if (!IsFlag(word)) {
      fields.broken = true;
      break;
    }
    if (rest.empty()) break;
  }
  // Whoever authenticated has a protocol and a size, once, behind what he chose.
  const bool whole =
      (fields.seen & kProtocolField) != 0 && (fields.seen & kSizeField) != 0;
  if (fields.broken || out->ambiguous || (!out->account.empty() && !whole)) Doubt(out);
}

// Whether `shown` is `quoted` as Exim shows it: without the quotes of its local part.
bool IsShown(string_view shown, string_view quoted) {
  const size_t domain = quoted.rfind('@');
  if (domain == kNone || domain < 2 || quoted[domain - 1] != '"') return false;
  size_t at = 0;
  for (size_t i = 1; i < quoted.size(); ++i) {
    if (i == domain - 1) continue;
    if (i < domain - 1 && quoted[i] == '\\') ++i;
    if (at >= shown.size() ||
        absl::ascii_tolower(shown[at++]) != absl::ascii_tolower(quoted[i])) {
      return false;
    }
  }
  return at == shown.size();
}

// "a => b@example.org <"a => b"@example.org>": what stands in front of the brackets may
// look like anything, and is known by what stands in them.
bool TakeShown(string_view* rest, string_view* address) {
  for (size_t at = rest->find(" <\""); at != kNone; at = rest->find(" <\"", at + 1)) {
    string_view behind = rest->substr(at + 1);
    if (TakeBracketed(&behind, address) && IsShown(rest->substr(0, at), *address)) {
      *rest = behind;
      return true;
    }
  }
  return false;
}

// "bob <bob@example.org>", "new@example.com (bob@example.org) <bob@example.org>",
// "|/bin/x <bob@example.org>", "bob@example.org:".
bool TakeRecipient(string_view* rest, bool* message, MailLine* out) {
  if (TakeShown(rest, &out->to)) {
    if (Take(rest, ":")) *message = true;
    return rest->empty() || Take(rest, " ");
  }
  string_view shown;
  const char first = rest->empty() ? ' ' : (*rest)[0];
  if (first == '|' || first == '/' || first == ':') {
    // A command, which may hold anything: the field behind it may stand only once.
    bool many = false;
    size_t end = kNone;
    for (string_view mark : {string_view("> R="), string_view("> F=<"),
                             string_view("> P=<"), string_view("> T=")}) {
      end = std::min(end, FindOnly(*rest, mark, &many));
    }
    if (end == kNone || many) return false;
    const size_t begin = rest->substr(0, end).rfind(" <");
    if (begin == kNone) return false;
    shown = rest->substr(0, begin);
    rest->remove_prefix(begin);
  } else {
    if (!TakeAddress(
            rest, [](char c) { return c != ' '; }, &shown)) {
      return false;
    }
    if (TakeBack(&shown, ":")) *message = true;
  }
  if (!*message && Take(rest, " (")) {
    const size_t end = rest->find(") ");
    if (end == kNone) return false;
    rest->remove_prefix(end + 1);
  }
  string_view original;
  if (!*message && StartsWith(*rest, " <")) {
    rest->remove_prefix(1);
    if (!TakeBracketed(rest, &original)) return false;
    if (Take(rest, ":")) *message = true;
  }
  const bool address = shown.find('@') != kNone && first != '|' && first != '/';
  // A user of this host is always shown with his address.
  if (!address && original.empty()) return false;
  out->to = address || original.empty() ? shown : original;
  if (address) out->orig_to = original;
  return rest->empty() || Take(rest, " ");
}

// "SMTP error from remote mail server after RCPT TO:<b@x>: 550 5.1.1 no", or with
// ": host mx.example.org [192.0.2.9]: 550 ..." in older versions.
void Reason(string_view text, MailLine* out) {
  out->reply = text;
  // A quoted local part may hold what looks like an answer.
  if (text.find('"') < text.find(": ")) return;
  if (out->relay_host.empty()) {
    bool many = false;
    const size_t host = FindOnly(text, ": host ", &many);
    if (host != kNone && !many) {
      string_view at = text.substr(host + 7);
      if (!TakeRelay(&at, out)) out->relay_host = out->relay_ip = string_view();
    }
  }
  for (size_t at = text.find(": "); at != kNone; at = text.find(": ", at + 1)) {
    const string_view answer = text.substr(at + 2);
    if (answer.size() < 4 || !IsDigit(answer[0]) || !IsDigit(answer[1]) ||
        !IsDigit(answer[2]) || (answer[3] != ' ' && answer[3] != '-')) {
      continue;
    }
    out->dsn = DsnOfReply(answer);
    return;
  }
}

// Behind "=> ", "-> ", ">> ", "** ", "== ".
void Delivery(string_view rest, DeliveryStatus status, MailLine* out) {
  out->kind = MailKind::kDelivery;
  out->status = status;
  Fields fields;
  if (!TakeRecipient(&rest, &fields.message, out)) {
    out->to = out->orig_to = string_view();
    return Doubt(out);
  }
  while (!rest.empty() && !fields.message && !fields.broken) {
    TakeFields(Story::kDelivery, &rest, &fields, out);
    if (rest.empty() || fields.message || fields.broken) break;
    string_view word = TakeWord(&rest);
    if (TakeBack(&word, ":")) fields.message = true;
    // "defer (-44)", "routing defer (-51): retry time not reached", "L K".
    if (word == "defer" && Take(&rest, " (")) {
      const bool negative = Take(&rest, "-");
      uint32_t code = 0;
      TakeNumber(&rest, &code);
      // -51 to -53: not yet time to try again; -54 and -55: this run leaves it out, or
      // queue_domains does; -56: enough run already (Exim's macros.h).
      out->own_pause = negative && code >= 51 && code <= 56;
      if (!Take(&rest, ")")) fields.broken = true;
      if (Take(&rest, ":")) fields.message = true;
    }
    if (!rest.empty() && !Take(&rest, " ")) fields.broken = true;
  }
  if (fields.broken) {
    out->reply = out->dsn = out->transport = string_view();
    return Doubt(out);
  }
  if (!fields.message) return;
  Reason(rest, out);
  if (status == DeliveryStatus::kBounced &&
      (EndsWith(rest, "retry timeout exceeded") ||
       EndsWith(rest,
                "retry time not reached for any host after a long failure period"))) {
    out->status = DeliveryStatus::kExpired;
  }
}

// "RCPT <b@example.org>: Unrouteable address", "after DATA: no", "EHLO or HELO x: no",
// behind "rejected ".
void Refusal(string_view rest, MailLine* out) {
  out->kind = MailKind::kReject;
  if (Take(&rest, "RCPT ") || Take(&rest, "MAIL ")) {
    out->stage = string_view(rest.data() - 5, 4);
    string_view address;
    if (!TakeBracketed(&rest, &address) || (!rest.empty() && !Take(&rest, ":"))) return;
    if (out->stage == "RCPT") {
      out->to = address;
    } else {
      out->from = address;
      out->has_from = true;
    }
  } else {
    if (!Take(&rest, "after ")) Take(&rest, "by ");
    out->stage = rest.substr(0, std::min(rest.find(' '), rest.find(':')));
    if (out->stage == "connection") out->stage = "CONNECT";
    const size_t text = rest.find(": ");
    if (text == kNone) return;
    rest.remove_prefix(text + 1);
  }
  Take(&rest, " ");
  out->reply = rest;
  out->dsn = DsnOfReply(rest);
}

// "H=x (y) [192.0.2.7] F=<a@x> A=login:ann rejected RCPT <b@x>: no", and what else
// begins with a host.
void FromHost(string_view rest, MailLine* out) {
  Fields fields;
  MailLine line = *out;
  TakeFields(Story::kRefusal, &rest, &fields, &line);
  if (fields.message) {
    // Of a delivery: "H=mx.example.org [192.0.2.9]: SMTP error from ...: 451 later".
    if (out->queue_id.empty() || line.ambiguous || !line.helo.empty()) return;
    out->kind = MailKind::kInterimFailure;
    out->relay_host = line.client_host;
    out->relay_ip = line.client_ip;
    out->relay_port = line.client_port;
    return Reason(rest, out);
  }
  const string_view word = rest.substr(0, rest.find(' '));
  const bool refused = Take(&rest, "rejected ") || Take(&rest, "temporarily rejected ");
  if (!fields.broken && !line.ambiguous && !refused) {
    // "H=mx.example.org [192.0.2.9] Connection refused".
    if (!out->queue_id.empty() && fields.seen == kHostField && line.helo.empty() &&
        (word == "Connection" || word == "Network" || word == "No" ||
         word == "Operation" || word == "TLS")) {
      out->kind = MailKind::kInterimFailure;
      out->relay_host = line.client_host;
      out->relay_ip = line.client_ip;
      out->relay_port = line.client_port;
      out->reply = rest;
    }
    return;
  }
  if (refused && !fields.broken && !line.ambiguous) {
    *out = line;
    return Refusal(rest, out);
  }
  // In doubt about the client.  It is a refusal if it says so anywhere.
  if (rest.find("rejected ") == kNone && !refused) return;
  out->kind = MailKind::kReject;
  Doubt(out);
}

// "dovecot_login authenticator failed for H=x (y) [192.0.2.7]:4711: 535 Incorrect
// authentication data (set_id=ann)".  Both names are what the client sent.
bool AuthFailed(string_view rest, MailLine* out) {
  const string_view method =
      TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '_' || c == '-'; });
  if (method.empty() || !Take(&rest, " authenticator failed for ")) return false;
  out->kind = MailKind::kAuthFailed;
  Take(&rest, "H=");
  if (!TakeHost(&rest, out)) {
    Doubt(out);
    return true;
  }
  out->sasl_method = method;
  if (Take(&rest, " I=")) TakeWhile(&rest, [](char c) { return c != ' '; });
  string_view answer = rest;
  // "I=[198.51.100.1]:25:" was a word.
  Take(&answer, ":");
  if (!Take(&answer, " ")) return true;
  out->reply = answer;
  bool many = false;
  const size_t id = FindOnly(answer, " (set_id=", &many);
  if (id == kNone) return true;
  out->reply = answer.substr(0, id);
  string_view account = answer.substr(id + 9);
  // Only with 435 Exim adds why, and then always.
  const size_t end = StartsWith(answer, "435 ") ? FindOnly(account, "): ", &many)
                     : EndsWith(account, ")")   ? account.size() - 1
                                                : kNone;
  if (many || end == kNone) {
    const string_view ip = out->client_ip;
    Doubt(out);
    out->client_ip = ip;
    return true;
  }
  out->account = account.substr(0, end);
  return true;
}

// "rejected MAIL FROM:<a@x> H=x [192.0.2.7]: message too big", and "too many recipients:
// excess temporarily rejected: sender=<a@x> H=x [192.0.2.7]".
bool OverLimit(string_view rest, MailLine* out) {
  MailLine line;
  if (Take(&rest, "rejected MAIL FROM:")) {
    line.stage = "MAIL";
  } else if (Take(&rest, "too many recipients: ")) {
    line.reply = "too many recipients";
    line.stage = StartsWith(rest, "excess") ? "RCPT" : "DATA";
    Take(&rest, "excess temporarily ");
    Take(&rest, "message ");
    if (!Take(&rest, "rejected: sender=")) return false;
  } else {
    return false;
  }
  line.kind = MailKind::kReject;
  line.has_from = TakeBracketed(&rest, &line.from);
  if (!line.has_from || !Take(&rest, " H=") || !TakeHost(&rest, &line)) return false;
  if (Take(&rest, " I=")) TakeWhile(&rest, [](char c) { return c != ' '; });
  Take(&rest, ":");
  if (Take(&rest, " ")) line.reply = rest;
  *out = line;
  return true;
}

// Lines that begin with words.  `kind` of what is behind the host.
struct Opening {
  string_view words;
  MailKind kind;
  string_view stage;
};
constexpr Opening kOpenings[] = {
    {"unexpected disconnection while reading SMTP command from ", MailKind::kDisconnect,
     "command"},
    {"SMTP command timeout on connection from ", MailKind::kDisconnect, "command"},
    {"SMTP command timeout on TLS connection from ", MailKind::kDisconnect, "command"},
    {"SMTP data timeout (message abandoned) on connection from ", MailKind::kDisconnect,
     "DATA"},
    {"no MAIL in SMTP connection from ", MailKind::kDisconnect, ""},
    {"rejected EHLO from ", MailKind::kReject, "EHLO"},
    {"rejected HELO from ", MailKind::kReject, "HELO"},
    {"refused connection from ", MailKind::kReject, "CONNECT"},
    {"Connection from ", MailKind::kReject, "CONNECT"},
    {"SMTP call from ", MailKind::kDisconnect, "dropped"},
    {"SMTP connection from ", MailKind::kConnect, ""},
};

// True when the line begins with words that we know.
bool Connection(string_view rest, MailLine* out) {
  for (const Opening& opening : kOpenings) {
    string_view at = rest;
    if (!Take(&at, opening.words)) continue;
    // A local caller's has no address.
    if (!TakeHost(&at, out)) return true;
    if (Take(&at, " I=")) {
      TakeWord(&at);
    }
    out->kind = opening.kind;
    out->stage = opening.stage;
    if (opening.words == "Connection from ") {
      if (!StartsWith(at, " refused")) *out = MailLine();
    } else if (opening.kind == MailKind::kConnect) {
      if (StartsWith(at, " lost")) {
        out->kind = MailKind::kDisconnect;
        out->stage = "lost";
      } else if (StartsWith(at, " closed by DROP")) {
        out->kind = MailKind::kDisconnect;
        out->stage = "dropped";
      } else if (StartsWith(at, " closed ")) {
        out->kind = MailKind::kDisconnect;
      } else if (StartsWith(at, " identification") || StartsWith(at, " D=")) {
        *out = MailLine();
      }
    }
    return true;
  }
  return false;
}

// cPanel's "Sender identification U=ann D=example.net S=ann@example.net".
void Identification(string_view rest, MailLine* out) {
  if (!Take(&rest, "U=")) return;
  out->local_user = TakeWord(&rest);
  if (Take(&rest, " D=")) TakeWord(&rest);
  if (Take(&rest, " S=")) {
    out->from = rest;
    out->has_from = !rest.empty();
  }
  out->kind = MailKind::kPickup;
}

void WithId(string_view rest, MailLine* out) {
  const auto take = [&](string_view flag) { return Take(&rest, flag); };
  if (take("<= ") || take("(= ")) return Arrival(rest, out);
  if (take("=> ") || take("-> ") || take(">> ")) {
    return Delivery(rest, DeliveryStatus::kSent, out);
  }
  if (take("** ")) return Delivery(rest, DeliveryStatus::kBounced, out);
  if (take("== ")) return Delivery(rest, DeliveryStatus::kDeferred, out);
  if (rest == "Completed" || StartsWith(rest, "Completed QT=")) {
    out->kind = MailKind::kRemoved;
    return;
  }
  if (rest == "Message is frozen" || StartsWith(rest, "Frozen") ||
      StartsWith(rest, "frozen by ")) {
    out->kind = MailKind::kHeld;
    return;
  }
  if (StartsWith(rest, "Unfrozen") || StartsWith(rest, "unfrozen by ")) {
    out->action = "released";
    return;
  }
  if (StartsWith(rest, "H=") || StartsWith(rest, "F=")) return FromHost(rest, out);
  if (take("Sender identification ")) return Identification(rest, out);
  // "mx.example.org [192.0.2.9] Connection timed out", before 4.83.
  string_view at = rest;
  MailLine relay;
  if (TakeRelay(&at, &relay) && !relay.relay_ip.empty() &&
      (StartsWith(at, " Connection ") || StartsWith(at, " Network "))) {
    out->kind = MailKind::kInterimFailure;
    out->relay_host = relay.relay_host;
    out->relay_ip = relay.relay_ip;
    out->relay_port = relay.relay_port;
    out->reply = at.substr(1);
  }
}

}  // namespace

bool ParseExim(const SyslogLine& line, MailLine* out) {
  if (!StartsWith(line.program, "exim") || line.program.size() > 8) return false;
  string_view rest = line.text;
  // What is too long for syslog comes in pieces: "[1/3] ..." by length, "[1\3] ..."
  // by lines.  What is read is in the first; the others could be anybody's words.
  string_view piece = rest;
  uint32_t number = 0;
  uint32_t of = 0;
  if (Take(&piece, "[") && TakeNumber(&piece, &number) &&
      (Take(&piece, "/") || Take(&piece, "\\")) && TakeNumber(&piece, &of) &&
      Take(&piece, "] ")) {
    if (number != 1) return true;
    rest = piece;
  }
  SkipTime(&rest);
  // "[812] ", with +pid.
  string_view pid = rest;
  if (Take(&pid, "[") && TakeNumber(&pid, &number) && Take(&pid, "] ")) rest = pid;
  if (TakeId(&rest, &out->queue_id)) {
    WithId(rest, out);
  } else if (StartsWith(rest, "H=")) {
    FromHost(rest, out);
  } else if (!OverLimit(rest, out) && !Connection(rest, out)) {
    AuthFailed(rest, out);
  }
  return true;
}

}  // namespace mailvane
