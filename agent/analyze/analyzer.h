// A judge of the mail flow.  The service and `mailvane-agent analyze` run the same
// ones: the list in analyzers.cc.
//
// Pure: log time comes with each call, in the order of the log, which is only roughly
// that of the time.  Belongs to one thread.
#pragma once

#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/mail_flow.h"
#include "mailvane/v1/finding.pb.h"
#include "mailvane/v1/session.pb.h"

namespace mailvane {

// Takes what an analyzer must not forget over a restart, in named pieces.
class StateWriter {
 public:
  virtual ~StateWriter() = default;
  virtual void Put(absl::string_view piece, absl::string_view bytes) = 0;
  virtual void Erase(absl::string_view piece) = 0;
};

class Analyzer : public FlowSink {
 public:
  // Names its state on disk: "delivery".  Never changed.
  virtual absl::string_view name() const = 0;

  // Log time is now at least this; once a minute of it.
  virtual void Pass(absl::Time) {}

  // Findings since the last call.  Asked for after each line, so a finding rests on
  // the line just told, and is named by its place.
  std::vector<v1::Finding> TakeFindings() { return std::exchange(findings_, {}); }
  bool has_findings() const { return !findings_.empty(); }

  // Adds what it has counted since it was made to what the agent reports.
  virtual void Report(v1::Snapshot*) const {}

  // Puts the pieces that changed since the last call, which is often (at most once a
  // second): what is large has to be cut in pieces.
  virtual void Save(StateWriter*) {}
  // (piece, bytes): gives back each once, before anything else, in the order of names.
  // False: of another version; what it held is forgotten.
  virtual bool Restore(absl::string_view, absl::string_view) { return true; }

 protected:
  void Raise(v1::Finding finding) { findings_.push_back(std::move(finding)); }

 private:
  std::vector<v1::Finding> findings_;
};

}  // namespace mailvane
