// MessageTracker on lines in any order.
//
// The bytes choose how the lines of a few independent messages are shuffled into each
// other, each message's own lines in their order: every shuffle must come to the same
// counts.  What is left of them is taken as lines of whatever kind, under a tight bound:
// nothing may crash or grow.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "agent/analyze/message_tracker.h"
#include "agent/parse/mail.h"

namespace {

using mailvane::DeliveryStatus;

class Counts final : public mailvane::FlowSink {
 public:
  void Accept(const mailvane::MailMessage& message) override {
    received += message.received;
    accounts += message.received && message.account == "ann";
  }
  void Settle(const mailvane::RecipientFate& fate) override {
    received -= fate.received_twice;
    deferred_messages += fate.first_deferral;
    if (fate.interim) return;
    sent += fate.status == DeliveryStatus::kSent;
    sent_by_account +=
        fate.status == DeliveryStatus::kSent && fate.message->account == "ann";
    expired += fate.status == DeliveryStatus::kExpired ? fate.recipients : 0;
  }

  int64_t received = 0, accounts = 0, deferred_messages = 0, sent = 0;
  int64_t sent_by_account = 0, expired = 0;
};

// Each is a whole message; "@" stands for its own queue id, "#" for a filter's second
// one.  All in all: 5 received (2 by ann), 1 deferred, 5 sent (3 of ann's), 2 expired.
const char* const kStories[] = {
    "smtpd: @: client=pc[198.51.100.9], sasl_method=PLAIN, sasl_username=ann\n"
    "cleanup: @: message-id=<same@example.net>\n"
    "qmgr: @: from=<ann@example.net>, size=9, nrcpt=2 (queue active)\n"
    "smtpd: #: client=localhost[127.0.0.1]\n"
    "cleanup: #: message-id=<same@example.net>\n"
    "qmgr: #: from=<ann@example.net>, size=9, nrcpt=2 (queue active)\n"
    "smtp: @: to=<b@example.org>, relay=127.0.0.1[127.0.0.1]:10024, delay=1, dsn=2.0.0, "
    "status=sent (250 2.0.0 Ok: queued as #)\n"
    "smtp: #: to=<b@example.org>, relay=mx.example.org[192.0.2.9]:25, delay=1, "
    "dsn=2.0.0, "
    "status=sent (250 ok)\n"
    "smtp: #: to=<c@example.org>, relay=mx.example.org[192.0.2.9]:25, delay=1, "
    "dsn=2.0.0, "
    "status=sent (250 ok)\n"
    "qmgr: @: removed\n"
    "qmgr: #: removed\n",
    "smtpd: @: client=pc[198.51.100.9], sasl_method=PLAIN, sasl_username=ann\n"
    "qmgr: @: from=<ann@example.net>, size=9, nrcpt=1 (queue active)\n"
    "smtp: @: to=<b@example.org>, relay=none, delay=1, dsn=4.4.1, status=deferred (x)\n"
    "qmgr: @: from=<ann@example.net>, size=9, nrcpt=1 (queue active)\n"
    "smtp: @: to=<b@example.org>, relay=mx.example.org[192.0.2.9]:25, delay=1, "
    "dsn=2.0.0, "
    "status=sent (250 ok)\n"
    "qmgr: @: removed\n",
    "smtpd: @: client=mx.example.org[192.0.2.7]\n"
    "cleanup: @: message-id=<same@example.net>\n"
    "qmgr: @: from=<a@example.org>, size=9, nrcpt=1 (queue active)\n"
    "local: @: to=<b@example.net>, relay=local, delay=1, dsn=2.0.0, status=sent (x)\n"
    "qmgr: @: removed\n",
    "pickup: @: uid=33 from=<www-data>\n"
    "qmgr: @: from=<w@example.net>, size=9, nrcpt=2 (queue active)\n"
    "smtp: @: to=<b@example.org>, relay=none, delay=1, dsn=4.4.1, status=sent (x)\n"
    "qmgr: @: from=<w@example.net>, status=expired, returned to sender\n",
    "smtpd: @: client=mx.example.org[192.0.2.7]\n"
    "qmgr: @: from=<a@example.org>, size=9, nrcpt=1 (queue active)\n"
    "qmgr: @: from=<a@example.org>, status=expired, returned to sender\n"
    "qmgr: @: removed\n",
};

void Take(const std::string& text, int64_t second, mailvane::MessageTracker* tracker) {
  static mailvane::SyslogReader* const reader =
      new mailvane::SyslogReader(absl::UTCTimeZone());
  const auto head =
      reader->ParseTagged(text, absl::FromUnixSeconds(1'700'000'000 + second), "mx1");
  if (!head) return;
  const auto line = mailvane::ParseMail(*head);
  if (line) tracker->Take(*head, *line);
}

void Require(bool holds, const char* what) {
  if (holds) return;
  fprintf(stderr, "%s\n", what);
  abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  std::vector<std::vector<std::string>> stories;
  for (const char* story : kStories) {
    const std::string id = absl::StrCat("4AB0", stories.size(), "1");
    const std::string second = absl::StrCat("4AB0", stories.size(), "2");
    std::vector<std::string>& lines = stories.emplace_back();
    for (absl::string_view line : absl::StrSplit(story, '\n', absl::SkipEmpty())) {
      lines.push_back(absl::StrCat(
          "postfix/",
          absl::StrReplaceAll(line, {{": @", absl::StrCat("[1]: ", id)},
                                     {": #", absl::StrCat("[1]: ", second)},
                                     {"as #", absl::StrCat("as ", second)}})));
    }
  }
  Counts counts;
  mailvane::MessageTracker tracker(mailvane::MessageTracker::Options(), &counts);
  std::vector<size_t> next(stories.size());
  size_t at = 0;
  for (size_t left = stories.size(); left > 0;) {
    size_t which = at < size ? data[at] % stories.size() : 0;
    ++at;
    while (next[which] == stories[which].size()) which = (which + 1) % stories.size();
    Take(stories[which][next[which]++], 0, &tracker);
    if (next[which] == stories[which].size()) --left;
  }
  tracker.Finish();
  Require(counts.received == 5, "received");
  Require(counts.accounts == 2, "received from the account");
  Require(counts.deferred_messages == 1, "deferred messages");
  Require(counts.sent == 5, "sent");
  Require(counts.sent_by_account == 3, "sent for the account");
  Require(counts.expired == 2, "expired");

  if (at >= size) return 0;
  mailvane::MessageTracker::Options tight;
  tight.most_messages = 8;
  Counts ignored;
  mailvane::MessageTracker small(tight, &ignored);
  const std::string rest(reinterpret_cast<const char*>(data) + at, size - at);
  int64_t second = 0;
  for (absl::string_view line : absl::StrSplit(rest, '\n')) {
    // The first byte is how far the clock goes, also back.
    if (!line.empty()) second += static_cast<int8_t>(line[0]) * int64_t{1000};
    Take(std::string(line.substr(line.empty() ? 0 : 1)), second, &small);
    Require(small.counters().tracked <= 8, "the bound");
  }
  small.Finish();
  return 0;
}
