// Whatever a collector says, in any order and at any time: the agent's session
// never fails, comes to rest, forgets nothing that it did not send, and is
// always either connected, or about to be within ten minutes.
//
// The input is a list of steps: what, a length, and so many bytes of a
// CollectorFrame.
#include <cstdint>
#include <cstdlib>
#include <string>

#include "absl/strings/str_cat.h"
#include "agent/outbox/outbox.h"
#include "agent/uplink/session.h"
#include "platform/log.h"

namespace mailvane {
namespace {

void Require(bool holds) {
  if (!holds) abort();
}

class World {
 public:
  World() : random_(1) {
    static int count = 0;
    auto outbox = Outbox::Open(absl::StrCat("/uplink-fuzz-", ++count), &random_,
                               {1 << 20, "memdb"});
    Require(outbox.ok());
    outbox_ = *std::move(outbox);
    OutboxTransaction transaction;
    for (int i = 0; i < 5; ++i) transaction.events.push_back(std::string(100, 'x'));
    Require(outbox_->Commit(transaction).ok());
    UplinkSession::Options options;
    options.agent_id = "a";
    options.collectors = {"first:1", "second:2"};
    UplinkSession::Reporter reporter;
    reporter.snapshot = [](Instant) { return v1::Snapshot(); };
    session_ = std::make_unique<UplinkSession>(options, outbox_.get(), &random_,
                                               std::move(reporter));
    Rest();
  }

  void Step(uint8_t what, absl::string_view bytes) {
    switch (what % 8) {
      case 0:
        if (stream_ == Stream::kOpening) {
          session_->Connected(now_);
          stream_ = Stream::kOpen;
        }
        break;
      case 1:
        if (stream_ == Stream::kNone) break;
        session_->Disconnected(now_, "test");
        stream_ = Stream::kNone;
        writing_ = false;
        sent_upto_ = 0;
        break;
      case 2:
        if (writing_) session_->WriteDone();
        writing_ = false;
        break;
      case 3:
        Wait(absl::Milliseconds(what * 50));
        break;
      case 4:
        if (session_->NextDeadline() < absl::InfiniteDuration()) {
          Wait(session_->NextDeadline() - now_.mono);
        }
        break;
      default:
        Receive(bytes, /*mend=*/what % 8 != 5);
    }
    Rest();
  }

 private:
  enum class Stream { kNone, kOpening, kOpen };

  void Wait(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
  }

  void Receive(absl::string_view bytes, bool mend) {
    v1::CollectorFrame frame;
    if (!frame.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    if (stream_ != Stream::kOpen) return;
    if (mend && frame.has_ack()) frame.mutable_ack()->set_epoch(outbox_->epoch());
    const std::string epoch = outbox_->epoch();
    const uint64_t forgotten = outbox_->first_unacked();
    const uint64_t given_out = outbox_->next_seq();
    Require(session_->Receive(now_, frame).ok());
    if (outbox_->epoch() != epoch) {
      Require(outbox_->first_unacked() == 1 &&
              outbox_->next_seq() == given_out - forgotten + 1);
    } else if (outbox_->first_unacked() != forgotten) {
      if (frame.has_ack()) {
        Require(outbox_->first_unacked() <= sent_upto_ + 1);
      } else {
        Require(frame.has_welcome() &&
                outbox_->first_unacked() == frame.welcome().resume_after_seq() + 1);
      }
    }
    if (frame.has_welcome()) sent_upto_ = outbox_->first_unacked() - 1;
  }

  void Rest() {
    for (int i = 0;; ++i) {
      Require(i < 10);
      auto actions = session_->Step(now_);
      Require(actions.ok());
      if (actions->connect) {
        Require(stream_ == Stream::kNone);
        stream_ = Stream::kOpening;
      }
      if (actions->write) {
        Require(stream_ == Stream::kOpen && !writing_);
        Require(actions->write->ByteSizeLong() <= 32 << 10);
        writing_ = true;
        const v1::Batch& batch = actions->write->batch();
        if (batch.events_size() > 0) {
          sent_upto_ = batch.first_seq() + batch.events_size() - 1;
        }
      }
      if (!actions->connect && !actions->write && !actions->close) break;
    }
    Require(session_->NextDeadline() > now_.mono);
    if (stream_ == Stream::kNone) {
      Require(session_->NextDeadline() <= now_.mono + absl::Minutes(10));
    }
  }

  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};
  SeededRandom random_;
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<UplinkSession> session_;
  Stream stream_ = Stream::kNone;
  bool writing_ = false;
  uint64_t sent_upto_ = 0;
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
  while (size >= 2) {
    const uint8_t what = data[0];
    const size_t length = what % 8 >= 5 ? std::min<size_t>(data[1], size - 2) : 0;
    world.Step(what, absl::string_view(reinterpret_cast<const char*>(data + 2), length));
    data += 2 + length;
    size -= 2 + length;
  }
  return 0;
}
