// The state of each alert: inactive → pending → firing → resolved, and who has
// to be told what.  Sans-I/O; belongs to one thread.
//
// What is told is decided in this order: a system out of service and news from
// before our time are only listed; a mute or an alert that says it already holds
// a notice back for as long as it lasts; alerts of one kind that come together
// are one storm (Gathering).  A resolve is told to those who heard the firing,
// and never before it.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "collector/alert/gathering.h"
#include "collector/alert/rule.h"
#include "mailvane/v1/alert.pb.h"
#include "mailvane/v1/finding.pb.h"
#include "platform/clock.h"

namespace mailvane {

// A person or a maintenance says: tell nobody about these for now.
struct Mute {
  std::string id;
  // Empty: any.
  std::string rule;
  std::string system;
  absl::Time from;
  absl::Time until;
};

// One thing to tell.  `alert` is as it was then.
struct Notice {
  enum class Kind {
    kFire,
    // Of a storm that grew.
    kUpdate,
    kResolve,
  };
  Kind kind = Kind::kFire;
  // For receivers that group by themselves; else for people.
  bool each = false;
  v1::Alert alert;
  // Names this notice for ever: receivers know by it what they have.
  std::string key;
};

// What changed, to be committed together.
struct AlertChanges {
  std::vector<v1::Alert> changed;
  std::vector<std::string> forgotten;  // ids
  std::vector<Notice> notices;

  bool empty() const { return changed.empty() && forgotten.empty() && notices.empty(); }
};

class AlertBook {
 public:
  // What the store remembers; before anything else.
  void Restore(Instant now, const std::vector<v1::Alert>& alerts);

  // An agent told this.  What is about an alert's past is listed as late.
  void Told(Instant now, absl::string_view system, const v1::Event& event);
  // Looks at everything; about once a second.
  void Tick(Instant now, const AlertInputs& inputs);

  // All that hold from now on, in place of those before.
  void SetMutes(std::vector<Mute> mutes) { mutes_ = std::move(mutes); }

  AlertChanges Take();

  // Pending, firing and lately resolved ones, storms included.
  std::vector<v1::Alert> List() const;
  // Conditions that found no room.
  uint64_t refused() const { return refused_; }

 private:
  // (rule, system, subject); views of the rule's name are into the table.
  using Key = std::tuple<absl::string_view, std::string, std::string>;
  struct Entry {
    const Rule* rule = nullptr;
    v1::Alert alert;
    // Monotonic, as the times in `alert` are wall.
    absl::Duration since;
    absl::Duration held_at;
    absl::Duration resolved_at;
    // Since when people could be told; absent when they can't be, or were.
    std::optional<absl::Duration> waiting_since;
    // Of a storm: when its last notice was made, and how many it told of.
    absl::Duration told_at;
    uint32_t members_told = 0;

    bool is_storm() const { return alert.members() > 0; }
    bool firing() const { return alert.state() == v1::Alert::STATE_FIRING; }
  };
  using Systems = absl::flat_hash_map<absl::string_view, const SystemFacts*>;
  // A system's queue over the last half hour, one point a minute.
  using QueueHistory = std::deque<std::pair<absl::Duration, uint64_t>>;

  Entry* Open(const Rule& rule, absl::string_view system, absl::string_view subject);
  void Hold(Instant now, Entry* entry, absl::Time since, absl::string_view detail,
            AlertSeverity severity);
  void Look(Instant now, const Rule& rule, absl::string_view system,
            const Reading& reading);
  SystemFacts FactsOf(Instant now, const SystemState& system);
  void Fire(Instant now, Entry* entry);
  void Resolve(Instant now, Entry* entry);
  static bool IsKnown(const Entry& entry, const AlertInputs& inputs,
                      const Systems& systems);
  void Rest(Instant now, Entry* entry, bool is_gone);
  void Advance(Instant now, const AlertInputs& inputs, const Systems& systems);
  void EndStorms(Instant now);
  void Tell(Instant now, const Systems& systems);
  std::string WhySilent(Instant now, const Entry& entry, const Systems& systems) const;
  bool IsSaidBy(Instant now, absl::string_view rule, absl::string_view system) const;
  void TellPeople(Instant now, const Rule& rule, std::vector<Entry*> waiting);
  void Fold(Instant now, Entry* storm, const std::vector<Entry*>& members);
  void Say(Instant now, Notice::Kind kind, bool each, Entry* entry);
  void Touch(const Entry& entry);

  std::map<Key, Entry> entries_;
  std::map<std::string, QueueHistory, std::less<>> queues_;
  Gathering gathering_;
  std::vector<Mute> mutes_;
  AlertChanges changes_;
  std::set<Key> touched_;  // to be in changes_.changed
  uint64_t refused_ = 0;
};

// "c0ffee…", 32 hex digits.
std::string AlertId(absl::string_view rule, absl::string_view system,
                    absl::string_view subject);

}  // namespace mailvane
