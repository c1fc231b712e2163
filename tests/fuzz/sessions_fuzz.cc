// Any frames of any agents, in any order, with a store that answers or fails:
// the collector's sessions never crash, say no more than they were asked, never
// speak to a session that is over, and ack nothing that is not committed.
//
// The input is a list of steps: what, which session, a length, and so many bytes
// of an AgentFrame.
#include <cstdint>
#include <cstdlib>
#include <deque>
#include <map>
#include <set>
#include <string>

#include "collector/gateway/sessions.h"
#include "platform/log.h"

namespace mailvane {
namespace {

void Require(bool holds) {
  if (!holds) abort();
}

const std::string& Epoch() {
  static const std::string* const epoch = new std::string(16, 'e');
  return *epoch;
}

v1::Inventory TwoSystems() {
  v1::Inventory inventory;
  for (const char* id : {"a", "b"}) {
    v1::System& system = *inventory.add_systems();
    system.set_id(id);
    system.add_addresses("192.0.2.1");
  }
  return inventory;
}

class World {
 public:
  World() : fleet_(TwoSystems(), FleetState::Options(), now_) {
    Sessions::Options options;
    options.window_events = 8;
    options.max_sessions = 5;
    sessions_ = std::make_unique<Sessions>(options, &fleet_, &stats_);
  }

  void Step(uint8_t what, uint8_t which, absl::string_view bytes) {
    const SessionId id = which % 8 + 1;
    size_t most_rows = 0;
    switch (what % 8) {
      case 0:
        if (open_.insert(id).second) sessions_->Opened(now_, id, "peer");
        break;
      case 1:
      case 2:
      case 3:
        most_rows = Receive(id, bytes, /*mend=*/what % 8 != 1);
        break;
      case 4:
        if (open_.erase(id) > 0) sessions_->Closed(id);
        closed_.erase(id);
        break;
      case 5:
        now_.mono += absl::Milliseconds(which * 100);
        sessions_->Tick(now_);
        for (const HealthTransition& one : fleet_.Tick(now_)) Require(one.from != one.to);
        break;
      case 6:
        if (!at_store_.empty()) Answer(which % 4 != 0);
        break;
      case 7:
        if (which == 0) {
          sessions_->Drain(absl::Seconds(1));
        } else {
          sessions_->InventoryChanged();
        }
        break;
    }
    Check(most_rows);
    fleet_.Snapshot(now_, stats_);
  }

 private:
  // How many rows it may lead to.
  size_t Receive(SessionId id, absl::string_view bytes, bool mend) {
    v1::AgentFrame frame;
    if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) {
      sessions_->ReceiveGarbage(now_, id, "garbage");
      return 0;
    }
    // What chance would never find.
    if (mend) {
      if (frame.has_hello()) {
        frame.mutable_hello()->set_protocol(1);
        frame.mutable_hello()->set_agent_id(id % 2 == 0 ? "a" : "b");
        frame.mutable_hello()->set_epoch(Epoch());
      }
      if (frame.has_batch()) {
        frame.mutable_batch()->set_epoch(Epoch());
        for (std::string& event : *frame.mutable_batch()->mutable_events()) {
          v1::Event parsed;
          if (!parsed.ParseFromString(event)) continue;
          std::string key = parsed.key();
          key.resize(16);
          parsed.set_key(key);
          event = parsed.SerializeAsString();
        }
      }
      if (frame.has_snapshot()) frame.mutable_snapshot()->set_epoch(Epoch());
    }
    sessions_->Receive(now_, id, frame);
    // A Hello with a gap is one row.
    return frame.batch().events_size() + 1;
  }

  void Answer(bool good) {
    auto [ticket, rows] = std::move(at_store_.front());
    at_store_.pop_front();
    if (good) {
      for (const EventRow& row : rows) {
        uint64_t& upto = committed_[{row.agent, row.epoch}];
        // A store refuses what does not follow.
        good = good && row.seq <= upto + 1;
        if (good) upto = std::max(upto, row.covers_upto);
      }
    }
    if (good) {
      sessions_->Stored(now_, ticket, StoreResult());
    } else {
      sessions_->Stored(now_, ticket, absl::FailedPreconditionError("hole"));
    }
  }

  void Check(size_t most_rows) {
    GatewayOutput output = sessions_->Take();
    Require(output.store.size() <= most_rows);
    Require((output.ticket != 0) == !output.store.empty());
    Require(output.send.size() <= 2 * open_.size() + 2);
    for (const auto& [id, frame] : output.send) {
      Require(open_.count(id) > 0 && closed_.count(id) == 0);
      Require(frame.ByteSizeLong() <= 32 << 10);
      if (frame.has_ack()) {
        bool is_committed = false;
        for (const char* agent : {"a", "b"}) {
          is_committed = is_committed || frame.ack().upto_seq() <=
                                             committed_[{agent, frame.ack().epoch()}];
        }
        Require(is_committed);
      }
    }
    for (SessionId id : output.close) Require(closed_.insert(id).second);
    for (const EventRow& row : output.store) {
      Require(row.agent == "a" || row.agent == "b");
      Require(row.body.size() <= 4 << 10);
      Require(row.covers_upto >= row.seq && row.seq >= 1 && !row.key.empty());
    }
    if (output.ticket != 0)
      at_store_.emplace_back(output.ticket, std::move(output.store));
    Require(stats_.sessions_now == open_.size());
  }

  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  CollectorStats stats_;
  FleetState fleet_;
  std::unique_ptr<Sessions> sessions_;
  std::set<SessionId> open_;
  std::set<SessionId> closed_;  // told to end, and not gone yet
  std::deque<std::pair<uint64_t, std::vector<EventRow>>> at_store_;
  std::map<std::pair<std::string, std::string>, uint64_t> committed_;
};

}  // namespace
}  // namespace mailvane

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static const bool quiet = [] {
    mailvane::SetLogLevel(static_cast<mailvane::LogLevel>(99));
    return true;
  }();
  (void)quiet;
  mailvane::World world;
  while (size >= 3) {
    const uint8_t what = data[0];
    const uint8_t which = data[1];
    const size_t length = std::min<size_t>(data[2], size - 3);
    world.Step(what, which,
               absl::string_view(reinterpret_cast<const char*>(data + 3), length));
    data += 3 + length;
    size -= 3 + length;
  }
  return 0;
}
