#include "agent/command_output.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "absl/strings/str_cat.h"

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

void CommandOutput::Flush() {
  if (text_.empty() || stopped_) return;
  if (const int error = WriteAll(output_, text_); error != 0) {
    stopped_ = true;
    // Whoever reads has seen enough: `| head`.
    if (error != EPIPE) {
      Complain(absl::StrCat("write standard output: ", strerror(error)));
    }
  }
  text_.clear();
}

void CommandOutput::Complain(absl::string_view what) {
  failed_ = true;
  WriteAll(errors_, absl::StrCat(what, "\n"));
}

}  // namespace mailvane
