// Who takes the mail, by the name of the server that was talked to: a recipient's
// own domain says nothing of it.
#pragma once

#include <vector>

#include "absl/strings/string_view.h"

namespace mailvane {

// "google", "microsoft" (Outlook.com, Hotmail, Live: the consumers' side),
// "microsoft365" (Exchange Online), …; of a closed set:
//   local    an agent on this host ("virtual", "dovecot"), or this host itself;
//   unknown  no server is named, since none was reached;
//   other    a server of nobody in the table.
// Suffixes match on label boundaries in any case; a trailing dot is allowed.
absl::string_view ProviderOf(absl::string_view relay_host);

// All names that ProviderOf can give, each once, ascending.
std::vector<absl::string_view> Providers();

}  // namespace mailvane
