// `mailvane-agent parse`: what we read in a log, line by line.  docs/parse.md is its
// manual.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "platform/clock.h"

namespace mailvane {

struct ParseWords {
  // None, or "-": standard input.
  std::vector<std::string> files;
  bool json = false;
  // Of headers that don't name theirs; empty: this host's.
  std::string time_zone;
  // Of the first header without one, and then on from there.
  std::optional<int> year;
};

// Writes to the descriptor `output`; errors, and the progress of long work, to
// `errors`.  Returns the program's exit code: 1 when something could not be read or
// written, 2 for words that make no sense.
int RunParse(const ParseWords& words, const Clock& clock, int output, int errors);

}  // namespace mailvane
