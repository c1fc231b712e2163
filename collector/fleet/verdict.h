// The rules that turn what is known of a system into one health and one
// sentence.  Pure; the first rule that applies decides.
#pragma once

#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/fleet/fleet_snapshot.h"

namespace mailvane {

// What is known now.  "Fresh" is decided before: what is stale is not here.
struct Facts {
  Lifecycle lifecycle = Lifecycle::kOperational;
  // Absent: never heard.
  std::optional<absl::Duration> silent_for;
  bool connected = false;
  // It said Goodbye, and is not late yet.
  bool planned_restart = false;
  // This collector began a moment ago and has not heard it yet: its silence says
  // nothing.
  bool just_started = false;
  PingState ping = PingState::kUnknown;
  // Of the last report; null when there is none.
  const v1::Snapshot* measurements = nullptr;
  // The type of a finding of level warning or more that is not over yet; empty
  // when there is none.
  std::string trouble;
};

// Whether a finding of this type says that mail is held up, and so colours the table.
bool HoldsUpMail(absl::string_view finding_type);

struct Verdict {
  Health health = Health::kUnknown;
  // For the public: closed wording, no text that came from a mail server.
  std::string why;
};

Verdict Judge(const Facts& facts);

// "Permission denied": for the public, in place of an agent's own words.
const char* Words(v1::Unavailable unavailable);

}  // namespace mailvane
