#include "agent/command_output.h"

#include <errno.h>
#include <string.h>

#include "absl/strings/str_cat.h"
#include "platform/write_all.h"

namespace mailvane {

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
