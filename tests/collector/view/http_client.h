// The least HTTP client: one connection for each request, blocking, to loopback.
#pragma once

#include <map>
#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

struct HttpReply {
  // 0: the connection ended without an answer.
  int status = 0;
  std::map<std::string, std::string> headers;  // names in lower case
  std::string body;                            // as sent
};

// Sends `request` as it is to 127.0.0.1, and reads until the server closes.
HttpReply SendRaw(int port, const std::string& request);

// `extra` is further header lines, each with its CRLF.
HttpReply Get(int port, absl::string_view path, absl::string_view extra = "");

std::string Gunzip(const std::string& packed);

}  // namespace mailvane
