// The closed sets of words that views use for what agents say: one for metrics'
// labels, one for people.  Whatever an agent makes up becomes "other": a label's
// values are bounded, and nothing that an agent writes reaches the public page.
#pragma once

#include "absl/strings/string_view.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

// Labels.  Each returns a literal.
absl::string_view QueueLabel(v1::Queue queue);
// Of QueueCause.
absl::string_view QueueAgeLabel(absl::string_view age);
absl::string_view QueueReasonLabel(absl::string_view reason);
absl::string_view StatusLabel(v1::DeliveryStatus status);
absl::string_view LevelLabel(v1::Level level);
// "permission_denied".  UNAVAILABLE_UNSPECIFIED, which is no reason, is "other".
absl::string_view ReasonLabel(v1::Unavailable unavailable);
absl::string_view SourceLabel(absl::string_view source);
absl::string_view ProviderLabel(absl::string_view provider);
absl::string_view ScopeLabel(absl::string_view scope);
absl::string_view FindingLabel(absl::string_view type);
// The version as it came if it looks like one ("1.2.0-3+deb12"), else "other".
// May be a part of `version`.
// The zone of a DNS list, which an operator may have added himself: what could be
// one, else "other".  Lives as long as `zone`.
absl::string_view ListLabel(absl::string_view zone);
// "ipv4", "ipv6", "domain".
absl::string_view FamilyLabel(absl::string_view kind);
absl::string_view VersionLabel(absl::string_view version);

// For people, fit for the public (why something can't be read is in
// collector/fleet/verdict.h): "Mail log", "Queue".
absl::string_view SourceForPeople(absl::string_view source);
// "Deferred".
absl::string_view QueueForPeople(v1::Queue queue);

}  // namespace mailvane
