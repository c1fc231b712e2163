#include "agent/parse/postfix.h"

#include <algorithm>
#include <initializer_list>
#include <utility>

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
using scan::TakeDecimal;
using scan::TakeDsn;
using scan::TakeNumber;
using scan::TakeNumberBack;
using scan::TakeWhile;

// What kinds of queue id a character may stand in.  Short ids are hexadecimal, long
// ones of 52 letters and digits without vowels, so no English word is one:
// "warning: ", "statistics: ".
enum IdClass : uint8_t { kHexId = 1, kLongId = 2 };
struct IdTable {
  uint8_t of[256] = {};
  constexpr IdTable() {
    for (int c = '0'; c <= '9'; ++c) of[c] = kHexId | kLongId;
    for (int c = 'B'; c <= 'Z'; ++c) of[c] = of[c - 'A' + 'a'] = kLongId;
    for (int c : {'E', 'I', 'O', 'U'}) of[c] = of[c - 'A' + 'a'] = 0;
    for (int c = 'A'; c <= 'F'; ++c) of[c] |= kHexId;
  }
};
constexpr IdTable kIdTable;

// The length of the queue id at the start of `text`; 0: none is there.
size_t QueueIdSize(string_view text) {
  uint8_t all = kHexId | kLongId;
  size_t size = 0;
  while (size < text.size() && size < 33) {
    const uint8_t one = all & kIdTable.of[static_cast<uint8_t>(text[size])];
    if (one == 0) break;
    all = one;
    ++size;
  }
  return size >= ((all & kHexId) != 0 ? 5u : 10u) && size <= 32 ? size : 0;
}

bool IsQueueId(string_view id) { return !id.empty() && QueueIdSize(id) == id.size(); }

// "QID: " or "NOQUEUE: ".
bool TakeQueueId(string_view* rest, string_view* id) {
  const size_t size = QueueIdSize(*rest);
  if (size == 0) return Take(rest, "NOQUEUE: ");
  if (rest->size() < size + 2 || (*rest)[size] != ':' || (*rest)[size + 1] != ' ') {
    return false;
  }
  *id = rest->substr(0, size);
  rest->remove_prefix(size + 2);
  return true;
}

// Nothing of the line was understood after all.
void Forget(MailLine* out) {
  const string_view id = out->queue_id;
  *out = MailLine();
  out->queue_id = id;
}

string_view KnownOnly(string_view value) {
  return value == "unknown" ? string_view() : value;
}

// Lambdas, unlike functions, are inlined where a template is given them.
constexpr auto IsHostChar = [](char c) {
  return IsAlnum(c) || c == '.' || c == '-' || c == '_';
};
constexpr auto IsAddressChar = [](char c) {
  return IsAlnum(c) || c == '.' || c == ':' || c == '%';
};
// A socket's path takes the address' place.
constexpr auto IsPlaceChar = [](char c) {
  return IsHostChar(c) || IsAddressChar(c) || c == '/';
};
bool IsMechanismChar(char c) { return IsAlnum(c) || c == '-' || c == '_'; }

// "mx.example.net[192.0.2.1]" or "...:25".  The name comes from DNS; Postfix lets
// none pass that has other characters than these.
template <typename IsPlace>
bool TakePeer(string_view* rest, IsPlace is_place, string_view* host, string_view* place,
              uint16_t* port) {
  string_view at = *rest;
  const string_view name = TakeWhile(&at, IsHostChar);
  if (name.empty() || !Take(&at, "[")) return false;
  const string_view address = TakeWhile(&at, is_place);
  if (address.empty() || !Take(&at, "]")) return false;
  string_view after = at;
  uint16_t number = 0;
  if (Take(&after, ":") && TakeNumber(&after, &number)) {
    at = after;
    *port = number;
  }
  *host = KnownOnly(name);
  *place = KnownOnly(address);
  *rest = at;
  return true;
}

bool TakeClient(string_view* rest, MailLine* out) {
  return TakePeer(rest, IsAddressChar, &out->client_host, &out->client_ip,
                  &out->client_port);
}

bool TakeRelay(string_view* rest, MailLine* out) {
  if (!TakePeer(rest, IsPlaceChar, &out->relay_host, &out->relay_ip, &out->relay_port)) {
    return false;
  }
  // "mx[private/dovecot-lmtp]".
  if (!LooksLikeIp(out->relay_ip)) out->relay_ip = string_view();
  return true;
}

// "connect from unknown[192.0.2.1]".
void Connect(string_view rest, MailLine* out) {
  if (!TakeClient(&rest, out) || !rest.empty()) return Forget(out);
  out->kind = MailKind::kConnect;
}

// "disconnect from mx[192.0.2.1] ehlo=1 auth=0/1 quit=1 commands=2/3".
void Disconnect(string_view rest, MailLine* out) {
  if (!TakeClient(&rest, out) || !(rest.empty() || rest[0] == ' ')) return Forget(out);
  const size_t auth = rest.find(" auth=");
  if (auth != kNone) {
    string_view counts = rest.substr(auth + 6);
    uint32_t good = 0;
    uint32_t all = 0;
    if (TakeNumber(&counts, &good) && Take(&counts, "/") && TakeNumber(&counts, &all) &&
        all > good) {
      out->auth_failures = all - good;
    }
  }
  out->kind = MailKind::kDisconnect;
}

// "lost connection after DATA (12 bytes) from mx[192.0.2.1]", behind the verb.
void LostConnection(string_view rest, MailLine* out) {
  const size_t from = rest.find(" from ");
  if (from == kNone) return;
  out->stage = rest.substr(0, from);
  rest.remove_prefix(from + 6);
  if (!TakeClient(&rest, out) || !rest.empty()) return Forget(out);
  out->kind = MailKind::kDisconnect;
}

// "mx[192.0.2.1]: SASL LOGIN authentication failed: REASON, sasl_username=USER",
// behind "warning: ".  The user name is what the client sent.
void SaslFailed(string_view rest, MailLine* out) {
  if (!TakeClient(&rest, out) || !Take(&rest, ": SASL ")) return Forget(out);
  out->sasl_method = TakeWhile(&rest, IsMechanismChar);
  if (!Take(&rest, " authentication failed:")) return Forget(out);
  Take(&rest, " ");
  bool many = false;
  const size_t user = FindOnly(rest, "sasl_username=", &many);
  if (many) {
    out->ambiguous = true;
  } else if (user == kNone) {
    out->reply = rest;
  } else if (user >= 2 && rest.substr(user - 2, 2) == ", ") {
    out->account = rest.substr(user + 14);
    out->reply = rest.substr(0, user - 2);
  } else {
    out->ambiguous = true;
    out->reply = rest;
  }
  out->kind = MailKind::kAuthFailed;
}

// "client=mx[192.0.2.1], sasl_method=PLAIN, sasl_username=u@example.net,
// sasl_sender=s, orig_queue_id=Q, orig_client=mx[192.0.2.1]", behind the first "=".
void Client(string_view rest, MailLine* out) {
  if (!TakeClient(&rest, out)) return Forget(out);
  out->kind = MailKind::kClient;
  if (rest.empty()) return;
  if (Take(&rest, ", sasl_method=")) {
    out->sasl_method = TakeWhile(&rest, IsMechanismChar);
  }
  if (Take(&rest, ", sasl_username=")) {
    size_t end = rest.size();
    for (string_view key :
         {string_view(", sasl_sender="), string_view(", orig_queue_id="),
          string_view(", orig_client=")}) {
      end = std::min(end, FindOnly(rest, key, &out->ambiguous));
    }
    if (rest.find(", sasl_method=") != kNone || rest.find(", sasl_username=") != kNone) {
      out->ambiguous = true;
    }
    out->account = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (Take(&rest, ", sasl_sender=")) {
    const size_t end = std::min(rest.find(", orig_"), rest.size());
    out->sasl_sender = rest.substr(0, end);
    rest.remove_prefix(end);
  }
  if (Take(&rest, ", orig_queue_id=")) {
    out->other_queue_id = TakeWhile(&rest, IsAlnum);
  }
  if (Take(&rest, ", orig_client=")) {
    string_view host;
    uint16_t port = 0;
    if (!TakePeer(&rest, IsAddressChar, &host, &out->orig_client_ip, &port)) {
      out->ambiguous = true;
    }
  }
  if (!rest.empty()) out->ambiguous = true;
  if (out->ambiguous) {
    out->account = out->sasl_sender = out->other_queue_id = out->orig_client_ip =
        string_view();
  }
}

// How a trailer's parts are kept apart.
struct TrailerMarks {
  string_view from_end;  // behind the sender, when there is a recipient
  string_view to_end;    // behind the envelope
  string_view proto_end;
  string_view sasl;
};
constexpr TrailerMarks kSmtpdMarks = {"> to=<", "> proto=", " ", "> sasl_"};
// postscreen has commas: "from=<a>, to=<b>, proto=ESMTP, helo=<c>".
constexpr TrailerMarks kPostscreenMarks = {">, to=<", ">, proto=", ", ", ">, sasl_"};

// "from=<a> to=<b> proto=ESMTP helo=<c> sasl_method=PLAIN sasl_username=u
// sasl_sender=s", each part optional.  Everything in it was chosen by the client,
// and a HELO name may hold blanks: it counts only when no mark occurs twice.
bool RejectTrailer(string_view rest, const TrailerMarks& marks, MailLine* out) {
  bool many = false;
  if (Take(&rest, "from=<")) {
    size_t end = FindOnly(rest, marks.to_end, &many);
    string_view envelope = rest.substr(0, end);
    if (end == kNone) {
      if (!TakeBack(&envelope, ">")) return false;
      rest = string_view();
    } else {
      // "> proto=" and ">, proto=".
      rest.remove_prefix(end + marks.to_end.size() - 6);
    }
    const size_t to = FindOnly(envelope, marks.from_end, &many);
    if (many) return false;
    out->from = envelope.substr(0, to);
    out->has_from = true;
    if (to != kNone) out->to = envelope.substr(to + marks.from_end.size());
  }
  if (Take(&rest, "proto=")) {
    out->protocol = TakeWhile(&rest, IsAlnum);
    if (rest.empty()) return true;
    if (!Take(&rest, marks.proto_end)) return false;
  }
  if (!Take(&rest, "helo=<")) return rest.empty();
  const size_t sasl = FindOnly(rest, marks.sasl, &many);
  if (many || rest.find(" helo=<") != kNone) return false;
  if (sasl == kNone) {
    if (!TakeBack(&rest, ">")) return false;
    out->helo = rest;
    return true;
  }
  const string_view helo = rest.substr(0, sasl);
  rest.remove_prefix(sasl + 2);
  if (Take(&rest, "sasl_username=<")) {
    // As a milter's refusal has it.  "EHLO x> sasl_username=<ceo" would look the
    // same, but a name that was accepted is logged with question marks for blanks
    // and brackets, and only a refusal of the EHLO itself shows it raw.
    if (out->stage == "EHLO" || out->stage == "HELO") return false;
    if (helo.find_first_of(" <>()\\\";@") != kNone || !TakeBack(&rest, ">")) return false;
    out->helo = helo;
    out->account = rest;
    return true;
  }
  // A client that says "EHLO x> sasl_method=LOGIN sasl_username=ceo" gets a line
  // that ends with the bracket that closes its own name.
  if (EndsWith(rest, ">")) return false;
  if (!Take(&rest, "sasl_method=")) return false;
  const string_view method = TakeWhile(&rest, IsMechanismChar);
  if (!Take(&rest, " sasl_username=")) return false;
  const size_t sender = FindOnly(rest, " sasl_sender=", &many);
  if (many) return false;
  out->helo = helo;
  out->sasl_method = method;
  out->account = rest.substr(0, sender);
  if (sender != kNone) out->sasl_sender = rest.substr(sender + 13);
  return true;
}

// "554 5.7.1 <b>: Relay access denied; from=<a> to=<b> proto=ESMTP helo=<c>".
void ReplyAndTrailer(string_view rest, const TrailerMarks& marks, MailLine* out) {
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
  out->reply = rest.substr(0, trailer);
  if (trailers == 0) TakeBack(&out->reply, ";");
  // The reply begins with what we said, also when its end is in doubt.
  string_view code = out->reply;
  out->dsn = DsnOfReply(code);
  // A milter's comes without the code.
  if (out->dsn.empty()) out->dsn = TakeDsn(&code);
  if (trailers == 0 ||
      (trailers == 1 && RejectTrailer(rest.substr(trailer + 2), marks, out))) {
    return;
  }
  out->ambiguous = true;
  out->reply = out->from = out->to = out->protocol = out->helo = out->account =
      out->sasl_method = out->sasl_sender = string_view();
  out->has_from = false;
}

// "RCPT from mx[192.0.2.1]: 554 5.7.1 <b>: Relay access denied; from=<a> to=<b>
// proto=ESMTP helo=<c>", behind "reject: ".  `kind`: or "hold: ".
void Restriction(string_view rest, MailKind kind, MailLine* out) {
  out->stage = TakeWhile(&rest, IsMechanismChar);
  if (out->stage == "header" || out->stage == "body" || out->stage == "mime-error") {
    // cleanup's, which begins with what the message holds: nothing behind it can
    // be told from that.
    out->kind = kind;
    return;
  }
  if (!Take(&rest, " from ") || !TakeClient(&rest, out) || !Take(&rest, ": ")) {
    return Forget(out);
  }
  out->kind = kind;
  ReplyAndTrailer(rest, kSmtpdMarks, out);
}

// "END-OF-MESSAGE: 550 5.7.1 no; from=<a> to=<b> proto=ESMTP helo=<c>", behind
// "proxy-reject: ": what the filter before the queue said.
void ProxyReject(string_view rest, MailLine* out) {
  out->stage = TakeWhile(&rest, IsMechanismChar);
  if (!Take(&rest, ": ")) return Forget(out);
  out->kind = MailKind::kReject;
  ReplyAndTrailer(rest, kSmtpdMarks, out);
}

// "END-OF-MESSAGE: 250 2.0.0 Ok: queued as Q2; from=<a> to=<b> proto=ESMTP helo=<c>",
// behind "proxy-accept: ": the message is in the queue, under an id of the second half.
void ProxyAccept(string_view rest, MailLine* out) {
  out->stage = TakeWhile(&rest, IsMechanismChar);
  if (!Take(&rest, ": ")) return Forget(out);
  out->action = "proxied";
  ReplyAndTrailer(rest, kSmtpdMarks, out);
}

// "<s>, size=N, nrcpt=N (queue active)", behind "from=".  The end is ours, so it
// is read from there.
void Queued(string_view rest, MailLine* out) {
  if (!Take(&rest, "<")) return;
  const size_t queue = rest.rfind(" (queue ");
  if (queue != kNone && rest.back() == ')') {
    rest.remove_suffix(rest.size() - queue);
    uint32_t nrcpt = 0;
    uint64_t size = 0;
    if (!TakeNumberBack(&rest, &nrcpt) || !TakeBack(&rest, ", nrcpt=") ||
        !TakeNumberBack(&rest, &size) || !TakeBack(&rest, ">, size=")) {
      return;
    }
    out->kind = MailKind::kQueued;
    out->size = size;
    out->nrcpt = nrcpt;
  } else if (TakeBack(&rest, ">, status=expired, returned to sender") ||
             TakeBack(&rest, ">, status=force-expired, returned to sender")) {
    out->kind = MailKind::kDelivery;
    out->status = DeliveryStatus::kExpired;
  } else {
    return;
  }
  out->has_from = true;
  out->from = rest;
}

// "mx[192.0.2.1]:25, conn_use=2, delay=1.2, delays=0/0/1/0.2, dsn=2.0.0,
// status=sent (250 ok)", behind "relay=".
bool DeliveryTail(string_view rest, MailLine* out) {
  if (!TakeRelay(&rest, out)) {
    // "local", "none", "mx[/a path, perhaps]".
    const string_view relay = rest.substr(0, rest.find(", "));
    if (relay.size() == rest.size() || relay.find_first_of(" <>=") != kNone) return false;
    if (relay != "none") out->relay_host = relay.substr(0, relay.find('['));
    rest.remove_prefix(relay.size());
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
    // A few words of ours.  The bound keeps a line of nothing but such beginnings
    // from being searched to its end for each of them.
    const size_t end = rest.substr(0, 256).find(", dsn=");
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
  // defer_transports, of which the queue manager says no more.
  out->own_pause =
      out->status == DeliveryStatus::kDeferred && rest == "deferred transport";
  return true;
}

// "<r>, orig_to=<o>, relay=...", behind "to=".  An address may hold what looks
// like the rest, and so may the remote server's answer: if more than one ", relay="
// is followed by a whole tail, neither is believed.
void Delivery(string_view rest, MailLine* out) {
  const bool bracketed = StartsWith(rest, "<");
  const string_view mark = bracketed ? ">, relay=" : ", relay=";
  size_t found = kNone;
  for (size_t at = rest.find(mark); at != kNone; at = rest.find(mark, at + 1)) {
    if (found == kNone) {
      if (DeliveryTail(rest.substr(at + mark.size()), out)) {
        found = at;
      } else {
        Forget(out);
      }
      continue;
    }
    MailLine second;
    if (!DeliveryTail(rest.substr(at + mark.size()), &second)) continue;
    Forget(out);
    out->kind = MailKind::kDelivery;
    out->ambiguous = true;
    return;
  }
  if (found == kNone) return;
  const string_view to = bracketed ? rest.substr(1, found - 1) : rest.substr(0, found);
  bool many = false;
  const string_view orig_mark = bracketed ? ">, orig_to=<" : ", orig_to=";
  const size_t orig = FindOnly(to, orig_mark, &many);
  if (many) {
    out->ambiguous = true;
  } else {
    out->to = to.substr(0, orig);
    if (orig != kNone) out->orig_to = to.substr(orig + orig_mark.size());
  }
  // "deliverable" and "undeliverable" are answers to a question, not deliveries.
  out->kind =
      out->status == DeliveryStatus::kNone ? MailKind::kOther : MailKind::kDelivery;
}

// "mx[192.0.2.1] said: 451 4.7.1 later (in reply to RCPT TO command)", and the
// other ways in which one host of several fails, behind "host ", "connect to " …
void InterimFailure(string_view rest, MailLine* out) {
  if (!TakeRelay(&rest, out)) return Forget(out);
  Take(&rest, ":");
  Take(&rest, " ");
  if (Take(&rest, "said: ") || Take(&rest, "refused to talk to me: ")) {
    out->dsn = DsnOfReply(rest);
  }
  out->reply = rest;
  out->kind = MailKind::kInterimFailure;
}

// "sender non-delivery notification: QID2".  The notice may have its id only after
// this line, or be logged without.
bool BounceNotice(string_view rest, MailLine* out) {
  for (string_view what : {string_view("sender non-delivery notification"),
                           string_view("sender delivery status notification"),
                           string_view("sender delay notification"),
                           string_view("postmaster non-delivery notification"),
                           string_view("postmaster delay notification")}) {
    if (!Take(&rest, what)) continue;
    if (!rest.empty() && !Take(&rest, ": ")) return false;
    if (IsQueueId(rest)) out->other_queue_id = rest;
    out->kind = MailKind::kBounceNotice;
    return true;
  }
  return false;
}

// "uid=33 from=<www-data> orig_id=Q", behind the first "=".
void Pickup(string_view rest, MailLine* out) {
  out->local_user = TakeWhile(&rest, IsDigit);
  if (!Take(&rest, " from=<")) return Forget(out);
  const size_t orig = rest.rfind("> orig_id=");
  if (orig != kNone && IsQueueId(rest.substr(orig + 10))) {
    out->other_queue_id = rest.substr(orig + 10);
    rest.remove_suffix(rest.size() - orig);
  } else if (!TakeBack(&rest, ">")) {
    return Forget(out);
  }
  out->from = rest;
  out->has_from = true;
  out->kind = MailKind::kPickup;
}

void Kind(MailKind kind, MailLine* out) { out->kind = kind; }

void Action(string_view action, MailLine* out) { out->action = action; }

// Behind "QID: " or "NOQUEUE: ".
void WithQueueId(string_view rest, string_view daemon, MailLine* out) {
  switch (rest.empty() ? '\0' : rest[0]) {
    case 't':
      if (Take(&rest, "to=")) return Delivery(rest, out);
      if (Take(&rest, "timeout after ")) return LostConnection(rest, out);
      if (Take(&rest, "too many errors after ")) return LostConnection(rest, out);
      return;
    case 'f':
      if (EndsWith(daemon, "qmgr") && Take(&rest, "from=")) return Queued(rest, out);
      return;
    case 'c':
      if (Take(&rest, "client=")) return Client(rest, out);
      if (Take(&rest, "connect to ")) return InterimFailure(rest, out);
      if (Take(&rest, "conversation with ")) return InterimFailure(rest, out);
      return;
    case 'm':
      if (Take(&rest, "message-id=")) {
        out->message_id = rest == "<>" ? string_view() : rest;
        return Kind(MailKind::kMessageId, out);
      }
      if (Take(&rest, "milter-reject: "))
        return Restriction(rest, MailKind::kReject, out);
      if (Take(&rest, "milter-hold: ")) return Restriction(rest, MailKind::kHeld, out);
      if (Take(&rest, "milter-header-reject: ")) {
        return Restriction(rest, MailKind::kReject, out);
      }
      if (Take(&rest, "milter-header-hold: ")) {
        return Restriction(rest, MailKind::kHeld, out);
      }
      return;
    case 'r':
      if (rest == "removed" || StartsWith(rest, "removed (")) {
        return Kind(MailKind::kRemoved, out);
      }
      if (Take(&rest, "reject: ")) return Restriction(rest, MailKind::kReject, out);
      if (Take(&rest, "reject_warning: ")) {
        Restriction(rest, MailKind::kReject, out);
        if (out->kind == MailKind::kReject) out->enforced = false;
        return;
      }
      if (rest == "requeued") return Action("requeued", out);
      if (rest == "released from hold") return Action("released", out);
      return;
    case 'u':
      if (daemon == "pickup" && Take(&rest, "uid=")) return Pickup(rest, out);
      return;
    case 'h':
      if (Take(&rest, "host ")) return InterimFailure(rest, out);
      if (Take(&rest, "hold: ")) return Restriction(rest, MailKind::kHeld, out);
      return;
    case 'l':
      if (Take(&rest, "lost connection with ")) return InterimFailure(rest, out);
      if (Take(&rest, "lost connection after ")) return LostConnection(rest, out);
      return;
    case 'e':
      // postsuper -e: its time is over now.  What becomes of it, qmgr says.
      if (rest == "expired") return Action("expired", out);
      return;
    case 'p':
      if (rest == "placed on hold") return Kind(MailKind::kHeld, out);
      if (Take(&rest, "proxy-reject: ")) return ProxyReject(rest, out);
      if (Take(&rest, "proxy-accept: ")) return ProxyAccept(rest, out);
      BounceNotice(rest, out);
      return;
    case 's':
      BounceNotice(rest, out);
      return;
    case 'S':
      if (Take(&rest, "SSL_connect error to ")) return InterimFailure(rest, out);
      return;
    default:
      return;
  }
}

// "[192.0.2.1]:4711".
bool TakeScreened(string_view* rest, MailLine* out) {
  if (!Take(rest, "[")) return false;
  out->client_ip = TakeWhile(rest, IsAddressChar);
  if (!LooksLikeIp(out->client_ip) || !Take(rest, "]")) return false;
  return !Take(rest, ":") || TakeNumber(rest, &out->client_port);
}

// postscreen's capital words.  `before_client`: what follows up to the client.
struct Screening {
  string_view word;
  string_view before_client;
  string_view action;
};
constexpr Screening kScreenings[] = {
    {"CONNECT", " from ", "connect"},
    {"PASS NEW", " ", "pass_new"},
    {"PASS OLD", " ", "pass_old"},
    // " 14 after 0.06 from [192.0.2.1]:4711: EHLO x".
    {"PREGREET ", " from ", "pregreet"},
    // " 3 for [192.0.2.1]:4711".
    {"DNSBL rank ", " for ", "dnsbl"},
    // " after 0.2 from [192.0.2.1]:4711 in tests after SMTP handshake".
    {"HANGUP after ", " from ", "hangup"},
    {"DISCONNECT", " ", "disconnect"},
    {"WHITELISTED", " ", "whitelisted"},
    {"ALLOWLISTED", " ", "whitelisted"},
    {"BLACKLISTED", " ", "blacklisted"},
    {"DENYLISTED", " ", "blacklisted"},
    {"WHITELIST VETO", " ", "whitelist_veto"},
    {"ALLOWLIST VETO", " ", "whitelist_veto"},
    {"BARE NEWLINE", " from ", "bare_newline"},
    {"NON-SMTP COMMAND", " from ", "non_smtp_command"},
    {"COMMAND PIPELINING", " from ", "pipelining"},
    {"COMMAND TIME LIMIT", " from ", "command_time_limit"},
    {"COMMAND COUNT LIMIT", " from ", "command_count_limit"},
    {"COMMAND LENGTH LIMIT", " from ", "command_length_limit"},
};

void Postscreen(string_view rest, MailLine* out) {
  if (TakeQueueId(&rest, &out->queue_id)) {
    const bool enforced = Take(&rest, "reject: ");
    if (!enforced && !Take(&rest, "reject_warning: ")) return;
    out->stage = TakeWhile(&rest, IsMechanismChar);
    if (!Take(&rest, " from ") || !TakeScreened(&rest, out) || !Take(&rest, ": ")) {
      return Forget(out);
    }
    out->kind = MailKind::kReject;
    out->enforced = enforced;
    return ReplyAndTrailer(rest, kPostscreenMarks, out);
  }
  for (const Screening& screening : kScreenings) {
    string_view at = rest;
    if (!Take(&at, screening.word)) continue;
    if (screening.word.back() == ' ') {
      // Numbers of ours, before anything of the client.
      TakeWhile(&at, [](char c) { return IsDigit(c) || c == '.'; });
      if (Take(&at, " after ")) {
        TakeWhile(&at, [](char c) { return IsDigit(c) || c == '.'; });
      }
    }
    if (!Take(&at, screening.before_client) || !TakeScreened(&at, out)) continue;
    out->kind = MailKind::kScreen;
    out->action = screening.action;
    return;
  }
  Forget(out);
}

// "CONNECT from [192.0.2.1]:4711": on behalf of postscreen or smtp, who say so too.
void TlsProxy(string_view rest, MailLine* out) {
  const bool connect = Take(&rest, "CONNECT from ") || Take(&rest, "CONNECT to ");
  if (!connect && !Take(&rest, "DISCONNECT ")) return;
  if (!TakeScreened(&rest, out) || !rest.empty()) return Forget(out);
  out->kind = MailKind::kScreen;
  out->action = connect ? "tls_connect" : "tls_disconnect";
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

bool ParsePostfix(const SyslogLine& line, MailLine* out) {
  if (!IsPostfix(line)) return false;
  string_view rest = line.text;
  if (line.daemon == "postscreen") {
    Postscreen(rest, out);
  } else if (line.daemon == "tlsproxy") {
    TlsProxy(rest, out);
  } else if (TakeQueueId(&rest, &out->queue_id)) {
    WithQueueId(rest, line.daemon, out);
  } else if (Take(&rest, "connect from ")) {
    Connect(rest, out);
  } else if (Take(&rest, "disconnect from ")) {
    Disconnect(rest, out);
  } else if (Take(&rest, "warning: ")) {
    SaslFailed(rest, out);
  } else if (Take(&rest, "lost connection after ") || Take(&rest, "timeout after ") ||
             Take(&rest, "too many errors after ")) {
    LostConnection(rest, out);
  } else if (Take(&rest, "connect to ") || Take(&rest, "SSL_connect error to ")) {
    InterimFailure(rest, out);
  } else if (Take(&rest, "proxy-accept: ")) {
    ProxyAccept(rest, out);
  } else if (Take(&rest, "proxy-reject: ")) {
    ProxyReject(rest, out);
  }
  return true;
}

std::optional<MailLine> ParsePostfix(const SyslogLine& line) {
  std::optional<MailLine> out(std::in_place);
  if (!ParsePostfix(line, &*out)) out.reset();
  return out;
}

}  // namespace mailvane
