#include "agent/log_input.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

constexpr size_t kReadSize = 256 << 10;

}  // namespace

absl::StatusOr<std::unique_ptr<LogInput>> LogInput::Open(
    const std::string& name, std::function<void()> before_read) {
  const bool standard = name == "-";
  const int descriptor =
      standard ? STDIN_FILENO : open(name.c_str(), O_RDONLY | O_CLOEXEC);
  if (descriptor < 0) {
    return absl::ErrnoToStatus(errno, absl::StrCat("open ", name));
  }
  std::unique_ptr<LogInput> input(new LogInput(standard ? "standard input" : name,
                                               descriptor, std::move(before_read)));
  // Enough to tell what it is.
  while (input->packed_end_ < 2 && input->status_.ok()) {
    const size_t got = input->Read(&input->packed_[input->packed_end_],
                                   input->packed_.size() - input->packed_end_);
    if (got == 0) break;
    input->packed_end_ += got;
  }
  if (!input->status_.ok()) return input->status_;
  if (input->packed_end_ >= 2 && input->packed_[0] == '\x1f' &&
      input->packed_[1] == '\x8b') {
    // 16: with gzip's header and trailer.
    if (inflateInit2(&input->stream_, 15 + 16) != Z_OK) {
      return absl::ResourceExhaustedError("unpack: no memory");
    }
    input->gzip_ = true;
  }
  return input;
}

LogInput::LogInput(std::string name, int descriptor, std::function<void()> before_read)
    : name_(std::move(name)),
      descriptor_(descriptor),
      before_read_(std::move(before_read)),
      buffer_(kReadSize, '\0'),
      packed_(kReadSize / 4, '\0') {}

LogInput::~LogInput() {
  if (gzip_) inflateEnd(&stream_);
  if (descriptor_ != STDIN_FILENO) close(descriptor_);
}

void LogInput::Fail(absl::string_view why) {
  status_ = absl::DataLossError(absl::StrCat("read ", name_, ": ", why));
}

// 0 at the end and after an error.
size_t LogInput::Read(char* into, size_t size) {
  before_read_();
  while (true) {
    const ssize_t got = read(descriptor_, into, size);
    if (got >= 0) {
      bytes_ += got;
      return got;
    }
    if (errno == EINTR) continue;
    Fail(strerror(errno));
    return 0;
  }
}

size_t LogInput::Unpack(char* into, size_t size) {
  stream_.next_out = reinterpret_cast<Bytef*>(into);
  stream_.avail_out = static_cast<uInt>(size);
  while (stream_.avail_out == size) {
    if (packed_begin_ == packed_end_) {
      packed_begin_ = 0;
      packed_end_ = Read(packed_.data(), packed_.size());
      if (packed_end_ == 0) {
        if (!between_ && status_.ok()) Fail("the gzip data ends too early");
        return 0;
      }
    }
    if (between_) {
      // Padding, or the next member.
      if (packed_[packed_begin_] == '\0') {
        ++packed_begin_;
        continue;
      }
      inflateReset(&stream_);
      between_ = false;
    }
    stream_.next_in = reinterpret_cast<Bytef*>(&packed_[packed_begin_]);
    stream_.avail_in = static_cast<uInt>(packed_end_ - packed_begin_);
    const int result = inflate(&stream_, Z_NO_FLUSH);
    packed_begin_ = packed_end_ - stream_.avail_in;
    if (result == Z_STREAM_END) {
      between_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      const size_t good = size - stream_.avail_out;
      Fail(absl::StrCat("broken gzip data",
                        stream_.msg != nullptr ? absl::StrCat(": ", stream_.msg) : ""));
      return good;
    }
  }
  return size - stream_.avail_out;
}

// Makes room and reads more; false when there is no more.
bool LogInput::Fill() {
  if (!status_.ok()) return false;
  if (begin_ > 0) {
    memmove(buffer_.data(), buffer_.data() + begin_, end_ - begin_);
    end_ -= begin_;
    searched_ -= begin_;
    begin_ = 0;
  }
  if (buffer_.size() - end_ < kReadSize / 2) buffer_.resize(buffer_.size() + kReadSize);
  char* const into = buffer_.data() + end_;
  const size_t room = buffer_.size() - end_;
  size_t got = 0;
  if (gzip_) {
    got = Unpack(into, room);
  } else if (packed_begin_ < packed_end_) {
    got = std::min(room, packed_end_ - packed_begin_);
    memcpy(into, packed_.data() + packed_begin_, got);
    packed_begin_ += got;
  } else {
    got = Read(into, room);
  }
  end_ += got;
  return got > 0;
}

bool LogInput::Next(absl::string_view* line) {
  while (true) {
    const char* const newline = static_cast<const char*>(
        memchr(buffer_.data() + searched_, '\n', end_ - searched_));
    if (newline != nullptr) {
      const size_t at = newline - buffer_.data();
      *line = absl::string_view(buffer_.data() + begin_, at - begin_);
      begin_ = searched_ = at + 1;
      if (std::exchange(skipping_, false)) continue;
      return true;
    }
    searched_ = end_;
    if (skipping_) begin_ = end_;
    if (end_ - begin_ > kLongestLine) {
      *line = absl::string_view(buffer_.data() + begin_, kLongestLine);
      begin_ = end_;
      skipping_ = true;
      return true;
    }
    if (at_end_ || !Fill()) {
      at_end_ = true;
      if (begin_ == end_) return false;
      *line = absl::string_view(buffer_.data() + begin_, end_ - begin_);
      begin_ = searched_ = end_;
      return true;
    }
  }
}

}  // namespace mailvane
