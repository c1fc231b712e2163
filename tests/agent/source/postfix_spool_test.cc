#include "agent/source/postfix_spool.h"

#include <gtest/gtest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace mailvane {
namespace {

namespace fs = std::filesystem;

constexpr int64_t kArrived = 1'700'000'000;

std::string Record(char type, const std::string& data) {
  std::string bytes(1, type);
  size_t length = data.size();
  do {
    bytes += static_cast<char>((length & 0x7f) | (length > 0x7f ? 0x80 : 0));
    length >>= 7;
  } while (length > 0);
  return bytes + data;
}

// The head of a queue file as Postfix 3.7 writes it.
std::string QueueFile(uint64_t size, int64_t arrived) {
  return Record('C', absl::StrFormat("%15d %15d %15d %15d %15d %15d", size, 612, 1, 0,
                                     size, 0)) +
         Record('T', absl::StrCat(arrived, " 123456")) +
         Record('A', "log_client_address=198.51.100.10") + Record('S', "a@example.net") +
         Record('R', "b@example.com") + Record('M', "") + Record('N', "Subject: C T");
}

TEST(ParseQueueFileHead, ReadsSizeAndArrival) {
  const std::string bytes = QueueFile(350, kArrived);
  const auto head = ParseQueueFileHead(bytes);
  ASSERT_TRUE(head.has_value());
  EXPECT_EQ(head->size, 350u);
  EXPECT_EQ(head->arrived, kArrived);
}

TEST(ParseQueueFileHead, GivesNothingForWhatIsNoWholeHead) {
  const std::string bytes = QueueFile(350, kArrived);
  const size_t end_of_time = bytes.find("123456") + 6;
  for (size_t cut = 0; cut < end_of_time; ++cut) {
    EXPECT_FALSE(ParseQueueFileHead(bytes.substr(0, cut)).has_value()) << cut;
  }
  EXPECT_TRUE(ParseQueueFileHead(bytes.substr(0, end_of_time)).has_value());
  EXPECT_FALSE(ParseQueueFileHead("Subject: hello").has_value());
  EXPECT_FALSE(ParseQueueFileHead(std::string(4096, '\xff')).has_value());
  EXPECT_FALSE(ParseQueueFileHead(Record('T', "soon")).has_value());
}

TEST(ParseQueueFileHead, LooksNoFurtherThanTheEnvelope) {
  const std::string forged = Record('M', "") + Record('T', "5 0");
  EXPECT_FALSE(ParseQueueFileHead(forged).has_value());
}

class PostfixSpoolTest : public testing::Test {
 protected:
  PostfixSpoolTest()
      : directory_(fs::path(testing::TempDir()) /
                   testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(directory_);
    for (const char* queue : {"maildrop", "incoming", "active", "deferred", "hold"}) {
      fs::create_directories(directory_ / queue);
    }
  }

  void Write(const std::string& path, const std::string& bytes, mode_t mode = 0700) {
    const fs::path file = directory_ / path;
    fs::create_directories(file.parent_path());
    std::ofstream(file, std::ios::binary) << bytes;
    ASSERT_EQ(chmod(file.c_str(), mode), 0);
  }

  v1::QueueReading Read(PostfixSpool& spool) {
    spool.Start(now_);
    for (int polls = 1; polls < 10'000; ++polls) {
      std::optional<v1::QueueReading> reading = spool.Poll(now_);
      if (reading) {
        polls_ = polls;
        return *reading;
      }
    }
    ADD_FAILURE() << "never done";
    return {};
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
};

TEST_F(PostfixSpoolTest, CountsEachQueueZerosIncluded) {
  Write("deferred/A/A111111111", QueueFile(100, kArrived));
  Write("deferred/B/B/BB22222222", QueueFile(50, kArrived - 900));
  Write("active/C333333333", QueueFile(7, kArrived));
  PostfixSpool spool(directory_.string());
  const v1::QueueReading reading = Read(spool);
  EXPECT_EQ(reading.unavailable(), v1::UNAVAILABLE_UNSPECIFIED);
  EXPECT_EQ(reading.depths_size(), 6);
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).messages(), 2u);
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).bytes(), 150u);
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).oldest_age_seconds(), 1000u);
  EXPECT_EQ(Of(reading, v1::QUEUE_ACTIVE).messages(), 1u);
  EXPECT_EQ(Of(reading, v1::QUEUE_HOLD).messages(), 0u);
  EXPECT_FALSE(Of(reading, v1::QUEUE_HOLD).has_oldest_age_seconds());
}

TEST_F(PostfixSpoolTest, OpensOnlyWhatIsNew) {
  for (int i = 0; i < 50; ++i) {
    Write(absl::StrFormat("deferred/A/A%09d", i), QueueFile(10, kArrived));
  }
  PostfixSpool spool(directory_.string());
  Read(spool);
  EXPECT_EQ(spool.files_opened(), 50u);
  Write("deferred/A/ANEW000000", QueueFile(10, kArrived));
  fs::remove(directory_ / "deferred/A/A000000007");
  fs::rename(directory_ / "deferred/A/A000000008", directory_ / "active/A000000008");
  const v1::QueueReading reading = Read(spool);
  EXPECT_EQ(spool.files_opened(), 51u) << "a message that moved is known";
  EXPECT_EQ(Of(reading, v1::QUEUE_DEFERRED).messages(), 49u);
  EXPECT_EQ(Of(reading, v1::QUEUE_ACTIVE).messages(), 1u);
}

TEST_F(PostfixSpoolTest, AnIdThatCameBackIsAnotherMessage) {
  Write("deferred/A/A111111111", QueueFile(100, kArrived));
  PostfixSpool spool(directory_.string());
  Read(spool);
  // Another inode under the same id.
  Write("deferred/A/fresh", QueueFile(200, kArrived));
  fs::rename(directory_ / "deferred/A/fresh", directory_ / "deferred/A/A111111111");
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).bytes(), 200u);
}

TEST_F(PostfixSpoolTest, WhatIsStillWrittenCountsWhenItIsWhole) {
  Write("incoming/D444444444", QueueFile(10, kArrived), 0600);
  PostfixSpool spool(directory_.string());
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_INCOMING).messages(), 0u);
  ASSERT_EQ(chmod((directory_ / "incoming/D444444444").c_str(), 0700), 0);
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_INCOMING).messages(), 1u);
}

TEST_F(PostfixSpoolTest, ALargeQueueIsReadInSlices) {
  for (int i = 0; i < 100; ++i) {
    Write(absl::StrFormat("deferred/A/A%09d", i), QueueFile(10, kArrived));
  }
  PostfixSpool::Limits limits;
  limits.files_per_poll = 10;
  PostfixSpool spool(directory_.string(), nullptr, limits);
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).messages(), 100u);
  EXPECT_GE(polls_, 10);
}

TEST_F(PostfixSpoolTest, WhatItCannotRememberIsOpenedEachTime) {
  for (int i = 0; i < 20; ++i) {
    Write(absl::StrFormat("deferred/A/A%09d", i), QueueFile(10, kArrived));
  }
  PostfixSpool::Limits limits;
  limits.messages = 5;
  PostfixSpool spool(directory_.string(), nullptr, limits);
  Read(spool);
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).messages(), 20u);
  EXPECT_EQ(spool.files_opened(), 35u);
}

TEST_F(PostfixSpoolTest, GarbageIsNoMessage) {
  Write("deferred/A/A111111111", "not a queue file");
  Write("deferred/A/A222222222", "");
  fs::create_symlink("/etc/passwd", directory_ / "deferred/A/A333333333");
  fs::create_directories(directory_ / "deferred/A/A444444444");
  PostfixSpool spool(directory_.string());
  EXPECT_EQ(Of(Read(spool), v1::QUEUE_DEFERRED).messages(), 0u);
}

TEST_F(PostfixSpoolTest, SaysWhyItCannotRead) {
  PostfixSpool nowhere((directory_ / "nowhere").string());
  EXPECT_FALSE(nowhere.Permitted());
  EXPECT_EQ(Read(nowhere).unavailable(), v1::UNAVAILABLE_NOT_FOUND);
  fs::remove_all(directory_ / "hold");
  PostfixSpool holed(directory_.string());
  const v1::QueueReading reading = Read(holed);
  EXPECT_EQ(reading.unavailable(), v1::UNAVAILABLE_NOT_FOUND);
  EXPECT_EQ(reading.depths_size(), 0) << "never a part";
  EXPECT_NE(reading.detail().find("/hold"), std::string::npos);
}

}  // namespace
}  // namespace mailvane
