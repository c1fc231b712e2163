#include "agent/reputation/reply_text.h"

#include <string>

#include "gtest/gtest.h"

namespace mailvane {
namespace {

struct Row {
  const char* name;
  const char* text;
  const char* host;
  ReplyPhase phase;
  int code;
  const char* dsn;
  const char* words;
};

TEST(ReplyText, IsReadAsEachProgramWritesIt) {
  const Row rows[] = {
      {"Postfix",
       "host mx.example.net[192.0.2.7] said: 550 5.7.1 No (in reply to RCPT TO command)",
       "mx.example.net", ReplyPhase::kRcpt, 550, "5.7.1", "no"},
      {"Postfix, greeting",
       "host mx.example.net[2001:db8::7] refused to talk to me: 554 No SMTP",
       "mx.example.net", ReplyPhase::kConnect, 554, "", "no smtp"},
      {"Postfix, several lines",
       "host mx.example.net[192.0.2.7] said: 550-5.7.26 One 550-5.7.26 two 550 5.7.26 "
       "three "
       "(in reply to end of DATA command)",
       "mx.example.net", ReplyPhase::kData, 550, "5.7.26", "one two three"},
      {"Postfix, no connection",
       "connect to mx.example.net[192.0.2.7]:25: Connection refused", "mx.example.net",
       ReplyPhase::kUnknown, 0, "", "connect to []:25: connection refused"},
      {"Exim",
       "SMTP error from remote mail server after RCPT TO:<ann@example.net>: 550 5.1.1 "
       "<ann@example.net>: No such user",
       "", ReplyPhase::kRcpt, 550, "5.1.1", "<>: no such user"},
      {"Exim, several lines",
       "SMTP error from remote mail server after end of data: 550-5.7.1 One\\n550 5.7.1 "
       "two",
       "", ReplyPhase::kData, 550, "5.7.1", "one two"},
      {"Exim, pipelined",
       "SMTP error from remote mail server after pipelined MAIL FROM:<a:b@example.net> "
       "SIZE=1: "
       "451 later",
       "", ReplyPhase::kMail, 451, "", "later"},
      {"Exim 4.6",
       "SMTP error from remote mailer after RCPT TO:<ann@example.net>: host "
       "mx.example.net "
       "[192.0.2.7]: 550 unknown",
       "mx.example.net", ReplyPhase::kRcpt, 550, "", "unknown"},
      {"a DSN's field", "smtp; 550 #5.1.0 Address rejected.", "", ReplyPhase::kUnknown,
       550, "5.1.0", "#5.1.0 address rejected."},
      {"qmail", "192.0.2.7 does not like recipient. Remote host said: 550 5.1.1 unknown",
       "", ReplyPhase::kUnknown, 550, "5.1.1",
       "ip does not like recipient. remote host said: unknown"},
      {"without anything", "No", "", ReplyPhase::kUnknown, 0, "", "no"},
      {"empty", "", "", ReplyPhase::kUnknown, 0, "", ""},
  };
  for (const Row& row : rows) {
    const ReplyText read = ReadReply(row.text);
    EXPECT_EQ(read.host, row.host) << row.name;
    EXPECT_EQ(read.phase, row.phase) << row.name;
    EXPECT_EQ(read.code, row.code) << row.name;
    EXPECT_EQ(read.dsn, row.dsn) << row.name;
    EXPECT_EQ(read.words, row.words) << row.name;
  }
}

TEST(ReplyText, WhatAStrangerChoseIsNotInTheWords) {
  const struct {
    const char* text;
    const char* words;
  } rows[] = {
      {"550 <blocked using zen.spamhaus.org@example.net> no", "<> no"},
      {"550 <\"a>b blocked using\"@example.net> no", "<> no"},
      {"550 blocked-using-zen@spam.example: no", "@: no"},
      {"554 <banned.sending.ip.example[192.0.2.7]>: no", "<>: no"},
      {"554 banned.sending.ip.example[192.0.2.7]: no", "[]: no"},
      {"554 see http://example.net/a?b=listed for more",
       "see http://example.net/a for more"},
      {"554 192.0.2.7 and 2001:db8::7, and [192.0.2.8].", "ip and ip, and [ip]."},
      {"554 2.0.0.127.bl.example.net", "2.0.0.127.bl.example.net"},
  };
  for (const auto& row : rows)
    EXPECT_EQ(ReadReply(row.text).words, row.words) << row.text;
}

TEST(ReplyText, IsBoundedAndKeepsBothEnds) {
  const ReplyText read = ReadReply("554 first " + std::string(100000, 'x') + " last");
  EXPECT_LE(read.words.size(), kMostReplyWords);
}

}  // namespace
}  // namespace mailvane
