#include "agent/source/queue_reader.h"

#include <utility>

namespace mailvane {

QueueReader::QueueReader(MailQueue queue, const QueueSink& sink, SpoolReasons reasons)
    : queue_(std::move(queue)) {
  if (queue_.program == QueueProgram::kExim) {
    EximSpool::Limits limits;
    limits.reasons = reasons;
    exim_ = std::make_unique<EximSpool>(queue_.directory, sink, limits);
    return;
  }
  PostfixSpool::Limits limits;
  limits.reasons = reasons;
  postfix_ = std::make_unique<PostfixSpool>(queue_.directory, sink, limits);
  showq_ = std::make_unique<ShowqReader>(queue_.directory, sink);
}

absl::string_view QueueReader::source() const {
  return exim_ != nullptr ? "exim_queue" : "postfix_queue";
}

void QueueReader::Start(Instant now) {
  if (busy()) return;
  if (exim_ != nullptr) return exim_->Start(now);
  by_files_ = postfix_->Permitted();
  by_files_ ? postfix_->Start(now) : showq_->Start(now);
}

bool QueueReader::busy() const {
  if (exim_ != nullptr) return exim_->busy();
  return postfix_->busy() || showq_->busy();
}

absl::Duration QueueReader::NextDeadline() const {
  if (!busy()) return absl::InfiniteDuration();
  return by_files_ ? absl::ZeroDuration() : showq_->NextDeadline();
}

std::optional<v1::QueueReading> QueueReader::Poll(Instant now) {
  if (exim_ != nullptr) return exim_->Poll(now);
  return by_files_ ? postfix_->Poll(now) : showq_->Poll(now);
}

const std::string& QueueReader::location() const {
  if (exim_ != nullptr) return exim_->path();
  return by_files_ ? postfix_->path() : showq_->path();
}

}  // namespace mailvane
