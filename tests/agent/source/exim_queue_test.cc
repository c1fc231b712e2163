#include "agent/source/exim_queue.h"

#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailvane {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kArrived = 1'700'000'000;

std::string Id(int number) { return absl::StrFormat("1xW0NK-%06d-06", number); }

class EximSpoolTest : public testing::Test {
 protected:
  EximSpoolTest()
      : directory_(fs::path(testing::TempDir()) /
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(directory_);
    fs::create_directories(directory_ / "input");
    fs::create_directories(directory_ / "msglog");
  }

  // Headers of 22 bytes, and a body of `body` bytes.
  void Write(const std::string& folder, int number, const std::string& options = "",
             size_t body = 10, int64_t arrived = kArrived) {
    const fs::path at = directory_ / folder;
    fs::create_directories(at);
    const std::string id = Id(number);
    std::ofstream(at / (id + "-D")) << id << "-D\n" << std::string(body, 'x');
    // As Exim does: written beside it, then renamed.
    std::ofstream(at / "hdr.1") << id << "-H\nDebian-exim 105 105\n<a@example.net>\n"
                                << arrived << " 0\n"
                                << options << "XX\n1\nb@example.com\n\n"
                                << "022F From: <a@example.net>\n";
    fs::rename(at / "hdr.1", at / (id + "-H"));
  }

  v1::QueueReading Read(EximSpool& spool) {
    told_.clear();
    spool.Start(now_);
    for (polls_ = 1; polls_ < 10'000; ++polls_) {
      if (const auto reading = spool.Poll(now_)) return *reading;
    }
    ADD_FAILURE() << "never done";
    return {};
  }

  QueueSink Sink() {
    return [this](const QueuedMessage& message) {
      told_.push_back(absl::StrCat(message.to_domain, " ", message.reason));
    };
  }

  static v1::QueueDepth Of(const v1::QueueReading& reading, v1::Queue queue) {
    for (const v1::QueueDepth& depth : reading.depths()) {
      if (depth.queue() == queue) return depth;
    }
    ADD_FAILURE() << "no " << v1::Queue_Name(queue);
    return {};
  }

  const fs::path directory_;
  const Instant now_{absl::FromUnixSeconds(kArrived + 100), absl::Hours(1)};
  int polls_ = 0;
  std::vector<std::string> told_;
};

TEST_F(EximSpoolTest, CountsEveryLayout) {
  Write("input", 1);
  Write("input/a", 2, "-frozen 1700000001\n", 5, kArrived - 900);
  Write("bulk/input", 3, "-deliver_firsttime\n");
  Write("bulk/input/b", 4);
  EximSpool spool(directory_.string());
  const v1::QueueReading reading = Read(spool);
  EXPECT_EQ(reading.depths_size(), 3);
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).messages(), 2u);
  // Headers, an empty line, body.
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).bytes(), 2u * (22 + 1 + 10));
  EXPECT_EQ(Of(reading, v1::QUEUE_FROZEN).messages(), 1u);
  EXPECT_EQ(Of(reading, v1::QUEUE_FROZEN).oldest_age_seconds(), 1000u);
  EXPECT_EQ(Of(reading, v1::QUEUE_INCOMING).messages(), 1u);
}

TEST_F(EximSpoolTest, OpensOnlyWhatIsNewOrWrittenAnew) {
  for (int i = 0; i < 50; ++i) Write("input", i);
  EximSpool::Limits limits;
  limits.walks_until_stale = 1'000'000'000;
  EximSpool spool(directory_.string(), nullptr, limits);
  Read(spool);
  EXPECT_EQ(spool.files_opened(), 50u);
  Write("input", 50);
  Write("input", 7, "-frozen 1700000001\n");
  fs::remove(directory_ / "input" / (Id(8) + "-H"));
  const v1::QueueReading reading = Read(spool);
  EXPECT_EQ(spool.files_opened(), 52u);
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).messages(), 49u);
  EXPECT_EQ(Of(reading, v1::QUEUE_FROZEN).messages(), 1u);
}

TEST_F(EximSpoolTest, WhatIsKnownIsLookedAtAgainInTheEnd) {
  for (int i = 0; i < 20; ++i) Write("input", i);
  EximSpool::Limits limits;
  limits.walks_until_stale = 4;
  EximSpool spool(directory_.string(), nullptr, limits);
  for (int i = 0; i < 5; ++i) Read(spool);
  EXPECT_EQ(spool.files_opened(), 40u);
}

TEST_F(EximSpoolTest, ALargeQueueIsReadInSlices) {
  for (int i = 0; i < 100; ++i) Write("input", i);
  EximSpool::Limits limits;
  limits.files_per_poll = 10;
  EximSpool spool(directory_.string(), nullptr, limits);
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).messages(), 100u);
  EXPECT_GE(polls_, 10);
}

TEST_F(EximSpoolTest, HeadersThatAreLongAreSummedToTheirEnd) {
  Write("input", 1);
  const fs::path file = directory_ / "input" / (Id(1) + "-H");
  std::ofstream(file, std::ios::app)
      << "50000  X-Long: " << std::string(50'000 - 9, 'x') << "\n";
  EximSpool spool(directory_.string());
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).bytes(), 22u + 50'000u + 1 + 10);
}

TEST_F(EximSpoolTest, TellsTheMessageLogsLastWordWhenAsked) {
  Write("input/a", 1);
  fs::create_directories(directory_ / "msglog/a");
  std::ofstream(directory_ / "msglog/a" / Id(1))
      << "2026-11-24 23:56:38 b@example.com R=r T=t defer (111): Connection refused\n";
  EximSpool::Limits limits;
  limits.reasons = SpoolReasons::kRead;
  EximSpool spool(directory_.string(), Sink(), limits);
  Read(spool);
  EXPECT_EQ(told_, std::vector<std::string>{"example.com Connection refused"});
  EximSpool silent(directory_.string(), Sink());
  Read(silent);
  EXPECT_EQ(told_, std::vector<std::string>{"example.com "});
}

TEST_F(EximSpoolTest, GarbageIsNoMessage) {
  std::ofstream(directory_ / "input" / (Id(1) + "-H")) << "not a header file\n";
  std::ofstream(directory_ / "input" / (Id(2) + "-H"));
  std::ofstream(directory_ / "input" / (Id(3) + "-D")) << "x";
  std::ofstream(directory_ / "input/README-H") << "x";
  fs::create_symlink("/etc/passwd", directory_ / "input" / (Id(4) + "-H"));
  fs::create_directories(directory_ / "input" / (Id(5) + "-H"));
  EximSpool spool(directory_.string());
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).messages(), 0u);
}

TEST_F(EximSpoolTest, SaysWhyItCannotRead) {
  fs::remove_all(directory_ / "input");
  EximSpool spool(directory_.string());
  EXPECT_FALSE(spool.Permitted());
  const v1::QueueReading reading = Read(spool);
  EXPECT_EQ(reading.unavailable(), v1::UNAVAILABLE_NOT_FOUND);
  EXPECT_EQ(reading.depths_size(), 0) << "never a part";
  EXPECT_NE(reading.detail().find("/input"), std::string::npos);
}

}  // namespace
}  // namespace mailvane
