// Abseil's times and the wire's.
#pragma once

#include "absl/time/time.h"
#include "google/protobuf/duration.pb.h"
#include "google/protobuf/timestamp.pb.h"

namespace mailvane {

inline google::protobuf::Timestamp ToProto(absl::Time time) {
  const absl::Duration since_epoch = time - absl::UnixEpoch();
  const int64_t nanos = absl::ToInt64Nanoseconds(since_epoch);
  google::protobuf::Timestamp proto;
  // Floored, so that nanos is not negative before 1970.
  const int64_t seconds = nanos / 1'000'000'000 - (nanos % 1'000'000'000 < 0 ? 1 : 0);
  proto.set_seconds(seconds);
  proto.set_nanos(static_cast<int32_t>(nanos - seconds * 1'000'000'000));
  return proto;
}

inline google::protobuf::Duration ToProto(absl::Duration duration) {
  const int64_t nanos = absl::ToInt64Nanoseconds(duration);
  google::protobuf::Duration proto;
  proto.set_seconds(nanos / 1'000'000'000);
  proto.set_nanos(static_cast<int32_t>(nanos % 1'000'000'000));
  return proto;
}

inline absl::Time FromProto(const google::protobuf::Timestamp& proto) {
  return absl::FromUnixSeconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

inline absl::Duration FromProto(const google::protobuf::Duration& proto) {
  return absl::Seconds(proto.seconds()) + absl::Nanoseconds(proto.nanos());
}

}  // namespace mailvane
