// What rotation calls a log's older files, and in which order they were written.
// Names and times alone: nothing is opened here.
//
//   logrotate    mail.log.1  mail.log.2.gz  mail.log-20261123.gz  mail-20261123.log
//   savelog      maillog.0  maillog.1.gz
//   Exim         mainlog-20261123: each day's file has a name of its own ("%D")
//
// Thread-safe: constant after construction.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "platform/file_system.h"

namespace mailvane {

struct RotatedName {
  // Rotation made it; false for "mail.log.bak", which is somebody's copy: it may
  // be the file that we look for, and is never the next one.
  bool by_rotation = false;
  bool gzip = false;
  // 2 for "mail.log.2.gz": the higher, the older.
  std::optional<uint32_t> number;
  // "20261123" of a dated name ("%D"), "-20261123" of a rotation: of those that are
  // equally long, the higher is the newer.
  std::string date;
};

class RotatedNames {
 public:
  // `live`: the name of the log in its directory.  "%D" in it stands for a date as
  // 20261123, "%M" for a month as 202611.
  explicit RotatedNames(std::string live);
  // Of a log that is a symbolic link to `file`: a date in the name changes from one
  // file to the next ("mail-20261123").
  static RotatedNames OfTarget(std::string file);

  const std::string& live() const { return live_; }
  // Each period has a file with a name of its own.
  bool dated() const { return date_digits_ > 0; }
  // A dated name that is in use or was: "mainlog-20261123", not yet packed.
  bool IsDated(absl::string_view name) const;
  // Absent: has nothing to do with the log, is the log itself, or is packed in a way
  // that we can't read.
  std::optional<RotatedName> Parse(absl::string_view name) const;

 private:
  const std::string live_;
  // Around the date; all of the name is in front where there is none.
  std::string front_;
  std::string back_;
  size_t date_digits_ = 0;
};

// What is known of a file's turn among the files of one log.
struct RotationTurn {
  RotatedName name;
  FileId id;
  absl::Time modified;
};

// `a` was written before `b`.
bool WrittenBefore(const RotationTurn& a, const RotationTurn& b);

}  // namespace mailvane
