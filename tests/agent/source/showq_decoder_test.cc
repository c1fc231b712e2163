#include "agent/source/showq_decoder.h"

#include <fstream>
#include <iterator>
#include <string>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;

// Tables are written with | for NUL.
std::string Stream(std::string text) {
  for (char& c : text) {
    if (c == '|') c = '\0';
  }
  return text;
}

const char kGreeting[] = "protocol|mail_queue_list_protocol||";

std::string Message(absl::string_view queue, absl::string_view time,
                    absl::string_view size) {
  return absl::StrCat("queue_name|", queue, "|queue_id|7882EA72064|time|", time, "|size|",
                      size, "|forced_expire|0|sender|a@example.net|",
                      "recipient|b@example.com|reason|||");
}

absl::Status Decode(ShowqDecoder* decoder, const std::string& bytes) {
  const absl::Status fed = decoder->Feed(bytes);
  return fed.ok() ? decoder->Finish() : fed;
}

uint64_t AllMessages(const ShowqDecoder& decoder) {
  uint64_t sum = 0;
  for (size_t i = 0; i < kPostfixQueues; ++i) {
    sum += decoder.total(static_cast<PostfixQueue>(i)).messages;
  }
  return sum;
}

std::string ReadTestData(const char* name) {
  std::ifstream file(absl::StrCat("tests/testdata/showq/", name), std::ios::binary);
  EXPECT_TRUE(file) << name;
  return std::string((std::istreambuf_iterator<char>(file)),
                     std::istreambuf_iterator<char>());
}

TEST(ShowqDecoder, SumsEachQueue) {
  ShowqDecoder decoder;
  ASSERT_OK(Decode(
      &decoder, Stream(absl::StrCat(
                    kGreeting,  //
                    Message("active", "1000", "10"), Message("deferred", "900", "200"),
                    Message("deferred", "800", "300"), Message("deferred", "850", "400"),
                    Message("incoming", "999", "1"), Message("hold", "5", "0"),
                    Message("maildrop", "7", "2"), "|"))));
  const ShowqTotal& deferred = decoder.total(PostfixQueue::kDeferred);
  EXPECT_EQ(deferred.messages, 3u);
  EXPECT_EQ(deferred.bytes, 900u);
  EXPECT_EQ(deferred.oldest_arrival, 800);
  EXPECT_EQ(decoder.total(PostfixQueue::kActive).oldest_arrival, 1000);
  EXPECT_EQ(decoder.total(PostfixQueue::kIncoming).bytes, 1u);
  EXPECT_EQ(decoder.total(PostfixQueue::kHold).messages, 1u);
  EXPECT_EQ(decoder.total(PostfixQueue::kMaildrop).oldest_arrival, 7);
  EXPECT_EQ(AllMessages(decoder), 7u);
}

// The sums beside are those of `postqueue -j` on the same queue.
TEST(ShowqDecoder, AgreesWithPostqueueOnARecordedAnswer) {
  ShowqDecoder decoder;
  ASSERT_OK(Decode(&decoder, ReadTestData("postfix_3.7.11.bin")));
  EXPECT_EQ(decoder.total(PostfixQueue::kDeferred).messages, 2u);
  EXPECT_EQ(decoder.total(PostfixQueue::kDeferred).bytes, 2u * 363);
  EXPECT_EQ(decoder.total(PostfixQueue::kDeferred).oldest_arrival, 1795467966);
  EXPECT_EQ(decoder.total(PostfixQueue::kHold).messages, 1u);
  EXPECT_EQ(decoder.total(PostfixQueue::kHold).bytes, 363u);
  EXPECT_EQ(AllMessages(decoder), 3u);
}

TEST(ShowqDecoder, ReadsARecordedAnswerWithFourQueues) {
  ShowqDecoder decoder;
  ASSERT_OK(Decode(&decoder, ReadTestData("postfix_3.7.11_mixed.bin")));
  EXPECT_EQ(decoder.total(PostfixQueue::kMaildrop).bytes, 114u);
  EXPECT_EQ(decoder.total(PostfixQueue::kIncoming).bytes, 276u);
  EXPECT_EQ(decoder.total(PostfixQueue::kDeferred).bytes, 350u + 3356);
  EXPECT_EQ(decoder.total(PostfixQueue::kDeferred).oldest_arrival, 1795468375);
  EXPECT_EQ(decoder.total(PostfixQueue::kHold).bytes, 3356u);
  EXPECT_EQ(decoder.total(PostfixQueue::kMaildrop).oldest_arrival, 1795468376);
  EXPECT_EQ(AllMessages(decoder), 5u);
}

TEST(ShowqDecoder, ReadsARecordedAnswerOfAnEmptyQueue) {
  ShowqDecoder decoder;
  ASSERT_OK(Decode(&decoder, ReadTestData("postfix_3.7.11_empty.bin")));
  EXPECT_EQ(AllMessages(decoder), 0u);
  EXPECT_EQ(decoder.total(PostfixQueue::kHold).oldest_arrival, std::nullopt);
}

TEST(ShowqDecoder, DoesNotCareWhereTheStreamIsSplit) {
  const std::string bytes = ReadTestData("postfix_3.7.11.bin");
  for (size_t cut = 0; cut <= bytes.size(); ++cut) {
    ShowqDecoder decoder;
    ASSERT_OK(decoder.Feed(bytes.substr(0, cut)));
    ASSERT_OK(decoder.Feed(bytes.substr(cut)));
    ASSERT_OK(decoder.Finish());
    EXPECT_EQ(decoder.total(PostfixQueue::kDeferred).bytes, 2u * 363) << cut;
    EXPECT_EQ(AllMessages(decoder), 3u) << cut;
  }
  ShowqDecoder decoder;
  for (char c : bytes) ASSERT_OK(decoder.Feed(absl::string_view(&c, 1)));
  ASSERT_OK(decoder.Finish());
  EXPECT_EQ(AllMessages(decoder), 3u);
}

// Above all not where a message ends, where what is left looks whole.
TEST(ShowqDecoder, NeverTakesACutAnswerForAWholeOne) {
  const std::string bytes = ReadTestData("postfix_3.7.11.bin");
  for (size_t length = 0; length < bytes.size(); ++length) {
    ShowqDecoder decoder;
    ASSERT_OK(decoder.Feed(bytes.substr(0, length)));
    ASSERT_THAT(decoder.Finish(), StatusIs(absl::StatusCode::kInvalidArgument)) << length;
  }
}

TEST(ShowqDecoder, AcceptsWhatOtherVersionsSay) {
  const struct {
    const char* name;
    std::string text;
    uint64_t want;
  } kRows[] = {
      {"no greeting, no message", "|", 0},
      {"no greeting", absl::StrCat(Message("active", "1", "1"), "|"), 1},
      {"a greeting that says more", "protocol|mail_queue_list_protocol|version|9|||", 0},
      {"an attribute that is new",
       absl::StrCat(kGreeting, "new_thing|x|", Message("hold", "1", "1"), "|"), 1},
      {"another order", "size|1|time|2|queue_name|active|||", 1},
      {"no recipient yet", "queue_name|active|time|2|size|1|||", 1},
      {"a name where a value stands",
       "queue_name|active|time|2|size|1|reason|queue_name|||", 1},
      {"a long reason",
       absl::StrCat("queue_name|active|time|2|size|1|reason|", std::string(60000, 'x'),
                    "|||"),
       1},
  };
  for (const auto& row : kRows) {
    ShowqDecoder decoder;
    EXPECT_OK(Decode(&decoder, Stream(row.text))) << row.name;
    EXPECT_EQ(AllMessages(decoder), row.want) << row.name;
  }
}

TEST(ShowqDecoder, RefusesWhatMakesNoSense) {
  const struct {
    const char* name;
    std::string text;
    const char* why;
  } kRows[] = {
      {"nothing at all", "", "cut off"},
      {"a greeting alone", kGreeting, "cut off"},
      {"a text", "Mail queue is empty\n|", "name"},
      {"another service", "protocol|bounce_protocol|||", "protocol"},
      {"more after the end", "||", "goes on"},
      {"a name without an end", std::string(100, 'n'), "name that is too long"},
      {"a queue without an end", absl::StrCat("queue_name|", std::string(100, 'q')),
       "value that is too long"},
      {"a reason without an end",
       absl::StrCat("reason|", std::string((1 << 20) + 1, 'r')), "value without an end"},
      {"a queue nobody knows", Message("elsewhere", "1", "1"), "queue \"elsewhere\""},
      {"an escape in a queue", Message("\x1b[2J", "1", "1"), "queue \"\\x1b[2J\""},
      {"no queue", "queue_id|X|time|1|size|1||", "without queue"},
      {"no time", "queue_name|hold|size|1||", "without queue, time"},
      {"no size", "queue_name|hold|time|1||", "without queue, time or size"},
      {"two messages run together", "queue_name|hold|time|1|size|1|queue_name|hold|",
       "two queues"},
      {"two times", "time|1|time|2|", "time"},
      {"two sizes", "size|1|size|2|", "size"},
      {"a time with a sign", Message("hold", "-1", "1"), "time \"-1\""},
      {"a time with a space", Message("hold", " 1", "1"), "time \" 1\""},
      {"an empty time", Message("hold", "", "1"), "time"},
      {"a time beyond all years", Message("hold", "253402300800", "1"), "time"},
      {"a size that is no number", Message("hold", "1", "1k"), "size \"1k\""},
      {"a size with a plus", Message("hold", "1", "+1"), "size \"+1\""},
      {"a size beyond 64 bits", Message("hold", "1", "18446744073709551616"), "size"},
      {"sizes that wrap around",
       absl::StrCat(Message("hold", "1", "18446744073709551615"),
                    Message("hold", "1", "1")),
       "larger"},
      {"a message in the greeting",
       "protocol|mail_queue_list_protocol|queue_name|hold|time|1|size|1||", "greeting"},
      {"a greeting that comes twice",
       "protocol|mail_queue_list_protocol||protocol|mail_queue_list_protocol||",
       "without"},
  };
  for (const auto& row : kRows) {
    ShowqDecoder decoder;
    EXPECT_THAT(Decode(&decoder, Stream(row.text)),
                StatusIs(absl::StatusCode::kInvalidArgument, HasSubstr(row.why)))
        << row.name;
  }
}

TEST(ShowqDecoder, StaysBroken) {
  ShowqDecoder decoder;
  EXPECT_FALSE(decoder.Feed(Stream("no name\n|")).ok());
  EXPECT_FALSE(decoder.Feed(Stream("|")).ok());
  EXPECT_FALSE(decoder.Finish().ok());
}

}  // namespace
}  // namespace mailvane
