// What a message's envelope tells of the program that made it.
#pragma once

#include <cstdint>

#include "absl/strings/string_view.h"
#include "agent/account/account_event.h"

namespace mailvane {

// A print of the mail program: how it says hello and logs in, and how its Message-IDs
// are built ("8-4-4-4-12 hexadecimal at the sender's domain").  0: nothing is known.
uint64_t FormOf(const MessageSent& sent);

// A print of an envelope sender, without what mailing programs put into it for each
// recipient: "bounce-7731=joe@lists.example" is "bounce@lists.example".
uint64_t SenderPrint(absl::string_view sender);

}  // namespace mailvane
