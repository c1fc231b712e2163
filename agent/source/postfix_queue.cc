#include "agent/source/postfix_queue.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "platform/file_system.h"

namespace mailvane {
namespace {

constexpr absl::Duration kRetry = absl::Milliseconds(100);
// As SourceTransition.detail.
constexpr size_t kMaxDetail = 256;

// Connects `fd` to public/showq below `directory`.  A socket's name may have 107
// bytes only; a directory that is longer is reached through a descriptor.
// Returns errno, or 0.
int ConnectTo(int fd, const std::string& directory, const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  std::string name = path;
  int public_directory = -1;
  if (name.size() >= sizeof address.sun_path) {
    public_directory = open(absl::StrCat(directory, "/public").c_str(),
                            O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (public_directory < 0) return errno;
    name = absl::StrCat("/proc/self/fd/", public_directory, "/showq");
  }
  memcpy(address.sun_path, name.data(), name.size());
  const int result =
      connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) < 0 ? errno
                                                                                   : 0;
  if (public_directory >= 0) close(public_directory);
  return result;
}

v1::Queue ToProto(PostfixQueue queue) {
  switch (queue) {
    case PostfixQueue::kActive:
      return v1::QUEUE_ACTIVE;
    case PostfixQueue::kIncoming:
      return v1::QUEUE_INCOMING;
    case PostfixQueue::kDeferred:
      return v1::QUEUE_DEFERRED;
    case PostfixQueue::kHold:
      return v1::QUEUE_HOLD;
    case PostfixQueue::kMaildrop:
      return v1::QUEUE_MAILDROP;
  }
  return v1::QUEUE_UNSPECIFIED;
}

}  // namespace

ShowqReader::ShowqReader(absl::string_view queue_directory, QueueSink sink,
                         const Limits& limits)
    : directory_(queue_directory),
      path_(absl::StrCat(queue_directory, "/public/showq")),
      sink_(std::move(sink)),
      limits_(limits) {}

void ShowqReader::Start(Instant now) {
  if (busy()) return;
  started_ = heard_ = now.mono;
  decoder_ = sink_ == nullptr
                 ? ShowqDecoder()
                 : ShowqDecoder([this](const ShowqMessage& message) { Tell(message); });
  Connect(now);
}

void ShowqReader::Connect(Instant now) {
  Close();
  fd_ = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  const int error = fd_ < 0 ? errno : ConnectTo(fd_, directory_, path_);
  switch (error) {
    case 0:
      state_ = State::kReading;
      return;
    case EAGAIN:
    case EINTR:
      // The kernel has no way to tell when there is room again.
      Close();
      state_ = State::kConnecting;
      retry_at_ = now.mono + kRetry;
      return;
    case ECONNREFUSED:
      return Fail(v1::UNAVAILABLE_NOT_FOUND,
                  absl::StrCat("connect ", path_, ": Postfix is not running"));
    default:
      break;
  }
  const absl::Status status = ErrnoStatus(error, absl::StrCat("connect ", path_));
  v1::Unavailable unavailable = v1::UNAVAILABLE_OTHER;
  if (absl::IsNotFound(status)) unavailable = v1::UNAVAILABLE_NOT_FOUND;
  if (absl::IsPermissionDenied(status)) unavailable = v1::UNAVAILABLE_PERMISSION_DENIED;
  Fail(unavailable, status.message());
}

void ShowqReader::Tell(const ShowqMessage& message) const {
  QueuedMessage queued;
  queued.key = QueueIdKey(message.queue_id);
  queued.queue = ToProto(message.queue);
  queued.bytes = message.bytes;
  queued.arrived = message.arrival;
  // As Postfix shows the null sender.
  queued.is_notice =
      message.has_sender && (message.sender.empty() || message.sender == "MAILER-DAEMON");
  queued.to_domain = DomainOf(message.recipient);
  queued.reason = message.reason;
  sink_(queued);
}

void ShowqReader::Fail(v1::Unavailable unavailable, absl::string_view detail) {
  Close();
  state_ = State::kFailed;
  failed_.Clear();
  failed_.set_unavailable(unavailable);
  // A path may hold any byte, a proto's string may not.
  for (char c : detail.substr(0, kMaxDetail)) {
    failed_.mutable_detail()->push_back(absl::ascii_isprint(c) ? c : '?');
  }
}

absl::Duration ShowqReader::Deadline() const {
  return std::min(heard_ + limits_.silence, started_ + limits_.whole);
}

absl::Duration ShowqReader::NextDeadline() const {
  switch (state_) {
    case State::kIdle:
      return absl::InfiniteDuration();
    case State::kConnecting:
      return std::min(retry_at_, Deadline());
    case State::kReading:
      return Deadline();
    case State::kFailed:
      return started_;
  }
  return absl::InfiniteDuration();
}

std::optional<v1::QueueReading> ShowqReader::Poll(Instant now) {
  if (state_ == State::kIdle) return std::nullopt;
  if (state_ == State::kConnecting && now.mono >= retry_at_) Connect(now);

  if (state_ == State::kReading) {
    char buffer[65536];
    for (size_t read_bytes = 0; read_bytes < limits_.poll_bytes;) {
      const ssize_t got = recv(fd_, buffer, sizeof buffer, 0);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
      if (got < 0) {
        const absl::Status status = ErrnoStatus(errno, absl::StrCat("read ", path_));
        Fail(v1::UNAVAILABLE_OTHER, status.message());
        break;
      }
      const absl::Status sense =
          got == 0 ? decoder_.Finish() : decoder_.Feed(absl::string_view(buffer, got));
      if (!sense.ok()) {
        Fail(v1::UNAVAILABLE_MALFORMED,
             absl::StrCat("read ", path_, ": ", sense.message()));
        break;
      }
      if (got == 0) {
        Close();
        state_ = State::kIdle;
        return Reading(now);
      }
      read_bytes += got;
      heard_ = now.mono;
    }
  }

  if (state_ != State::kFailed && now.mono >= Deadline()) {
    Fail(v1::UNAVAILABLE_TIMEOUT,
         absl::StrCat("read ", path_, ": no whole answer within ",
                      absl::FormatDuration(now.mono - started_)));
  }
  if (state_ != State::kFailed) return std::nullopt;
  state_ = State::kIdle;
  return std::move(failed_);
}

v1::QueueReading ShowqReader::Reading(Instant now) const {
  v1::QueueReading reading;
  const int64_t seconds = absl::ToUnixSeconds(now.wall);
  for (size_t i = 0; i < kPostfixQueues; ++i) {
    const PostfixQueue queue = static_cast<PostfixQueue>(i);
    const ShowqTotal& total = decoder_.total(queue);
    v1::QueueDepth* depth = reading.add_depths();
    depth->set_queue(ToProto(queue));
    depth->set_messages(total.messages);
    depth->set_bytes(total.bytes);
    if (total.oldest_arrival.has_value()) {
      // The clock may have been set back since the message came.
      depth->set_oldest_age_seconds(
          std::max<int64_t>(0, seconds - *total.oldest_arrival));
    }
  }
  return reading;
}

void ShowqReader::Close() {
  if (fd_ >= 0) close(fd_);
  fd_ = -1;
}

}  // namespace mailvane
