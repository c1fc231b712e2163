// What the collector remembers over its own death.
//
// One writer thread uses a store; a status that is not OK from Commit means
// that none of the batch may be taken as stored.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace mailvane {

// One event of an agent.  (agent, epoch, seq) names the message; `key` names
// the effect, which is stored once however often it is told.
struct EventRow {
  std::string agent;
  std::string epoch;
  uint64_t seq = 0;
  // Everything of this epoch up to here is accounted for once this row is: seq,
  // or the end of a range of numbers that are gone.
  uint64_t covers_upto = 0;
  std::string key;
  absl::Time time;
  absl::Time arrived;
  // Serialized v1::Event, as it came.
  std::string body;
  // Nonzero: a v1::Ack::Rejected::Code; the body is kept for a person to see.
  int rejected = 0;
};

// An agent was heard.
struct SeenRow {
  std::string agent;
  absl::Time at;
  std::string version;
  // When it was heard for the first time; what the store has stays.
  absl::Time first;
};

struct PostRow {
  int64_t id = 0;  // given by the store
  absl::Time created;
  std::string system;
  std::string title;
  std::string body;
};

// An alert as it is now, in place of what was there by its id.
struct AlertRow {
  std::string id;
  // Serialized v1::Alert; empty: it is forgotten.
  std::string body;
};

// A system had one health from `from` until `until`, in seconds since 1970; in place
// of the row with the same system and `from`.
struct HealthRow {
  std::string system;
  int64_t from = 0;
  int64_t until = 0;
  std::string health;  // its name: "major_outage"
};

struct StoreBatch {
  std::vector<EventRow> events;
  std::vector<SeenRow> seen;
  std::vector<PostRow> posts;
  std::vector<AlertRow> alerts;
  std::vector<HealthRow> health;
  // Rows of health that end here or before are forgotten; alone it is no batch.
  int64_t forget_health_until = 0;

  bool empty() const {
    return events.empty() && seen.empty() && posts.empty() && alerts.empty() &&
           health.empty();
  }
};

struct StoreResult {
  // Of the events: were there already, by number or by key.
  uint64_t duplicates = 0;
  // Ids of the posts, in the batch's order.
  std::vector<int64_t> post_ids;
};

struct CommittedRow {
  std::string agent;
  std::string epoch;
  uint64_t seq = 0;
};

class Store {
 public:
  virtual ~Store() = default;

  // All of it or nothing, on disk when it returns.  kFailedPrecondition: an
  // event's number does not follow what is committed, because a batch before it
  // failed; the hole would never be filled.
  virtual absl::StatusOr<StoreResult> Commit(const StoreBatch& batch) = 0;

  virtual absl::StatusOr<std::vector<CommittedRow>> LoadCommitted() = 0;
  virtual absl::StatusOr<std::vector<SeenRow>> LoadSeen() = 0;
  virtual absl::StatusOr<std::vector<AlertRow>> LoadAlerts() = 0;
  // In the order of time.
  virtual absl::StatusOr<std::vector<HealthRow>> LoadHealth() = 0;
  // The newest `limit`, newest first.
  virtual absl::StatusOr<std::vector<PostRow>> LoadPosts(int limit) = 0;
  // The newest `limit`, newest first, in the order of arrival.
  virtual absl::StatusOr<std::vector<EventRow>> LoadEvents(int limit) = 0;
};

}  // namespace mailvane
