// The header file (ID-H) of a message in Exim's spool.
//
// The format is that of "Format of spool files" in Exim's specification, and of its
// src/spool_in.c (4.8x to 4.98):
//
//   1xW0NK-00000V-06-H          its id
//   Debian-exim 105 105         whose process received it
//   <ann@example.net>           the sender
//   1795564598 0                arrival, and warnings sent so far
//   -frozen 1795564698          what else is known, a line each
//   --aclm _note 5              a variable: so many bytes follow, whatever they are
//   hello
//   YN bob@example.org          who has it already: a tree, each node with two flags
//   NN al@example.org           (has it a left, a right branch?), its root first;
//                               "XX" when there is none
//   2                           recipients, as they came
//   bob@example.org
//   cy@example.org
//                               an empty line, and the headers:
//   022F From: <ann@example.net>    length, kind, text; kind * is no longer sent
//
// Pure.
#pragma once

#include <cstdint>
#include <optional>

#include "absl/strings/string_view.h"

namespace mailvane {

// The views live as long as the bytes.
struct EximHeader {
  int64_t arrived = 0;       // seconds since 1970
  absl::string_view sender;  // empty: the null sender
  bool frozen = false;
  // No delivery has been tried yet.
  bool first_attempt = false;
  // Whose message it is: the account, as set by server_set_id.
  bool authenticated = false;
  uint32_t recipients = 0;
  // Of those, how many wait.
  uint32_t waiting = 0;
  absl::string_view first_waiting;  // empty: none
  // Sum of the headers that are sent, in bytes.  Absent: they go on behind `bytes`.
  std::optional<uint64_t> header_bytes;
};

// Absent: no such file, or one that is cut in its envelope.  What a stranger wrote
// into a variable, an address or a header can't be taken for anything else.
std::optional<EximHeader> ParseEximHeader(absl::string_view bytes);

// What was last said of a message, by the end of its own log (msglog/ID), whose lines
// are those of the main log without id and flags:
//
//   2026-11-24 23:56:38 bob@example.org R=r T=t defer (-44) H=mx.example.org
//       [192.0.2.9]: SMTP error from remote mail server after RCPT TO:<...>: 451 later
struct EximLastWord {
  absl::string_view reason;      // "SMTP error from ..."; empty: none
  absl::string_view relay_host;  // empty: not named
};
EximLastWord ParseEximMessageLog(absl::string_view bytes);

// "1xW0NK-00000V-06", or "1xW0NK-0000000000V-06AB" since 4.97.
bool IsEximId(absl::string_view text);

}  // namespace mailvane
