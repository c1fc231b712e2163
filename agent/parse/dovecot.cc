#include "agent/parse/dovecot.h"

#include <algorithm>

#include "agent/parse/scan.h"

namespace mailvane {
namespace {

using absl::string_view;
using scan::EndsWith;
using scan::IsAlnum;
using scan::IsDigit;
using scan::kNone;
using scan::LooksLikeIp;
using scan::StartsWith;
using scan::Take;
using scan::TakeBack;
using scan::TakeWhile;

void Doubt(MailLine* out) {
  out->ambiguous = true;
  out->account = out->client_ip = out->sasl_method = string_view();
}

// "Info: ", in Dovecot's own file.
void SkipLevel(string_view* rest) {
  for (string_view level : {"Info: ", "Warning: ", "Error: ", "Debug: "}) {
    if (Take(rest, level)) return;
  }
}

bool Contains(string_view text, string_view part) { return text.find(part) != kNone; }

// Where the only `key` ends.
size_t After(string_view text, string_view key, bool* many) {
  const size_t at = scan::FindOnly(text, key, many);
  return at == kNone ? kNone : at + key.size();
}

// "user=<ann>, method=PLAIN, rip=192.0.2.7, lip=..., TLS, session=<x>": the elements
// of login_log_format_elements, without the empty ones, in an order that can be
// configured.  The name may hold anything.
void Elements(string_view rest, MailLine* out) {
  if (Take(&rest, "user=<")) {
    const size_t end = rest.find(">, ");
    if (end == kNone) {
      if (!TakeBack(&rest, ">")) return Doubt(out);
      out->account = rest;
      return;
    }
    // If another end stands before the address, either could be the name's.
    const string_view name = rest.substr(0, end);
    rest.remove_prefix(end + 1);
    const size_t next = rest.find(">, ");
    // kNone is greater than any place.
    if (next < rest.find(", rip=")) return Doubt(out);
    out->account = name;
  }
  if (Contains(rest, "user=<")) return Doubt(out);
  bool many = false;
  // The first element has no comma before it.
  const size_t method = StartsWith(rest, "method=") ? 7 : After(rest, ", method=", &many);
  const size_t ip = StartsWith(rest, "rip=") ? 4 : After(rest, ", rip=", &many);
  if (many) return Doubt(out);
  if (method != kNone) {
    string_view value = rest.substr(method);
    out->sasl_method =
        TakeWhile(&value, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  }
  if (ip != kNone) {
    string_view value = rest.substr(ip);
    value = value.substr(0, value.find(','));
    if (LooksLikeIp(value)) out->client_ip = value;
  }
}

// Why somebody did not come in, or just left.
bool IsFailure(string_view reason) {
  for (string_view words : {"auth failed",
                            "(auth_failed)",
                            "authentication failed",
                            "authorization failed",
                            "disallowed plaintext auth",
                            "disallowed cleartext auth",
                            "cleartext_auth_disabled",
                            "user disabled",
                            "user is disabled",
                            "pass expired",
                            "password expired",
                            "unsupported auth mechanism",
                            "didn't finish SASL auth",
                            "didn't send a cert",
                            "sent an invalid cert",
                            "no valid client cert",
                            "invalid mech",
                            "auth aborted by",
                            "(sasl_aborted)",
                            "(authorization_failed)",
                            "(user_disabled)",
                            "(pass_expired)",
                            "(invalid_mech)",
                            "internal failure",
                            "Internal login failure"}) {
    if (Contains(reason, words)) return true;
  }
  return false;
}

// "Login: user=<ann>, ..." and "Disconnected (auth failed, 1 attempts in 6 secs):
// user=<ann>, ...", behind "imap-login: ".
void LoginService(string_view rest, MailLine* out) {
  if (Take(&rest, "Login: ")) {
    out->kind = MailKind::kLogin;
    return Elements(rest, out);
  }
  if (!StartsWith(rest, "Disconnected") && !StartsWith(rest, "Aborted login") &&
      !StartsWith(rest, "Login aborted: ") && !StartsWith(rest, "Maximum number of ")) {
    return;
  }
  // The reason is Dovecot's own, up to the first element.
  size_t elements = kNone;
  for (string_view first : {": user=<", ": method=", ": rip="}) {
    elements = std::min(elements, rest.find(first));
  }
  string_view reason = rest.substr(0, elements);
  out->kind = IsFailure(reason) ? MailKind::kLoginFailed : MailKind::kDisconnect;
  if (StartsWith(rest, "Maximum number of ")) out->kind = MailKind::kLoginFailed;
  if (elements != kNone) Elements(rest.substr(elements + 2), out);
  if (out->kind == MailKind::kLoginFailed) out->reply = reason;
}

// What an authentication database says of a failure.  Its end may be a password.
bool IsRefusal(string_view reason) {
  for (string_view words :
       {"unknown user", "Password mismatch", "password mismatch", "invalid credentials",
        "Invalid credentials", "pam_authenticate() failed", "user not found",
        "User is disabled", "No password returned", "Empty password",
        "Authentication failure", "Login user disabled", "not allowed to log in",
        "allow_nets check failed", "LDAP bind failed"}) {
    if (StartsWith(reason, words)) return true;
  }
  return false;
}

// Without what may be a password.
string_view Redacted(string_view reason) {
  const size_t at = reason.find("given password");
  if (at == kNone) return reason;
  reason = reason.substr(0, at);
  const size_t open = reason.rfind('(');
  reason = reason.substr(0, open);
  TakeBack(&reason, " ");
  return reason;
}

// "ann,192.0.2.7,<session>" or "ann,192.0.2.7,sasl:plain".  An address ends the name;
// if the name holds what looks like one, nothing is sure.
void Who(string_view who, MailLine* out) {
  size_t found = kNone;
  for (size_t at = who.find(','); at != kNone; at = who.find(',', at + 1)) {
    const string_view next = who.substr(at + 1, who.find(',', at + 1) - at - 1);
    if (!LooksLikeIp(next) || next.find_first_of(".:") == kNone) continue;
    if (found != kNone) return Doubt(out);
    found = at;
    out->client_ip = next;
  }
  // Without an address: a local client.
  if (found == kNone) {
    if (Contains(who, ",")) return;
    found = who.size();
  }
  out->account = who.substr(0, found);
  const size_t method = who.find(",sasl:");
  if (method != kNone) {
    string_view name = who.substr(method + 6);
    out->sasl_method =
        TakeWhile(&name, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  }
}

// "sql(ann,192.0.2.7,<session>): Password mismatch", of 2.2 and 2.3.
void AuthOld(string_view rest, MailLine* out) {
  // "conn unix:auth-worker (pid=1,uid=2): auth-worker<6>: " in front of it.
  if (Take(&rest, "conn unix:")) {
    const size_t worker = rest.substr(0, 200).find("): auth-worker<");
    if (worker == kNone) return;
    rest.remove_prefix(worker + 15);
    TakeWhile(&rest, IsDigit);
    if (!Take(&rest, ">: ")) return;
  }
  const string_view driver =
      TakeWhile(&rest, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  if (driver.empty() || !Take(&rest, "(")) return;
  // The name may hold "): " too; the reason is the one behind the only such end.
  bool many = false;
  const size_t end = scan::FindOnly(rest, "): ", &many);
  if (end == kNone) return;
  const string_view reason = rest.substr(end + 3);
  if (!IsRefusal(reason)) {
    // Perhaps behind another "): ".
    if (!many || !IsRefusal(rest.substr(rest.rfind("): ") + 3))) return;
  }
  out->kind = MailKind::kAuthFailed;
  if (many) {
    // A text in brackets of ours may follow: "(password mismatch?)" has no colon.
    return Doubt(out);
  }
  out->reply = Redacted(reason);
  Who(rest.substr(0, end), out);
}

// "(ann,192.0.2.7,sasl:plain)<812><session>: sql: Password mismatch", of 2.4, behind
// "auth".
void AuthNew(string_view rest, MailLine* out) {
  if (!Take(&rest, "(")) return;
  bool many = false;
  const size_t end = scan::FindOnly(rest, ")<", &many);
  if (end == kNone) return;
  string_view reason = rest.substr(end + 1);
  // "<812><session>".
  while (Take(&reason, "<")) {
    const size_t close = reason.find('>');
    if (close == kNone) return;
    reason.remove_prefix(close + 1);
  }
  if (!Take(&reason, ": ")) return;
  SkipLevel(&reason);
  // The driver, and perhaps the passdb's name.
  const size_t driver = reason.find(": ");
  if (!IsRefusal(reason) && driver != kNone && driver < 40) {
    reason.remove_prefix(driver + 2);
  }
  if (!IsRefusal(reason)) return;
  out->kind = MailKind::kAuthFailed;
  if (many) return Doubt(out);
  out->reply = Redacted(reason);
  Who(rest.substr(0, end), out);
}

}  // namespace

bool ParseDovecot(const SyslogLine& line, MailLine* out) {
  if (line.program != "dovecot") return false;
  string_view rest = line.text;
  // "imap-login: ", "auth-worker(812): ", "auth(ann,192.0.2.7,sasl:plain)<812>: ".
  string_view at = rest;
  const string_view service =
      TakeWhile(&at, [](char c) { return IsAlnum(c) || c == '-' || c == '_'; });
  out->service = service;
  if (EndsWith(service, "-login")) {
    // "pop3-login(812): ", as some versions have it.
    if (Take(&at, "(") && !TakeWhile(&at, IsDigit).empty()) Take(&at, ")");
    if (!Take(&at, ": ")) return true;
    SkipLevel(&at);
    LoginService(at, out);
  } else if (service == "auth" || service == "auth-worker") {
    string_view pid = at;
    if (Take(&pid, "(") && !TakeWhile(&pid, IsDigit).empty() && Take(&pid, ")")) at = pid;
    if (Take(&at, ": ")) {
      SkipLevel(&at);
      AuthOld(at, out);
    } else {
      AuthNew(at, out);
    }
  }
  return true;
}

}  // namespace mailvane
