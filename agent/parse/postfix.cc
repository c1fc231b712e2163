#include "agent/parse/postfix.h"

#include <algorithm>
#include <initializer_list>

namespace mailvane {
namespace {

using absl::string_view;
constexpr size_t kNone = string_view::npos;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsUpper(char c) { return c >= 'A' && c <= 'Z'; }
bool IsLower(char c) { return c >= 'a' && c <= 'z'; }
bool IsAlnum(char c) { return IsDigit(c) || IsUpper(c) || IsLower(c); }
bool IsHex(char c) {
  return IsDigit(c) || (c >= 'A' && c <= 'F') || (c >= 'a' && c <= 'f');
}

bool StartsWith(string_view text, string_view prefix) {
  return text.size() >= prefix.size() && text.substr(0, prefix.size()) == prefix;
}
bool EndsWith(string_view text, string_view suffix) {
  return text.size() >= suffix.size() &&
         text.substr(text.size() - suffix.size()) == suffix;
}
bool Take(string_view* rest, string_view prefix) {
  if (!StartsWith(*rest, prefix)) return false;
  rest->remove_prefix(prefix.size());
  return true;
}
template <typename Test>
string_view TakeWhile(string_view* rest, Test test) {
  size_t size = 0;
  while (size < rest->size() && test((*rest)[size])) ++size;
  const string_view taken = rest->substr(0, size);
  rest->remove_prefix(size);
  return taken;
}
template <typename Number>
bool TakeNumber(string_view* rest, Number* number) {
  const string_view digits = TakeWhile(rest, IsDigit);
  if (digits.empty() || digits.size() > 18) return false;
  uint64_t value = 0;
  for (const char c : digits) value = value * 10 + (c - '0');
  *number = static_cast<Number>(value);
  return *number == value;
}
// Takes the digits at the end of `text`.
template <typename Number>
bool TakeNumberBack(string_view* text, Number* number) {
  size_t begin = text->size();
  while (begin > 0 && IsDigit((*text)[begin - 1])) --begin;
  string_view digits = text->substr(begin);
  text->remove_suffix(digits.size());
  return TakeNumber(&digits, number);
}
bool TakeBack(string_view* text, string_view suffix) {
  if (!EndsWith(*text, suffix)) return false;
  text->remove_suffix(suffix.size());
  return true;
}

// Where the one `needle` in `text` is: kNone when there is none; `*many` when there
// are several, of which a stranger may have written all but one.
size_t FindOnly(string_view text, string_view needle, bool* many) {
  const size_t at = text.find(needle);
  if (at != kNone && text.find(needle, at + 1) != kNone) *many = true;
  return at;
}

// Short ids are hexadecimal, long ones of 52 letters and digits without vowels.
// So no English word is one: "warning: ", "statistics: ".
bool IsQueueId(string_view id) {
  if (id.size() < 5 || id.size() > 32) return false;
  bool hex = true;
  bool consonant = true;
  for (const char c : id) {
    hex = hex && (IsDigit(c) || (c >= 'A' && c <= 'F'));
    switch (c) {
      case 'a':
      case 'e':
      case 'i':
      case 'o':
      case 'u':
      case 'A':
      case 'E':
      case 'I':
      case 'O':
      case 'U':
        consonant = false;
        break;
      default:
        consonant = consonant && IsAlnum(c);
    }
    if (!hex && !consonant) return false;
  }
  return hex || id.size() >= 10;
}

// "QID: " or "NOQUEUE: ".
bool TakeQueueId(string_view* rest, string_view* id) {
  const size_t colon = rest->substr(0, 34).find(": ");
  if (colon == kNone) return false;
  const string_view word = rest->substr(0, colon);
  const bool none = word == "NOQUEUE";
  if (!none && !IsQueueId(word)) return false;
  if (!none) *id = word;
  rest->remove_prefix(colon + 2);
  return true;
}

string_view KnownOnly(string_view value) {
  return value == "unknown" ? string_view() : value;
}

// "mx.example.net[192.0.2.1]" or "...:25".  The name comes from DNS; Postfix lets
// none pass that has other characters than these.
bool TakePeer(string_view* rest, string_view* host, string_view* ip, uint16_t* port) {
  string_view at = *rest;
  const string_view name = TakeWhile(
      &at, [](char c) { return IsAlnum(c) || c == '.' || c == '-' || c == '_'; });
  if (name.empty() || !Take(&at, "[")) return false;
  const string_view address = TakeWhile(
      &at, [](char c) { return IsAlnum(c) || c == '.' || c == ':' || c == '%'; });
  if (address.empty() || !Take(&at, "]")) return false;
  string_view after = at;
  uint16_t number = 0;
  if (Take(&after, ":") && TakeNumber(&after, &number)) {
    at = after;
    *port = number;
  }
  *host = KnownOnly(name);
  *ip = KnownOnly(address);
  *rest = at;
  return true;
}

bool TakeClient(string_view* rest, MailLine* out) {
  return TakePeer(rest, &out->client_host, &out->client_ip, &out->client_port);
}

bool LooksLikeIp(string_view text) {
  bool digit = false;
  for (const char c : text) {
    if (!IsHex(c) && c != '.' && c != ':') return false;
    digit = digit || IsDigit(c) || c == ':';
  }
  return digit;
}

// "4.7.1" at the start.
string_view TakeDsn(string_view* rest) {
  string_view at = *rest;
  if (at.size() < 5 || (at[0] != '2' && at[0] != '4' && at[0] != '5')) return {};
  const string_view dsn = TakeWhile(&at, [](char c) { return IsDigit(c) || c == '.'; });
  if (dsn.size() < 5 || dsn[1] != '.' || dsn.find('.', 2) == kNone) return {};
  *rest = at;
  return dsn;
}

// "connect from unknown[192.0.2.1]".
void Connect(string_view rest, MailLine* out) {
  MailLine line;
  if (!TakeClient(&rest, &line) || !rest.empty()) return;
  *out = line;
  out->kind = MailKind::kConnect;
}

// "disconnect from mx[192.0.2.1] ehlo=1 auth=0/1 quit=1 commands=2/3".
void Disconnect(string_view rest, MailLine* out) {
  MailLine line;
  if (!TakeClient(&rest, &line) || !(rest.empty() || rest[0] == ' ')) return;
  const size_t auth = rest.find(" auth=");
  if (auth != kNone) {
    string_view counts = rest.substr(auth + 6);
    uint32_t good = 0;
    uint32_t all = 0;
    if (TakeNumber(&counts, &good) && Take(&counts, "/") && TakeNumber(&counts, &all) &&
        all > good) {
      line.auth_failures = all - good;
    }
  }
  *out = line;
  out->kind = MailKind::kDisconnect;
}

// "lost connection after DATA (12 bytes) from mx[192.0.2.1]", behind the verb.
void LostConnection(string_view rest, MailLine* out) {
  const size_t from = rest.find(" from ");
  if (from == kNone) return;
  MailLine line = *out;
  line.stage = rest.substr(0, from);
  rest.remove_prefix(from + 6);
  if (!TakeClient(&rest, &line) || !rest.empty()) return;
  *out = line;
  out->kind = MailKind::kDisconnect;
}

// "mx[192.0.2.1]: SASL LOGIN authentication failed: REASON, sasl_username=USER",
// behind "warning: ".  The user name is what the client sent.
void SaslFailed(string_view rest, MailLine* out) {
  MailLine line;
  if (!TakeClient(&rest, &line) || !Take(&rest, ": SASL ")) return;
  line.sasl_method =
      TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  if (!Take(&rest, " authentication failed:")) return;
  Take(&rest, " ");
  bool many = false;
  const size_t user = FindOnly(rest, "sasl_username=", &many);
  line.reply = rest;
  if (many) {
    line.ambiguous = true;
    line.reply = string_view();
  } else if (user != kNone) {
    if (user >= 2 && rest.substr(user - 2, 2) == ", ") {
      line.account = rest.substr(user + 14);
      line.reply = rest.substr(0, user - 2);
    } else {
      line.ambiguous = true;
    }
  }
  *out = line;
  out->kind = MailKind::kAuthFailed;
}

// "client=mx[192.0.2.1], sasl_method=PLAIN, sasl_username=u@example.net,
// sasl_sender=s, orig_queue_id=Q, orig_client=mx[192.0.2.1]", behind the first "=".
void Client(string_view rest, MailLine* out) {
  MailLine line = *out;
  if (!TakeClient(&rest, &line)) return;
  if (Take(&rest, ", sasl_method=")) {
    line.sasl_method =
        TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  }
  if (Take(&rest, ", sasl_username=")) {
    size_t end = rest.size();
    for (string_view key :
         {string_view(", sasl_sender="), string_view(", orig_queue_id="),
          string_view(", orig_client=")}) {
      bool many = false;
      const size_t at = FindOnly(rest, key, &many);
      if (many) line.ambiguous = true;
      end = std::min(end, at);
    }
    if (rest.find(", sasl_method=") != kNone || rest.find(", sasl_username=") != kNone) {
      line.ambiguous = true;
    }
    if (!line.ambiguous) line.account = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (!line.ambiguous) {
    if (Take(&rest, ", sasl_sender=")) {
      const size_t end = std::min(rest.find(", orig_"), rest.size());
      line.sasl_sender = rest.substr(0, end);
      rest.remove_prefix(end);
    }
    if (Take(&rest, ", orig_queue_id=")) {
      line.other_queue_id = TakeWhile(&rest, IsAlnum);
    }
    if (Take(&rest, ", orig_client=")) {
      string_view host;
      uint16_t port = 0;
      if (!TakePeer(&rest, &host, &line.orig_client_ip, &port)) line.ambiguous = true;
    }
    if (!rest.empty()) line.ambiguous = true;
  }
  if (line.ambiguous) {
    line.account = line.sasl_sender = line.other_queue_id = line.orig_client_ip =
        string_view();
  }
  *out = line;
  out->kind = MailKind::kClient;
}

// "from=<a> to=<b> proto=ESMTP helo=<c> sasl_method=PLAIN sasl_username=u
// sasl_sender=s", each part optional.  Everything in it was chosen by the client,
// and a HELO name may hold blanks: it counts only when no mark occurs twice.
bool RejectTrailer(string_view rest, MailLine* out) {
  bool many = false;
  if (Take(&rest, "from=<")) {
    size_t end = FindOnly(rest, "> proto=", &many);
    string_view envelope = rest.substr(0, end);
    if (end == kNone) {
      if (!TakeBack(&envelope, ">")) return false;
      rest = string_view();
    } else {
      rest.remove_prefix(end + 2);
    }
    const size_t to = FindOnly(envelope, "> to=<", &many);
    if (many) return false;
    out->from = envelope.substr(0, to);
    out->has_from = true;
    if (to != kNone) out->to = envelope.substr(to + 6);
  }
  if (Take(&rest, "proto=")) {
    out->protocol = TakeWhile(&rest, IsAlnum);
    if (rest.empty()) return true;
    if (!Take(&rest, " ")) return false;
  }
  if (!Take(&rest, "helo=<")) return rest.empty();
  const size_t sasl = FindOnly(rest, "> sasl_", &many);
  if (many || rest.find(" helo=<") != kNone) return false;
  if (sasl == kNone) {
    if (!TakeBack(&rest, ">")) return false;
    out->helo = rest;
    return true;
  }
  // A client that says "EHLO x> sasl_method=LOGIN sasl_username=ceo" gets a line
  // that ends with the bracket that closes its own name.
  if (EndsWith(rest, ">")) return false;
  const string_view helo = rest.substr(0, sasl);
  rest.remove_prefix(sasl + 2);
  if (!Take(&rest, "sasl_method=")) return false;
  const string_view method =
      TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  if (!Take(&rest, " sasl_username=")) return false;
  const size_t sender = FindOnly(rest, " sasl_sender=", &many);
  if (many) return false;
  out->helo = helo;
  out->sasl_method = method;
  out->account = rest.substr(0, sender);
  if (sender != kNone) out->sasl_sender = rest.substr(sender + 13);
  return true;
}

// "RCPT from mx[192.0.2.1]: 554 5.7.1 <b>: Relay access denied; from=<a> to=<b>
// proto=ESMTP helo=<c>", behind "reject: ".
void Reject(string_view rest, bool enforced, MailLine* out) {
  MailLine line = *out;
  line.kind = MailKind::kReject;
  line.enforced = enforced;
  line.stage = TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '-'; });
  if (line.stage == "header" || line.stage == "body" || line.stage == "mime-error") {
    // cleanup's, which begins with what the message holds: nothing behind it can
    // be told from that.
    *out = line;
    return;
  }
  if (!Take(&rest, " from ") || !TakeClient(&rest, &line) || !Take(&rest, ": ")) return;
  size_t trailer = kNone;
  int trailers = 0;
  for (size_t at = rest.find("; "); at != kNone; at = rest.find("; ", at + 1)) {
    const string_view from = rest.substr(at + 2);
    if (!StartsWith(from, "from=<") && !StartsWith(from, "proto=") &&
        !StartsWith(from, "helo=<")) {
      continue;
    }
    if (++trailers == 1) trailer = at;
  }
  line.reply = rest.substr(0, trailer);
  if (trailers == 0 && !line.reply.empty()) TakeBack(&line.reply, ";");
  // The reply begins with what we said, also when its end is in doubt.
  string_view code = line.reply;
  uint32_t number = 0;
  if (IsDigit(code.empty() ? ' ' : code[0]) && code.size() > 4 && code[3] == ' ') {
    TakeNumber(&code, &number);
    Take(&code, " ");
  }
  line.dsn = TakeDsn(&code);
  const MailLine sure = line;
  if (trailers > 1 ||
      (trailers == 1 && !RejectTrailer(rest.substr(trailer + 2), &line))) {
    line = sure;
    line.ambiguous = true;
    line.reply = string_view();
  }
  *out = line;
}

// "<s>, size=N, nrcpt=N (queue active)", behind "from=".  The end is ours, so it
// is read from there.
void Queued(string_view rest, MailLine* out) {
  if (!Take(&rest, "<")) return;
  MailLine line = *out;
  line.has_from = true;
  if (TakeBack(&rest, ">, status=expired, returned to sender") ||
      TakeBack(&rest, ">, status=force-expired, returned to sender")) {
    line.kind = MailKind::kDelivery;
    line.status = DeliveryStatus::kExpired;
    line.from = rest;
    *out = line;
    return;
  }
  const size_t queue = rest.rfind(" (queue ");
  if (queue == kNone || !EndsWith(rest, ")")) return;
  rest.remove_suffix(rest.size() - queue);
  uint32_t nrcpt = 0;
  uint64_t size = 0;
  if (!TakeNumberBack(&rest, &nrcpt) || !TakeBack(&rest, ", nrcpt=") ||
      !TakeNumberBack(&rest, &size) || !TakeBack(&rest, ">, size=")) {
    return;
  }
  line.kind = MailKind::kQueued;
  line.from = rest;
  line.size = size;
  line.nrcpt = nrcpt;
  *out = line;
}

bool TakeDecimal(string_view* rest, double* value) {
  uint64_t whole = 0;
  if (!TakeNumber(rest, &whole)) return false;
  *value = static_cast<double>(whole);
  if (Take(rest, ".")) {
    double unit = 0.1;
    for (const char c : TakeWhile(rest, IsDigit)) {
      *value += (c - '0') * unit;
      unit /= 10;
    }
  }
  return true;
}

// "mx[192.0.2.1]:25, conn_use=2, delay=1.2, delays=0/0/1/0.2, dsn=2.0.0,
// status=sent (250 ok)", behind "relay=".
bool DeliveryTail(string_view rest, MailLine* out) {
  const size_t relay_end = rest.find(", ");
  if (relay_end == kNone) return false;
  const string_view relay = rest.substr(0, relay_end);
  rest.remove_prefix(relay_end);
  string_view peer = relay;
  if (relay.find_first_of(" <>=") != kNone) return false;
  if (TakePeer(&peer, &out->relay_host, &out->relay_ip, &out->relay_port) &&
      peer.empty()) {
    if (!LooksLikeIp(out->relay_ip)) out->relay_ip = string_view();
  } else {
    // "local", or "mx[private/dovecot-lmtp]".
    out->relay_ip = string_view();
    out->relay_host = relay == "none" ? string_view() : relay.substr(0, relay.find('['));
  }
  uint32_t uses = 0;
  if (Take(&rest, ", conn_use=") && !TakeNumber(&rest, &uses)) return false;
  double delay = 0;
  if (!Take(&rest, ", delay=") || !TakeDecimal(&rest, &delay)) return false;
  out->delay_seconds = delay;
  if (Take(&rest, ", delays=")) {
    const string_view delays = TakeWhile(&rest, [](char c) {
      return IsDigit(c) || c == '.' || c == '/' || c == 'e' || c == '-' || c == '+';
    });
    if (delays.empty()) return false;
  }
  if (Take(&rest, ", tls=")) {
    const size_t end = rest.find(", dsn=");
    if (end == kNone) return false;
    rest.remove_prefix(end);
  }
  if (Take(&rest, ", dsn=")) {
    out->dsn = TakeDsn(&rest);
    if (out->dsn.empty()) return false;
  }
  if (!Take(&rest, ", status=")) return false;
  const string_view status =
      TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '-'; });
  if (status == "sent") {
    out->status = DeliveryStatus::kSent;
  } else if (status == "deferred" || status == "SOFTBOUNCE") {
    out->status = DeliveryStatus::kDeferred;
  } else if (status == "bounced") {
    out->status = DeliveryStatus::kBounced;
  } else if (status == "expired") {
    out->status = DeliveryStatus::kExpired;
  } else if (status != "deliverable" && status != "undeliverable") {
    return false;
  }
  if (rest.empty()) return true;
  if (!Take(&rest, " (")) return false;
  // A record that was cut at 2,000 bytes has no bracket at its end.
  TakeBack(&rest, ")");
  out->reply = rest;
  return true;
}

// "<r>, orig_to=<o>, relay=...", behind "to=".  An address may hold what looks
// like the rest, and so may the remote server's answer: if more than one ", relay="
// is followed by a whole tail, neither is believed.
void Delivery(string_view rest, MailLine* out) {
  const bool bracketed = StartsWith(rest, "<");
  const string_view mark = bracketed ? ">, relay=" : ", relay=";
  MailLine found;
  int readings = 0;
  for (size_t at = rest.find(mark); at != kNone; at = rest.find(mark, at + 1)) {
    MailLine line = *out;
    if (!DeliveryTail(rest.substr(at + mark.size()), &line)) continue;
    if (++readings > 1) break;
    const string_view to = bracketed ? rest.substr(1, at - 1) : rest.substr(0, at);
    bool many = false;
    const string_view orig_mark = bracketed ? ">, orig_to=<" : ", orig_to=";
    const size_t orig = FindOnly(to, orig_mark, &many);
    line.to = to.substr(0, orig);
    if (orig != kNone) line.orig_to = to.substr(orig + orig_mark.size());
    if (many) {
      line.ambiguous = true;
      line.to = line.orig_to = string_view();
    }
    found = line;
  }
  if (readings == 0) return;
  if (readings == 1) {
    *out = found;
  } else {
    out->ambiguous = true;
  }
  // "deliverable" and "undeliverable" are answers to a question, not deliveries.
  const bool probe = readings == 1 && found.status == DeliveryStatus::kNone;
  out->kind = probe ? MailKind::kOther : MailKind::kDelivery;
}

// "host mx[192.0.2.1] said: 451 4.7.1 later (in reply to RCPT TO command)", and
// the other ways in which one host of several fails.
void InterimFailure(string_view rest, MailLine* out) {
  MailLine line = *out;
  if (!TakePeer(&rest, &line.relay_host, &line.relay_ip, &line.relay_port)) return;
  if (!LooksLikeIp(line.relay_ip)) line.relay_ip = string_view();
  Take(&rest, ":");
  Take(&rest, " ");
  if (Take(&rest, "said: ") || Take(&rest, "refused to talk to me: ")) {
    string_view code = rest;
    if (code.size() > 4 && IsDigit(code[0]) && (code[3] == ' ' || code[3] == '-')) {
      code.remove_prefix(4);
      line.dsn = TakeDsn(&code);
    }
  }
  line.reply = rest;
  line.kind = MailKind::kInterimFailure;
  *out = line;
}

// "sender non-delivery notification: QID2".
bool BounceNotice(string_view rest, MailLine* out) {
  for (string_view what : {string_view("sender non-delivery notification: "),
                           string_view("sender delay notification: "),
                           string_view("sender delivery status notification: "),
                           string_view("postmaster non-delivery notification: "),
                           string_view("postmaster delay notification: "),
                           string_view("sender non-delivery notification"),
                           string_view("sender delivery status notification")}) {
    if (!Take(&rest, what)) continue;
    if (IsQueueId(rest)) out->other_queue_id = rest;
    out->kind = MailKind::kBounceNotice;
    return true;
  }
  return false;
}

void WithQueueId(string_view rest, string_view daemon, MailLine* out) {
  switch (rest.empty() ? '\0' : rest[0]) {
    case 't':
      if (Take(&rest, "to=")) {
        Delivery(rest, out);
      } else if (Take(&rest, "timeout after ")) {
        LostConnection(rest, out);
      }
      return;
    case 'f':
      if (EndsWith(daemon, "qmgr") && Take(&rest, "from=")) Queued(rest, out);
      return;
    case 'c':
      if (Take(&rest, "client=")) {
        Client(rest, out);
      } else if (Take(&rest, "conversation with ")) {
        InterimFailure(rest, out);
      } else if (Take(&rest, "connect to ")) {
        InterimFailure(rest, out);
      }
      return;
    case 'm':
      if (Take(&rest, "message-id=")) {
        out->kind = MailKind::kMessageId;
        out->message_id = rest;
      } else if (Take(&rest, "milter-reject: ")) {
        Reject(rest, true, out);
      }
      return;
    case 'r':
      if (rest == "removed" || StartsWith(rest, "removed (")) {
        out->kind = MailKind::kRemoved;
      } else if (Take(&rest, "reject: ")) {
        Reject(rest, true, out);
      } else if (Take(&rest, "reject_warning: ")) {
        Reject(rest, false, out);
      }
      return;
    case 'u':
      // "uid=33 from=<www-data>".
      if (daemon == "pickup" && Take(&rest, "uid=")) {
        MailLine line = *out;
        line.stage = TakeWhile(&rest, IsDigit);
        if (!Take(&rest, " from=<")) return;
        const size_t orig = rest.rfind("> orig_id=");
        if (orig != kNone && IsQueueId(rest.substr(orig + 10))) {
          line.other_queue_id = rest.substr(orig + 10);
          rest.remove_suffix(rest.size() - orig);
        } else if (!TakeBack(&rest, ">")) {
          return;
        }
        line.from = rest;
        line.has_from = true;
        line.kind = MailKind::kPickup;
        *out = line;
      }
      return;
    case 'h':
      if (Take(&rest, "host ")) {
        InterimFailure(rest, out);
      } else if (StartsWith(rest, "hold: ")) {
        out->kind = MailKind::kHeld;
      }
      return;
    case 'l':
      if (Take(&rest, "lost connection with ")) {
        InterimFailure(rest, out);
      } else if (Take(&rest, "lost connection after ")) {
        LostConnection(rest, out);
      }
      return;
    case 'p':
      if (rest == "placed on hold") {
        out->kind = MailKind::kHeld;
      } else {
        BounceNotice(rest, out);
      }
      return;
    case 's':
      BounceNotice(rest, out);
      return;
    default:
      return;
  }
}

bool IsPostfix(const SyslogLine& line) {
  if (line.instance.empty()) return false;
  if (StartsWith(line.instance, "postfix")) return true;
  // An instance with a syslog_name of its own.
  for (string_view daemon :
       {"smtpd",           "smtp",      "lmtp",     "qmgr",       "oqmgr",  "nqmgr",
        "cleanup",         "pickup",    "local",    "virtual",    "pipe",   "error",
        "retry",           "discard",   "bounce",   "postscreen", "anvil",  "master",
        "trivial-rewrite", "postsuper", "tlsproxy", "dnsblog",    "verify", "scache",
        "submission"}) {
    if (line.daemon == daemon) return true;
  }
  return false;
}

}  // namespace

std::optional<MailLine> ParsePostfix(const SyslogLine& line) {
  if (!IsPostfix(line)) return std::nullopt;
  MailLine out;
  string_view rest = line.text;
  // postscreen has marks and rules of its own, in another file.
  if (line.daemon == "postscreen") return out;
  if (TakeQueueId(&rest, &out.queue_id)) {
    WithQueueId(rest, line.daemon, &out);
  } else if (Take(&rest, "connect from ")) {
    Connect(rest, &out);
  } else if (Take(&rest, "disconnect from ")) {
    Disconnect(rest, &out);
  } else if (Take(&rest, "warning: ")) {
    SaslFailed(rest, &out);
  } else if (Take(&rest, "lost connection after ") || Take(&rest, "timeout after ") ||
             Take(&rest, "too many errors after ")) {
    LostConnection(rest, &out);
  } else if (Take(&rest, "connect to ")) {
    InterimFailure(rest, &out);
  }
  return out;
}

}  // namespace mailvane
