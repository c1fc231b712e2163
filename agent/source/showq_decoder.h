// Reads what Postfix's showq service says, in constant memory: how many
// messages each queue has, of which size together, and how old the oldest is.
// No I/O; postfix_queue.h has the socket.
//
// The service writes NUL-terminated names and values in turn.  An empty name
// ends a list of them; an empty list ends the whole answer (Postfix 3.7.11, with
// a NUL shown as |):
//
//   protocol|mail_queue_list_protocol||
//   queue_name|deferred|queue_id|7882EA72064|time|1795467966|size|363|
//   forced_expire|0|sender|a@example.net|recipient|b@example.com|reason|…||
//   |
//
// The first list is there since Postfix 3.6.  Since the end is marked, an answer
// that was cut off is never taken for a small queue.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace mailvane {

// The queues that showq walks.
enum class PostfixQueue { kActive, kIncoming, kDeferred, kHold, kMaildrop };
inline constexpr size_t kPostfixQueues = 5;

struct ShowqTotal {
  uint64_t messages = 0;
  // Sum of the messages' sizes.
  uint64_t bytes = 0;
  // Seconds since 1970; absent while there is no message.
  std::optional<int64_t> oldest_arrival;
};

// One message, as far as it is of use; the views live for the call.
struct ShowqMessage {
  PostfixQueue queue = PostfixQueue::kDeferred;
  uint64_t bytes = 0;
  int64_t arrival = 0;
  absl::string_view queue_id;
  bool has_sender = false;
  absl::string_view sender;  // empty: the null sender
  // The first recipient, and why the first that has a reason waits; empty: not said.
  absl::string_view recipient;
  absl::string_view reason;
};

// For one answer.  Belongs to one thread.
class ShowqDecoder {
 public:
  using Sink = std::function<void(const ShowqMessage&)>;
  // What a sink was told means something only after Finish said OK.
  explicit ShowqDecoder(Sink sink = nullptr) : sink_(std::move(sink)) {}

  // Takes the next bytes, however the stream was split.  kInvalidArgument when
  // they make no sense, and from then on for ever.
  absl::Status Feed(absl::string_view bytes);

  // Call at the end of the stream: kInvalidArgument when it was not whole.  The
  // totals mean something only after OK.
  absl::Status Finish() const;

  const ShowqTotal& total(PostfixQueue queue) const {
    return totals_[static_cast<size_t>(queue)];
  }

 private:
  // What is done with the value that is being read.
  enum class Attribute { kProtocol, kQueueName, kTime, kSize, kText, kSkipped };

  absl::Status Consume(absl::string_view bytes);
  absl::Status TakeName(absl::string_view name);
  absl::Status TakeValue(absl::string_view value);
  std::string* TextNamed(absl::string_view name);
  absl::Status EndList();

  absl::Status broken_;
  // The empty list was seen.
  bool ended_ = false;

  // The token that the last bytes ended in.
  bool in_value_ = false;
  std::string partial_;
  // Length so far of a value that is kept in part, or not at all.
  size_t skipped_ = 0;
  Attribute attribute_ = Attribute::kSkipped;
  // Of kText.
  std::string* text_ = nullptr;

  // The list that is being read.
  uint64_t lists_ = 0;
  bool list_is_empty_ = true;
  bool greeted_ = false;
  std::optional<PostfixQueue> queue_;
  std::optional<int64_t> arrival_;
  std::optional<uint64_t> size_;
  std::string id_;
  bool has_sender_ = false;
  std::string sender_;
  std::string recipient_;
  std::string reason_;

  Sink sink_;
  std::array<ShowqTotal, kPostfixQueues> totals_;
};

}  // namespace mailvane
