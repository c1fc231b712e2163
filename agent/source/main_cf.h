// Postfix' main.cf, as far as it says where things are; and with it, where the
// agent finds the queue and the log.  What Postfix would do with the rest of it
// is none of our business.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailvane/v1/config.pb.h"
#include "platform/file_system.h"

namespace mailvane {

// A parsed file.  Immutable.
class MainCf {
 public:
  // Takes what makes sense: lines that begin with white space continue the one
  // before, comments and empty lines in between or not; the last of two settings
  // holds; a line without "=" is passed over, as Postfix does with a warning.
  static MainCf Parse(absl::string_view text);

  // As written; absent when the file does not set it.
  std::optional<std::string> Raw(absl::string_view name) const;

  // With $name, $(name), ${name} and $$ replaced.  Absent when the file does not
  // set it.  kFailedPrecondition when the value cannot be told: conditional
  // expansion, a name that is set nowhere (Postfix has a thousand defaults that
  // are not here), or one that leads back to itself.
  absl::StatusOr<std::optional<std::string>> Value(absl::string_view name) const;

 private:
  absl::Status Append(absl::string_view text, int depth, int* budget,
                      std::string* out) const;

  std::map<std::string, std::string, std::less<>> settings_;
};

// "5d", "90m", "5" in `unit`: a period as main.cf and Exim's configuration write them.
std::optional<absl::Duration> ParsePeriod(absl::string_view text, absl::Duration unit);

// Where a path comes from.
enum class PathOrigin {
  kConfig,   // the agent's own configuration
  kMainCf,   // Postfix' main.cf
  kDefault,  // neither says
};

struct MailPaths {
  std::string queue_directory;
  PathOrigin queue_origin = PathOrigin::kDefault;
  // The mail log, if it is a file at all.
  std::string log_file;
  PathOrigin log_origin = PathOrigin::kDefault;
  // When Postfix gives up; absent: main.cf does not tell.
  std::optional<absl::Duration> lifetime;
  std::optional<absl::Duration> notice_lifetime;
  // Configuration directories of further instances.
  std::vector<std::string> instances;
  // There is a main.cf, even if it may not be read.
  bool has_postfix = false;
  // Why main.cf did not decide though it should have; empty when all is well.
  std::string detail;
};

// Never fails: what can't be found out has its default, and `detail` says so.
MailPaths FindMailPaths(const FileSystem& files, const v1::AgentConfig& config);

}  // namespace mailvane
