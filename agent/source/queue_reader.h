// A mail queue, read by the best way there is: its files where they may be read, which
// costs the server least and asks no daemon; for Postfix else its showq.
//
//   QueueReader reader(queue, sink, SpoolReasons::kLeave);
//   reader.Start(now);
//   … when Descriptor() is readable, or NextDeadline() has come:
//   if (std::optional<v1::QueueReading> reading = reader.Poll(now)) …
//
// Never blocks for longer than a slice.  Belongs to one thread.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/source/exim_queue.h"
#include "agent/source/mail_queue.h"
#include "agent/source/postfix_queue.h"
#include "agent/source/postfix_spool.h"
#include "agent/source/queued_message.h"
#include "mailvane/v1/session.pb.h"
#include "platform/clock.h"

namespace mailvane {

class QueueReader {
 public:
  QueueReader(MailQueue queue, const QueueSink& sink, SpoolReasons reasons);

  const MailQueue& queue() const { return queue_; }
  // Names it in transitions and metrics: "postfix_queue", "exim_queue".
  absl::string_view source() const;

  // Begins a reading, if none is under way.
  void Start(Instant now);
  bool busy() const;
  // To be waited on for reading; -1 when there is nothing to read.
  int Descriptor() const { return showq_ == nullptr ? -1 : showq_->Descriptor(); }
  // When Poll must be called even if nothing can be read; on Instant.mono's scale.
  absl::Duration NextDeadline() const;
  // The reading, once.
  std::optional<v1::QueueReading> Poll(Instant now);

  // Of the present reading, or the last one.
  bool by_files() const { return by_files_; }
  const std::string& location() const;

 private:
  const MailQueue queue_;
  // Postfix has both, Exim has one.
  std::unique_ptr<PostfixSpool> postfix_;
  std::unique_ptr<ShowqReader> showq_;
  std::unique_ptr<EximSpool> exim_;
  bool by_files_ = true;
};

}  // namespace mailvane
