#include "agent/reputation/list_key.h"

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "agent/reputation/catalogue.h"

namespace mailvane {

absl::StatusOr<std::string> ReadListKey(const FileSystem& files,
                                        const std::string& path) {
  absl::StatusOr<std::string> text = files.ReadAll(path);
  if (!text.ok()) return text.status();
  const std::string key(absl::StripAsciiWhitespace(*text));
  if (!IsZoneName(key) || key.find('.') != std::string::npos) {
    return absl::InvalidArgumentError(
        absl::StrCat(path, ": is no list's key: letters and digits on one line"));
  }
  return key;
}

}  // namespace mailvane
