// Which mail queues this host has, and what their programs' configuration says of them.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailvane/v1/config.pb.h"
#include "platform/file_system.h"

namespace mailvane {

enum class QueueProgram { kPostfix, kExim };
// "postfix", "exim".
absl::string_view QueueProgramName(QueueProgram program);

struct MailQueue {
  QueueProgram program = QueueProgram::kPostfix;
  std::string directory;
  // When the program gives up: ordinary mail, and mail with the null sender.  Absent:
  // not known.
  std::optional<absl::Duration> lifetime;
  std::optional<absl::Duration> notice_lifetime;
  // Why not, for a person; empty when it is.
  std::string lifetime_detail;
};

// Postfix's with those of its further instances, then Exim's, as far as they are there
// or the configuration names them.
std::vector<MailQueue> FindMailQueues(const FileSystem& files,
                                      const v1::AgentConfig& config);

// The queue in this directory; what is known of it otherwise comes along.  NotFound: it
// looks like nobody's.
absl::StatusOr<MailQueue> MailQueueIn(const FileSystem& files,
                                      const v1::AgentConfig& config,
                                      absl::string_view directory);

// When Exim gives up, by the section "begin retry" of its configuration; absent when
// that depends on the recipient, or is not said.
//
//   *   *   F,2h,15m; G,16h,1h,1.5; F,4d,6h      → four days
std::optional<absl::Duration> EximRetryCutoff(absl::string_view configuration);

}  // namespace mailvane
