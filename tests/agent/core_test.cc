#include "agent/core.h"

#include <cstdio>

#include "absl/strings/str_cat.h"
#include "platform/log.h"
#include "platform/proto_time.h"
#include "tests/fakes/full_disk.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kLog[] = "postfix_log";

std::string Delivered(int second, absl::string_view status, absl::string_view relay,
                      absl::string_view dsn, absl::string_view reply) {
  return absl::StrCat(
      "Nov 14 22:13:", second < 10 ? "0" : "", second,
      " mx1 postfix/smtp[7]: 97B3CA72208: to=<joe@example.org>, relay=", relay,
      ", delay=0.1, delays=0/0/0.1/0, dsn=", dsn, ", status=", status, " (", reply, ")");
}
std::string Bounced(int second) {
  return Delivered(second, "bounced", "mx.example.org[192.0.2.1]:25", "5.7.1",
                   "host mx.example.org[192.0.2.1] said: 550 5.7.1 blocked");
}
std::string Sent(int second) {
  return Delivered(second, "sent", "mx.google.com[192.0.2.2]:25", "2.0.0", "250 OK");
}

class CoreTest : public testing::Test {
 protected:
  CoreTest()
      : path_(
            absl::StrCat(testing::TempDir(), "/core_",
                         testing::UnitTest::GetInstance()->current_test_info()->name())) {
    SetLogLevel(LogLevel::kError);
    for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path_ + suffix).c_str());
    Start();
  }

  // A new process on the same disk; the one before was killed.
  void Start(uint64_t max_bytes = 1 << 20) {
    core_.reset();
    outbox_.reset();
    auto outbox = Outbox::Open(path_, &random_, {max_bytes, disk_.vfs()});
    ASSERT_OK(outbox);
    outbox_ = *std::move(outbox);
    AgentCore::Options options;
    options.session.agent_id = "NC027";
    options.session.version = "test";
    options.session.collectors = {"first:1"};
    core_ = std::make_unique<AgentCore>(options, outbox_.get(), &random_, now_);
    ASSERT_OK(core_->Start(now_));
  }

  void Wait(absl::Duration time) {
    now_.mono += time;
    now_.wall += time;
  }

  // Lines [from, to) of the file, as LogFile would read them.
  LogChunk Chunk(const std::vector<std::string>& file, size_t from, size_t to) {
    LogChunk chunk;
    chunk.file_key = "file";
    uint64_t offset = 0;
    for (size_t i = 0; i < to; ++i) {
      if (i >= from) chunk.lines.push_back({file[i], offset, {}, "", ""});
      offset += file[i].size() + 1;
    }
    chunk.checkpoint = absl::StrCat(to);
    return chunk;
  }
  void Take(const std::vector<std::string>& file, size_t from, size_t to) {
    ASSERT_OK(core_->TakeLog(now_, kLog, Chunk(file, from, to)));
  }
  void Take(const std::vector<std::string>& file) { Take(file, 0, file.size()); }
  size_t CheckpointedLine() {
    return std::atoi(outbox_->Checkpoint(kLog)->value_or("0").c_str());
  }

  std::vector<v1::Event> Events() {
    std::vector<v1::Event> events;
    auto bodies = outbox_->Read(outbox_->first_unacked(), 100'000, 1 << 30);
    EXPECT_OK(bodies);
    for (const std::string& body : *bodies) {
      EXPECT_LE(body.size(), 4096u);
      EXPECT_TRUE(events.emplace_back().ParseFromString(body));
      EXPECT_EQ(events.back().key().size(), 16u);
      EXPECT_TRUE(events.back().has_time());
    }
    return events;
  }
  template <typename Has>
  std::vector<v1::Event> EventsThat(Has has) {
    std::vector<v1::Event> events = Events();
    events.erase(std::remove_if(events.begin(), events.end(),
                                [&](const v1::Event& event) { return !has(event); }),
                 events.end());
    return events;
  }
  std::vector<v1::Event> Findings() {
    return EventsThat([](const v1::Event& event) { return event.has_finding(); });
  }
  std::vector<v1::Event> Transitions() {
    return EventsThat([](const v1::Event& event) { return event.has_source(); });
  }

  void SetSource(v1::Unavailable unavailable, absl::string_view detail = "") {
    v1::SourceReading reading;
    reading.set_source(kLog);
    reading.set_unavailable(unavailable);
    reading.set_detail(std::string(detail));
    ASSERT_OK(core_->TakeSource(now_, reading));
  }

  FullDisk disk_;
  SeededRandom random_{1};
  const std::string path_;
  Instant now_{absl::FromUnixSeconds(1'700'000'000), absl::Hours(1)};  // Nov 14 22:13:20
  std::unique_ptr<Outbox> outbox_;
  std::unique_ptr<AgentCore> core_;
};

TEST_F(CoreTest, LinesThatTheHostsSyslogDroppedAreALossWithTheirNumber) {
  const std::vector<std::string> file = {
      "Nov 14 22:10:00 mx1 rsyslogd: imuxsock[pid 8]: 45 messages lost due to "
      "rate-limiting (200 allowed within 5 seconds)",
      "Nov 14 22:11:00 mx1 rsyslogd: imuxsock[pid 8]: 45 messages lost due to "
      "rate-limiting (200 allowed within 5 seconds)"};
  Take(file);
  // Read again, after a crash.
  Take(file, 1, 2);
  const std::vector<v1::Event> losses =
      EventsThat([](const v1::Event& event) { return event.has_loss(); });
  ASSERT_THAT(losses, SizeIs(3));
  for (const v1::Event& event : losses) {
    EXPECT_EQ(event.loss().cause(), v1::LossRecord::CAUSE_RATE_LIMITED);
    EXPECT_EQ(event.loss().lines(), 45u);
    EXPECT_FALSE(event.loss().has_bytes());
  }
  EXPECT_NE(losses[0].key(), losses[1].key());
  EXPECT_EQ(losses[1].key(), losses[2].key());
}

TEST_F(CoreTest, EachStartIsToldWithHowTheLastOneEnded) {
  ASSERT_OK(core_->Stop(now_, "SIGTERM"));
  Start();
  Start();
  const std::vector<v1::Event> events = Events();
  ASSERT_THAT(events, SizeIs(4));
  EXPECT_TRUE(events[0].agent_started().after_clean_stop()) << "it follows nobody";
  EXPECT_EQ(events[0].agent_started().version(), "test");
  EXPECT_EQ(events[1].agent_stopping().reason(), "SIGTERM");
  EXPECT_TRUE(events[2].agent_started().after_clean_stop());
  EXPECT_FALSE(events[3].agent_started().after_clean_stop()) << "it was killed";
}

TEST_F(CoreTest, AnOutboxThatWasCorruptIsALoss) {
  core_.reset();
  outbox_.reset();
  for (const char* suffix : {"-wal", "-shm"}) std::remove((path_ + suffix).c_str());
  FILE* file = fopen(path_.c_str(), "w");
  fputs("this is no database, and has never been one; it is far from it", file);
  fclose(file);
  Start();
  const std::vector<v1::Event> events = Events();
  ASSERT_THAT(events, SizeIs(2));
  EXPECT_EQ(events[0].loss().cause(), v1::LossRecord::CAUSE_OUTBOX_LOST);
  std::remove((path_ + ".corrupt").c_str());
}

TEST_F(CoreTest, CountsLinesByWhatBecameOfThem) {
  Take({
      Sent(1),
      Bounced(2),
      Delivered(3, "deferred", "none", "4.4.1", "connect: timed out"),
      "Nov 14 22:13:04 mx1 postfix/smtpd[9]: connect from unknown[203.0.113.1]",
      "Nov 14 22:13:05 mx1 postfix/master[1]: daemon started -- version 3.7.11",
      "Nov 14 22:13:06 mx1 sshd[9]: Accepted publickey for root",
      "no header at all",
      "",
      std::string("\0\xff\xfe", 3),
  });
  const v1::Snapshot snapshot = core_->Snapshot(now_);
  EXPECT_EQ(snapshot.log().lines(), 9u);
  EXPECT_EQ(snapshot.log().parsed(), 4u);
  EXPECT_EQ(snapshot.log().other(), 1u);
  EXPECT_EQ(snapshot.log().unparsed(), 4u);
  EXPECT_EQ(snapshot.log().ambiguous(), 0u);
  std::map<std::pair<std::string, v1::DeliveryStatus>, uint64_t> counts;
  for (const v1::DeliveryCount& count : snapshot.deliveries()) {
    counts[{count.provider(), count.status()}] = count.count();
  }
  EXPECT_EQ((counts[{"google", v1::DELIVERY_STATUS_SENT}]), 1u);
  EXPECT_EQ((counts[{"other", v1::DELIVERY_STATUS_BOUNCED}]), 1u);
  EXPECT_EQ(counts.size(), 3u);
  EXPECT_EQ(FromProto(snapshot.counting_since()), now_.wall);
}

TEST_F(CoreTest, MuchRefusedMailIsOneFinding) {
  std::vector<std::string> file;
  for (int i = 0; i < 50; ++i) file.push_back(Bounced(i));
  Take(file);
  const std::vector<v1::Event> findings = Findings();
  ASSERT_THAT(findings, SizeIs(1));
  EXPECT_EQ(findings[0].finding().type(), "bounce_rate");
  EXPECT_EQ(findings[0].finding().messages(), 20u);
  EXPECT_EQ(FromProto(findings[0].time()), FromProto(findings[0].finding().last_seen()));
  const v1::Snapshot snapshot = core_->Snapshot(now_);
  ASSERT_THAT(snapshot.findings(), SizeIs(1));
  EXPECT_EQ(snapshot.findings(0).count(), 1u);
}

// The transaction of events, checkpoint and state: killed after any line, and
// again and again, the log is told once.
TEST_F(CoreTest, AKillAnywhereNeitherLosesAFindingNorMakesItTwice) {
  std::vector<std::string> file;
  for (int i = 0; i < 40; ++i) file.push_back(i % 5 == 4 ? Sent(i) : Bounced(i));
  Take(file);
  ASSERT_THAT(Findings(), SizeIs(1));
  const std::string key = Findings()[0].key();
  for (size_t chunk = 1; chunk <= 10; ++chunk) {
    for (size_t killed_every = 1; killed_every <= 4; ++killed_every) {
      SCOPED_TRACE(absl::StrCat(chunk, " lines at a time, killed after every ",
                                killed_every, " chunks"));
      core_.reset();
      outbox_.reset();
      for (const char* suffix : {"", "-wal", "-shm"}) {
        std::remove((path_ + suffix).c_str());
      }
      Start();
      size_t next = CheckpointedLine();
      for (size_t taken = 1; next < file.size() && taken < 1000; ++taken) {
        const size_t end = std::min(next + chunk, file.size());
        Take(file, next, end);
        next = end;
        // Sometimes the checkpoint is committed before the kill, sometimes not.
        if (taken % 3 != 0) Wait(absl::Milliseconds(400));
        ASSERT_OK(core_->Commit(now_));
        if (taken % killed_every == 0 && taken < 200) {
          if (taken % 2 == 0) Wait(absl::Seconds(1));
          ASSERT_OK(core_->Commit(now_));
          Start();
          next = CheckpointedLine();
        }
      }
      const std::vector<v1::Event> findings = Findings();
      ASSERT_THAT(findings, SizeIs(1));
      EXPECT_EQ(findings[0].key(), key) << "the same effect has the same name";
      EXPECT_EQ(findings[0].finding().messages(), 20u) << "no line counted twice";
    }
  }
}

// A backup that is played back, or a kill after the log was read and before the
// commit: what is told again has the same key, so that the store knows it.
// A log that says nothing is looked at every two seconds, for years.
TEST_F(CoreTest, AQuietLogWritesNothingToTheDisk) {
  const std::vector<std::string> file = {"one line"};
  Take(file);
  Wait(absl::Seconds(2));
  ASSERT_OK(core_->Commit(now_));
  ASSERT_EQ(CheckpointedLine(), 1u);
  Take(file, 1, 1);
  EXPECT_EQ(core_->NextDeadline(), absl::InfiniteDuration());
}

TEST_F(CoreTest, LinesReadAgainFromAnOldCheckpointGiveTheSameKey) {
  std::vector<std::string> file;
  for (int i = 0; i < 30; ++i) file.push_back(Bounced(i));
  Take(file, 0, 10);
  Wait(absl::Seconds(1));
  ASSERT_OK(core_->Commit(now_));
  OutboxTransaction before;
  before.checkpoints = {{kLog, *outbox_->Checkpoint(kLog).value()}};
  before.states = {{"delivery", *outbox_->State("delivery").value()}};
  Take(file, 10, 30);
  ASSERT_OK(outbox_->Commit(before));
  Start();
  ASSERT_EQ(CheckpointedLine(), 10u);
  Wait(absl::Hours(2));
  Take(file, 10, 20);
  Take(file, 20, 30);
  const std::vector<v1::Event> findings = Findings();
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].key(), findings[1].key());
}

TEST_F(CoreTest, AnotherAgentsOrAnotherFilesLineIsAnotherFinding) {
  std::vector<std::string> file;
  for (int i = 0; i < 20; ++i) file.push_back(Bounced(i));
  LogChunk chunk = Chunk(file, 0, 20);
  Take(file);
  core_.reset();
  AgentCore::Options options;
  options.session.collectors = {"first:1"};
  options.session.agent_id = "NC036";
  ASSERT_OK(outbox_->Commit({{}, {}, {{"delivery", "1 - -|"}}}));
  core_ = std::make_unique<AgentCore>(options, outbox_.get(), &random_, now_);
  ASSERT_OK(core_->Start(now_));
  ASSERT_OK(core_->TakeLog(now_, kLog, chunk));
  const std::vector<v1::Event> findings = Findings();
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_NE(findings[0].key(), findings[1].key());
}

TEST_F(CoreTest, TheJournalsCursorNamesALineAsAnOffsetDoes) {
  const std::string text = Bounced(0).substr(20);
  std::vector<std::string> cursors;
  for (int i = 0; i < 20; ++i) cursors.push_back(absl::StrCat("s=1;i=", i));
  const auto take = [&] {
    LogChunk chunk;
    for (const std::string& cursor : cursors) {
      chunk.lines.push_back({text, 0, now_.wall, "mx1", cursor});
    }
    chunk.checkpoint = cursors.back();
    ASSERT_OK(core_->TakeLog(now_, "journal", chunk));
  };
  take();
  ASSERT_OK(outbox_->Commit({{}, {}, {{"delivery", "1 - -|"}}}));
  Start();
  take();
  const std::vector<v1::Event> findings = Findings();
  ASSERT_THAT(findings, SizeIs(2));
  EXPECT_EQ(findings[0].key(), findings[1].key());
}

// But for the first: without any, a restart would begin at the log's end.
TEST_F(CoreTest, AMereCheckpointWaitsASecond) {
  Take({Sent(1)});
  EXPECT_EQ(CheckpointedLine(), 1u);
  EXPECT_EQ(core_->NextDeadline(), absl::InfiniteDuration());
  Take({Sent(1), Sent(2)}, 1, 2);
  EXPECT_EQ(CheckpointedLine(), 1u);
  EXPECT_EQ(core_->NextDeadline(), now_.mono + absl::Seconds(1));
  Wait(absl::Milliseconds(500));
  Take({Sent(1), Sent(2), Sent(3)}, 2, 3);
  EXPECT_LE(core_->NextDeadline(), now_.mono + absl::Milliseconds(500))
      << "a busy log does not put it off";
  Wait(absl::Milliseconds(500));
  ASSERT_OK(core_->Commit(now_));
  EXPECT_EQ(CheckpointedLine(), 3u);
  EXPECT_EQ(core_->NextDeadline(), absl::InfiniteDuration());
}

TEST_F(CoreTest, WhatWasLostIsToldOnceForEachPlace) {
  const std::vector<std::string> file = {Sent(1)};
  LogChunk chunk = Chunk(file, 0, 1);
  LogLoss& loss = chunk.losses.emplace_back();
  loss.cause = v1::LossRecord::CAUSE_TRUNCATED;
  loss.bytes = 100;
  loss.from_offset = 4096;
  loss.file_key = "file";
  ASSERT_OK(core_->TakeLog(now_, kLog, chunk));
  Wait(absl::Seconds(5));
  ASSERT_OK(core_->TakeLog(now_, kLog, chunk));
  const std::vector<v1::Event> losses =
      EventsThat([](const v1::Event& event) { return event.has_loss(); });
  ASSERT_THAT(losses, SizeIs(2));
  EXPECT_EQ(losses[0].key(), losses[1].key());
  EXPECT_EQ(losses[0].loss().bytes(), 100u);
  EXPECT_EQ(losses[0].loss().from_offset(), 4096u);
  EXPECT_FALSE(losses[0].loss().has_after()) << "nothing was read before it";
  EXPECT_TRUE(losses[1].loss().has_after());
}

TEST_F(CoreTest, ALossOfUnknownSizeAndPlaceSaysSo) {
  LogChunk chunk;
  chunk.losses.emplace_back().cause = v1::LossRecord::CAUSE_JOURNAL_VACUUMED;
  ASSERT_OK(core_->TakeLog(now_, "journal", chunk));
  const std::vector<v1::Event> losses =
      EventsThat([](const v1::Event& event) { return event.has_loss(); });
  ASSERT_THAT(losses, SizeIs(1));
  EXPECT_FALSE(losses[0].loss().has_bytes());
  EXPECT_FALSE(losses[0].loss().has_from_offset());
}

TEST_F(CoreTest, ASourcesTransitionsAreToldOnce) {
  SetSource(v1::UNAVAILABLE_UNSPECIFIED);
  SetSource(v1::UNAVAILABLE_UNSPECIFIED);
  EXPECT_THAT(Transitions(), IsEmpty()) << "that it works is no news";
  SetSource(v1::UNAVAILABLE_PERMISSION_DENIED, "open /var/log/mail.log");
  SetSource(v1::UNAVAILABLE_PERMISSION_DENIED, "open /var/log/mail.log, again");
  SetSource(v1::UNAVAILABLE_NOT_FOUND);
  SetSource(v1::UNAVAILABLE_UNSPECIFIED);
  SetSource(v1::UNAVAILABLE_UNSPECIFIED);
  const std::vector<v1::Event> events = Transitions();
  ASSERT_THAT(events, SizeIs(3));
  EXPECT_EQ(events[0].source().unavailable(), v1::UNAVAILABLE_PERMISSION_DENIED);
  EXPECT_EQ(events[0].source().detail(), "open /var/log/mail.log");
  EXPECT_EQ(events[1].source().unavailable(), v1::UNAVAILABLE_NOT_FOUND);
  EXPECT_EQ(events[2].source().unavailable(), v1::UNAVAILABLE_UNSPECIFIED);
  EXPECT_NE(events[0].key(), events[1].key());
  ASSERT_THAT(core_->Snapshot(now_).sources(), SizeIs(1));
}

TEST_F(CoreTest, WhatAHostDoesNotHaveIsNoTransition) {
  v1::QueueReading reading;
  reading.set_unavailable(v1::UNAVAILABLE_NOT_CONFIGURED);
  ASSERT_OK(core_->TakeQueue(now_, "postfix_queue", "/var/spool/postfix", reading));
  ASSERT_OK(core_->TakeQueue(now_, "postfix_queue", "/var/spool/postfix", reading));
  EXPECT_THAT(Transitions(), IsEmpty());
  ASSERT_THAT(core_->Snapshot(now_).sources(), SizeIs(1)) << "the state says so";
}

TEST_F(CoreTest, ADetailIsCutAndNamesNobody) {
  SetSource(v1::UNAVAILABLE_OTHER,
            absl::StrCat("<joe@example.net>\n\x1b[31m", std::string(5000, 'x')));
  const std::string detail = Transitions().at(0).source().detail();
  EXPECT_LE(detail.size(), 256u);
  EXPECT_EQ(detail.find("joe"), std::string::npos);
  EXPECT_EQ(detail.find('\x1b'), std::string::npos);
  EXPECT_EQ(detail.find('\n'), std::string::npos);
}

TEST_F(CoreTest, AFullOutboxStopsTheReadingAndDropsNothing) {
  Start(/*max_bytes=*/200);
  EXPECT_TRUE(core_->takes_log());
  std::vector<std::string> file;
  for (int i = 0; i < 30; ++i) file.push_back(Bounced(i));
  Take(file);
  EXPECT_FALSE(core_->takes_log());
  EXPECT_THAT(Findings(), SizeIs(1)) << "an event that is made is kept";
  SetSource(v1::UNAVAILABLE_OUTBOX_FULL, "full");
  EXPECT_THAT(Transitions(), SizeIs(1));
  ASSERT_OK(outbox_->Acknowledge(outbox_->next_seq() - 1));
  EXPECT_TRUE(core_->takes_log());
}

TEST_F(CoreTest, AFullDiskKeepsWhatIsStagedUntilThereIsRoom) {
  std::vector<std::string> file;
  for (int i = 0; i < 30; ++i) file.push_back(Bounced(i));
  disk_.Fill();
  Take(file);
  EXPECT_FALSE(core_->takes_log());
  EXPECT_THAT(Findings(), IsEmpty());
  EXPECT_EQ(CheckpointedLine(), 0u);
  SetSource(v1::UNAVAILABLE_OUTBOX_FULL, "full");
  ASSERT_EQ(core_->NextDeadline(), now_.mono + absl::Seconds(1)) << "it is tried again";
  for (int i = 0; i < 5; ++i) {
    Wait(absl::Seconds(1));
    ASSERT_OK(core_->Commit(now_));
    ASSERT_GT(core_->NextDeadline(), now_.mono);
  }
  disk_.Clear();
  Wait(absl::Seconds(1));
  ASSERT_OK(core_->Commit(now_));
  EXPECT_TRUE(core_->takes_log());
  EXPECT_THAT(Findings(), SizeIs(1));
  EXPECT_THAT(Transitions(), SizeIs(1));
  EXPECT_EQ(CheckpointedLine(), 30u);
  EXPECT_EQ(core_->NextDeadline(), absl::InfiniteDuration());
}

TEST_F(CoreTest, AKillOnAFullDiskReadsTheLinesAgain) {
  std::vector<std::string> file;
  for (int i = 0; i < 30; ++i) file.push_back(Bounced(i));
  disk_.Fill();
  Take(file);
  disk_.Clear();
  Start();
  EXPECT_EQ(CheckpointedLine(), 0u);
  Take(file);
  EXPECT_THAT(Findings(), SizeIs(1));
}

TEST_F(CoreTest, AStopOnAFullDiskStillEndsTheSession) {
  disk_.Fill();
  core_->Stop(now_, "SIGTERM").IgnoreError();
  EXPECT_TRUE(core_->session().stopped());
}

TEST_F(CoreTest, NoEventIsLongerThanTheCollectorTakes) {
  std::vector<std::string> file;
  for (int i = 0; i < 200; ++i) {
    // Each refused for a reason of its own, and each reason very long.
    file.push_back(Delivered(
        i % 60, "bounced", "mx.example.org[192.0.2.1]:25", "5.7.1",
        absl::StrCat(std::string(100, 'a' + i % 26), i, " ", std::string(9000, '\xff'))));
  }
  Take(file);
  EXPECT_THAT(Findings(), SizeIs(1));  // and Events checks each length
  SetSource(v1::UNAVAILABLE_OTHER, std::string(100'000, 'x'));
  EXPECT_THAT(Transitions(), SizeIs(1));
}

TEST_F(CoreTest, ASnapshotSaysHowOldEachReadingIs) {
  EXPECT_FALSE(core_->Snapshot(now_).has_queue()) << "not looked for yet";
  v1::QueueReading queue;
  queue.add_depths()->set_messages(3);
  ASSERT_OK(core_->TakeQueue(now_, "postfix_queue", "/var/spool/postfix", queue));
  Wait(absl::Seconds(2));
  v1::PingReading ping;
  ping.set_peer("NC036");
  ping.set_age_ms(500);
  core_->TakePings(now_, {ping});
  Wait(absl::Seconds(3));
  const v1::Snapshot snapshot = core_->Snapshot(now_);
  EXPECT_EQ(snapshot.queue().age_ms(), 5000u);
  EXPECT_EQ(snapshot.queue().depths(0).messages(), 3u);
  EXPECT_EQ(snapshot.pings(0).age_ms(), 3500u);
}

// What a stranger chose may look like the rest of a line.
TEST_F(CoreTest, HostileLinesCountNothingAndAccuseNobody) {
  const std::string head = "Nov 14 22:13:01 mx1 postfix/";
  const std::string hostile[] = {
      // A HELO name that plays the account of a client.
      head +
          "smtpd[9]: NOQUEUE: reject: RCPT from unknown[203.0.113.1]: 554 5.7.1 <x>: "
          "Relay access denied; from=<a@b> to=<c@d> proto=ESMTP helo=<x, "
          "sasl_username=victim@example.net>",
      // Message ids and addresses that play a delivery.
      head +
          "cleanup[9]: 97B3CA72208: message-id=<x> to=<a@b>, relay=mx.example.org"
          "[192.0.2.1]:25, delay=1, dsn=5.0.0, status=bounced (no)",
      head +
          "qmgr[9]: 97B3CA72208: from=<x, status=bounced (550)@example.net>, size=1, "
          "nrcpt=1 (queue active)",
      head + "smtpd[9]: connect from unknown[203.0.113.1] status=bounced (no)",
      // Another program says what Postfix would.
      "Nov 14 22:13:01 mx1 evil[9]: 97B3CA72208: to=<a@b>, relay=mx.example.org"
      "[192.0.2.1]:25, delay=1, delays=0/0/1/0, dsn=5.0.0, status=bounced (no)",
  };
  for (const std::string& line : hostile) {
    SCOPED_TRACE(line);
    Take(std::vector<std::string>(40, line));
    EXPECT_THAT(core_->Snapshot(now_).deliveries(), IsEmpty());
    EXPECT_THAT(Findings(), IsEmpty());
  }
}

TEST_F(CoreTest, AReplyThatPlaysAnotherStatusChangesNone) {
  const std::string replies[] = {
      "250 OK status=bounced (550 no)",
      "250 2.0.0 Ok), to=<x@y>, relay=mx.example.org[192.0.2.1]:25, dsn=5.1.1, "
      "status=bounced (550 no",
      "250 dsn=5.0.0, status=deferred",
  };
  for (const std::string& reply : replies) {
    SCOPED_TRACE(reply);
    Start();
    Take(std::vector<std::string>(
        40, Delivered(1, "sent", "mx.google.com[192.0.2.2]:25", "2.0.0", reply)));
    const v1::Snapshot snapshot = core_->Snapshot(now_);
    for (const v1::DeliveryCount& count : snapshot.deliveries()) {
      EXPECT_EQ(count.provider(), "google");
      EXPECT_EQ(count.status(), v1::DELIVERY_STATUS_SENT);
    }
    EXPECT_EQ(snapshot.log().parsed() + snapshot.log().ambiguous(), 40u);
    EXPECT_THAT(Findings(), IsEmpty());
  }
}

// A whole second tail, of which nobody can say that Postfix did not write it.
TEST_F(CoreTest, ALineWithTwoReadingsAccusesNobody) {
  Take(std::vector<std::string>(
      40, Delivered(1, "sent", "mx.google.com[192.0.2.2]:25", "2.0.0",
                    "250 <x>, relay=mx.example.org[192.0.2.1]:25, delay=0.1, "
                    "delays=0/0/0.1/0, dsn=5.1.1, status=bounced (550 no")));
  const v1::Snapshot snapshot = core_->Snapshot(now_);
  EXPECT_EQ(snapshot.log().ambiguous(), 40u);
  EXPECT_EQ(snapshot.log().parsed(), 0u);
  EXPECT_THAT(snapshot.deliveries(), IsEmpty());
  EXPECT_THAT(Findings(), IsEmpty());
}

}  // namespace
}  // namespace mailvane
