// mailvane-collector: words on the command line, signals, and the collector.
#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <memory>
#include <string>

#include "collector/collector.h"
#include "collector/config.h"
#include "platform/log.h"
#include "platform/program.h"
#include "platform/version.h"

namespace mailvane {
namespace {

struct Words {
  std::string config = "/etc/mailvane/collector.yaml";
  bool check_config = false;
  bool insecure_listen = false;
  LogWords log;
};

// SIGHUP: the inventory as it is now, or nothing.
void Reload(const Words& words, Collector* collector) {
  LoadedCollectorConfig loaded;
  const std::vector<std::string> errors =
      LoadCollectorConfig(words.config, words.insecure_listen, &loaded);
  for (const std::string& error : errors) {
    Log(LogLevel::kError, "not reloaded", {{"error", error}});
  }
  if (!errors.empty()) return;
  Log(LogLevel::kInfo, "inventory reloaded; other settings need a restart",
      {{"systems", loaded.inventory.systems_size()}});
  collector->SetInventory(std::move(loaded.inventory));
}

int Work(const Words& words, LoadedCollectorConfig loaded) {
  if (!IsLoopback(loaded.config.agent_listen())) {
    Log(LogLevel::kWarning,
        "INSECURE: anybody who can reach this address can speak for any system",
        {{"agent_listen", loaded.config.agent_listen()}});
  }
  const std::string inventory = loaded.config.inventory();
  const int systems = loaded.inventory.systems_size();
  const SignalDescriptor signals({SIGINT, SIGTERM, SIGHUP});
  absl::StatusOr<std::unique_ptr<Collector>> collector =
      Collector::Start(std::move(loaded));
  if (!collector.ok()) return Fail(collector.status().message());
  Log(LogLevel::kInfo, "collector is ready",
      {{"version", kVersion},
       {"agents", (*collector)->agent_port()},
       {"operator", (*collector)->operator_port()},
       {"status", (*collector)->status_port()},
       {"inventory", inventory},
       {"systems", systems}});
  while (true) {
    absl::Status status = (*collector)->Run(signals.descriptor());
    if (!status.ok()) return Fail(status.message());
    const int signal = signals.Take();
    if (signal == SIGHUP) {
      Reload(words, collector->get());
    } else if (signal != 0) {
      Log(LogLevel::kInfo, "stopping", {{"signal", signal}});
      return kExitOk;
    }
  }
}

int Main(int argc, char** argv) {
  Words words;
  CLI::App app{"Collects what mail servers' agents report, and shows it.",
               "mailvane-collector"};
  app.footer(
      "Agents connect to 127.0.0.1:9471, metrics are at http://127.0.0.1:9470/metrics,\n"
      "the public status page is at http://127.0.0.1:8080/, unless the configuration "
      "says\n"
      "otherwise.\n\n"
      "Signals: HUP reads the inventory again; TERM and INT stop in order.\n\n"
      "Example:\n  mailvane-collector --config deploy/collector.yaml --check-config");
  app.add_option("--config", words.config, "The configuration file")
      ->capture_default_str();
  app.add_flag("--check-config", words.check_config,
               "Say all errors of the configuration, and stop");
  app.add_flag("--insecure-listen", words.insecure_listen,
               "Let agents connect from other hosts although nothing yet shows who they "
               "are");
  AddCommonWords(&app, &words.log);
  CLI11_PARSE_OR_EXIT(app, argc, argv);
  if (absl::Status status = Apply(words.log); !status.ok())
    return Usage(status.message());

  LoadedCollectorConfig loaded;
  const std::vector<std::string> errors =
      LoadCollectorConfig(words.config, words.insecure_listen, &loaded);
  for (const std::string& error : errors) fprintf(stderr, "%s\n", error.c_str());
  if (!errors.empty()) return kExitFailure;
  if (words.check_config) {
    printf("%s: ok, %d systems in %s\n", words.config.c_str(),
           loaded.inventory.systems_size(), loaded.config.inventory().c_str());
    return kExitOk;
  }
  return Work(words, std::move(loaded));
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) { return mailvane::Main(argc, argv); }
