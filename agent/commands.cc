#include "agent/commands.h"

#include <unistd.h>

#include <memory>
#include <string>
#include <vector>

#include "agent/analyze_command.h"
#include "agent/blocklist_command.h"
#include "agent/classify_command.h"
#include "agent/config.h"
#include "agent/parse_command.h"
#include "agent/queue_command.h"
#include "mailvane/v1/config.pb.h"
#include "platform/clock.h"
#include "platform/file_system.h"
#include "platform/program.h"

namespace mailvane {
namespace {

// How the lines of a whole log are to be read.
template <typename Words>
void AddLogWords(CLI::App* command, Words* words) {
  command->add_option("FILE", words->files,
                      "Logs, plain or gzip; standard input when there are none");
  command->add_option(
      "--time-zone", words->time_zone,
      "Of headers that name none, as \"Europe/London\"; else this host's");
  command->add_option(
      "--year", words->year,
      "Of the first header that names none; else the latest that is not in "
      "the future");
}

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
  AddLogWords(command, words.get());
  command->add_flag("--json", words->json,
                    "One JSON object a line, as docs/parse.md describes them");
  return {command, [words] {
            return RunParse(*words, SystemClock(), STDOUT_FILENO, STDERR_FILENO);
          }};
}

Command AddAnalyze(CLI::App* app) {
  CLI::App* const command = app->add_subcommand(
      "analyze", "Say what is wrong in whole logs, and what they come to");
  const auto words = std::make_shared<AnalyzeWords>();
  command->footer(
      "The files of a rotated log may be given in any order.\n\n"
      "Exit codes: 0, 3 when something is wrong, 1 when something could not be read, 2 "
      "for\nwords that make no sense.\n\n"
      "Example:\n"
      "  mailvane-agent analyze /var/log/mail.log*");
  AddLogWords(command, words.get());
  command->add_flag("--json", words->json,
                    "One JSON object a line, as docs/analyze.md describes them");
  return {command, [words] {
            return RunAnalyze(*words, SystemClock(), STDOUT_FILENO, STDERR_FILENO);
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

Command AddBlocklist(CLI::App* app) {
  CLI::App* const command = app->add_subcommand(
      "blocklist", "Ask the DNS blocklists about addresses and domains");
  const auto words = std::make_shared<BlocklistWords>();
  command->footer(
      "Exit codes: 0 nothing is listed, 3 something is, 1 nothing could be told, 2 for "
      "words\nthat make no sense, 75 the resolver does not answer.\n\n"
      "Example:\n"
      "  mailvane-agent blocklist 198.51.100.7 2001:db8::25 example.net");
  command->add_option("IP", words->subjects,
                      "Addresses and domains; this host's public addresses when there "
                      "are none");
  command->add_option("--zone", words->zones, "Only this list; may be repeated")
      ->allow_extra_args(false);
  command
      ->add_option("--resolver", words->resolvers,
                   "Whom to ask, as 127.0.0.1 or [::1]:5300; else /etc/resolv.conf's")
      ->allow_extra_args(false);
  command->add_option("--catalogue", words->catalogue,
                      "A file in place of the catalogue of lists that is built in");
  command
      ->add_option("--key", words->keys,
                   "ZONE=FILE: the file has the key of a list that needs one")
      ->allow_extra_args(false);
  command->add_option("--timeout", words->timeout_seconds, "For each answer, in seconds")
      ->capture_default_str();
  command->add_flag("--json", words->json,
                    "One JSON object a line, as docs/blocklist.md describes them");
  command->add_flag("--all", words->all, "Name each clean list, too");
  return {command, [words] {
            return RunBlocklist(*words, SystemClock(), STDOUT_FILENO, STDERR_FILENO);
          }};
}

Command AddQueue(CLI::App* app) {
  CLI::App* const command =
      app->add_subcommand("queue", "Show this host's mail queues, by why mail waits");
  const auto words = std::make_shared<QueueWords>();
  command->footer(
      "Reads the queue's files where it may (root, CAP_DAC_READ_SEARCH, for Exim its "
      "group), else asks Postfix's showq (group postdrop).\n"
      "Exit codes: 0, 1 when something could not be read, 2 for words that make no "
      "sense.\n\n"
      "Example:\n"
      "  mailvane-agent queue --json | jq '.causes[] | select(.provider == "
      "\"google\")'");
  command
      ->add_option(
          "--spool", words->spools,
          "Postfix's queue_directory or Exim's spool_directory; may be repeated. "
          "Else all that this host has")
      ->allow_extra_args(false);
  command
      ->add_option("--log", words->logs,
                   "A mail log, plain or gzip, that says more of why mail waits; may be "
                   "repeated")
      ->allow_extra_args(false);
  command->add_flag("--json", words->json,
                    "One JSON object a queue, as docs/queue.md describes them");
  const CLI::Option* const config_file = app->get_option("--config");
  return {command, [words, config_file] {
            v1::AgentConfig config;
            // The service's own settings count, if there are any.
            const std::string path = config_file->as<std::string>();
            const HostFileSystem files;
            if (config_file->count() > 0 || files.Stat(path).ok()) {
              const std::vector<std::string> errors =
                  LoadAgentConfig(path, "localhost", &config);
              for (const std::string& error : errors) Fail(error);
              if (!errors.empty()) return kExitFailure;
            }
            return RunQueue(*words, config, files, SystemClock(), STDOUT_FILENO,
                            STDERR_FILENO);
          }};
}

}  // namespace

std::vector<Command> AddCommands(CLI::App* app) {
  return {AddAnalyze(app), AddParse(app), AddClassify(app), AddBlocklist(app),
          AddQueue(app)};
}

}  // namespace mailvane
