#include "tests/collector/view/demo_fleet.h"

#include <cstdio>
#include <cstdlib>

#include "collector/fleet/inventory.h"
#include "platform/file_system.h"

namespace mailvane {
namespace {

const absl::Time kNow =
    absl::FromCivil(absl::CivilSecond(2026, 3, 14, 12, 45, 3), absl::UTCTimeZone());

void AddQueue(v1::Queue queue, uint64_t messages, uint64_t oldest,
              v1::Snapshot* snapshot) {
  v1::QueueDepth* const depth = snapshot->mutable_queue()->add_depths();
  depth->set_queue(queue);
  depth->set_messages(messages);
  depth->set_bytes(messages * 14'336);
  if (messages > 0) depth->set_oldest_age_seconds(oldest);
}

void AddCause(const char* provider, const char* age, const char* reason,
              uint64_t messages, v1::Snapshot* snapshot) {
  v1::QueueCause* const cause = snapshot->mutable_queue()->add_causes();
  cause->set_provider(provider);
  cause->set_age(age);
  cause->set_reason(reason);
  cause->set_messages(messages);
}

void AddDeliveries(const char* provider, v1::DeliveryStatus status, uint64_t count,
                   v1::Snapshot* snapshot) {
  v1::DeliveryCount* const deliveries = snapshot->add_deliveries();
  deliveries->set_provider(provider);
  deliveries->set_status(status);
  deliveries->set_count(count);
}

void AddPing(const char* peer, uint64_t rtt_us, v1::Snapshot* snapshot) {
  v1::PingReading* const ping = snapshot->add_pings();
  ping->set_peer(peer);
  ping->set_verdict(v1::PingReading::VERDICT_PASS);
  ping->set_method(v1::PingReading::METHOD_ICMP);
  ping->set_rtt_us(rtt_us);
}

// Watched for forty days, with an hour and a half of trouble in them.
std::shared_ptr<const std::vector<DayShares>> DemoDays() {
  const absl::CivilDay today = absl::ToCivilDay(kNow, absl::UTCTimeZone());
  std::vector<DayShares> days;
  for (int back = 89; back >= 0; --back) {
    DayShares day;
    day.day = today - back;
    const int seconds = back > 0 ? 86'400 : 12 * 3600 + 45 * 60 + 3;
    if (back == 17) day.down = 5'400;
    if (back == 9) day.maintenance = 3'600;
    if (back >= 40) day.unknown = seconds;
    day.up = seconds - day.down - day.maintenance - day.unknown;
    days.push_back(day);
  }
  return std::make_shared<const std::vector<DayShares>>(days);
}

void Report(SystemState* system, absl::Duration rtt) {
  system->connected = true;
  system->last_seen = kNow - absl::Seconds(4);
  system->agent_version = "0.1.0";
  system->health = Health::kOperational;
  system->health_since = kNow - absl::Hours(9);
  system->ping.state = PingState::kUp;
  system->ping.measured_at = kNow - absl::Seconds(8);
  system->ping.rtt = rtt;
  system->ping.reached_from = 8;
  system->ping.asked_from = 8;
  system->measurements = std::make_shared<v1::Snapshot>(DemoMeasurements(system->id));
  system->measured_at = kNow - absl::Seconds(21);
  if (system->lifecycle == Lifecycle::kOperational) system->days = DemoDays();
}

}  // namespace

absl::Time DemoTime() { return kNow; }

v1::Snapshot DemoMeasurements(const std::string& id) {
  v1::Snapshot snapshot;
  snapshot.set_revision(512);
  snapshot.mutable_host()->set_name(id);
  snapshot.mutable_counting_since()->set_seconds(absl::ToUnixSeconds(kNow) - 86'400);
  for (const char* name : {"postfix_log", "postfix_queue"}) {
    v1::SourceReading* const source = snapshot.add_sources();
    source->set_source(name);
    source->set_location("/var/spool/private/place");
    if (std::string(name) == "postfix_log") source->set_lag_bytes(0);
  }
  snapshot.mutable_queue()->set_age_ms(1500);
  AddQueue(v1::QUEUE_ACTIVE, 3, 12, &snapshot);
  AddQueue(v1::QUEUE_INCOMING, 0, 0, &snapshot);
  AddQueue(v1::QUEUE_DEFERRED, 41, 19'200, &snapshot);
  AddQueue(v1::QUEUE_HOLD, 0, 0, &snapshot);
  AddCause("google", "under_1h", "rate_limited", 30, &snapshot);
  AddCause("unknown", "older", "unknown", 11, &snapshot);
  snapshot.mutable_queue()->set_expiring(5);
  snapshot.mutable_queue()->set_forwarded(12);
  snapshot.mutable_queue()->set_arrived(60);
  snapshot.mutable_queue()->set_left(120);
  snapshot.mutable_queue()->set_counted_over_seconds(600);
  AddPing("collector", 9'400, &snapshot);
  AddPing("NC036", 88'250, &snapshot);
  AddDeliveries("google", v1::DELIVERY_STATUS_SENT, 18'114, &snapshot);
  AddDeliveries("google", v1::DELIVERY_STATUS_DEFERRED, 37, &snapshot);
  AddDeliveries("local", v1::DELIVERY_STATUS_SENT, 25'771, &snapshot);
  snapshot.mutable_log()->set_lines(912'345);
  snapshot.mutable_log()->set_parsed(912'000);
  snapshot.mutable_log()->set_other(345);
  v1::FindingCount* const finding = snapshot.add_findings();
  finding->set_type("account_watch");
  finding->set_level(v1::LEVEL_WARNING);
  finding->set_count(1);
  snapshot.set_accounts_suspected(1);
  for (const char* zone : {"zen.spamhaus.org", "truncate.gbudb.net"}) {
    v1::ListCondition* const list = snapshot.mutable_blocklists()->add_lists();
    list->set_zone(zone);
    list->set_state(v1::ListCondition::STATE_HEALTHY);
    list->add_kinds("v4");
  }
  v1::Road* const road = snapshot.add_roads();
  road->set_provider("microsoft");
  road->set_scope("ip");
  road->set_state(v1::Road::STATE_BLOCKED);
  road->mutable_since()->set_seconds(absl::ToUnixSeconds(kNow) - 7'200);
  return snapshot;
}

std::string ReadFileOrDie(const std::string& path) {
  const absl::StatusOr<std::string> text = HostFileSystem().ReadAll(path);
  if (!text.ok()) {
    fprintf(stderr, "%s\n", std::string(text.status().message()).c_str());
    abort();
  }
  return *text;
}

SystemState& FindSystem(FleetSnapshot& fleet, const std::string& id) {
  for (SystemState& system : fleet.systems) {
    if (system.id == id) return system;
  }
  fprintf(stderr, "no system %s\n", id.c_str());
  abort();
}

FleetSnapshot DemoFleet() {
  FleetSnapshot fleet;
  fleet.at = kNow;
  v1::Inventory inventory;
  const auto errors =
      ParseInventory(ReadFileOrDie("deploy/demo/inventory.yaml"), &inventory);
  if (!errors.empty()) abort();
  for (const v1::System& system : inventory.systems()) {
    fleet.systems.push_back(SystemFromInventory(system));
  }
  Report(&FindSystem(fleet, "NC018"), absl::Microseconds(31'400));
  Report(&FindSystem(fleet, "NC021"), absl::Microseconds(14'900));
  Report(&FindSystem(fleet, "NC023"), absl::Microseconds(71'000));
  Report(&FindSystem(fleet, "NC025"), absl::Microseconds(22'300));
  Report(&FindSystem(fleet, "NC030"), absl::Microseconds(187'000));
  Report(&FindSystem(fleet, "NC033"), absl::Microseconds(263'000));
  Report(&FindSystem(fleet, "NC036"), absl::Microseconds(870));

  SystemState& blind = FindSystem(fleet, "NC025");
  v1::Snapshot unreadable = *blind.measurements;
  unreadable.mutable_queue()->Clear();
  unreadable.mutable_queue()->set_unavailable(v1::UNAVAILABLE_PERMISSION_DENIED);
  unreadable.mutable_queue()->set_detail("open /var/spool/postfix: permission denied");
  unreadable.mutable_sources(1)->set_unavailable(v1::UNAVAILABLE_PERMISSION_DENIED);
  unreadable.mutable_sources(1)->set_detail("open /var/spool/postfix: permission denied");
  blind.measurements = std::make_shared<v1::Snapshot>(unreadable);

  SystemState& silent = FindSystem(fleet, "NC027");
  silent.last_seen = kNow - absl::Minutes(4);
  silent.agent_version = "0.1.0";
  silent.health_why = "No report for 4 min.";
  silent.health_since = kNow - absl::Minutes(3);
  silent.ping.state = PingState::kDown;
  silent.ping.measured_at = kNow - absl::Seconds(6);
  silent.ping.asked_from = 8;
  silent.ping.why = "No answer to any of 8 places.";

  SystemState& degraded = FindSystem(fleet, "NC030");
  degraded.health = Health::kDegraded;
  degraded.health_why = "Mail waits longer than usual.";
  degraded.health_since = kNow - absl::Minutes(52);

  fleet.posts.push_back({2, kNow - absl::Minutes(3), "NC027", "NC027: No data",
                         "The last report came at 12:41:03 UTC."});
  fleet.posts.push_back({1, kNow - absl::Minutes(52), "NC030", "NC030: Degraded",
                         "Mail waits longer than usual.\n\nNothing is lost."});

  fleet.stats.sessions_opened = 19;
  fleet.stats.sessions_now = 7;
  fleet.stats.frames_received = 120'345;
  fleet.stats.events_committed = 981;
  fleet.stats.events_duplicate = 4;
  fleet.stats.store_commits = 512;
  fleet.stats.store_commit_time = absl::Milliseconds(1792);
  fleet.stats.started_at = kNow - absl::Hours(30);
  return fleet;
}

}  // namespace mailvane
