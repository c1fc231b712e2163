// mailvane-agent: words on the command line, signals, and the agent.
#include <signal.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>
#include <vector>

#include "agent/agent.h"
#include "agent/commands.h"
#include "agent/config.h"
#include "platform/log.h"
#include "platform/program.h"
#include "platform/version.h"

namespace mailvane {
namespace {

struct Words {
  std::string config = "/etc/mailvane/agent.yaml";
  bool check_config = false;
  LogWords log;
};

std::string HostName() {
  char name[256] = "";
  gethostname(name, sizeof name - 1);
  return name;
}

// False after saying all errors.
bool Load(const Words& words, v1::AgentConfig* config) {
  const std::vector<std::string> errors =
      LoadAgentConfig(words.config, HostName(), config);
  for (const std::string& error : errors) fprintf(stderr, "%s\n", error.c_str());
  return errors.empty();
}

// One life of the agent, from a configuration to a signal.  `next` is set when
// another life shall follow.
int Live(const Words& words, const SignalDescriptor& signals, v1::AgentConfig config,
         std::unique_ptr<v1::AgentConfig>* next) {
  absl::StatusOr<std::unique_ptr<Agent>> agent = Agent::Start(config);
  if (!agent.ok()) return Fail(agent.status().message());
  Log(LogLevel::kInfo, "agent is watching",
      {{"version", kVersion}, {"id", config.id()}, {"collector", config.collector(0)}});
  while (true) {
    absl::Status status = (*agent)->Run(signals.descriptor());
    if (!status.ok()) return Fail(status.message());
    const int signal = signals.Take();
    if (signal == 0) continue;
    if (signal == SIGHUP) {
      auto fresh = std::make_unique<v1::AgentConfig>();
      if (!Load(words, fresh.get())) {
        Log(LogLevel::kError, "not reloaded: the configuration has errors");
        continue;
      }
      *next = std::move(fresh);
    }
    Log(LogLevel::kInfo, signal == SIGHUP ? "reloading" : "stopping");
    status = (*agent)->Stop(signal == SIGHUP   ? "SIGHUP"
                            : signal == SIGINT ? "SIGINT"
                                               : "SIGTERM");
    return status.ok() ? kExitOk : Fail(status.message());
  }
}

int Main(int argc, char** argv) {
  Words words;
  CLI::App app{"Watches this mail server, and reports to a collector.", "mailvane-agent"};
  app.footer(
      "Needs no root: an ordinary user in the groups adm or systemd-journal (the mail\n"
      "log) and postdrop (the queue) sees all.\n\n"
      "Signals: HUP reads the configuration again; TERM and INT stop in order.\n\n"
      "Example:\n"
      "  printf 'collector: 127.0.0.1:9471\\nid: NC027\\n' > agent.yaml\n"
      "  mailvane-agent --config agent.yaml");
  app.add_option("--config", words.config, "The configuration file")
      ->capture_default_str();
  app.add_flag("--check-config", words.check_config,
               "Say all errors of the configuration, and stop");
  AddCommonWords(&app, &words.log);
  const std::vector<Command> commands = AddCommands(&app);
  CLI11_PARSE_OR_EXIT(app, argc, argv);
  if (absl::Status status = Apply(words.log); !status.ok())
    return Usage(status.message());
  for (const Command& command : commands) {
    if (command.words->parsed()) return command.run();
  }

  auto next = std::make_unique<v1::AgentConfig>();
  if (!Load(words, next.get())) return kExitFailure;
  if (words.check_config) {
    printf("%s: ok, %s reports to %s\n", words.config.c_str(), next->id().c_str(),
           next->collector(0).c_str());
    return kExitOk;
  }
  const SignalDescriptor signals({SIGINT, SIGTERM, SIGHUP});
  int exit_code = kExitOk;
  while (next != nullptr && exit_code == kExitOk) {
    const v1::AgentConfig config = std::move(*std::exchange(next, nullptr));
    exit_code = Live(words, signals, config, &next);
  }
  return exit_code;
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) { return mailvane::Main(argc, argv); }
