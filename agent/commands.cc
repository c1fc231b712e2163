#include "agent/commands.h"

#include <unistd.h>

#include <memory>

#include "agent/classify_command.h"
#include "agent/parse_command.h"
#include "platform/clock.h"

namespace mailvane {
namespace {

Command AddParse(CLI::App* app) {
  CLI::App* const command =
      app->add_subcommand("parse", "Show what is read in a log, line by line");
  const auto words = std::make_shared<ParseWords>();
  command->footer(
      "Exit codes: 0, 1 when something could not be read, 2 for words that make no "
      "sense.\n\n"
      "Example:\n"
      "  mailvane-agent parse --json /var/log/mail.log | jq 'select(.kind == "
      "\"reject\")'");
  command->add_option("FILE", words->files,
                      "Logs, plain or gzip; standard input when there are none");
  command->add_flag("--json", words->json,
                    "One JSON object a line, as docs/parse.md describes them");
  command->add_option(
      "--time-zone", words->time_zone,
      "Of headers that name none, as \"Europe/London\"; else this host's");
  command->add_option(
      "--year", words->year,
      "Of the first header that names none; else the latest that is not in "
      "the future");
  return {command, [words] {
            return RunParse(*words, SystemClock(), STDOUT_FILENO, STDERR_FILENO);
          }};
}

Command AddClassify(CLI::App* app) {
  CLI::App* const command =
      app->add_subcommand("classify", "Say what remote servers' replies mean");
  const auto words = std::make_shared<ClassifyWords>();
  command->footer(
      "Each line is a reply as a mail log shows it, optionally with the server it came\n"
      "from and a tab before it.\n\n"
      "Exit codes: 0, 1 when something could not be read, 2 for words that make no "
      "sense.\n\n"
      "Example:\n"
      "  mailvane-agent parse --json mail.log | jq -r 'select(.reply) |\n"
      "    [.relay_host, .reply] | @tsv' | mailvane-agent classify");
  command->add_option("FILE", words->files,
                      "Replies, plain or gzip; standard input when there are none");
  command->add_flag("--json", words->json,
                    "One JSON object a line, as docs/classify.md describes them");
  return {command, [words] { return RunClassify(*words, STDOUT_FILENO, STDERR_FILENO); }};
}

}  // namespace

std::vector<Command> AddCommands(CLI::App* app) {
  return {AddParse(app), AddClassify(app)};
}

}  // namespace mailvane
