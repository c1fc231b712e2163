#include "agent/config.h"

#include <functional>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/lists_config.h"
#include "agent/reputation/subject.h"
#include "platform/file_system.h"
#include "platform/proto_time.h"
#include "platform/resolver.h"
#include "platform/yaml_config.h"

namespace mailvane {
namespace {

constexpr uint64_t kDefaultOutboxBytes = 64 << 20;
// Less would be full with one bad hour.
constexpr uint64_t kLeastOutboxBytes = 64 << 10;
constexpr size_t kMostIdBytes = 64;

// Less would be a busy loop, more a reading that nobody can call present.
constexpr absl::Duration kLeastInterval = absl::Milliseconds(100);
constexpr absl::Duration kMostInterval = absl::Hours(1);
// Lists count questions, and change no faster.
constexpr absl::Duration kLeastListInterval = absl::Minutes(1);
constexpr absl::Duration kMostListInterval = absl::Hours(24);

bool IsOneOf(const std::string& word, std::initializer_list<const char*> words) {
  for (const char* one : words) {
    if (word == one) return true;
  }
  return false;
}

bool IsHostAndPort(absl::string_view text) {
  const size_t colon = text.rfind(':');
  int port = 0;
  return colon != absl::string_view::npos && colon > 0 &&
         absl::SimpleAtoi(text.substr(colon + 1), &port) && port > 0 && port < 65536;
}

bool IsId(absl::string_view text) {
  if (text.empty() || text.size() > kMostIdBytes) return false;
  for (char c : text) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-' && c != '_') return false;
  }
  return true;
}

void SetDefault(int64_t seconds, google::protobuf::Duration* duration) {
  if (duration->seconds() == 0 && duration->nanos() == 0) duration->set_seconds(seconds);
}

void SetDefaults(const std::string& host_name, v1::AgentConfig* config) {
  if (config->id().empty()) config->set_id(host_name.substr(0, host_name.find('.')));
  if (config->state_directory().empty()) config->set_state_directory("/var/lib/mailvane");
  v1::AgentLog& log = *config->mutable_log();
  if (log.source().empty()) log.set_source("auto");
  if (log.start_at().empty()) log.set_start_at("end");
  SetDefault(10, config->mutable_ping()->mutable_interval());
  SetDefault(30, config->mutable_intervals()->mutable_snapshot());
  SetDefault(10, config->mutable_intervals()->mutable_heartbeat());
  SetDefault(30, config->mutable_intervals()->mutable_queue());
  v1::AgentBlocklists& blocklists = *config->mutable_blocklists();
  if (!blocklists.has_enabled()) blocklists.set_enabled(true);
  SetDefault(3600, blocklists.mutable_interval());
  if (blocklists.daily_questions() == 0) blocklists.set_daily_questions(2000);
  if (config->limits().outbox_bytes() == 0) {
    config->mutable_limits()->set_outbox_bytes(kDefaultOutboxBytes);
  }
}

using Fail = std::function<void(const std::string& path, std::string message)>;

// Files that it names are read here, so that --check-config finds what is wrong
// with them.
void CheckBlocklists(const v1::AgentBlocklists& blocklists, const Fail& fail) {
  for (const auto* subjects : {&blocklists.addresses(), &blocklists.domains()}) {
    for (const std::string& text : *subjects) {
      const absl::StatusOr<Subject> subject = ParseSubject(text);
      const bool domain = subjects == &blocklists.domains();
      const std::string path = domain ? "blocklists.domains" : "blocklists.addresses";
      if (!subject.ok()) {
        fail(path, std::string(subject.status().message()));
      } else if (domain != (subject->kind == SubjectKind::kDomain)) {
        fail(path, absl::StrCat(text, domain ? ": is no domain" : ": is no address"));
      }
    }
  }
  for (const std::string& resolver : blocklists.resolvers()) {
    if (!IsResolverAddress(resolver)) {
      fail("blocklists.resolvers",
           absl::StrCat(resolver, ": is no address of a resolver (try 127.0.0.1:53)"));
    }
  }
  const absl::Duration interval = FromProto(blocklists.interval());
  if (interval < kLeastListInterval || interval > kMostListInterval) {
    fail("blocklists.interval", "must be between 1m and 1d");
  }
  if (!blocklists.enabled()) return;
  const absl::Status lists = LoadLists(blocklists, HostFileSystem()).status();
  if (!lists.ok()) fail("blocklists", std::string(lists.message()));
}

std::vector<ConfigError> Check(const v1::AgentConfig& config,
                               const ConfigPlaces& places) {
  std::vector<ConfigError> errors;
  const auto fail = [&](const std::string& path, std::string message) {
    const auto place = places.find(path);
    const ConfigPlace at = place == places.end() ? ConfigPlace() : place->second;
    errors.push_back({at.line, at.column, path, std::move(message)});
  };
  if (config.collector().empty()) {
    fail("collector", "is missing: where does the collector listen? (host:port)");
  }
  for (int i = 0; i < config.collector_size(); ++i) {
    if (IsHostAndPort(config.collector(i))) continue;
    const std::string item = absl::StrCat("collector[", i, "]");
    fail(places.count(item) > 0 ? item : "collector",
         "is no host:port (try collector.example.net:9471)");
  }
  if (!IsId(config.id())) {
    fail("id", "must be 1 to 64 letters, digits, dots, dashes or underscores");
  }
  if (!IsOneOf(config.log().source(), {"auto", "file", "journal", "none"})) {
    fail("log.source", "is none of auto, file, journal, none");
  }
  if (!IsOneOf(config.log().start_at(), {"end", "beginning"})) {
    fail("log.start_at", "is neither end nor beginning");
  }
  const std::pair<const char*, absl::Duration> intervals[] = {
      {"ping.interval", FromProto(config.ping().interval())},
      {"intervals.snapshot", FromProto(config.intervals().snapshot())},
      {"intervals.heartbeat", FromProto(config.intervals().heartbeat())},
      {"intervals.queue", FromProto(config.intervals().queue())}};
  for (const auto& [path, interval] : intervals) {
    if (interval < kLeastInterval || interval > kMostInterval) {
      fail(path, "must be between 100ms and 1h");
    }
  }
  CheckBlocklists(config.blocklists(), fail);
  if (config.limits().outbox_bytes() < kLeastOutboxBytes) {
    fail("limits.outbox_bytes", absl::StrCat("is below ", kLeastOutboxBytes));
  }
  return errors;
}

}  // namespace

std::vector<std::string> LoadAgentConfig(const std::string& path,
                                         const std::string& host_name,
                                         v1::AgentConfig* config) {
  absl::StatusOr<std::string> text = HostFileSystem().ReadAll(path);
  if (!text.ok()) return {std::string(text.status().message())};
  ConfigPlaces places;
  std::vector<ConfigError> errors = ParseYamlConfig(*text, config, &places);
  if (!IsUnreadable(errors)) {
    SetDefaults(host_name, config);
    AddErrors(Check(*config, places), &errors);
  }
  std::vector<std::string> lines;
  for (const ConfigError& error : errors) lines.push_back(ToString(path, error));
  return lines;
}

}  // namespace mailvane
