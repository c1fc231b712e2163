#include "collector/config.h"

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "collector/fleet/inventory.h"
#include "platform/file_system.h"
#include "platform/listener.h"
#include "platform/proto_time.h"
#include "platform/yaml_config.h"

namespace mailvane {
namespace {

// Less would be a busy loop; agents do not take more than ten minutes.
constexpr absl::Duration kLeastInterval = absl::Milliseconds(100);
constexpr absl::Duration kMostInterval = absl::Minutes(10);
constexpr absl::Duration kMostPingInterval = absl::Hours(1);

void SetDefaults(v1::CollectorConfig* config) {
  if (config->agent_listen().empty()) config->set_agent_listen("127.0.0.1:9471");
  if (config->operator_listen().empty()) config->set_operator_listen("127.0.0.1:9470");
  if (config->status_listen().empty()) config->set_status_listen(":8080");
  if (config->database().empty()) config->set_database("/var/lib/mailvane/collector.db");
  if (config->inventory().empty()) config->set_inventory("/etc/mailvane/inventory.yaml");
  v1::AgentSessions& sessions = *config->mutable_sessions();
  if (!sessions.has_heartbeat_interval()) {
    sessions.mutable_heartbeat_interval()->set_seconds(10);
  }
  if (!sessions.has_snapshot_interval()) {
    sessions.mutable_snapshot_interval()->set_seconds(30);
  }
  if (!config->has_finding_shown()) config->mutable_finding_shown()->set_seconds(15 * 60);
  if (!config->ping().has_interval()) {
    config->mutable_ping()->mutable_interval()->set_seconds(10);
  }
}

std::vector<ConfigError> CheckConfig(const v1::CollectorConfig& config,
                                     bool insecure_listen, const ConfigPlaces& places) {
  std::vector<ConfigError> errors;
  const auto fail = [&](const std::string& path, std::string message) {
    const auto place = places.find(path);
    const ConfigPlace at = place == places.end() ? ConfigPlace() : place->second;
    errors.push_back({at.line, at.column, path, std::move(message)});
  };
  const std::pair<const char*, std::string> addresses[] = {
      {"agent_listen", config.agent_listen()},
      {"operator_listen", config.operator_listen()},
      {"status_listen", config.status_listen()}};
  for (const auto& [path, address] : addresses) {
    const absl::Status understood = CheckListenAddress(address);
    if (!understood.ok()) fail(path, std::string(understood.message()));
  }
  const v1::AgentSessions& sessions = config.sessions();
  const auto check_interval = [&](const char* path, absl::Duration interval,
                                  absl::Duration most, const char* range) {
    if (interval < kLeastInterval || interval > most) {
      fail(path, absl::StrCat("must be between ", range));
    }
  };
  check_interval("sessions.heartbeat_interval", FromProto(sessions.heartbeat_interval()),
                 kMostInterval, "100ms and 10m");
  check_interval("sessions.snapshot_interval", FromProto(sessions.snapshot_interval()),
                 kMostInterval, "100ms and 10m");
  check_interval("ping.interval", FromProto(config.ping().interval()), kMostPingInterval,
                 "100ms and 1h");
  if (errors.empty() && !IsLoopback(config.agent_listen()) && !insecure_listen) {
    fail("agent_listen",
         absl::StrCat(config.agent_listen(),
                      " can be reached from elsewhere, and agents are not told apart "
                      "yet: whoever connects could speak for any system.  Listen on "
                      "127.0.0.1, or say --insecure-listen if the network is yours"));
  }
  return errors;
}

std::vector<std::string> ToLines(const std::string& file,
                                 const std::vector<ConfigError>& errors) {
  std::vector<std::string> lines;
  for (const ConfigError& error : errors) lines.push_back(ToString(file, error));
  return lines;
}

}  // namespace

bool IsLoopback(absl::string_view address) {
  // Not a name that only begins so.
  const absl::string_view host = address.substr(0, address.rfind(':'));
  const bool is_ipv4 = host.find_first_not_of("0123456789.") == absl::string_view::npos;
  return (is_ipv4 && absl::StartsWith(host, "127.")) ||
         absl::StartsWith(address, "[::1]:") || absl::StartsWith(address, "localhost:") ||
         absl::StartsWith(address, "unix:");
}

std::vector<std::string> LoadCollectorConfig(const std::string& path,
                                             bool insecure_listen,
                                             LoadedCollectorConfig* loaded) {
  const HostFileSystem files;
  absl::StatusOr<std::string> text = files.ReadAll(path);
  if (!text.ok()) return {std::string(text.status().message())};
  ConfigPlaces places;
  std::vector<ConfigError> errors = ParseYamlConfig(*text, &loaded->config, &places);
  if (IsUnreadable(errors)) return ToLines(path, errors);
  SetDefaults(&loaded->config);
  AddErrors(CheckConfig(loaded->config, insecure_listen, places), &errors);
  std::vector<std::string> lines = ToLines(path, errors);

  const std::string& inventory_path = loaded->config.inventory();
  absl::StatusOr<std::string> inventory = files.ReadAll(inventory_path);
  if (!inventory.ok()) {
    lines.push_back(absl::StrCat(path, ": inventory: ", inventory.status().message()));
    return lines;
  }
  for (std::string& line :
       ToLines(inventory_path, ParseInventory(*inventory, &loaded->inventory))) {
    lines.push_back(std::move(line));
  }
  return lines;
}

}  // namespace mailvane
