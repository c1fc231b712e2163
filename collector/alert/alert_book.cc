#include "collector/alert/alert_book.h"

#include <openssl/sha.h>

#include <algorithm>
#include <utility>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "collector/alert/look.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

// Told later than this, it is history.
constexpr absl::Duration kLate = absl::Minutes(15);
// What is there so soon after a system was heard for the first time was there
// before us: blocklists are all asked within a quarter of an hour.
constexpr absl::Duration kFirstLook = absl::Minutes(15);
// Firing twice within it is flapping, and a flapping alert must be quiet for as
// long to be resolved: at most one message an hour from then on.
constexpr absl::Duration kFlapWindow = absl::Hours(1);
// A host that is back takes so long until its agent is, too.
constexpr absl::Duration kConsequencesLinger = absl::Minutes(1);
// A storm that grows is told again after so long.
constexpr absl::Duration kStormPause = absl::Minutes(5);
constexpr absl::Duration kQueueHistory = absl::Minutes(30);
constexpr absl::Duration kQueuePoint = absl::Minutes(1);

// Bounds.  A server with more than a hundred accounts in trouble is in trouble.
constexpr size_t kMostAlerts = 20'000;
constexpr int kMostOfAKind = 100;
constexpr char kMore[] = "(others)";
constexpr size_t kMostSubject = 254;
constexpr size_t kMostDetail = 512;
constexpr int kMostStormSystems = 10;
constexpr int kMostFlaps = 8;
constexpr char kStormSubject[] = "(storm)";

bool IsTold(const Rule& rule) {
  return rule.look_at_system == nullptr && rule.look_at_fleet == nullptr;
}

AlertSeverity ToSeverity(v1::Level level) {
  switch (static_cast<int>(level)) {
    case v1::LEVEL_CRITICAL:
      return v1::Alert::SEVERITY_CRITICAL;
    case v1::LEVEL_WARNING:
      return v1::Alert::SEVERITY_WARNING;
    default:
      return v1::Alert::SEVERITY_INFO;
  }
}

const char* Words(v1::LossRecord::Cause cause) {
  switch (static_cast<int>(cause)) {
    case v1::LossRecord::CAUSE_TRUNCATED:
      return "It was emptied or replaced before it was read.";
    case v1::LossRecord::CAUSE_ROTATED_AWAY:
      return "It was rotated away before it was read.";
    case v1::LossRecord::CAUSE_JOURNAL_VACUUMED:
      return "The journal dropped entries before they were read.";
    case v1::LossRecord::CAUSE_OUTBOX_LOST:
      return "The agent's outbox was corrupt or gone.";
    case v1::LossRecord::CAUSE_SEQUENCE_GAP:
      return "Events of the agent are missing.";
    case v1::LossRecord::CAUSE_LINE_TOO_LONG:
      return "A line was too long to be read.";
    case v1::LossRecord::CAUSE_RATE_LIMITED:
      return "The host's syslog dropped lines: it limits their rate.";
    default:
      return "The agent does not say why.";
  }
}

// Monotonic time of something that `wall` says.
absl::Duration MonoOf(Instant now, const google::protobuf::Timestamp& wall) {
  return now.mono - std::max(now.wall - FromProto(wall), absl::ZeroDuration());
}

std::optional<uint64_t> Queued(const SystemState& system) {
  if (system.measurements == nullptr || !system.measurements->has_queue() ||
      system.measurements->queue().unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
    return std::nullopt;
  }
  uint64_t queued = 0;
  for (const v1::QueueDepth& depth : system.measurements->queue().depths()) {
    if (depth.queue() == v1::QUEUE_ACTIVE || depth.queue() == v1::QUEUE_INCOMING ||
        depth.queue() == v1::QUEUE_DEFERRED) {
      queued += depth.messages();
    }
  }
  return queued;
}

}  // namespace

std::string AlertId(absl::string_view rule, absl::string_view system,
                    absl::string_view subject) {
  std::string text(rule);
  text.append(1, '\0').append(system.data(), system.size());
  text.append(1, '\0').append(subject.data(), subject.size());
  unsigned char digest[SHA256_DIGEST_LENGTH];
  SHA256(reinterpret_cast<const unsigned char*>(text.data()), text.size(), digest);
  return absl::BytesToHexString(
      absl::string_view(reinterpret_cast<const char*>(digest), 16));
}

void AlertBook::Restore(Instant now, const std::vector<v1::Alert>& alerts) {
  for (const v1::Alert& alert : alerts) {
    const Rule* rule = FindRule(alert.rule());
    if (rule == nullptr) {
      // Of a rule that is no more.
      changes_.forgotten.push_back(alert.id());
      continue;
    }
    Entry entry;
    entry.rule = rule;
    entry.alert = alert;
    entry.since = MonoOf(now, alert.since());
    entry.held_at = MonoOf(now, alert.held_at());
    if (alert.has_resolved_at()) entry.resolved_at = MonoOf(now, alert.resolved_at());
    entry.told_at = now.mono;
    entry.members_told = alert.members();
    entries_.emplace(Key(rule->name, alert.system(), alert.subject()), std::move(entry));
  }
}

void AlertBook::Touch(const Entry& entry) {
  touched_.emplace(entry.rule->name, entry.alert.system(), entry.alert.subject());
}

// Null when there is no room.
AlertBook::Entry* AlertBook::Open(const Rule& rule, absl::string_view system,
                                  absl::string_view subject) {
  Key key(rule.name, std::string(system), std::string(subject.substr(0, kMostSubject)));
  auto found = entries_.find(key);
  if (found != entries_.end()) return &found->second;
  if (!subject.empty() && subject != kMore) {
    int of_a_kind = 0;
    for (auto same = entries_.lower_bound(Key(rule.name, std::string(system), ""));
         same != entries_.end() && std::get<0>(same->first) == rule.name &&
         std::get<1>(same->first) == system;
         ++same) {
      if (++of_a_kind >= kMostOfAKind) return Open(rule, system, kMore);
    }
  }
  if (entries_.size() >= kMostAlerts) {
    ++refused_;
    return nullptr;
  }
  Entry& entry = entries_[key];
  entry.rule = &rule;
  entry.alert.set_id(AlertId(rule.name, system, std::get<2>(key)));
  entry.alert.set_rule(std::string(rule.name));
  entry.alert.set_system(std::string(system));
  entry.alert.set_subject(std::get<2>(key));
  return &entry;
}

// The condition holds now.
void AlertBook::Hold(Instant now, Entry* entry, absl::Time since,
                     absl::string_view detail, AlertSeverity severity) {
  v1::Alert& alert = entry->alert;
  const bool is_going_on = alert.state() == v1::Alert::STATE_PENDING || entry->firing();
  if (!is_going_on) {
    v1::Alert fresh;
    fresh.set_id(alert.id());
    fresh.set_rule(alert.rule());
    fresh.set_system(alert.system());
    fresh.set_subject(alert.subject());
    *fresh.mutable_fired_before() = alert.fired_before();
    fresh.set_state(v1::Alert::STATE_PENDING);
    *fresh.mutable_since() = ToProto(since);
    alert = std::move(fresh);
    entry->since = now.mono;
    entry->waiting_since.reset();
  }
  entry->held_at = now.mono;
  *alert.mutable_held_at() = ToProto(now.wall);
  alert.set_detail(std::string(detail.substr(0, kMostDetail)));
  // Never falls within an episode: who was told of the worst hears of its end.
  alert.set_severity(std::max(alert.severity(), severity));
}

void AlertBook::Told(Instant now, absl::string_view system, const v1::Event& event) {
  const Rule* rule = nullptr;
  std::string subject;
  std::string detail;
  AlertSeverity severity = v1::Alert::SEVERITY_WARNING;
  absl::Time since = FromProto(event.time());
  absl::Time until = since;
  if (event.has_finding()) {
    const v1::Finding& finding = event.finding();
    rule = FindRule(finding.type());
    if (rule == nullptr || !IsTold(*rule)) rule = FindRule(kOtherFinding);
    subject = finding.subject();
    if (finding.evidence_size() > 0) detail = finding.evidence(0);
    severity = ToSeverity(finding.level());
    if (finding.has_first_seen()) since = FromProto(finding.first_seen());
    if (finding.has_last_seen()) until = FromProto(finding.last_seen());
  } else if (event.has_loss()) {
    rule = FindRule(kLogLost);
    subject = event.loss().source();
    detail = Words(event.loss().cause());
    until = now.wall;
  }
  if (rule == nullptr) return;
  const bool late = now.wall - until > kLate;
  Entry* entry = Open(*rule, system, subject);
  if (entry == nullptr) return;
  // A replay, or the past of something that is told already.
  if (late && (entry->firing() || entry->alert.state() == v1::Alert::STATE_RESOLVED) &&
      until <= FromProto(entry->alert.held_at())) {
    return;
  }
  Hold(now, entry, since, detail, std::min(severity, rule->severity));
  if (!entry->firing()) {
    entry->alert.set_late(late);
    Fire(now, entry);
  }
  Touch(*entry);
}

SystemFacts AlertBook::FactsOf(Instant now, const SystemState& system) {
  SystemFacts facts{system, now.wall, Queued(system), std::nullopt};
  QueueHistory& history = queues_[system.id];
  while (!history.empty() && now.mono - history.front().first > kQueueHistory) {
    // The last one that is old enough is what was half an hour ago.
    facts.queued_before = history.front().second;
    if (history.size() > 1 && now.mono - history[1].first <= kQueueHistory) break;
    history.pop_front();
  }
  if (!facts.queued) {
    history.clear();
  } else if (history.empty() || now.mono - history.back().first >= kQueuePoint) {
    history.emplace_back(now.mono, *facts.queued);
  }
  return facts;
}

void AlertBook::Look(Instant now, const Rule& rule, absl::string_view system,
                     const Reading& reading) {
  for (const Condition& condition : reading.wrong) {
    Entry* entry = Open(rule, system, condition.subject);
    if (entry == nullptr) continue;
    Hold(now, entry, now.wall, condition.detail,
         condition.severity.value_or(rule.severity));
    if (!entry->firing() && now.mono - entry->since >= rule.pending_for) {
      Fire(now, entry);
    }
  }
}

// Of an alert whose condition was not seen to hold: whether that can be told.
bool AlertBook::IsKnown(const Entry& entry, const AlertInputs& inputs,
                        const Systems& systems) {
  if (IsTold(*entry.rule)) return true;
  if (entry.rule->look_at_fleet != nullptr) {
    return entry.rule->look_at_fleet(inputs).known;
  }
  const auto system = systems.find(entry.alert.system());
  return system == systems.end() || !IsInService(system->second->state) ||
         entry.rule->look_at_system(*system->second).known;
}

void AlertBook::Fire(Instant now, Entry* entry) {
  v1::Alert& alert = entry->alert;
  auto& before = *alert.mutable_fired_before();
  while (!before.empty() &&
         (now.wall - FromProto(before[0]) > kFlapWindow || before.size() >= kMostFlaps)) {
    before.erase(before.begin());
  }
  alert.set_flapping(!before.empty());
  alert.set_state(v1::Alert::STATE_FIRING);
  *alert.mutable_fired_at() = ToProto(now.wall);
  *before.Add() = ToProto(now.wall);
  Touch(*entry);
}

void AlertBook::Resolve(Instant now, Entry* entry) {
  v1::Alert& alert = entry->alert;
  alert.set_state(v1::Alert::STATE_RESOLVED);
  *alert.mutable_resolved_at() = ToProto(now.wall);
  entry->resolved_at = now.mono;
  entry->waiting_since.reset();
  if (alert.told_each() != v1::Alert::SEVERITY_UNSPECIFIED) {
    Say(now, Notice::Kind::kResolve, true, entry);
  }
  if (alert.told_people() != v1::Alert::SEVERITY_UNSPECIFIED) {
    Say(now, Notice::Kind::kResolve, false, entry);
  }
  Touch(*entry);
}

// An alert that does not hold at this moment.
void AlertBook::Rest(Instant now, Entry* entry, bool is_gone) {
  v1::Alert& alert = entry->alert;
  if (alert.state() == v1::Alert::STATE_PENDING) {
    // It never was an alert.
    alert.set_state(v1::Alert::STATE_RESOLVED);
    entry->resolved_at = now.mono;
    *alert.mutable_resolved_at() = ToProto(now.wall);
  } else if (entry->firing()) {
    const absl::Duration keep = alert.flapping()
                                    ? std::max(entry->rule->keep_firing_for, kFlapWindow)
                                    : entry->rule->keep_firing_for;
    if (is_gone || now.mono - entry->held_at >= keep) Resolve(now, entry);
  }
}

// Ends what is over, and forgets what ended long ago.
void AlertBook::Advance(Instant now, const AlertInputs& inputs, const Systems& systems) {
  for (auto one = entries_.begin(); one != entries_.end();) {
    Entry& entry = one->second;
    const v1::Alert& alert = entry.alert;
    const bool is_gone = !alert.system().empty() && systems.count(alert.system()) == 0;
    if (!entry.is_storm() && (is_gone || entry.held_at != now.mono)) {
      if (is_gone || IsKnown(entry, inputs, systems)) {
        Rest(now, &entry, is_gone);
      } else if (entry.firing()) {
        // What can't be seen stays as it is.
        entry.held_at = now.mono;
      }
    }
    const bool is_over = alert.state() == v1::Alert::STATE_RESOLVED;
    const bool never_fired = !alert.has_fired_at() && alert.fired_before_size() == 0;
    if (is_over &&
        (is_gone || never_fired || now.mono - entry.resolved_at > kFlapWindow)) {
      if (!never_fired) changes_.forgotten.push_back(alert.id());
      one = entries_.erase(one);
    } else {
      ++one;
    }
  }
  EndStorms(now);
}

void AlertBook::EndStorms(Instant now) {
  std::set<std::string> blowing;
  for (const auto& [key, entry] : entries_) {
    if (entry.firing() && !entry.is_storm()) blowing.insert(entry.alert.folded_into());
  }
  for (auto& [key, entry] : entries_) {
    if (entry.is_storm() && entry.firing() && blowing.count(entry.alert.id()) == 0) {
      Resolve(now, &entry);
    }
  }
}

void AlertBook::Tick(Instant now, const AlertInputs& inputs) {
  std::vector<SystemFacts> facts;
  facts.reserve(inputs.fleet.systems.size());
  Systems systems;
  for (const SystemState& system : inputs.fleet.systems) {
    facts.push_back(FactsOf(now, system));
    systems[system.id] = &facts.back();
  }
  for (const Rule& rule : ShippedRules()) {
    if (rule.look_at_fleet != nullptr) Look(now, rule, "", rule.look_at_fleet(inputs));
    if (rule.look_at_system == nullptr) continue;
    for (const SystemFacts& system : facts) {
      if (!IsInService(system.state)) continue;
      Look(now, rule, system.state.id, rule.look_at_system(system));
    }
  }
  for (auto queue = queues_.begin(); queue != queues_.end();) {
    queue = systems.count(queue->first) == 0 ? queues_.erase(queue) : std::next(queue);
  }
  Advance(now, inputs, systems);
  Tell(now, systems);
}

bool AlertBook::IsSaidBy(Instant now, absl::string_view rule,
                         absl::string_view system) const {
  for (auto one = entries_.lower_bound(Key(rule, std::string(system), ""));
       one != entries_.end() && std::get<0>(one->first) == rule &&
       std::get<1>(one->first) == system;
       ++one) {
    const Entry& entry = one->second;
    if (entry.is_storm()) continue;
    if (entry.alert.state() != v1::Alert::STATE_RESOLVED ||
        now.mono - entry.resolved_at < kConsequencesLinger) {
      return true;
    }
  }
  return false;
}

std::string AlertBook::WhySilent(Instant now, const Entry& entry,
                                 const Systems& systems) const {
  const v1::Alert& alert = entry.alert;
  const auto found = systems.find(alert.system());
  const SystemState* system = found == systems.end() ? nullptr : &found->second->state;
  if (alert.was_there_at_first()) return "first look";
  if (alert.late() && !entry.rule->told_late) return "late";
  if (system != nullptr && !IsInService(*system)) return "not in service";
  for (const Mute& mute : mutes_) {
    if ((mute.rule.empty() || mute.rule == alert.rule()) &&
        (mute.system.empty() || mute.system == alert.system()) && mute.from <= now.wall &&
        now.wall < mute.until) {
      return mute.id;
    }
  }
  for (const absl::string_view cause : entry.rule->said_by) {
    if (cause.empty()) continue;
    if (IsSaidBy(now, cause, alert.system()) || IsSaidBy(now, cause, "")) {
      return std::string(cause);
    }
  }
  return "";
}

void AlertBook::Tell(Instant now, const Systems& systems) {
  std::map<absl::string_view, std::vector<Entry*>> waiting;
  for (auto& [key, entry] : entries_) {
    v1::Alert& alert = entry.alert;
    if (!entry.firing() || entry.is_storm()) continue;
    const auto system = systems.find(alert.system());
    if (entry.rule->old_at_first && alert.notices() == 0 && system != systems.end() &&
        system->second->state.first_seen &&
        FromProto(alert.fired_at()) - *system->second->state.first_seen < kFirstLook) {
      alert.set_was_there_at_first(true);
    }
    std::string why = WhySilent(now, entry, systems);
    if (why != alert.silenced_by()) {
      alert.set_silenced_by(std::move(why));
      Touch(entry);
    }
    if (!alert.silenced_by().empty()) {
      entry.waiting_since.reset();
      continue;
    }
    // Again, when it got worse: it may be somebody else's by now.
    if (alert.told_each() < alert.severity()) {
      alert.set_told_each(alert.severity());
      Say(now, Notice::Kind::kFire, true, &entry);
    }
    if (alert.told_people() >= alert.severity() || !alert.folded_into().empty()) continue;
    if (!entry.waiting_since) entry.waiting_since = now.mono;
    waiting[entry.rule->name].push_back(&entry);
  }
  for (auto& [name, entries] : waiting) TellPeople(now, *entries.front()->rule, entries);
  // Storms that grew without anybody having been told.
  for (auto& [key, entry] : entries_) {
    if (entry.is_storm() && entry.firing() &&
        entry.alert.members() > entry.members_told &&
        now.mono - entry.told_at >= kStormPause) {
      Say(now, Notice::Kind::kUpdate, false, &entry);
    }
  }
}

void AlertBook::TellPeople(Instant now, const Rule& rule, std::vector<Entry*> waiting) {
  const auto storm = entries_.find(Key(rule.name, "", kStormSubject));
  if (storm != entries_.end() && storm->second.firing()) {
    return Fold(now, &storm->second, waiting);
  }
  absl::Duration oldest = now.mono;
  for (const Entry* entry : waiting) oldest = std::min(oldest, *entry->waiting_since);
  switch (gathering_.Judge(now.mono, rule, static_cast<int>(waiting.size()), oldest)) {
    case Gathering::Verdict::kWait:
      return;
    case Gathering::Verdict::kEach:
      for (Entry* entry : waiting) {
        entry->alert.set_told_people(entry->alert.severity());
        entry->waiting_since.reset();
        Say(now, Notice::Kind::kFire, false, entry);
      }
      return;
    case Gathering::Verdict::kStorm: {
      Entry* entry = Open(rule, "", kStormSubject);
      if (entry == nullptr) return;
      entry->alert.clear_member_systems();
      Hold(now, entry, now.wall, rule.what, v1::Alert::SEVERITY_INFO);
      Fire(now, entry);
      Fold(now, entry, waiting);
      entry->alert.set_told_people(entry->alert.severity());
      Say(now, Notice::Kind::kFire, false, entry);
      return;
    }
  }
}

void AlertBook::Fold(Instant now, Entry* storm, const std::vector<Entry*>& members) {
  v1::Alert& alert = storm->alert;
  storm->held_at = now.mono;
  *alert.mutable_held_at() = ToProto(now.wall);
  for (Entry* member : members) {
    member->alert.set_folded_into(alert.id());
    member->waiting_since.reset();
    Touch(*member);
    alert.set_members(alert.members() + 1);
    alert.set_severity(std::max(alert.severity(), member->alert.severity()));
    const auto& named = alert.member_systems();
    const std::string& system = member->alert.system();
    if (!system.empty() && alert.member_systems_size() < kMostStormSystems &&
        std::find(named.begin(), named.end(), system) == named.end()) {
      alert.add_member_systems(system);
    }
  }
  Touch(*storm);
}

void AlertBook::Say(Instant now, Notice::Kind kind, bool each, Entry* entry) {
  v1::Alert& alert = entry->alert;
  alert.set_notices(alert.notices() + 1);
  entry->told_at = now.mono;
  entry->members_told = alert.members();
  Touch(*entry);
  changes_.notices.push_back(
      {kind, each, alert,
       absl::StrCat(alert.id(), "-", alert.fired_at().seconds(), "-", alert.notices())});
}

AlertChanges AlertBook::Take() {
  for (const Key& key : touched_) {
    const auto found = entries_.find(key);
    if (found != entries_.end()) changes_.changed.push_back(found->second.alert);
  }
  touched_.clear();
  return std::exchange(changes_, AlertChanges());
}

std::vector<v1::Alert> AlertBook::List() const {
  std::vector<v1::Alert> alerts;
  alerts.reserve(entries_.size());
  for (const auto& [key, entry] : entries_) alerts.push_back(entry.alert);
  return alerts;
}

}  // namespace mailvane
