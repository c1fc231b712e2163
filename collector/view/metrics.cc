#include "collector/view/metrics.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/types/span.h"
#include "collector/alert/rule.h"
#include "collector/view/vocabulary.h"
#include "nlohmann/json.hpp"
#include "prometheus/collectable.h"
#include "prometheus/metric_family.h"
#include "prometheus/text_serializer.h"

namespace mailvane {
namespace {

constexpr MetricFamily kConnected = {"mailvane_agent_connected", MetricType::kGauge,
                                     "server",
                                     "Whether the agent is heard: at 0 it missed three "
                                     "heartbeats, and its measurements are "
                                     "gone."};
constexpr MetricFamily kLastSeen = {
    "mailvane_agent_last_seen_timestamp_seconds", MetricType::kGauge, "server",
    "When the agent was heard last, by the collector's clock; it stands still while the "
    "agent is silent. Absent: never heard."};
constexpr MetricFamily kInfo = {
    "mailvane_agent_info", MetricType::kGauge, "server, version",
    "Always 1; another version label: the agent was upgraded. Absent: never heard."};
constexpr MetricFamily kLifecycle = {
    "mailvane_system_lifecycle", MetricType::kGauge, "server, lifecycle",
    "Always 1; another lifecycle label: the operator says so in the inventory."};
constexpr MetricFamily kStatus = {
    "mailvane_system_status", MetricType::kGauge, "server, status",
    "1 for the health that the system has, 0 for each other: the 1 moves when the health "
    "changes. unknown is neither good nor bad."};
constexpr MetricFamily kPingUp = {"mailvane_ping_up", MetricType::kGauge, "server",
                                  "1: the system answers pings from enough places, 0: it "
                                  "does not. Absent: nobody could "
                                  "tell."};
constexpr MetricFamily kPingRtt = {
    "mailvane_ping_rtt_seconds", MetricType::kGauge, "server, peer",
    "Round trip from the server to the peer; a rise means a slower way. Absent: no "
    "answer."};
constexpr MetricFamily kSnapshotTime = {
    "mailvane_agent_snapshot_timestamp_seconds", MetricType::kGauge, "server",
    "When the collector got the measurements shown here; it stands still when the agent "
    "measures no more."};
constexpr MetricFamily kStartTime = {
    "mailvane_agent_start_timestamp_seconds", MetricType::kGauge, "server",
    "When the agent's process, and with it each of its counters, began; a change is a "
    "restart."};
constexpr MetricFamily kSourceUp = {
    "mailvane_source_up", MetricType::kGauge, "server, source",
    "Whether the agent can read this source of its host; at 0 the agent is blind there."};
constexpr MetricFamily kSourceUnavailable = {
    "mailvane_source_unavailable", MetricType::kGauge, "server, source, reason",
    "1 for the reason why a source cannot be read; absent while it can."};
constexpr MetricFamily kSourceLag = {"mailvane_source_lag_bytes", MetricType::kGauge,
                                     "server, source",
                                     "How far the agent is behind the source's end; a "
                                     "steady rise means that it cannot keep "
                                     "up."};
constexpr MetricFamily kQueueReadable = {
    "mailvane_queue_readable", MetricType::kGauge, "server",
    "Whether the mail queue could be read; at 0 its numbers are absent, not 0."};
constexpr MetricFamily kQueueUnavailable = {
    "mailvane_queue_unavailable", MetricType::kGauge, "server, reason",
    "1 for the reason why the mail queue cannot be read; absent while it can."};
constexpr MetricFamily kQueueRead = {
    "mailvane_queue_read_timestamp_seconds", MetricType::kGauge, "server",
    "When the agent read the mail queue; it stands still when it reads it no more."};
constexpr MetricFamily kQueueMessages = {"mailvane_queue_messages", MetricType::kGauge,
                                         "server, queue",
                                         "Messages in the queue; growth of deferred "
                                         "means that other servers refuse or delay our "
                                         "mail."};
constexpr MetricFamily kQueueBytes = {
    "mailvane_queue_bytes", MetricType::kGauge, "server, queue",
    "Size of the queue's messages; growth fills the disk."};
constexpr MetricFamily kQueueOldest = {"mailvane_queue_oldest_age_seconds",
                                       MetricType::kGauge, "server, queue",
                                       "Age of the queue's oldest message; a steady rise "
                                       "means that something is stuck. Absent "
                                       "while the queue is empty."};
constexpr MetricFamily kQueueCauses = {
    "mailvane_queue_messages_by_cause", MetricType::kGauge,
    "server, provider, age, reason",
    "Messages in the queue by who would have to take them, their age, and what the last "
    "reply meant; the largest parts, the rest as reason other. Growth says where to "
    "look."};
constexpr MetricFamily kQueueExpiring = {
    "mailvane_queue_expiring_messages", MetricType::kGauge, "server",
    "Messages that are given up within six hours unless they are taken; above 0 somebody "
    "is about to get a bounce. Absent: the lifetime is not known."};
constexpr MetricFamily kQueueForwarded = {
    "mailvane_queue_forwarded_messages", MetricType::kGauge, "server",
    "Messages in the queue that an alias or a forward of the server sends elsewhere; "
    "growth means that forwarded mail is no longer taken. Absent: nothing says."};
constexpr MetricFamily kQueueArrivals = {
    "mailvane_queue_arrivals_per_second", MetricType::kGauge, "server",
    "Messages that came to stand in the queue, over the last ten minutes; above the "
    "departures the queue grows."};
constexpr MetricFamily kQueueDepartures = {
    "mailvane_queue_departures_per_second", MetricType::kGauge, "server",
    "Messages that stood in the queue and left it, over the last ten minutes; at 0 "
    "nothing is taken."};
constexpr MetricFamily kQueueDrain = {
    "mailvane_queue_drain_seconds", MetricType::kGauge, "server",
    "How long the queue will take to empty at the present rates. Absent: it does not "
    "shrink, or is empty."};
constexpr MetricFamily kDeliveries = {"mailvane_deliveries_total", MetricType::kCounter,
                                      "server, provider, status",
                                      "Delivery attempts by recipient and outcome; a "
                                      "higher share of deferred or bounced at "
                                      "one provider means that it is refusing us."};
constexpr MetricFamily kLogRead = {
    "mailvane_log_lines_read_total", MetricType::kCounter, "server",
    "Lines read from the log; no growth means that nothing "
    "is logged, or read."};
constexpr MetricFamily kLogLines = {
    "mailvane_log_lines_total", MetricType::kCounter, "server, result",
    "What became of the log's lines; growth of unparsed or ambiguous means lines that we "
    "cannot read, or that somebody forges."};
constexpr MetricFamily kFindings = {
    "mailvane_findings_total", MetricType::kCounter, "server, type, level",
    "What the agent's analyzers reported; each growth is one more finding."};
constexpr MetricFamily kAccountFindings = {"mailvane_account_findings_total",
                                           MetricType::kCounter, "server, level",
                                           "Findings about accounts; growth means an "
                                           "account that may be in a stranger's hands."};
constexpr MetricFamily kAccountsSuspected = {"mailvane_accounts_suspected",
                                             MetricType::kGauge, "server",
                                             "Accounts found suspicious or stolen within "
                                             "a day; more than zero means that somebody "
                                             "should look at the findings."};

constexpr MetricFamily kProviderBlocked = {
    "mailvane_provider_blocked", MetricType::kGauge, "server, provider, scope",
    "1: the provider refuses the server's mail because of this, 0: it did so, or slowed "
    "it down, within a day. Absent: nothing of the kind was heard."};
constexpr MetricFamily kProviderLimited = {
    "mailvane_provider_limited", MetricType::kGauge, "server, provider, scope",
    "1: the provider takes the server's mail slowly because of this, 0: no longer, or "
    "not "
    "at all. Absent: nothing of the kind was heard."};
constexpr MetricFamily kBlocklistListed = {
    "mailvane_blocklist_listed", MetricType::kGauge, "server, zone, ip_family",
    "1: the list has an address (or domain) of the server, 0: it has none. Absent: "
    "nobody could tell, or the list cannot be believed."};
constexpr MetricFamily kBlocklistHealthy = {
    "mailvane_blocklist_zone_healthy", MetricType::kGauge, "server, zone",
    "1: the list passes its own test points, 0: what it says is worth nothing. Absent: "
    "it could not be asked."};

constexpr Health kHealths[] = {
    Health::kOperational, Health::kDegraded,    Health::kPartialOutage,
    Health::kMajorOutage, Health::kMaintenance, Health::kUnknown,
};

double Seconds(absl::Time time) {
  return static_cast<double>(absl::ToUnixMillis(time)) / 1000;
}

double Seconds(const google::protobuf::Timestamp& time) {
  return static_cast<double>(time.seconds()) + time.nanos() / 1e9;
}

// A sum under at most two labels, whose values are literals.
struct Sum {
  absl::string_view first;
  absl::string_view second;
  uint64_t value;
};

// An agent may say a thing twice, or make up several names that all become
// "other": one series for each pair of labels, or Prometheus refuses the rest.
void Add(absl::string_view first, absl::string_view second, uint64_t value,
         std::vector<Sum>* sums) {
  for (Sum& sum : *sums) {
    if (sum.first == first && sum.second == second) {
      sum.value += value;
      return;
    }
  }
  sums->push_back({first, second, value});
}

struct QueueSums {
  absl::string_view queue;
  uint64_t messages = 0;
  uint64_t bytes = 0;
  std::optional<uint64_t> oldest_age_seconds;
};

struct SourceSum {
  absl::string_view source;
  bool up = true;
  std::vector<absl::string_view> reasons;
  std::optional<uint64_t> lag_bytes;
};

struct CauseSum {
  absl::string_view provider, age, reason;
  uint64_t messages;
};

// One system, with what its agent said folded into the closed sets of labels.
struct Series {
  const SystemState* system;
  std::string server;  // rendered label
  // Null: silent, and all below is empty.
  const v1::Snapshot* snapshot = nullptr;
  std::vector<SourceSum> sources;
  std::vector<QueueSums> queues;
  std::vector<CauseSum> causes;
  std::vector<Sum> deliveries;
  std::vector<Sum> findings;
  std::vector<Sum> account_findings;
  std::map<absl::string_view, double> rtt_seconds;  // by peer
  // By zone and family.
  std::map<std::pair<absl::string_view, absl::string_view>, bool> listed;
  std::map<absl::string_view, bool> lists_healthy;
  // By provider and scope; the worst of those that share a label.
  std::map<std::pair<absl::string_view, absl::string_view>, v1::Road::State> roads;
};

using Peers = absl::flat_hash_set<absl::string_view>;

Peers KnownPeers(const FleetSnapshot& fleet) {
  Peers peers = {"collector"};
  for (const SystemState& system : fleet.systems) peers.insert(system.id);
  return peers;
}

// What an agent says of lists, bounded: its catalogue may be its own.
constexpr size_t kMostLists = 120;

bool IsListed(const v1::Listing& listing) {
  return listing.state() == v1::Listing::STATE_CONFIRMED ||
         listing.state() == v1::Listing::STATE_CLEARING;
}

void FoldBlocklists(const v1::BlocklistReading& reading, Series* series) {
  for (const v1::ListCondition& list : reading.lists()) {
    if (series->lists_healthy.size() >= kMostLists) break;
    const absl::string_view zone = ListLabel(list.zone());
    if (list.state() == v1::ListCondition::STATE_UNKNOWN) continue;
    const bool healthy = list.state() == v1::ListCondition::STATE_HEALTHY;
    series->lists_healthy[zone] = healthy;
    for (const std::string& kind : list.kinds()) {
      if (healthy) series->listed[{zone, FamilyLabel(kind)}] = false;
    }
  }
  // A sick list takes nothing back: what it had said before stands.
  for (const v1::Listing& listing : reading.listings()) {
    if (!IsListed(listing)) continue;
    const std::pair<absl::string_view, absl::string_view> key = {
        ListLabel(listing.zone()), FamilyLabel(listing.kind())};
    if (series->listed.size() < kMostLists * 3) series->listed[key] = true;
  }
}

void FoldSources(const v1::Snapshot& snapshot, std::vector<SourceSum>* sums) {
  for (const v1::SourceReading& reading : snapshot.sources()) {
    const absl::string_view label = SourceLabel(reading.source());
    auto it = std::find_if(sums->begin(), sums->end(),
                           [&](const SourceSum& sum) { return sum.source == label; });
    if (it == sums->end()) it = sums->insert(sums->end(), SourceSum{label});
    if (reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
      it->up = false;
      const absl::string_view reason = ReasonLabel(reading.unavailable());
      if (std::find(it->reasons.begin(), it->reasons.end(), reason) ==
          it->reasons.end()) {
        it->reasons.push_back(reason);
      }
    }
    if (reading.has_lag_bytes()) {
      it->lag_bytes = std::max(it->lag_bytes.value_or(0), uint64_t{reading.lag_bytes()});
    }
  }
}

void FoldQueues(const v1::QueueReading& reading, std::vector<QueueSums>* sums) {
  // With a reason why not there is no reading, whatever else the agent sent.
  if (reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) return;
  for (const v1::QueueDepth& depth : reading.depths()) {
    const absl::string_view label = QueueLabel(depth.queue());
    auto it = std::find_if(sums->begin(), sums->end(),
                           [&](const QueueSums& sum) { return sum.queue == label; });
    if (it == sums->end()) it = sums->insert(sums->end(), QueueSums{label});
    it->messages += depth.messages();
    it->bytes += depth.bytes();
    if (depth.has_oldest_age_seconds()) {
      it->oldest_age_seconds = std::max(it->oldest_age_seconds.value_or(0),
                                        uint64_t{depth.oldest_age_seconds()});
    }
  }
}

// As many as a server may have; what an agent says beyond is of no cause.
constexpr size_t kMostCauses = 40;

void FoldCauses(const v1::QueueReading& reading, std::vector<CauseSum>* sums) {
  if (reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) return;
  for (const v1::QueueCause& cause : reading.causes()) {
    const CauseSum row = {ProviderLabel(cause.provider()), QueueAgeLabel(cause.age()),
                          QueueReasonLabel(cause.reason()), cause.messages()};
    const auto it = std::find_if(sums->begin(), sums->end(), [&](const CauseSum& sum) {
      return sum.provider == row.provider && sum.age == row.age &&
             sum.reason == row.reason;
    });
    if (it != sums->end()) {
      it->messages += row.messages;
    } else if (sums->size() < kMostCauses) {
      sums->push_back(row);
    }
  }
}

// Absent: the queue does not shrink, or that is not known.
std::optional<double> DrainSeconds(const v1::QueueReading& queue) {
  uint64_t messages = 0;
  for (const v1::QueueDepth& depth : queue.depths()) messages += depth.messages();
  if (!queue.has_left() || queue.left() <= queue.arrived() || messages == 0) {
    return std::nullopt;
  }
  return static_cast<double>(messages) *
         static_cast<double>(queue.counted_over_seconds()) /
         static_cast<double>(queue.left() - queue.arrived());
}

Series Fold(const SystemState& system, const Peers& peers) {
  Series series;
  series.system = &system;
  series.server = RenderLabel("server", system.id);
  if (!Reports(system)) return series;
  const v1::Snapshot& snapshot = *system.measurements;
  series.snapshot = &snapshot;
  FoldSources(snapshot, &series.sources);
  if (snapshot.has_queue()) {
    FoldQueues(snapshot.queue(), &series.queues);
    FoldCauses(snapshot.queue(), &series.causes);
  }
  for (const v1::Road& road : snapshot.roads()) {
    v1::Road::State& worst =
        series.roads[{ProviderLabel(road.provider()), ScopeLabel(road.scope())}];
    worst = std::max(worst, road.state());
  }
  if (snapshot.has_blocklists()) FoldBlocklists(snapshot.blocklists(), &series);
  for (const v1::DeliveryCount& count : snapshot.deliveries()) {
    Add(ProviderLabel(count.provider()), StatusLabel(count.status()), count.count(),
        &series.deliveries);
  }
  for (const absl::string_view level : {"info", "warning", "critical"}) {
    series.account_findings.push_back({level, "", 0});
  }
  for (const v1::FindingCount& count : snapshot.findings()) {
    const absl::string_view type = FindingLabel(count.type());
    const absl::string_view level = LevelLabel(count.level());
    Add(type, level, count.count(), &series.findings);
    if (absl::StartsWith(type, "account_")) {
      Add(level, "", count.count(), &series.account_findings);
    }
  }
  for (const v1::PingReading& ping : snapshot.pings()) {
    if (ping.verdict() != v1::PingReading::VERDICT_PASS || !ping.has_rtt_us()) continue;
    // One that the inventory does not have (any more) is nobody's peer.
    const auto peer = peers.find(ping.peer());
    if (peer != peers.end()) series.rtt_seconds[*peer] = ping.rtt_us() / 1e6;
  }
  return series;
}

void Begin(const MetricFamily& family, Exposition* out) {
  out->Family(family.name, family.type, family.help);
}

void WriteLiveness(absl::Span<const Series> all, Exposition* out) {
  Begin(kConnected, out);
  for (const Series& one : all) out->Sample(one.server, {}, one.system->connected);
  Begin(kLastSeen, out);
  for (const Series& one : all) {
    if (one.system->last_seen.has_value()) {
      out->Sample(one.server, {}, Seconds(*one.system->last_seen));
    }
  }
  Begin(kInfo, out);
  for (const Series& one : all) {
    if (!one.system->agent_version.empty()) {
      out->Sample(one.server, {{"version", VersionLabel(one.system->agent_version)}}, 1);
    }
  }
}

void WriteStatus(absl::Span<const Series> all, Exposition* out) {
  Begin(kLifecycle, out);
  for (const Series& one : all) {
    out->Sample(one.server, {{"lifecycle", Name(one.system->lifecycle)}}, 1);
  }
  Begin(kStatus, out);
  for (const Series& one : all) {
    for (const Health health : kHealths) {
      out->Sample(one.server, {{"status", Name(health)}}, one.system->health == health);
    }
  }
  Begin(kPingUp, out);
  for (const Series& one : all) {
    if (one.system->ping.state != PingState::kUnknown) {
      out->Sample(one.server, {}, one.system->ping.state == PingState::kUp);
    }
  }
  Begin(kPingRtt, out);
  for (const Series& one : all) {
    for (const auto& [peer, seconds] : one.rtt_seconds) {
      out->Sample(one.server, {{"peer", peer}}, seconds);
    }
  }
}

void WriteSources(absl::Span<const Series> all, Exposition* out) {
  Begin(kSnapshotTime, out);
  for (const Series& one : all) {
    if (one.snapshot) out->Sample(one.server, {}, Seconds(one.system->measured_at));
  }
  Begin(kStartTime, out);
  for (const Series& one : all) {
    if (one.snapshot && one.snapshot->has_counting_since()) {
      out->Sample(one.server, {}, Seconds(one.snapshot->counting_since()));
    }
  }
  Begin(kSourceUp, out);
  for (const Series& one : all) {
    for (const SourceSum& source : one.sources) {
      out->Sample(one.server, {{"source", source.source}}, source.up);
    }
  }
  Begin(kSourceUnavailable, out);
  for (const Series& one : all) {
    for (const SourceSum& source : one.sources) {
      for (const absl::string_view reason : source.reasons) {
        out->Sample(one.server, {{"source", source.source}, {"reason", reason}}, 1);
      }
    }
  }
  Begin(kSourceLag, out);
  for (const Series& one : all) {
    for (const SourceSum& source : one.sources) {
      if (!source.lag_bytes.has_value()) continue;
      out->Sample(one.server, {{"source", source.source}},
                  static_cast<double>(*source.lag_bytes));
    }
  }
}

void WriteQueues(absl::Span<const Series> all, Exposition* out) {
  const auto reading = [](const Series& one) {
    return one.snapshot && one.snapshot->has_queue() ? &one.snapshot->queue() : nullptr;
  };
  Begin(kQueueReadable, out);
  for (const Series& one : all) {
    if (const v1::QueueReading* queue = reading(one)) {
      out->Sample(one.server, {}, queue->unavailable() == v1::UNAVAILABLE_UNSPECIFIED);
    }
  }
  Begin(kQueueUnavailable, out);
  for (const Series& one : all) {
    const v1::QueueReading* queue = reading(one);
    if (queue && queue->unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
      out->Sample(one.server, {{"reason", ReasonLabel(queue->unavailable())}}, 1);
    }
  }
  Begin(kQueueRead, out);
  for (const Series& one : all) {
    const v1::QueueReading* queue = reading(one);
    if (queue && queue->unavailable() == v1::UNAVAILABLE_UNSPECIFIED) {
      out->Sample(one.server, {},
                  Seconds(one.system->measured_at - absl::Milliseconds(queue->age_ms())));
    }
  }
  Begin(kQueueMessages, out);
  for (const Series& one : all) {
    for (const QueueSums& queue : one.queues) {
      out->Sample(one.server, {{"queue", queue.queue}},
                  static_cast<double>(queue.messages));
    }
  }
  Begin(kQueueBytes, out);
  for (const Series& one : all) {
    for (const QueueSums& queue : one.queues) {
      out->Sample(one.server, {{"queue", queue.queue}}, static_cast<double>(queue.bytes));
    }
  }
  Begin(kQueueOldest, out);
  for (const Series& one : all) {
    for (const QueueSums& queue : one.queues) {
      if (!queue.oldest_age_seconds.has_value()) continue;
      out->Sample(one.server, {{"queue", queue.queue}},
                  static_cast<double>(*queue.oldest_age_seconds));
    }
  }
}

// What the queue's reading says beyond its depths.
void WriteQueueView(absl::Span<const Series> all, Exposition* out) {
  Begin(kQueueCauses, out);
  for (const Series& one : all) {
    for (const CauseSum& sum : one.causes) {
      out->Sample(one.server,
                  {{"provider", sum.provider}, {"age", sum.age}, {"reason", sum.reason}},
                  static_cast<double>(sum.messages));
    }
  }
  using Value = std::optional<double> (*)(const v1::QueueReading&);
  const std::pair<const MetricFamily*, Value> gauges[] = {
      {&kQueueExpiring,
       [](const v1::QueueReading& queue) -> std::optional<double> {
         if (!queue.has_expiring()) return std::nullopt;
         return static_cast<double>(queue.expiring());
       }},
      {&kQueueForwarded,
       [](const v1::QueueReading& queue) -> std::optional<double> {
         if (!queue.has_forwarded()) return std::nullopt;
         return static_cast<double>(queue.forwarded());
       }},
      {&kQueueArrivals,
       [](const v1::QueueReading& queue) -> std::optional<double> {
         if (queue.counted_over_seconds() == 0) return std::nullopt;
         return static_cast<double>(queue.arrived()) /
                static_cast<double>(queue.counted_over_seconds());
       }},
      {&kQueueDepartures,
       [](const v1::QueueReading& queue) -> std::optional<double> {
         if (queue.counted_over_seconds() == 0) return std::nullopt;
         return static_cast<double>(queue.left()) /
                static_cast<double>(queue.counted_over_seconds());
       }},
      {&kQueueDrain, &DrainSeconds},
  };
  for (const auto& [family, value] : gauges) {
    Begin(*family, out);
    for (const Series& one : all) {
      if (!one.snapshot || !one.snapshot->has_queue()) continue;
      const v1::QueueReading& queue = one.snapshot->queue();
      if (queue.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) continue;
      if (const std::optional<double> number = value(queue)) {
        out->Sample(one.server, {}, *number);
      }
    }
  }
}

void WriteCounters(absl::Span<const Series> all, Exposition* out) {
  Begin(kDeliveries, out);
  for (const Series& one : all) {
    for (const Sum& sum : one.deliveries) {
      out->Sample(one.server, {{"provider", sum.first}, {"status", sum.second}},
                  static_cast<double>(sum.value));
    }
  }
  Begin(kLogRead, out);
  for (const Series& one : all) {
    if (!one.snapshot || !one.snapshot->has_log()) continue;
    out->Sample(one.server, {}, static_cast<double>(one.snapshot->log().lines()));
  }
  Begin(kLogLines, out);
  for (const Series& one : all) {
    if (!one.snapshot || !one.snapshot->has_log()) continue;
    const v1::LogCounts& log = one.snapshot->log();
    const std::pair<absl::string_view, uint64_t> results[] = {
        {"parsed", log.parsed()},
        {"other", log.other()},
        {"unparsed", log.unparsed()},
        {"ambiguous", log.ambiguous()},
    };
    for (const auto& [result, count] : results) {
      out->Sample(one.server, {{"result", result}}, static_cast<double>(count));
    }
  }
  Begin(kFindings, out);
  for (const Series& one : all) {
    for (const Sum& sum : one.findings) {
      out->Sample(one.server, {{"type", sum.first}, {"level", sum.second}},
                  static_cast<double>(sum.value));
    }
  }
  Begin(kAccountFindings, out);
  for (const Series& one : all) {
    for (const Sum& sum : one.account_findings) {
      out->Sample(one.server, {{"level", sum.first}}, static_cast<double>(sum.value));
    }
  }
  Begin(kAccountsSuspected, out);
  for (const Series& one : all) {
    if (!one.snapshot || !one.snapshot->has_accounts_suspected()) continue;
    out->Sample(one.server, {}, one.snapshot->accounts_suspected());
  }
}

void WriteRoads(absl::Span<const Series> all, Exposition* out) {
  const struct {
    const MetricFamily& family;
    v1::Road::State state;
  } kFamilies[] = {{kProviderBlocked, v1::Road::STATE_BLOCKED},
                   {kProviderLimited, v1::Road::STATE_LIMITED}};
  for (const auto& [family, state] : kFamilies) {
    Begin(family, out);
    for (const Series& one : all) {
      for (const auto& [key, worst] : one.roads) {
        out->Sample(one.server, {{"provider", key.first}, {"scope", key.second}},
                    worst == state);
      }
    }
  }
}

void WriteBlocklists(absl::Span<const Series> all, Exposition* out) {
  Begin(kBlocklistListed, out);
  for (const Series& one : all) {
    for (const auto& [key, listed] : one.listed) {
      out->Sample(one.server, {{"zone", key.first}, {"ip_family", key.second}}, listed);
    }
  }
  Begin(kBlocklistHealthy, out);
  for (const Series& one : all) {
    for (const auto& [zone, healthy] : one.lists_healthy) {
      out->Sample(one.server, {{"zone", zone}}, healthy);
    }
  }
}

std::string Write(absl::Span<const Series> all, ExpositionFormat format) {
  Exposition out(format);
  // About 50 series of 80 bytes for a system, and the HELP lines.
  out.Reserve(all.size() * 4096 + 8192);
  WriteLiveness(all, &out);
  WriteStatus(all, &out);
  WriteSources(all, &out);
  WriteQueues(all, &out);
  WriteQueueView(all, &out);
  WriteCounters(all, &out);
  WriteRoads(all, &out);
  WriteBlocklists(all, &out);
  return std::move(out).Finish();
}

// The collector about itself, in prometheus-cpp's terms.
class CollectorMetrics final : public prometheus::Collectable {
 public:
  // Both must outlive this.
  CollectorMetrics(const FleetSnapshot& fleet, const ProcessUsage& usage,
                   absl::string_view version)
      : fleet_(fleet), usage_(usage), version_(version) {}

  std::vector<prometheus::MetricFamily> Collect() const override {
    const CollectorStats& stats = fleet_.stats;
    std::vector<prometheus::MetricFamily> families;
    const auto family = [&](const char* name, prometheus::MetricType type,
                            const char* help) {
      families.push_back({name, help, type, {}});
    };
    const auto sample = [&](double value,
                            std::vector<prometheus::ClientMetric::Label> labels = {}) {
      prometheus::ClientMetric metric;
      metric.label = std::move(labels);
      // The serializer looks at the one that the family's type names.
      metric.counter.value = value;
      metric.gauge.value = value;
      families.back().metric.push_back(std::move(metric));
    };
    const auto counter = [&](const char* name, const char* help, uint64_t value) {
      family(name, prometheus::MetricType::Counter, help);
      sample(static_cast<double>(value));
    };
    const auto gauge = [&](const char* name, const char* help, double value) {
      family(name, prometheus::MetricType::Gauge, help);
      sample(value);
    };

    family("mailvane_build_info", prometheus::MetricType::Gauge,
           "Always 1; another version label: the collector was upgraded.");
    sample(1, {{"version", std::string(version_)}});

    family("mailvane_collector_systems", prometheus::MetricType::Gauge,
           "Systems of the inventory by whether their agent is heard; growth of silent "
           "means agents or ways to them that failed.");
    const auto connected =
        std::count_if(fleet_.systems.begin(), fleet_.systems.end(),
                      [](const SystemState& system) { return system.connected; });
    sample(static_cast<double>(connected), {{"agent", "connected"}});
    sample(static_cast<double>(fleet_.systems.size()) - static_cast<double>(connected),
           {{"agent", "silent"}});
    gauge(
        "mailvane_collector_snapshot_timestamp_seconds",
        "When the state shown in all views was made; it stands still when the collector "
        "hangs.",
        Seconds(fleet_.at));

    gauge("mailvane_collector_sessions",
          "Sessions with agents at present; a fall means lost connections.",
          static_cast<double>(stats.sessions_now));
    counter(
        "mailvane_collector_connections_refused_total",
        "Connections closed unheard; growth means that descriptors run out, or that one "
        "address connects too often.",
        stats.connections_refused);
    counter("mailvane_collector_sessions_opened_total",
            "Sessions opened; fast growth means agents that come back again and again.",
            stats.sessions_opened);
    counter("mailvane_collector_sessions_refused_total",
            "Sessions refused; growth means agents that are unknown, too old, or not who "
            "they say.",
            stats.sessions_refused);
    counter(
        "mailvane_collector_session_errors_total",
        "Sessions that the collector ended for an agent's fault; growth means a broken "
        "agent.",
        stats.sessions_closed_for_error);
    counter("mailvane_collector_frames_received_total",
            "Frames received from agents; no growth means that nothing arrives.",
            stats.frames_received);
    counter("mailvane_collector_frames_malformed_total",
            "Frames that could not be understood; growth means a broken agent.",
            stats.frames_malformed);

    family("mailvane_collector_events_total", prometheus::MetricType::Counter,
           "Events by what became of them: committed is new, duplicate was there before "
           "(normal after a lost connection), rejected was too long or malformed.");
    sample(static_cast<double>(stats.events_committed), {{"result", "committed"}});
    sample(static_cast<double>(stats.events_duplicate), {{"result", "duplicate"}});
    sample(static_cast<double>(stats.events_rejected), {{"result", "rejected"}});

    counter("mailvane_collector_store_failures_total",
            "Commits that failed; growth means that agents keep their events until the "
            "store is well again.",
            stats.store_failures);
    gauge("mailvane_collector_store_queue_length",
          "Batches that wait for the store; growth means that the disk is too slow.",
          static_cast<double>(stats.store_queue_length));
    family("mailvane_collector_store_commit_duration_seconds",
           prometheus::MetricType::Summary,
           "Time that commits took; a higher mean is a slower disk.");
    prometheus::ClientMetric commits;
    commits.summary.sample_count = stats.store_commits;
    commits.summary.sample_sum = absl::ToDoubleSeconds(stats.store_commit_time);
    families.back().metric.push_back(std::move(commits));

    family(
        "mailvane_collector_alerts", prometheus::MetricType::Gauge,
        "Alerts of the collector's own rules that fire, silenced ones included; a rise "
        "is a new one.");
    std::map<std::string, double> firing;
    for (const Rule& rule : ShippedRules()) firing.emplace(rule.name, 0);
    for (const v1::Alert& alert : *fleet_.alerts) {
      const bool counts =
          alert.state() == v1::Alert::STATE_FIRING && alert.members() == 0;
      const auto rule = firing.find(alert.rule());
      if (counts && rule != firing.end()) ++rule->second;
    }
    for (const auto& [rule, count] : firing) sample(count, {{"rule", rule}});
    counter("mailvane_collector_alerts_refused_total",
            "Alerts that found no room; growth means that more is wrong than anybody can "
            "read.",
            stats.alerts_refused);

    gauge("process_start_time_seconds", "When the process began; a change is a restart.",
          Seconds(stats.started_at));
    if (usage_.resident_bytes.has_value()) {
      gauge("process_resident_memory_bytes",
            "Memory in use; a steady rise with the same fleet is a leak.",
            static_cast<double>(*usage_.resident_bytes));
    }
    if (usage_.cpu_seconds.has_value()) {
      family("process_cpu_seconds_total", prometheus::MetricType::Counter,
             "CPU time used; its growth per second is the share of a core.");
      sample(*usage_.cpu_seconds);
    }
    if (usage_.open_fds.has_value()) {
      gauge("process_open_fds",
            "Open file descriptors, one for each session; a steady rise with the same "
            "fleet is a leak.",
            static_cast<double>(*usage_.open_fds));
    }
    return families;
  }

 private:
  const FleetSnapshot& fleet_;
  const ProcessUsage& usage_;
  const absl::string_view version_;
};

}  // namespace

std::vector<MetricFamily> FleetMetricFamilies() {
  return {kConnected,
          kLastSeen,
          kInfo,
          kLifecycle,
          kStatus,
          kPingUp,
          kPingRtt,
          kSnapshotTime,
          kStartTime,
          kSourceUp,
          kSourceUnavailable,
          kSourceLag,
          kQueueReadable,
          kQueueUnavailable,
          kQueueRead,
          kQueueMessages,
          kQueueBytes,
          kQueueOldest,
          kQueueCauses,
          kQueueExpiring,
          kQueueForwarded,
          kQueueArrivals,
          kQueueDepartures,
          kQueueDrain,
          kDeliveries,
          kLogRead,
          kLogLines,
          kFindings,
          kAccountFindings,
          kAccountsSuspected,
          kProviderBlocked,
          kProviderLimited,
          kBlocklistListed,
          kBlocklistHealthy};
}

bool Reports(const SystemState& system) {
  return system.connected && system.measurements != nullptr;
}

std::string RenderAgentMetrics(const FleetSnapshot& fleet, const SystemState& system,
                               ExpositionFormat format) {
  const Series series = Fold(system, KnownPeers(fleet));
  return Write(absl::MakeConstSpan(&series, 1), format);
}

std::string RenderFleetMetrics(const FleetSnapshot& fleet, ExpositionFormat format) {
  const Peers peers = KnownPeers(fleet);
  std::vector<Series> all;
  all.reserve(fleet.systems.size());
  for (const SystemState& system : fleet.systems) all.push_back(Fold(system, peers));
  return Write(all, format);
}

std::string RenderCollectorMetrics(const FleetSnapshot& fleet, const ProcessUsage& usage,
                                   absl::string_view version) {
  return prometheus::TextSerializer().Serialize(
      CollectorMetrics(fleet, usage, version).Collect());
}

std::string RenderHttpSd(const FleetSnapshot& fleet, absl::string_view self_address) {
  nlohmann::ordered_json targets = nlohmann::ordered_json::array();
  for (const SystemState& system : fleet.systems) {
    nlohmann::ordered_json labels = {
        {"instance", system.id},
        {"__metrics_path__", absl::StrCat("/agents/", system.id, "/metrics")},
    };
    if (!system.location.empty()) labels["site"] = system.location;
    // Gone after relabelling, for those who want to choose by it.
    labels["__meta_mailvane_lifecycle"] = Name(system.lifecycle);
    targets.push_back({{"targets", {std::string(self_address)}}, {"labels", labels}});
  }
  // Replaces what is no UTF-8 instead of throwing.
  return targets.dump(2, ' ', false, nlohmann::ordered_json::error_handler_t::replace) +
         "\n";
}

}  // namespace mailvane
