// A reply as a mail program logged it, taken apart: who said it, when, the code, the
// enhanced code, and the words as the rules compare them.
//
//   host mx.example.net[192.0.2.7] said: 550 5.7.1 No (in reply to RCPT TO command)
//   SMTP error from remote mail server after RCPT TO:<ann@example.net>: 550 5.7.1 No
//   connect to mx.example.net[192.0.2.7]:25: Connection refused
//
// Pure.  A stranger chooses addresses, host names and HELO names, which servers like
// to repeat in their replies: none of them is left in the words.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

// What a server was answering.
enum class ReplyPhase {
  kUnknown,  // not told
  kConnect,  // its greeting
  kHelo,     // EHLO, HELO or STARTTLS
  kMail,     // MAIL FROM
  kRcpt,     // RCPT TO
  kData,     // DATA, its end, or BDAT
};

struct ReplyText {
  // As it was named in the text; a view into it.  Empty: not named.
  absl::string_view host;
  ReplyPhase phase = ReplyPhase::kUnknown;
  // 0: no server has spoken, or it did without one.
  int code = 0;
  // "5.7.1", from the reply; empty: none.
  std::string dsn;
  // Lower case, single blanks, printable ASCII or UTF-8, at most kMostReplyWords bytes;
  // the codes that multi-line replies repeat are gone, addresses are "<>" or "@", hosts
  // with their address "[]", IP addresses "ip", and URLs end before their query.
  std::string words;
};

inline constexpr size_t kMostReplyWords = 1500;

ReplyText ReadReply(absl::string_view text);

}  // namespace mailvane
