// `mailvane-agent classify`: what remote servers' replies mean, one a line.
// docs/classify.md is its manual.
#pragma once

#include <string>
#include <vector>

namespace mailvane {

struct ClassifyWords {
  // None, or "-": standard input.
  std::vector<std::string> files;
  bool json = false;
};

// Writes to the descriptor `output`, errors to `errors`.  Returns the program's exit
// code: 1 when something could not be read or written.
int RunClassify(const ClassifyWords& words, int output, int errors);

}  // namespace mailvane
