// The commands that need no collector: `mailvane-agent parse` and its kin.  A new one
// is one file with its words and its work, and one line in AddCommands.
#pragma once

#include <CLI/CLI.hpp>
#include <functional>
#include <vector>

namespace mailvane {

// One command, after its words were added to the program's.
struct Command {
  // Says whether it was asked for.  Owned by the program's CLI::App.
  CLI::App* words;
  // Does it, and returns the program's exit code.
  std::function<int()> run;
};

// The explicit list.  `app` must outlive the commands.
std::vector<Command> AddCommands(CLI::App* app);

}  // namespace mailvane
