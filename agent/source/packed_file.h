// A gzip file as the plain file that it was: rotation packs logs, and the part
// that had not been read must still be found at its old offset.
#pragma once

#include <memory>

#include "absl/status/statusor.h"
#include "platform/file_system.h"

namespace mailvane {

// Offsets are those of the unpacked bytes.  Reading onwards is cheap, and so is
// going back by up to 64 KiB; further back it is unpacked from its beginning
// again.  Constant memory.
//
// Stat gives the packed file's identity and times, and as its size the bytes
// that were unpacked so far: the whole size can't be known before.
//
// ReadAt's error for packed data that is damaged or ends too early is
// kDataLoss; what came before it was given.
absl::StatusOr<std::unique_ptr<File>> Unpacked(std::unique_ptr<File> gzip);

}  // namespace mailvane
