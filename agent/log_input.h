// The lines of a whole log, for the commands that read one and end: a file or
// standard input, plain or gzip (also several members), in constant memory.
//
// Not for a log that grows: that is agent/source/log_file.h.
#pragma once

#include <zlib.h>

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace mailvane {

// Belongs to one thread.
class LogInput {
 public:
  // What is longer is cut here, and the rest of the line is skipped.
  static constexpr size_t kLongestLine = 1 << 20;

  // "-" is standard input.  `before_read` is called before each read, which may
  // wait: the time to write what there is to write.
  static absl::StatusOr<std::unique_ptr<LogInput>> Open(
      const std::string& name, std::function<void()> before_read);
  ~LogInput();
  LogInput(const LogInput&) = delete;
  LogInput& operator=(const LogInput&) = delete;

  // The next line, without its newline; valid until the next call.  False at the
  // end, and when there is nothing more to be had: status() tells.
  bool Next(absl::string_view* line);

  // "read mail.log.2.gz: ...".  What came before was good.
  const absl::Status& status() const { return status_; }
  // As they came, before they were unpacked.
  uint64_t bytes() const { return bytes_; }

 private:
  LogInput(std::string name, int descriptor, std::function<void()> before_read);

  bool Fill();
  size_t Read(char* into, size_t size);
  size_t Unpack(char* into, size_t size);
  void Fail(absl::string_view why);

  const std::string name_;
  const int descriptor_;
  const std::function<void()> before_read_;
  absl::Status status_;
  uint64_t bytes_ = 0;

  // Lines that have not been given yet: buffer_[begin_, end_), of which
  // [begin_, searched_) has no newline.
  std::string buffer_;
  size_t begin_ = 0;
  size_t searched_ = 0;
  size_t end_ = 0;
  bool skipping_ = false;
  bool at_end_ = false;

  // Packed bytes that came and are not unpacked yet: packed_[packed_begin_, packed_end_).
  std::string packed_;
  size_t packed_begin_ = 0;
  size_t packed_end_ = 0;
  z_stream stream_ = {};
  bool gzip_ = false;
  // Between two members.
  bool between_ = false;
};

}  // namespace mailvane
