// `mailvane-agent analyze`: what the service would have said of a whole log, and what
// the log comes to.  docs/analyze.md is its manual.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"

namespace mailvane {

struct AnalyzeWords {
  // None, or "-": standard input.
  std::vector<std::string> files;
  bool json = false;
  // Of headers that don't name theirs; empty: this host's.
  std::string time_zone;
  // Of the first header without one, and then on from there.
  std::optional<int> year;
};

// Writes to the descriptor `output`, and errors to `errors`.  Returns the program's
// exit code: 3 when there are findings, 1 when something could not be read or written,
// 2 for words that make no sense.
int RunAnalyze(const AnalyzeWords& words, const Clock& clock, int output, int errors);

}  // namespace mailvane
