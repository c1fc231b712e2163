#include "platform/write_all.h"

#include <errno.h>
#include <unistd.h>

namespace mailvane {

int WriteAll(int descriptor, absl::string_view text) {
  while (!text.empty()) {
    const ssize_t wrote = write(descriptor, text.data(), text.size());
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return errno;
    text.remove_prefix(wrote);
  }
  return 0;
}

}  // namespace mailvane
