// Matchers for absl::Status, which Debian's Abseil does not bring yet.
//
//   EXPECT_THAT(file.Stat().status(), StatusIs(absl::StatusCode::kNotFound));
//   ASSERT_OK(outbox.Commit(transaction));
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace mailvane {

inline const absl::Status& StatusOf(const absl::Status& status) { return status; }
template <typename T>
const absl::Status& StatusOf(const absl::StatusOr<T>& result) {
  return result.status();
}

MATCHER_P(StatusIs, code, "has status " + absl::StatusCodeToString(code)) {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).code() == code;
}

MATCHER_P2(StatusIs, code, message, "") {
  *result_listener << StatusOf(arg);
  return StatusOf(arg).code() == code &&
         testing::ExplainMatchResult(message, std::string(StatusOf(arg).message()),
                                     result_listener);
}

#define EXPECT_OK(expression) \
  EXPECT_THAT(expression, ::mailvane::StatusIs(absl::StatusCode::kOk))
#define ASSERT_OK(expression) \
  ASSERT_THAT(expression, ::mailvane::StatusIs(absl::StatusCode::kOk))

}  // namespace mailvane
