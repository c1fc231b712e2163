// Any bytes, where a stranger's words stand in lines that are otherwise as the mail
// programs write them: whatever he says, the account and the address that come out
// are the real ones, or none.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>

#include "agent/parse/mail.h"

namespace {

constexpr char kIp[] = "192.0.2.7";

// `account` empty: nobody has logged in.
void Expect(const char* program, const std::string& before, const std::string& words,
            const std::string& after, const std::string& account) {
  const std::string text = before + words + after;
  mailvane::SyslogLine line;
  mailvane::SplitProgram(program, &line);
  line.text = text;
  const auto mail = mailvane::ParseMail(line);
  if (!mail) abort();
  const bool right_account =
      mail->account.empty() ||
      (!mail->ambiguous &&
       std::string(mail->account.data(), mail->account.size()) == account);
  const bool right_ip = mail->client_ip.empty() || mail->client_ip == kIp;
  if (right_account && right_ip && mail->orig_client_ip.empty()) return;
  fprintf(stderr, "%s: %s\naccount %s, ip %s\n", program, text.c_str(),
          std::string(mail->account).c_str(), std::string(mail->client_ip).c_str());
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size > 4000) return 0;
  std::string words(reinterpret_cast<const char*>(data), size);
  // No program logs these.
  for (char& c : words) {
    if (static_cast<uint8_t>(c) < 0x20 || c == 0x7f) c = '?';
  }

  // Postfix.  An EHLO name that was accepted has been masked.
  std::string masked = words;
  for (char& c : masked) {
    if (std::string(" <>()\\\";@").find(c) != std::string::npos) c = '?';
  }
  const std::string reject = "NOQUEUE: reject: ";
  const std::string rest = " from unknown[192.0.2.7]: 554 5.7.1 no; ";
  Expect("postfix/smtpd",
         reject + "RCPT" + rest +
             "from=<a@example.net> to=<b@example.org> proto=ESMTP helo=<",
         masked, ">", "");
  Expect("postfix/smtpd",
         "NOQUEUE: milter-reject: RCPT" + rest +
             "from=<a@example.net> to=<b@example.org> proto=ESMTP helo=<",
         masked, "> sasl_username=<ann>", "ann");
  Expect("postfix/smtpd", reject + "EHLO" + rest + "proto=SMTP helo=<", words, ">", "");
  Expect(
      "postfix/postscreen",
      "NOQUEUE: reject: RCPT from [192.0.2.7]:4711: 550 5.7.1 no; from=<a@example.net>, "
      "to=<b@example.org>, proto=ESMTP, helo=<",
      words, ">", "");
  Expect("postfix/postscreen", "PREGREET 9 after 0.1 from [192.0.2.7]:4711: ", words, "",
         "");
  Expect("postfix/smtpd",
         "warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: no, "
         "sasl_username=",
         words, "", words);
  Expect("postfix/smtpd",
         "153053D: client=unknown[192.0.2.7], sasl_method=PLAIN, sasl_username=",
         words.find(", ") == std::string::npos ? words : "x", "",
         words.find(", ") == std::string::npos ? words : "x");
  Expect("postfix/cleanup", "153053D: message-id=", words, "", "");
  Expect("postfix/cleanup", "153053D: warning: header Subject: ", words,
         " from unknown[192.0.2.7]; from=<a@example.net>: x", "");
  Expect("postfix/smtp", "153053D: to=<", words,
         ">, relay=none, delay=1, delays=0/0/0/1, dsn=4.4.1, status=deferred (x)", "");
  Expect("postfix/smtp", "153053D: host mx.example.org[192.0.2.9] said: 550 ", words, "",
         "");

  // Exim.
  const std::string id = "1rVDhn-0001bo-D3 ";
  Expect("exim", id + "<= a@example.net H=(", words, ") [192.0.2.7] P=esmtp S=9", "");
  Expect("exim", id + "<= a@example.net H=(", words,
         ") [192.0.2.7] P=esmtpsa A=login:ann S=9 T=\"x\" for b@example.org", "ann");
  Expect("exim", "H=(", words,
         ") [192.0.2.7] F=<a@example.net> rejected RCPT <b@example.org>: no", "");
  Expect("exim",
         "H=(x) [192.0.2.7] F=<a@example.net> rejected RCPT <b@example.org>: ", words, "",
         "");
  Expect("exim", "login authenticator failed for (", words,
         ") [192.0.2.7]:4711: 535 Incorrect authentication data (set_id=ann)", "ann");
  Expect("exim",
         "login authenticator failed for (x) [192.0.2.7]: 535 Incorrect authentication "
         "data (set_id=",
         words, ")", words);
  Expect("exim", "SMTP connection from (", words, ") [192.0.2.7]:4711 lost D=2s", "");
  std::string subject;
  for (const char c : words) {
    if (c == '"' || c == '\\') subject.push_back('\\');
    subject.push_back(c);
  }
  Expect("exim", id + "<= a@example.net H=(x) [192.0.2.7] P=esmtp S=9 T=\"", subject,
         "\" for b@example.org", "");
  Expect("exim", id + "=> b@example.org R=r T=t H=mx.example.org [192.0.2.9] C=\"",
         subject, "\"", "");

  // Dovecot.
  Expect("dovecot",
         "imap-login: Disconnected (auth failed, 1 attempts in 2 secs): user=<", words,
         ">, method=PLAIN, rip=192.0.2.7, lip=198.51.100.1, session=<x>", words);
  Expect("dovecot", "auth: sql(", words, ",192.0.2.7,<x>): Password mismatch", words);
  Expect("dovecot", "auth(", words, ",192.0.2.7,sasl:plain)<812>: sql: Password mismatch",
         words);
  return 0;
}
