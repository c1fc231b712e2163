#include "agent/parse/accounting.h"

#include <algorithm>

#include "agent/parse/scan.h"

namespace mailvane {
namespace {

using absl::string_view;
using scan::DsnOfReply;
using scan::FindOnly;
using scan::IsAlnum;
using scan::IsDigit;
using scan::IsHex;
using scan::kNone;
using scan::LooksLikeIp;
using scan::StartsWith;
using scan::Take;
using scan::TakeBack;
using scan::TakeNumber;
using scan::TakeWhile;
using scan::TakeWord;

string_view WithoutBrackets(string_view address) {
  if (address.size() >= 2 && address.front() == '<' && address.back() == '>') {
    address.remove_prefix(1);
    address.remove_suffix(1);
  }
  return address;
}

// "mx.example.org. [192.0.2.9]", "[192.0.2.9]", "mx.example.org".
void HostAndIp(string_view text, string_view* host, string_view* ip) {
  const string_view name = TakeWhile(
      &text, [](char c) { return IsAlnum(c) || c == '.' || c == '-' || c == '_'; });
  Take(&text, " ");
  if (Take(&text, "[")) {
    const string_view address = text.substr(0, text.find(']'));
    if (LooksLikeIp(address)) *ip = address;
  }
  *host = name;
  TakeBack(host, ".");
}

// The value of the only ", key=" in `text`, up to the next ", "; empty: there is none.
string_view Value(string_view text, string_view key, bool* many) {
  const size_t at = FindOnly(text, key, many);
  if (at == kNone) return {};
  text.remove_prefix(at + key.size());
  return text.substr(0, text.find(", "));
}

// "00:01:02", "1+00:01:02".
bool TakeClock(string_view text, double* seconds) {
  uint32_t days = 0, hours = 0, minutes = 0, rest = 0;
  string_view at = text;
  if (TakeNumber(&at, &days) && Take(&at, "+")) {
    text = at;
  } else {
    days = 0;
  }
  if (!TakeNumber(&text, &hours) || !Take(&text, ":") || !TakeNumber(&text, &minutes) ||
      !Take(&text, ":") || !TakeNumber(&text, &rest)) {
    return false;
  }
  *seconds = days * 86400.0 + hours * 3600.0 + minutes * 60.0 + rest;
  return true;
}

// "<a@example.net>, size=9, class=0, nrcpts=1, msgid=<x>, proto=ESMTP, daemon=MTA,
// relay=mx.example.net [192.0.2.7]", behind "from=".
void SendmailFrom(string_view rest, MailLine* out) {
  bool many = false;
  const size_t end = FindOnly(rest, ", size=", &many);
  if (end == kNone) return;
  out->kind = MailKind::kQueued;
  if (many) {
    out->ambiguous = true;
    return;
  }
  out->from = WithoutBrackets(rest.substr(0, end));
  out->has_from = true;
  rest.remove_prefix(end);
  string_view size = Value(rest, ", size=", &many);
  string_view nrcpt = Value(rest, ", nrcpts=", &many);
  const string_view protocol = Value(rest, ", proto=", &many);
  const string_view message_id = Value(rest, ", msgid=", &many);
  string_view relay = Value(rest, ", relay=", &many);
  string_view host, ip;
  // "ann@localhost": by ann, on the host itself.
  const size_t local = relay.find("@localhost");
  if (local == kNone) HostAndIp(relay, &host, &ip);
  if (many) {
    out->ambiguous = true;
    return;
  }
  if (local != kNone) out->local_user = relay.substr(0, local);
  uint64_t bytes = 0;
  uint32_t recipients = 0;
  if (TakeNumber(&size, &bytes)) out->size = bytes;
  if (TakeNumber(&nrcpt, &recipients)) out->nrcpt = recipients;
  out->protocol = protocol;
  out->message_id = message_id;
  out->client_host = host;
  out->client_ip = ip;
}

// "<b@example.org>,<c@example.org>, ctladdr=<a> (8/8), delay=00:00:01, xdelay=...,
// mailer=esmtp, pri=9, relay=mx.example.org. [192.0.2.9], dsn=2.0.0, stat=Sent (ok)",
// behind "to=".
void SendmailTo(string_view rest, MailLine* out) {
  bool many = false;
  const size_t stat = rest.find(", stat=");
  if (stat == kNone) return;
  const string_view head = rest.substr(0, stat);
  const string_view reply = rest.substr(stat + 7);
  const size_t delay = FindOnly(head, ", delay=", &many);
  if (delay == kNone) return;
  const string_view dsn = Value(head, ", dsn=", &many);
  const string_view mailer = Value(head, ", mailer=", &many);
  string_view host, ip;
  HostAndIp(Value(head, ", relay=", &many), &host, &ip);
  // Not an attempt: that is how it is set.
  if (StartsWith(reply, "queued")) return;
  out->kind = MailKind::kDelivery;
  if (many) {
    out->ambiguous = true;
    return;
  }
  string_view to = head.substr(0, delay);
  to = to.substr(0, to.find(", ctladdr="));
  uint32_t recipients = 1;
  for (size_t at = to.find(">,<"); at != kNone; at = to.find(">,<", at + 1)) ++recipients;
  if (recipients > 1) {
    out->nrcpt = recipients;
    out->to = to;
  } else {
    out->to = WithoutBrackets(to);
  }
  double seconds = 0;
  if (TakeClock(head.substr(delay + 8), &seconds)) out->delay_seconds = seconds;
  out->transport = mailer;
  out->relay_host = host;
  out->relay_ip = ip;
  out->dsn = dsn;
  out->reply = reply;
  if (StartsWith(reply, "Sent")) {
    out->status = DeliveryStatus::kSent;
  } else if (StartsWith(reply, "Deferred") || StartsWith(dsn, "4")) {
    out->status = DeliveryStatus::kDeferred;
  } else {
    out->status = DeliveryStatus::kBounced;
  }
}

// "check_rcpt, arg1=<b@example.org>, relay=x [192.0.2.7], reject=550 5.7.1 no", behind
// "ruleset=".
void SendmailReject(string_view rest, MailLine* out) {
  bool many = false;
  const string_view ruleset = rest.substr(0, rest.find(", "));
  const size_t reject = FindOnly(rest, ", reject=", &many);
  if (reject == kNone) return;
  out->kind = MailKind::kReject;
  string_view host, ip;
  HostAndIp(Value(rest.substr(0, reject), ", relay=", &many), &host, &ip);
  if (many) {
    out->ambiguous = true;
    return;
  }
  out->stage = ruleset;
  out->client_host = host;
  out->client_ip = ip;
  out->reply = rest.substr(reject + 9);
  out->dsn = DsnOfReply(out->reply);
}

// "server, relay=x [192.0.2.7], authid=ann, mech=PLAIN, bits=0", behind "AUTH=".
void SendmailAuth(string_view rest, MailLine* out) {
  bool many = false;
  if (!Take(&rest, "server, relay=")) return;
  const size_t id = FindOnly(rest, ", authid=", &many);
  const size_t mechanism = FindOnly(rest, ", mech=", &many);
  if (id == kNone || mechanism == kNone || mechanism < id) return;
  out->kind = MailKind::kAuthOk;
  if (many) {
    out->ambiguous = true;
    return;
  }
  HostAndIp(rest.substr(0, id), &out->client_host, &out->client_ip);
  out->account = rest.substr(id + 9, mechanism - id - 9);
  string_view method = rest.substr(mechanism + 7);
  out->sasl_method = TakeWhile(&method, [](char c) { return IsAlnum(c) || c == '-'; });
}

// `key="value"` or `key=value` at the start, and the blank behind it.
bool TakePair(string_view* rest, string_view* key, string_view* value) {
  string_view at = *rest;
  *key = TakeWhile(&at, [](char c) { return IsAlnum(c) || c == '-'; });
  if (key->empty() || !Take(&at, "=")) return false;
  if (Take(&at, "\"")) {
    const size_t end = at.find('"');
    if (end == kNone) return false;
    *value = at.substr(0, end);
    at.remove_prefix(end + 1);
  } else {
    *value = TakeWord(&at);
  }
  if (!at.empty() && !Take(&at, " ")) return false;
  *rest = at;
  return true;
}

void OpenSmtpdDelivery(string_view rest, MailLine* out) {
  string_view key, value, result, rcpt;
  uint32_t seen = 0;
  while (TakePair(&rest, &key, &value)) {
    uint32_t bit = 0;
    if (key == "evpid") {
      out->queue_id = value.substr(0, 8);
      bit = 1;
    } else if (key == "from") {
      out->from = WithoutBrackets(value);
      out->has_from = true;
      bit = 2;
    } else if (key == "to") {
      out->to = WithoutBrackets(value);
      bit = 4;
    } else if (key == "rcpt") {
      rcpt = WithoutBrackets(value);
      bit = 8;
    } else if (key == "relay") {
      // "192.0.2.9 (mx.example.org)".
      out->relay_ip = TakeWord(&value);
      if (!LooksLikeIp(out->relay_ip)) out->relay_ip = string_view();
      if (Take(&value, " (") && TakeBack(&value, ")")) out->relay_host = value;
      bit = 16;
    } else if (key == "delay") {
      uint64_t seconds = 0;
      if (TakeNumber(&value, &seconds) && value == "s") out->delay_seconds = seconds;
      bit = 32;
    } else if (key == "result") {
      result = value;
      bit = 64;
    } else if (key == "stat") {
      out->reply = value;
      bit = 128;
    }
    if ((seen & bit) != 0) out->ambiguous = true;
    seen |= bit;
  }
  out->kind = MailKind::kDelivery;
  if (out->ambiguous) {
    const string_view id = out->queue_id;
    *out = MailLine();
    out->kind = MailKind::kDelivery;
    out->ambiguous = true;
    out->queue_id = id;
    return;
  }
  if (rcpt != "-" && rcpt != out->to) out->orig_to = rcpt;
  out->dsn = DsnOfReply(out->reply);
  if (result == "Ok") {
    out->status = DeliveryStatus::kSent;
  } else if (result == "TempFail") {
    out->status = DeliveryStatus::kDeferred;
  } else if (result == "PermFail") {
    out->status = DeliveryStatus::kBounced;
  } else {
    const string_view id = out->queue_id;
    *out = MailLine();
    out->queue_id = id;
  }
}

}  // namespace

bool ParseSendmail(const SyslogLine& line, MailLine* out) {
  if (line.program != "sendmail" && line.program != "sm-mta" &&
      line.program != "sm-msp-queue") {
    return false;
  }
  string_view rest = line.text;
  if (Take(&rest, "AUTH=")) {
    SendmailAuth(rest, out);
    return true;
  }
  // "NOQUEUE: ", "4A5B9c7d012345: ".
  string_view id = TakeWhile(&rest, IsAlnum);
  if (id.size() < 7 || id.size() > 20 || !Take(&rest, ": ")) return true;
  if (id != "NOQUEUE") {
    // "ruleset" is no id.
    if (!IsDigit(id.back()) && !IsDigit(id[0])) return true;
    out->queue_id = id;
  }
  if (Take(&rest, "from=")) {
    SendmailFrom(rest, out);
  } else if (Take(&rest, "to=")) {
    SendmailTo(rest, out);
  } else if (Take(&rest, "ruleset=")) {
    SendmailReject(rest, out);
  } else if (Take(&rest, "AUTH=")) {
    SendmailAuth(rest, out);
  }
  return true;
}

bool ParseOpenSmtpd(const SyslogLine& line, MailLine* out) {
  if (line.program != "smtpd") return false;
  string_view rest = line.text;
  const string_view session = TakeWhile(&rest, IsHex);
  if (session.size() != 16 || !Take(&rest, " ")) return true;
  if (Take(&rest, "mta delivery ") || Take(&rest, "mda delivery ")) {
    OpenSmtpdDelivery(rest, out);
    return true;
  }
  if (!Take(&rest, "smtp ")) return true;
  string_view key, value;
  if (Take(&rest, "connected ")) {
    while (TakePair(&rest, &key, &value)) {
      if (key == "address" && LooksLikeIp(value)) out->client_ip = value;
      if (key == "host" && value != "<unknown>") out->client_host = value;
    }
    out->kind = MailKind::kConnect;
  } else if (StartsWith(rest, "disconnected ")) {
    out->kind = MailKind::kDisconnect;
  } else if (Take(&rest, "message ")) {
    while (TakePair(&rest, &key, &value)) {
      uint64_t number = 0;
      if (key == "msgid") out->queue_id = value;
      if (key == "proto") out->protocol = value;
      if (key == "size" && TakeNumber(&value, &number)) out->size = number;
      if (key == "nrcpt" && TakeNumber(&value, &number)) {
        out->nrcpt = static_cast<uint32_t>(number);
      }
    }
    out->kind = MailKind::kQueued;
  } else if (Take(&rest, "authentication user=")) {
    // The name is the client's; the end is ours.
    if (TakeBack(&rest, " result=ok")) {
      out->kind = MailKind::kAuthOk;
    } else if (TakeBack(&rest, " result=permfail") ||
               TakeBack(&rest, " result=tempfail")) {
      out->kind = MailKind::kAuthFailed;
    } else {
      return true;
    }
    out->account = rest;
  } else if (Take(&rest, "failed-command command=\"")) {
    const size_t end = rest.rfind("\" result=\"");
    if (end == kNone || !TakeBack(&rest, "\"")) return true;
    out->kind = MailKind::kReject;
    string_view command = rest.substr(0, end);
    out->stage = TakeWhile(&command, IsAlnum);
    // The command is the client's, and could hold that mark.
    if (rest.find("\" result=\"") != end) {
      out->ambiguous = true;
      return true;
    }
    out->reply = rest.substr(end + 10);
    out->dsn = DsnOfReply(out->reply);
  }
  return true;
}

}  // namespace mailvane
