#include "agent/source/packed_file.h"

#include <string.h>
#include <zlib.h>

#include <algorithm>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

constexpr size_t kReadSize = 64 << 10;
constexpr size_t kKept = 64 << 10;

class PackedFile final : public File {
 public:
  explicit PackedFile(std::unique_ptr<File> file)
      : file_(std::move(file)), packed_(kReadSize, '\0') {}
  ~PackedFile() override { inflateEnd(&stream_); }
  PackedFile(const PackedFile&) = delete;
  PackedFile& operator=(const PackedFile&) = delete;

  bool Start() { return inflateInit2(&stream_, 15 + 16) == Z_OK; }  // 16: gzip

  absl::StatusOr<FileStat> Stat() const override {
    absl::StatusOr<FileStat> stat = file_->Stat();
    if (stat.ok()) stat->size = kept_from_ + kept_.size();
    return stat;
  }

  absl::StatusOr<size_t> ReadAt(uint64_t offset, char* into, size_t size) const override {
    if (offset < kept_from_) Rewind();
    while (kept_from_ + kept_.size() < offset + size && !ended_) {
      // What lies before the wanted range need not be kept beyond its measure.
      const size_t spare = kept_.size() - std::min(kept_.size(), kKept);
      if (spare >= kKept && kept_from_ + spare <= offset) {
        kept_.erase(0, spare);
        kept_from_ += spare;
      }
      if (!Unpack()) break;
    }
    if (offset >= kept_from_ + kept_.size()) {
      return ended_ || damage_.ok() ? absl::StatusOr<size_t>(0) : damage_;
    }
    const size_t got =
        std::min<uint64_t>(size, kept_from_ + kept_.size() - offset);
    memcpy(into, kept_.data() + (offset - kept_from_), got);
    return got;
  }

 private:
  void Rewind() const {
    inflateReset(&stream_);
    packed_at_ = 0;
    packed_begin_ = packed_end_ = 0;
    kept_.clear();
    kept_from_ = 0;
    ended_ = false;
    between_ = true;
    damage_ = absl::OkStatus();
  }

  // Appends some bytes to kept_; false when there are none, now or ever.
  bool Unpack() const {
    if (!damage_.ok()) return false;
    if (packed_begin_ == packed_end_) {
      const absl::StatusOr<size_t> got =
          file_->ReadAt(packed_at_, packed_.data(), packed_.size());
      if (!got.ok()) return Damaged(got.status().message());
      if (*got == 0) {
        ended_ = between_;
        return ended_ ? false : Damaged("the gzip data ends too early");
      }
      packed_at_ += *got;
      packed_begin_ = 0;
      packed_end_ = *got;
    }
    if (between_) {
      // Padding, or the next member.
      if (packed_[packed_begin_] == '\0') return ++packed_begin_, true;
      inflateReset(&stream_);
      between_ = false;
    }
    const size_t had = kept_.size();
    kept_.resize(had + kReadSize);
    stream_.next_in = reinterpret_cast<Bytef*>(&packed_[packed_begin_]);
    stream_.avail_in = static_cast<uInt>(packed_end_ - packed_begin_);
    stream_.next_out = reinterpret_cast<Bytef*>(&kept_[had]);
    stream_.avail_out = kReadSize;
    const int result = inflate(&stream_, Z_NO_FLUSH);
    kept_.resize(had + kReadSize - stream_.avail_out);
    packed_begin_ = packed_end_ - stream_.avail_in;
    if (result == Z_STREAM_END) {
      between_ = true;
    } else if (result != Z_OK && result != Z_BUF_ERROR) {
      return Damaged("broken gzip data");
    }
    return true;
  }

  bool Damaged(absl::string_view why) const {
    damage_ = absl::DataLossError(absl::StrCat("unpack: ", why));
    return false;
  }

  const std::unique_ptr<File> file_;
  // A place in a stream: File's reading is const, as pread is.
  mutable z_stream stream_ = {};
  mutable std::string packed_;  // [packed_begin_, packed_end_) is not unpacked yet
  mutable size_t packed_begin_ = 0;
  mutable size_t packed_end_ = 0;
  mutable uint64_t packed_at_ = 0;
  mutable std::string kept_;  // the last that was unpacked, from kept_from_ on
  mutable uint64_t kept_from_ = 0;
  mutable bool between_ = true;  // before the first member, and after each
  mutable bool ended_ = false;
  mutable absl::Status damage_;
};

}  // namespace

absl::StatusOr<std::unique_ptr<File>> Unpacked(std::unique_ptr<File> gzip) {
  auto file = std::make_unique<PackedFile>(std::move(gzip));
  if (!file->Start()) return absl::ResourceExhaustedError("unpack: no memory");
  return file;
}

}  // namespace mailvane
