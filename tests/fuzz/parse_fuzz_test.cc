// Any bytes, as lines of a log: nothing may be read outside them, and every view
// that comes out must lie within.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>

#include "agent/parse/mail.h"
#include "agent/parse/mail_json.h"

namespace {

void Within(absl::string_view part, absl::string_view whole) {
  if (part.empty()) return;
  const std::less_equal<const char*> le;
  if (!le(whole.data(), part.data()) ||
      !le(part.data() + part.size(), whole.data() + whole.size())) {
    abort();
  }
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  absl::string_view rest(reinterpret_cast<const char*>(data), size);
  mailvane::SyslogReader reader(absl::UTCTimeZone());
  const absl::Time now = absl::FromUnixSeconds(1'800'000'000);
  while (!rest.empty()) {
    const absl::string_view text = rest.substr(0, rest.find('\n'));
    rest.remove_prefix(text.size() < rest.size() ? text.size() + 1 : text.size());
    const auto line = reader.Parse(text, now);
    if (!line.has_value()) continue;
    Within(line->host, text);
    Within(line->text, text);
    // Where no host is named, the program may be known from the header's form alone.
    for (absl::string_view part :
         {line->program, line->instance, line->service, line->daemon}) {
      if (!line->host.empty()) Within(part, text);
    }
    const auto mail = mailvane::ParseMail(*line);
    if (!mail.has_value()) continue;
    for (absl::string_view part : {mail->queue_id,
                                   mail->other_queue_id,
                                   mail->client_host,
                                   mail->client_ip,
                                   mail->orig_client_ip,
                                   mail->account,
                                   mail->sasl_method,
                                   mail->sasl_sender,
                                   mail->message_id,
                                   mail->from,
                                   mail->to,
                                   mail->orig_to,
                                   mail->helo,
                                   mail->protocol,
                                   mail->local_user,
                                   mail->service,
                                   mail->transport,
                                   mail->relay_host,
                                   mail->relay_ip,
                                   mail->dsn,
                                   mail->reply}) {
      Within(part, text);
    }
    if (mail->ambiguous && !mail->account.empty()) abort();
    // A password may be behind these words.
    if (mail->kind == mailvane::MailKind::kAuthFailed && line->program == "dovecot" &&
        mail->reply.find("given password") != absl::string_view::npos) {
      abort();
    }
    std::string shown;
    mailvane::AppendMailJson("{\"line\":", 1, *line, *mail, &shown);
    mailvane::AppendMailRow(absl::UTCTimeZone(), *line, *mail, &shown);
    for (const char c : shown) {
      if (static_cast<uint8_t>(c) < 0x20 && c != '\n') abort();
    }
  }
  return 0;
}
