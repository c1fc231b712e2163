#include "agent/source/exim_header.h"

#include <gtest/gtest.h>

#include <string>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// As Exim 4.96 wrote it.
std::string HeaderFile(const std::string& options, const std::string& delivered,
                       const std::string& recipients,
                       const std::string& headers = "022F From: <a@example.net>\n") {
  return absl::StrCat("1xW0NK-00000V-06-H\nDebian-exim 105 105\n<a@example.net>\n",
                      "1795564598 0\n-received_time_usec .368950\n", options, delivered,
                      "\n", recipients, "\n\n", headers);
}

TEST(ParseEximHeader, ReadsWhoWhenAndHowMuch) {
  const std::string file =
      HeaderFile("--helo_name client.example.net\n-frozen 1795564698\n--auth_id ann\n",
                 "XX", "2\nb@example.com\nc@example.org",
                 "009* old text\n022F From: <a@example.net>\n011  Subject: x\n");
  const auto header = ParseEximHeader(file);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->arrived, 1795564598);
  EXPECT_EQ(header->sender, "a@example.net");
  EXPECT_TRUE(header->frozen);
  EXPECT_TRUE(header->authenticated);
  EXPECT_FALSE(header->first_attempt);
  EXPECT_EQ(header->recipients, 2u);
  EXPECT_EQ(header->waiting, 2u);
  EXPECT_EQ(header->first_waiting, "b@example.com");
}

TEST(ParseEximHeader, SumsTheHeadersThatAreSent) {
  const std::string file =
      HeaderFile("", "XX", "1\nb@example.com",
                 "008* gone: x\n022F From: <a@example.net>\n011  Subject: x\n");
  const auto header = ParseEximHeader(file);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->header_bytes, 22u + 11u);
  // They go on behind what was read.
  const auto cut = ParseEximHeader(file.substr(0, file.size() - 1));
  ASSERT_TRUE(cut.has_value());
  EXPECT_FALSE(cut->header_bytes.has_value());
}

TEST(ParseEximHeader, WhoHasItDoesNotWait) {
  const std::string file =
      HeaderFile("", "YY c@example.org\nNN b@example.com\nYN e@example.com\nNN d@x",
                 "4\nb@example.com\nc@example.org\nf@example.org\ne@example.com");
  const auto header = ParseEximHeader(file);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->recipients, 4u);
  EXPECT_EQ(header->waiting, 1u);
  EXPECT_EQ(header->first_waiting, "f@example.org");
}

TEST(ParseEximHeader, TheValueOfAVariableIsNoLine) {
  const std::string value = "x\n-frozen 1\nXX\n0\n";
  const std::string file = HeaderFile(
      absl::StrCat("--aclm _note ", value.size(), "\n", value, "\n-deliver_firsttime\n"),
      "XX", "1\nb@example.com");
  const auto header = ParseEximHeader(file);
  ASSERT_TRUE(header.has_value());
  EXPECT_FALSE(header->frozen);
  EXPECT_TRUE(header->first_attempt);
  EXPECT_EQ(header->recipients, 1u);
}

TEST(ParseEximHeader, AnAddressMayHaveBlanksInQuotes) {
  const std::string file = HeaderFile("", "XX", "1\n\"a \\\"b\"@example.com 0,-1#1");
  const auto header = ParseEximHeader(file);
  ASSERT_TRUE(header.has_value());
  EXPECT_EQ(header->first_waiting, "\"a \\\"b\"@example.com");
}

TEST(ParseEximHeader, GivesNothingForAPartOfAnEnvelope) {
  const std::string file = HeaderFile("-frozen 1\n", "YN b@example.com\nNN a@example.com",
                                      "2\nb@example.com\nc@example.org");
  const size_t end = file.find("\n\n") + 2;
  for (size_t cut = 0; cut < end; ++cut) {
    EXPECT_FALSE(ParseEximHeader(file.substr(0, cut)).has_value()) << cut;
  }
  EXPECT_TRUE(ParseEximHeader(file.substr(0, end)).has_value());
}

TEST(ParseEximMessageLog, TheLastWordCounts) {
  const EximLastWord word = ParseEximMessageLog(
      "2026-11-24 23:56:38 Received from a@example.net H=(x) [192.0.2.7] P=esmtp S=270\n"
      "2026-11-24 23:56:38 b@example.com R=r T=t defer (-44) H=mx.example.com "
      "[192.0.2.9]: SMTP error from remote mail server after RCPT TO:<b@example.com>: "
      "451 4.7.1 later\n"
      "2026-11-24 23:57:38 b@example.com R=r T=t defer (-54): retry time not reached for "
      "any host for 'example.com'\n");
  EXPECT_EQ(word.relay_host, "mx.example.com");
  EXPECT_EQ(word.reason,
            "SMTP error from remote mail server after RCPT TO:<b@example.com>: 451 4.7.1 "
            "later");
}

TEST(ParseEximMessageLog, AServerThatCannotBeReachedIsNamedBefore) {
  const EximLastWord word = ParseEximMessageLog(
      "2026-11-24 23:56:38 H=mx.gone.example [192.0.2.40] Connection refused\n"
      "2026-11-24 23:56:38 b@gone.example R=r T=t defer (111): Connection refused\n");
  EXPECT_EQ(word.relay_host, "mx.gone.example");
  EXPECT_EQ(word.reason, "Connection refused");
}

TEST(IsEximId, KnowsOldAndNew) {
  EXPECT_TRUE(IsEximId("1xW0NK-00000V-06"));
  EXPECT_TRUE(IsEximId("1xW0NK-0000000000V-06AB"));
  EXPECT_FALSE(IsEximId("1xW0NK-00000V-0"));
  EXPECT_FALSE(IsEximId("1xW0NK_00000V-06"));
  EXPECT_FALSE(IsEximId(""));
}

}  // namespace
}  // namespace mailvane
