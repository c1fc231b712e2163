#include "collector/view/json_api.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "collector/alert/rule.h"
#include "collector/view/fingerprint.h"
#include "collector/view/html.h"
#include "collector/view/vocabulary.h"
#include "nlohmann/json.hpp"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

using Json = nlohmann::ordered_json;

std::string Rfc3339(absl::Time time) {
  return absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ", time, absl::UTCTimeZone());
}

// Free text: what hides or turns text has no place in JSON either.
std::string Clean(absl::string_view text) { return WithoutControlCharacters(text); }

std::string Dump(const Json& document) {
  return document.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

// Statuspage has no word for "unknown", nor for a system not in service.
const char* ComponentStatus(const SystemState& system) {
  Health health = system.health;
  if (health == Health::kUnknown) {
    if (system.lifecycle == Lifecycle::kPlanned ||
        system.lifecycle == Lifecycle::kProvisioning ||
        system.lifecycle == Lifecycle::kRetired) {
      return "under_maintenance";
    }
    // Never seen well: not to be called operational.
    health = system.last_known_health.value_or(Health::kDegraded);
  }
  switch (health) {
    case Health::kOperational:
      return "operational";
    case Health::kUnknown:
    case Health::kDegraded:
      return "degraded_performance";
    case Health::kPartialOutage:
      return "partial_outage";
    case Health::kMajorOutage:
      return "major_outage";
    case Health::kMaintenance:
      return "under_maintenance";
  }
  return "degraded_performance";
}

Json Page(const FleetSnapshot& fleet, const PageSettings& settings) {
  absl::Time updated = fleet.stats.started_at;
  for (const SystemState& system : fleet.systems) {
    if (system.is_public) updated = std::max(updated, system.health_since);
  }
  for (const Post* post : PublicPosts(fleet))
    updated = std::max(updated, post->created_at);
  return {{"id", PublicId(absl::StrCat("page ", settings.url, " ", settings.title))},
          {"name", settings.title},
          {"url", settings.url},
          {"time_zone", "Etc/UTC"},
          {"updated_at", Rfc3339(updated)}};
}

std::string PageId(const Json& page) { return page["id"].get<std::string>(); }

Json Components(const FleetSnapshot& fleet, const std::string& page_id) {
  Json components = Json::array();
  int position = 0;
  for (const SystemState& system : fleet.systems) {
    if (!system.is_public) continue;
    const std::string changed = Rfc3339(std::max(system.health_since, absl::UnixEpoch()));
    const std::string name = system.location.empty()
                                 ? system.name
                                 : absl::StrCat(system.name, ", ", system.location);
    components.push_back(
        {{"id", PublicId(absl::StrCat("system ", system.id))},
         {"name", Clean(name)},
         {"status", ComponentStatus(system)},
         // The inventory doesn't say since when.
         {"created_at", Rfc3339(absl::UnixEpoch())},
         {"updated_at", changed},
         {"position", ++position},
         {"description",
          system.description.empty() ? Json(nullptr) : Json(Clean(system.description))},
         {"showcase", true},
         {"start_date", nullptr},
         {"group_id", nullptr},
         {"page_id", page_id},
         {"group", false},
         {"only_show_if_degraded", false}});
  }
  return components;
}

// The worst of the systems in service, in Statuspage's words.
Json Status(const FleetSnapshot& fleet) {
  int systems = 0, major = 0, partial = 0, degraded = 0, maintenance = 0;
  for (const SystemState& system : fleet.systems) {
    if (!system.is_public || system.lifecycle == Lifecycle::kPlanned ||
        system.lifecycle == Lifecycle::kProvisioning ||
        system.lifecycle == Lifecycle::kRetired) {
      continue;
    }
    ++systems;
    const absl::string_view status = ComponentStatus(system);
    major += status == "major_outage";
    partial += status == "partial_outage";
    degraded += status == "degraded_performance";
    maintenance += status == "under_maintenance";
  }
  const char* indicator = "none";
  const char* description = "All Systems Operational";
  if (major > 0 && major == systems) {
    indicator = "critical";
    description = "Major Service Outage";
  } else if (major > 0) {
    indicator = "major";
    description = "Partial System Outage";
  } else if (partial > 0) {
    indicator = "minor";
    description = "Minor Service Outage";
  } else if (degraded > 0) {
    indicator = "minor";
    description = "Partially Degraded Service";
  } else if (maintenance > 0) {
    indicator = "maintenance";
    description = "Service Under Maintenance";
  }
  return {{"indicator", indicator}, {"description", description}};
}

Json NullableTime(const std::optional<absl::Time>& time) {
  return time.has_value() ? Json(Rfc3339(*time)) : Json(nullptr);
}

const char* VerdictWord(v1::PingReading::Verdict verdict) {
  switch (static_cast<int>(verdict)) {
    case v1::PingReading::VERDICT_PASS:
      return "pass";
    case v1::PingReading::VERDICT_FAIL:
      return "fail";
    default:
      return "unknown";
  }
}

Json NullableReason(v1::Unavailable unavailable) {
  return unavailable == v1::UNAVAILABLE_UNSPECIFIED
             ? Json(nullptr)
             : Json(std::string(ReasonLabel(unavailable)));
}

Json Queue(const v1::QueueReading& queue, absl::Time measured_at) {
  Json depths = Json::array();
  for (const v1::QueueDepth& depth : queue.depths()) {
    depths.push_back({{"queue", std::string(QueueLabel(depth.queue()))},
                      {"messages", depth.messages()},
                      {"bytes", depth.bytes()},
                      {"oldest_age_seconds", depth.has_oldest_age_seconds()
                                                 ? Json(depth.oldest_age_seconds())
                                                 : Json(nullptr)}});
  }
  Json causes = Json::array();
  for (const v1::QueueCause& cause : queue.causes()) {
    causes.push_back({{"provider", std::string(ProviderLabel(cause.provider()))},
                      {"age", std::string(QueueAgeLabel(cause.age()))},
                      {"reason", std::string(QueueReasonLabel(cause.reason()))},
                      {"messages", cause.messages()},
                      {"bytes", cause.bytes()}});
  }
  const auto nullable = [](bool known, uint64_t value) {
    return known ? Json(value) : Json(nullptr);
  };
  return {{"unavailable", NullableReason(queue.unavailable())},
          {"detail", Clean(queue.detail())},
          {"read_at", Rfc3339(measured_at - absl::Milliseconds(queue.age_ms()))},
          {"depths", depths},
          {"causes", causes},
          {"arrived", nullable(queue.has_arrived(), queue.arrived())},
          {"left", nullable(queue.has_left(), queue.left())},
          {"counted_over_seconds",
           nullable(queue.has_counted_over_seconds(), queue.counted_over_seconds())},
          {"expiring_within_6h", nullable(queue.has_expiring(), queue.expiring())},
          {"forwarded", nullable(queue.has_forwarded(), queue.forwarded())}};
}

// What the agent measured, in the words of its snapshot.
Json Measurements(const SystemState& system) {
  const v1::Snapshot& snapshot = *system.measurements;
  Json sources = Json::array();
  for (const v1::SourceReading& source : snapshot.sources()) {
    sources.push_back({{"source", Clean(source.source())},
                       {"unavailable", NullableReason(source.unavailable())},
                       {"detail", Clean(source.detail())},
                       {"location", Clean(source.location())},
                       {"lag_bytes", source.has_lag_bytes() ? Json(source.lag_bytes())
                                                            : Json(nullptr)}});
  }
  Json pings = Json::array();
  for (const v1::PingReading& ping : snapshot.pings()) {
    pings.push_back(
        {{"peer", Clean(ping.peer())},
         {"verdict", VerdictWord(ping.verdict())},
         {"rtt_seconds", ping.has_rtt_us() ? Json(ping.rtt_us() / 1e6) : Json(nullptr)},
         {"sent", ping.sent()},
         {"received", ping.received()},
         {"detail", Clean(ping.detail())}});
  }
  Json deliveries = Json::array();
  for (const v1::DeliveryCount& count : snapshot.deliveries()) {
    deliveries.push_back({{"provider", Clean(count.provider())},
                          {"status", std::string(StatusLabel(count.status()))},
                          {"count", count.count()}});
  }
  Json findings = Json::array();
  for (const v1::FindingCount& count : snapshot.findings()) {
    findings.push_back({{"type", Clean(count.type())},
                        {"level", std::string(LevelLabel(count.level()))},
                        {"count", count.count()}});
  }
  Json programs = Json::array();
  for (const v1::MailProgram& program : snapshot.host().programs()) {
    programs.push_back(
        {{"name", Clean(program.name())},
         {"version", Clean(program.version())},
         {"running", program.has_running() ? Json(program.running()) : Json(nullptr)}});
  }
  Json addresses = Json::array();
  for (const std::string& address : snapshot.host().public_addresses()) {
    addresses.push_back(Clean(address));
  }
  Json log = nullptr;
  if (snapshot.has_log()) {
    log = {{"lines", snapshot.log().lines()},
           {"parsed", snapshot.log().parsed()},
           {"other", snapshot.log().other()},
           {"unparsed", snapshot.log().unparsed()},
           {"ambiguous", snapshot.log().ambiguous()}};
  }
  return {{"at", Rfc3339(system.measured_at)},
          {"host",
           {{"name", Clean(snapshot.host().name())},
            {"os", Clean(snapshot.host().os())},
            {"public_addresses", addresses},
            {"programs", programs}}},
          {"sources", sources},
          {"queue", snapshot.has_queue() ? Queue(snapshot.queue(), system.measured_at)
                                         : Json(nullptr)},
          {"pings", pings},
          {"deliveries", deliveries},
          {"log", log},
          {"findings", findings},
          {"counting_since",
           snapshot.has_counting_since()
               ? Json(Rfc3339(absl::FromUnixSeconds(snapshot.counting_since().seconds())))
               : Json(nullptr)}};
}

}  // namespace

std::string PublicId(absl::string_view name) {
  uint64_t number = Fingerprint(name);
  // FNV's high bits are its better ones: mix them into the low ones (splitmix64).
  number = (number ^ (number >> 30)) * 0xbf58476d1ce4e5b9;
  number = (number ^ (number >> 27)) * 0x94d049bb133111eb;
  number ^= number >> 31;
  std::string id(12, '0');
  for (char& c : id) {
    c = "0123456789abcdefghijklmnopqrstuvwxyz"[number % 36];
    number /= 36;
  }
  return id;
}

std::string RenderV2Summary(const FleetSnapshot& fleet, const PageSettings& settings) {
  const Json page = Page(fleet, settings);
  return Dump({{"page", page},
               {"components", Components(fleet, PageId(page))},
               {"incidents", Json::array()},
               {"scheduled_maintenances", Json::array()},
               {"status", Status(fleet)}});
}

std::string RenderV2Status(const FleetSnapshot& fleet, const PageSettings& settings) {
  return Dump({{"page", Page(fleet, settings)}, {"status", Status(fleet)}});
}

std::string RenderV2Components(const FleetSnapshot& fleet, const PageSettings& settings) {
  const Json page = Page(fleet, settings);
  return Dump({{"page", page}, {"components", Components(fleet, PageId(page))}});
}

std::string RenderV2Incidents(const FleetSnapshot& fleet, const PageSettings& settings) {
  return Dump({{"page", Page(fleet, settings)}, {"incidents", Json::array()}});
}

std::string RenderV2Maintenances(const FleetSnapshot& fleet,
                                 const PageSettings& settings) {
  return Dump(
      {{"page", Page(fleet, settings)}, {"scheduled_maintenances", Json::array()}});
}

std::string RenderAlerts(const FleetSnapshot& fleet) {
  Json alerts = Json::array();
  for (const v1::Alert& alert : *fleet.alerts) {
    const Rule* rule = FindRule(alert.rule());
    const auto time = [](bool is_there, const google::protobuf::Timestamp& at) {
      return is_there ? Json(Rfc3339(FromProto(at))) : Json(nullptr);
    };
    alerts.push_back(
        {{"id", alert.id()},
         {"rule", alert.rule()},
         {"state", Name(alert.state())},
         {"severity", Name(alert.severity())},
         {"system", alert.system()},
         {"subject", Clean(alert.subject())},
         {"what", rule == nullptr ? "" : std::string(rule->what)},
         {"detail", Clean(alert.detail())},
         {"first_step", rule == nullptr ? "" : std::string(rule->first_step)},
         {"since", time(alert.has_since(), alert.since())},
         {"fired_at", time(alert.has_fired_at(), alert.fired_at())},
         {"held_at", time(alert.has_held_at(), alert.held_at())},
         {"resolved_at", time(alert.has_resolved_at(), alert.resolved_at())},
         {"flapping", alert.flapping()},
         {"late", alert.late()},
         {"silenced_by", alert.silenced_by()},
         {"storm", alert.folded_into()},
         {"members", alert.members()}});
  }
  return Dump({{"alerts", alerts}});
}

std::string RenderSystems(const FleetSnapshot& fleet, absl::Time now) {
  Json systems = Json::array();
  for (const SystemState& system : fleet.systems) {
    Json reasons = Json::array();
    for (const std::string& reason : PublicReasons(system))
      reasons.push_back(Clean(reason));
    const PingSummary& ping = system.ping;
    systems.push_back(
        {{"id", system.id},
         {"name", Clean(system.name)},
         {"location", Clean(system.location)},
         {"country", Clean(system.country)},
         {"description", Clean(system.description)},
         {"public", system.is_public},
         {"lifecycle", Name(system.lifecycle)},
         {"status", StatusWord(system)},
         {"health", Name(system.health)},
         {"health_why", Clean(system.health_why)},
         {"health_since", Rfc3339(system.health_since)},
         {"reasons", reasons},
         {"agent",
          {{"connected", system.connected},
           {"last_seen", NullableTime(system.last_seen)},
           {"version", Clean(system.agent_version)}}},
         {"ping",
          {{"state", Name(ping.state)},
           {"why", Clean(ping.why)},
           {"measured_at", NullableTime(ping.measured_at)},
           {"rtt_seconds", ping.rtt.has_value() ? Json(absl::ToDoubleSeconds(*ping.rtt))
                                                : Json(nullptr)},
           {"reached_from", ping.reached_from},
           {"asked_from", ping.asked_from}}},
         // Null while the agent is silent: old measurements are not present ones.
         {"measurements", system.connected && system.measurements != nullptr
                              ? Measurements(system)
                              : Json(nullptr)}});
  }
  Json posts = Json::array();
  for (const Post& post : fleet.posts) {
    posts.push_back({{"id", post.id},
                     {"created_at", Rfc3339(post.created_at)},
                     {"system", Clean(post.system)},
                     {"title", Clean(post.title)},
                     {"body", Clean(post.body)}});
  }
  return Dump({{"at", Rfc3339(fleet.at)},
               {"made_at", Rfc3339(now)},
               {"systems", systems},
               {"posts", posts}});
}

}  // namespace mailvane
