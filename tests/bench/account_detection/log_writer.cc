#include "tests/bench/account_detection/log_writer.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/time/time.h"

namespace mailvane {
namespace {

constexpr absl::string_view kHex = "0123456789abcdef";
constexpr absl::string_view kUpperHex = "0123456789ABCDEF";
constexpr absl::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_=";
constexpr absl::string_view kAlnum = "abcdefghijklmnopqrstuvwxyz0123456789";
constexpr absl::string_view kExim =
    "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";

std::string Random(Dice* dice, absl::string_view letters, int count) {
  std::string text;
  for (int i = 0; i < count; ++i) {
    text.push_back(letters[dice->Below(static_cast<uint32_t>(letters.size()))]);
  }
  return text;
}

std::string Uuid(Dice* dice, absl::string_view letters) {
  return absl::StrCat(Random(dice, letters, 8), "-", Random(dice, letters, 4), "-",
                      Random(dice, letters, 4), "-", Random(dice, letters, 4), "-",
                      Random(dice, letters, 12));
}

absl::string_view DomainOf(absl::string_view address) {
  return address.substr(address.rfind('@') + 1);
}

// Lines of one day share most of their stamp.
std::string Stamp(double time, bool exim) {
  const auto whole = static_cast<int64_t>(std::floor(time));
  const int micros = static_cast<int>((time - static_cast<double>(whole)) * 1e6);
  static thread_local int64_t day = -1;
  static thread_local std::string date;
  if (whole / 86400 != day) {
    day = whole / 86400;
    date =
        absl::FormatTime("%Y-%m-%d", absl::FromUnixSeconds(whole), absl::UTCTimeZone());
  }
  const int second = static_cast<int>(whole % 86400);
  return absl::StrFormat(exim ? "%s %02d:%02d:%02d.%03d" : "%sT%02d:%02d:%02d.%06d+00:00",
                         date, second / 3600, second / 60 % 60, second % 60,
                         exim ? micros / 1000 : micros);
}

std::string HostOf(absl::string_view domain) { return absl::StrCat("mx.", domain); }

std::string AddressOf(absl::string_view domain) {
  uint32_t hash = 7;
  for (char c : domain) hash = hash * 31 + static_cast<uint8_t>(c);
  return absl::StrCat("198.18.", hash >> 8 & 255, ".", hash & 255);
}

struct Reply {
  const char* dsn;
  const char* code;
  const char* text;
};
Reply ReplyOf(Answer answer, uint32_t variant) {
  switch (answer) {
    case Answer::kTaken:
      return {"2.0.0", "250", "2.0.0 Ok: queued as 4Zk1Xy0Tz9"};
    case Answer::kGreylisted:
      return {"4.2.0", "450", "4.2.0 Greylisted, see http://postgrey.example/help"};
    case Answer::kUnknown: {
      constexpr Reply kReplies[] = {
          {"5.1.1", "550",
           "5.1.1 The email account that you tried to reach does not exist"},
          {"5.1.1", "550", "5.1.1 User unknown in virtual mailbox table"},
          {"5.1.10", "550",
           "5.1.10 RESOLVER.ADR.RecipientNotFound; Recipient not found"}};
      return kReplies[variant % 3];
    }
    case Answer::kSpam: {
      constexpr Reply kReplies[] = {
          {"5.7.1", "554", "5.7.1 Message rejected as spam by content scanner"},
          {"5.7.1", "550",
           "5.7.1 Our system has detected that this message is likely unsolicited mail"},
          {"5.7.1", "554", "5.7.1 Blocked: poor reputation of the sender"}};
      return kReplies[variant % 3];
    }
    case Answer::kRateLimited:
      return {"4.7.28", "421",
              "4.7.28 unusual rate of mail originating from your address"};
    case Answer::kFull:
      return {"5.2.2", "552", "5.2.2 Mailbox full"};
  }
  return {"2.0.0", "250", "2.0.0 Ok"};
}

}  // namespace

void LogWriter::Line(double time, std::string text) {
  if (loss_ > 0 && dice_.Chance(loss_)) return;
  if (jitter_ > 0) time += dice_.Between(0, jitter_);
  lines_.emplace_back(time, std::move(text));
}

std::string LogWriter::QueueId() {
  ++made_;
  return server_ == MailServer::kPostfix
             ? absl::StrCat(Random(&dice_, kUpperHex, 5),
                            absl::Hex(made_ & 0xFFFFF, absl::kZeroPad5))
             : absl::StrCat("1t", Random(&dice_, kExim, 4), "-",
                            absl::Dec(made_ % 1000000, absl::kZeroPad6), "-",
                            Random(&dice_, kExim, 2));
}

std::string LogWriter::MessageId(const Submission& submission,
                                 absl::string_view queue_id) {
  const absl::string_view domain = DomainOf(submission.sender);
  switch (submission.program.id_style) {
    case 0:
      return absl::StrCat(Uuid(&dice_, kHex), "@", domain);
    case 1:
      return absl::StrCat(Uuid(&dice_, kUpperHex), "@", domain);
    case 2:
      return absl::StrCat(Random(&dice_, kHex, 32), "@", domain);
    case 3:
      return absl::StrCat("CA+", Random(&dice_, kBase64, 48), "@mail.gmail.com");
    case 4:
      return absl::StrCat("0000", Random(&dice_, kHex, 4), "d9", Random(&dice_, kHex, 6),
                          "$", Random(&dice_, kHex, 8), "$", Random(&dice_, kHex, 8), "@",
                          domain);
    case 5:
      return absl::StrCat("20260101000000.", queue_id, "@mx1.provider.example");
    case 6:
      return absl::StrCat(Random(&dice_, kAlnum, 40), "@www.", domain);
    case 7:
      return absl::StrCat(dice_.Below(900000) + 100000, ".", Random(&dice_, kHex, 10),
                          "@pc", dice_.Below(90) + 10);
    case 8:
      return absl::StrCat(Random(&dice_, kUpperHex, 10), ".",
                          dice_.Below(9000000) + 1000000, "@", domain);
    default:
      return absl::StrCat("AM0PR", Random(&dice_, kUpperHex, 24),
                          "@AM0PR01.prod.outlook.com");
  }
}

std::string LogWriter::Write(const Submission& submission) {
  std::string id = QueueId();
  if (server_ == MailServer::kPostfix) {
    WritePostfix(submission, id);
  } else {
    WriteExim(submission, id);
  }
  return id;
}

void LogWriter::WritePostfix(const Submission& s, const std::string& id) {
  const auto line = [&](double after, absl::string_view daemon, absl::string_view text) {
    const double at = s.time + after;
    Line(at, absl::StrCat(Stamp(at, false), " mx1 postfix/", daemon, "[",
                          700 + id[0] % 32, "]: ", id, ": ", text));
  };
  if (s.client_ip.empty()) {
    line(0, "pickup", absl::StrCat("uid=", 1000 + s.account, " from=<", s.sender, ">"));
  } else {
    const bool loopback = s.client_ip == "127.0.0.1";
    line(0, s.login.empty() ? "smtpd" : "submission/smtpd",
         absl::StrCat(
             "client=", loopback ? "localhost" : "unknown", "[", s.client_ip, "]",
             s.login.empty() ? ""
                             : absl::StrCat(", sasl_method=", s.program.sasl_method,
                                            ", sasl_username=", s.login)));
  }
  line(0.01, "cleanup", absl::StrCat("message-id=<", MessageId(s, id), ">"));
  line(0.03, "qmgr",
       absl::StrCat("from=<", s.sender, ">, size=", 1200 + dice_.Below(40000),
                    ", nrcpt=", s.recipients.size(), " (queue active)"));
  double last = s.delay;
  for (size_t i = 0; i < s.recipients.size(); ++i) {
    const auto& [address, answer] = s.recipients[i];
    const absl::string_view domain = DomainOf(address);
    const auto deliver = [&](double after, Answer what) {
      const Reply reply = ReplyOf(what, dice_.Below(3));
      const bool sent = what == Answer::kTaken;
      const bool deferred = what == Answer::kGreylisted || what == Answer::kRateLimited;
      line(
          after, "smtp",
          absl::StrCat("to=<", address, ">, relay=", HostOf(domain), "[",
                       AddressOf(domain), "]:25, delay=", static_cast<int>(after) + 1,
                       ", delays=0.1/0/0.3/0.6, dsn=", reply.dsn, ", status=",
                       sent       ? "sent"
                       : deferred ? "deferred"
                                  : "bounced",
                       " (",
                       sent ? absl::StrCat(reply.code, " ", reply.text)
                            : absl::StrCat("host ", HostOf(domain), "[",
                                           AddressOf(domain), "] said: ", reply.code, " ",
                                           reply.text, " (in reply to RCPT TO command)"),
                       ")"));
      last = std::max(last, after);
    };
    const double first = s.delay + 0.05 * static_cast<double>(i);
    deliver(first, answer);
    if (answer == Answer::kGreylisted || answer == Answer::kRateLimited) {
      deliver(first + dice_.Between(300, 900), Answer::kTaken);
    }
  }
  line(last + 0.01, "qmgr", "removed");
}

void LogWriter::WriteExim(const Submission& s, const std::string& id) {
  const auto line = [&](double after, absl::string_view text) {
    const double at = s.time + after;
    Line(at, absl::StrCat(Stamp(at, true), " ", id, " ", text));
  };
  const std::string size = absl::StrCat(" S=", 1200 + dice_.Below(40000));
  const std::string message_id = absl::StrCat(" id=", MessageId(s, id));
  if (s.client_ip.empty()) {
    line(0, absl::StrCat("<= ", s.sender, " U=user", s.account, " P=local", size,
                         message_id));
  } else {
    const std::string hello = s.client_ip == "127.0.0.1"
                                  ? "localhost (webmail.provider.example)"
                              : s.program.hello == 0 ? "([192.168.1.7])"
                              : s.program.hello == 1 ? "(laptop)"
                                                     : "(mail.sender.example)";
    line(0, absl::StrCat(
                "<= ", s.sender, " H=", hello, " [", s.client_ip, "]:",
                40000 + dice_.Below(20000), s.login.empty() ? " P=esmtps" : " P=esmtpsa",
                " X=TLS1.3:ECDHE_X25519__RSA_PSS_RSAE_SHA256__AES_256_GCM:256 CV=no",
                s.login.empty()
                    ? ""
                    : absl::StrCat(
                          " A=", s.program.sasl_method[0] == 'L' ? "login" : "plain", ":",
                          s.login),
                size, message_id));
  }
  double last = s.delay;
  for (size_t i = 0; i < s.recipients.size(); ++i) {
    const auto& [address, answer] = s.recipients[i];
    const absl::string_view domain = DomainOf(address);
    const std::string where = absl::StrCat(
        " R=dnslookup T=remote_smtp H=", HostOf(domain), " [", AddressOf(domain), "]");
    const auto deliver = [&](double after, Answer what) {
      const Reply reply = ReplyOf(what, dice_.Below(3));
      const std::string said = absl::StrCat(reply.code, " ", reply.text);
      if (what == Answer::kTaken) {
        line(after, absl::StrCat("=> ", address, where, " C=\"", said, "\""));
      } else if (what == Answer::kGreylisted || what == Answer::kRateLimited) {
        line(after,
             absl::StrCat(
                 "== ", address, where,
                 " defer (-44): SMTP error from remote mail server after RCPT TO:<",
                 address, ">: ", said));
      } else {
        line(after, absl::StrCat("** ", address, where,
                                 ": SMTP error from remote mail server after RCPT TO:<",
                                 address, ">: ", said));
      }
      last = std::max(last, after);
    };
    const double first = s.delay + 0.05 * static_cast<double>(i);
    deliver(first, answer);
    if (answer == Answer::kGreylisted || answer == Answer::kRateLimited) {
      deliver(first + dice_.Between(300, 900), Answer::kTaken);
    }
  }
  line(last + 0.01, "Completed");
}

void LogWriter::WriteFailedLogin(double time, absl::string_view account,
                                 absl::string_view ip) {
  if (server_ == MailServer::kPostfix) {
    Line(
        time,
        absl::StrCat(
            Stamp(time, false), " mx1 postfix/submission/smtpd[900]: warning: unknown[",
            ip,
            "]: SASL LOGIN authentication failed: authentication failure, sasl_username=",
            account));
  } else {
    Line(time,
         absl::StrCat(Stamp(time, true), " login authenticator failed for (pc) [", ip,
                      "]: 535 Incorrect authentication data (set_id=", account, ")"));
  }
}

void LogWriter::Emit(double time, const std::function<void(absl::string_view)>& take) {
  std::stable_sort(lines_.begin(), lines_.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  size_t given = 0;
  while (given < lines_.size() && lines_[given].first <= time)
    take(lines_[given++].second);
  lines_.erase(lines_.begin(), lines_.begin() + static_cast<ptrdiff_t>(given));
}

}  // namespace mailvane
