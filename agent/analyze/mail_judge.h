// All that is judged about the mail: the tracker that makes messages of lines, and the
// analyzers behind it.  The service and `mailvane-agent analyze` both run this.
//
// Pure; belongs to one thread.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/analyzer.h"
#include "agent/analyze/message_tracker.h"
#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

class MailJudge final : private FlowSink {
 public:
  MailJudge(const MessageTracker::Options& options,
            std::vector<std::unique_ptr<Analyzer>> analyzers);

  void Take(const SyslogLine& head, const MailLine& line);
  // The log has ended.
  void Finish() { tracker_.Finish(); }

  // What the line just taken led to; its place in the log names it.
  bool has_findings() const { return has_findings_; }
  std::vector<v1::Finding> TakeFindings();

  void Report(v1::Snapshot* snapshot) const;
  MessageTracker::Counters counters() const { return tracker_.counters(); }

  // (name, bytes) of what changed since the last call; no bytes: it is to be forgotten.
  std::vector<std::pair<std::string, std::string>> Save();
  // What Save gave, in the order of the names, before anything else.  False: it is of
  // another version, and is lost.
  bool Restore(absl::string_view name, absl::string_view bytes);

 private:
  void Accept(const MailMessage& message) override;
  void Settle(const RecipientFate& fate) override;
  void Try(const ClientAttempt& attempt) override;
  void NoteFindings();

  const std::vector<std::unique_ptr<Analyzer>> analyzers_;
  MessageTracker tracker_;
  absl::Time pass_due_ = absl::InfinitePast();
  bool has_findings_ = false;
};

}  // namespace mailvane
