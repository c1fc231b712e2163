// Where a command writes: a descriptor, in large pieces, and complaints beside it.
//
// Belongs to one thread.
#pragma once

#include <string>

#include "absl/strings/string_view.h"

namespace mailvane {

class CommandOutput {
 public:
  CommandOutput(int output, int errors) : output_(output), errors_(errors) {}

  // To append to; written when it is long, and by Flush.
  std::string& text() { return text_; }
  // After each record.
  void Written() {
    if (text_.size() >= kPiece) Flush();
  }
  void Flush();
  // A line on the errors' side; the command has failed.
  void Complain(absl::string_view what);

  // Nobody reads any more, or nothing can be written.
  bool stopped() const { return stopped_; }
  bool failed() const { return failed_; }

 private:
  static constexpr size_t kPiece = 64 << 10;

  const int output_;
  const int errors_;
  std::string text_;
  bool stopped_ = false;
  bool failed_ = false;
};

}  // namespace mailvane
