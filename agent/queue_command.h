// `mailvane-agent queue`: this host's mail queues, now.  docs/queue.md is its manual.
#pragma once

#include <string>
#include <vector>

#include "mailvane/v1/config.pb.h"
#include "platform/clock.h"
#include "platform/file_system.h"

namespace mailvane {

struct QueueWords {
  // None: all that the host has.
  std::vector<std::string> spools;
  // Read for reasons that neither the queue's files nor its socket tell.
  std::vector<std::string> logs;
  bool json = false;
};

// Writes to the descriptor `output`, errors to `errors`.  Returns the program's exit
// code: 1 when something could not be read or written, 2 for words that make no sense.
int RunQueue(const QueueWords& words, const v1::AgentConfig& config,
             const FileSystem& files, const Clock& clock, int output, int errors);

}  // namespace mailvane
