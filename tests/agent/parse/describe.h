// Every field that a line sets, in one text: tables of lines and what they mean can
// then be read at a glance.
#pragma once

#include <string>

#include "absl/strings/str_cat.h"
#include "agent/parse/mail_line.h"

namespace mailvane {

inline std::string Describe(const MailLine& line) {
  std::string text(MailKindName(line.kind));
  const auto add = [&](const char* name, absl::string_view value) {
    if (!value.empty()) absl::StrAppend(&text, " ", name, "=", value);
  };
  if (line.ambiguous) absl::StrAppend(&text, " AMBIGUOUS");
  if (!line.enforced) absl::StrAppend(&text, " warning-only");
  if (line.own_pause) absl::StrAppend(&text, " own-pause");
  add("id", line.queue_id);
  add("other", line.other_queue_id);
  add("host", line.client_host);
  add("ip", line.client_ip);
  if (line.client_port != 0) absl::StrAppend(&text, " port=", line.client_port);
  add("orig_ip", line.orig_client_ip);
  add("account", line.account);
  add("method", line.sasl_method);
  add("sasl_sender", line.sasl_sender);
  add("mid", line.message_id);
  if (line.has_from) absl::StrAppend(&text, " from=<", line.from, ">");
  add("to", line.to);
  add("orig_to", line.orig_to);
  add("helo", line.helo);
  add("proto", line.protocol);
  add("stage", line.stage);
  add("action", line.action);
  add("user", line.local_user);
  add("service", line.service);
  add("transport", line.transport);
  if (line.size.has_value()) absl::StrAppend(&text, " size=", *line.size);
  if (line.nrcpt.has_value()) absl::StrAppend(&text, " nrcpt=", *line.nrcpt);
  add("status", DeliveryStatusName(line.status));
  add("relay", line.relay_host);
  add("relay_ip", line.relay_ip);
  if (line.relay_port != 0) absl::StrAppend(&text, " relay_port=", line.relay_port);
  if (line.delay_seconds.has_value()) {
    absl::StrAppend(&text, " delay=", *line.delay_seconds);
  }
  add("dsn", line.dsn);
  add("reply", line.reply);
  if (line.auth_failures > 0) {
    absl::StrAppend(&text, " auth_failures=", line.auth_failures);
  }
  if (line.repeated != 1) absl::StrAppend(&text, " repeated=", line.repeated);
  return text;
}

}  // namespace mailvane
