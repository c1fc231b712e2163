// What one read of a log source gives: lines, and what was lost before them.
// The same for a file and for the journal.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "proto/mailvane/v1/finding.pb.h"

namespace mailvane {

struct LogLine {
  // Without its newline.  From a file: the line as it stands.  From the journal:
  // "IDENT[PID]: MESSAGE".  Bytes, not UTF-8; a NUL within is possible.
  absl::string_view text;
  // Of the line's first byte in its file; 0 from the journal.
  uint64_t offset = 0;
  // What the journal knows beside the text, and a file's line says itself.
  std::optional<absl::Time> time;
  absl::string_view host;
  // The journal's name for this entry: takes the place of an offset in keys.
  absl::string_view cursor;
};

// A range that nobody will read.
struct LogLoss {
  v1::LossRecord::Cause cause = v1::LossRecord::CAUSE_UNSPECIFIED;
  // How many bytes; absent when that can't be known.
  std::optional<uint64_t> bytes;
  // Where the range begins in its file; absent when that can't be known, and for
  // the journal.
  std::optional<uint64_t> from_offset;
  // Which file that is, as LogChunk::file_key, or which entry of the journal; empty:
  // not known, and no other loss is the same one.
  std::string file_key;
  // How many lines; absent when only the bytes can be counted, or nothing.
  std::optional<uint64_t> lines;
};

// Move-only: the views in `lines` point into `buffer`, which stays where it is
// when the chunk is moved.
struct LogChunk {
  std::vector<LogLine> lines;
  // All of them lie before or within `lines`, in order.
  std::vector<LogLoss> losses;
  // Opaque.  To be stored in the same transaction as what the lines led to;
  // reading goes on from there after a restart.
  std::string checkpoint;
  // The file that the lines came from, whatever it is called: equal whenever the
  // same file is read again, so that (file_key, offset) names a line for ever.
  // Empty for the journal.
  std::string file_key;
  // NUL bytes skipped: the hole that a truncated file has when its writer goes
  // on at its old offset.  Nothing was lost there.
  uint64_t noise_bytes = 0;
  // There is more to read right now.
  bool more = false;

  std::unique_ptr<char[]> buffer;
};

}  // namespace mailvane
