#include "agent/analyze/content_key.h"

#include <openssl/sha.h>

#include "absl/strings/str_cat.h"

namespace mailvane {

std::string ContentKey(std::initializer_list<absl::string_view> parts) {
  std::string text;
  for (absl::string_view part : parts) absl::StrAppend(&text, part.size(), ":", part);
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return std::string(reinterpret_cast<const char*>(digest), 16);
}

}  // namespace mailvane
