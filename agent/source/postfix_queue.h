// The depth of Postfix' queues, asked of its showq service: what `postqueue`
// reads, so the agent needs no right to the queue files, only to the socket.
//
//   ShowqReader reader("/var/spool/postfix");
//   reader.Start(now);
//   … when Descriptor() is readable, or NextDeadline() has come:
//   if (std::optional<v1::QueueReading> reading = reader.Poll(now)) …
//
// Never blocks.  Belongs to one thread.
#pragma once

#include <optional>
#include <string>
#include <utility>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "agent/source/queued_message.h"
#include "agent/source/showq_decoder.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

class ShowqReader {
 public:
  struct Limits {
    // How long the service may say nothing.
    absl::Duration silence = absl::Seconds(10);
    // How long it may speak: 100,000 messages on a cold disk take it 25 s.
    absl::Duration whole = absl::Seconds(60);
    // How much a single Poll reads, so that a large queue holds up nobody.
    size_t poll_bytes = 1 << 20;
  };

  // `sink` may be null.
  explicit ShowqReader(absl::string_view queue_directory, QueueSink sink = nullptr)
      : ShowqReader(queue_directory, std::move(sink), Limits()) {}
  ShowqReader(absl::string_view queue_directory, QueueSink sink, const Limits& limits);
  ~ShowqReader() { Close(); }
  ShowqReader(const ShowqReader&) = delete;
  ShowqReader& operator=(const ShowqReader&) = delete;

  // "<queue_directory>/public/showq".
  const std::string& path() const { return path_; }

  // Begins to ask; if that is under way already, does nothing.  When it can't
  // be asked, the next Poll says why.
  void Start(Instant now);

  // From Start until Poll has given the reading.
  bool busy() const { return state_ != State::kIdle; }

  // To be waited on for reading; -1 when there is nothing to read.
  int Descriptor() const { return fd_; }

  // When Poll must be called even if nothing can be read, on Instant.mono's
  // scale; infinite when idle.
  absl::Duration NextDeadline() const;

  // The reading, once.  Either all five queues, zeros included, or `unavailable`
  // with a detail that names the path; never a part.
  std::optional<v1::QueueReading> Poll(Instant now);

 private:
  enum class State {
    kIdle,
    // The service's backlog is full; asked again at retry_at_.
    kConnecting,
    kReading,
    // failed_ waits for Poll.
    kFailed,
  };

  void Connect(Instant now);
  void Tell(const ShowqMessage& message) const;
  void Fail(v1::Unavailable unavailable, absl::string_view detail);
  absl::Duration Deadline() const;
  v1::QueueReading Reading(Instant now) const;
  void Close();

  const std::string directory_;
  const std::string path_;
  const QueueSink sink_;
  const Limits limits_;

  State state_ = State::kIdle;
  int fd_ = -1;
  absl::Duration started_;
  absl::Duration heard_;
  absl::Duration retry_at_;
  ShowqDecoder decoder_;
  v1::QueueReading failed_;
};

}  // namespace mailvane
