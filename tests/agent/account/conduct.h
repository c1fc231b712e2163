// An account's conduct, told to a detector message by message.
#pragma once

#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/account/account_event.h"
#include "agent/account/detector.h"

namespace mailvane {

struct Letter {
  std::string ip = "192.0.2.7";
  std::string sender = "ann@example.net";
  std::string message_id = "0f3b9d1c-77aa-4c1e-9a55-0123456789ab@example.net";
  std::vector<std::string> to = {"friend1@example.org"};
  Outcome outcome = Outcome::kDelivered;
};

class Conduct {
 public:
  explicit Conduct(AccountDetector* detector, std::string account = "ann@example.net")
      : detector_(detector), account_(std::move(account)) {}

  AccountRef ref() const { return {AccountKind::kSaslUser, account_, account_}; }
  absl::Time now() const { return now_; }
  void Wait(absl::Duration pause) { now_ += pause; }

  void Send(const Letter& letter) {
    const std::string id = absl::StrCat("4Zk", ++sent_);
    MessageSent sent;
    sent.time = now_;
    sent.account = ref();
    sent.queue_id = id;
    sent.client_ip = letter.ip;
    sent.sasl_method = "PLAIN";
    sent.sender = letter.sender;
    sent.message_id = letter.message_id;
    sent.recipients = letter.to.size();
    detector_->Consume(sent);
    now_ += absl::Seconds(1);
    for (const std::string& address : letter.to) {
      RecipientOutcome outcome;
      outcome.time = now_;
      outcome.account = ref();
      outcome.queue_id = id;
      outcome.address = address;
      outcome.outcome = letter.outcome;
      outcome.reply = letter.outcome == Outcome::kUnknownRecipient
                          ? "host mx.example.com said: 550 5.1.1 User unknown"
                          : "250 2.0.0 Ok";
      detector_->Consume(outcome);
    }
  }

  // A settled owner: `days` days with four letters to a few friends, and to a stranger
  // now and then.
  void LiveQuietly(int days) {
    for (int day = 0; day < days; ++day) {
      for (int i = 0; i < 4; ++i) {
        Letter letter;
        letter.to = {absl::StrCat("friend", (day + i) % 9, "@example.org")};
        if (day % 5 == 0 && i == 3)
          letter.to = {absl::StrCat("new", day, "@example.com")};
        Send(letter);
        now_ += absl::Hours(2);
      }
      now_ += absl::Hours(16);
    }
  }

  std::string NextStranger() {
    return absl::StrCat("s", ++strangers_, "@elsewhere.example");
  }

 private:
  AccountDetector* const detector_;
  const std::string account_;
  // A Monday's morning.
  absl::Time now_ = absl::FromUnixSeconds(1767600000);
  int sent_ = 0;
  int strangers_ = 0;
};

}  // namespace mailvane
