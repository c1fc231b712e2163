// What a remote server's reply means for us, from the words it used.
//
// The rules are data: reply_rules.txt, compiled in.  A verdict about our address,
// domain or rate rests on words; a bare code never makes one.
#pragma once

#include <memory>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "agent/reputation/reply_class.h"
#include "agent/reputation/reply_rules.h"

namespace mailvane {

// One recipient's fate as it was logged.  The views live for the call.
struct Reply {
  // The server that was talked to; empty: not known, though the text may name it.
  absl::string_view relay_host;
  // As logged: "host mx.example.net[192.0.2.7] said: 550 5.7.1 No (in reply to RCPT
  // TO command)", "250 2.0.0 Ok", "connect to …: Connection refused".
  absl::string_view text;
  // What the mail program made of it, for texts that have none; empty: not known.
  absl::string_view dsn;
};

struct ReplyVerdict {
  ReplyClass reply_class = ReplyClass::kUnclassified;
  ReplyScope scope = ReplyScope::kNone;
  // As ProviderOf says; empty: no server is known, and the words are nobody's.
  // Lives as long as the classifier.
  absl::string_view provider;
  // Absent: neither a code nor the words tell.
  std::optional<bool> temporary;
  // The DNS blocklist that is named: "zen.spamhaus.org".  Empty: none.
  std::string zone;
  // Where to ask to be let in again: from our own table, or a link in the reply that
  // leads to whoever refused.  Empty: not known.
  std::string delist_url;
  // Which rule decided.  Empty: none.  Lives as long as the classifier.
  absl::string_view rule;
};

// Belongs to one thread: what was said before is remembered, for speed alone.
class ReplyClassifier {
 public:
  // With the rules that are built in.  They are compiled (some 10 ms, some megabytes)
  // when the first reply comes: many a server never gets one worth a thought.
  ReplyClassifier();
  // InvalidArgument: a phrase is no regular expression.
  static absl::StatusOr<std::unique_ptr<ReplyClassifier>> WithRules(ReplyRules rules);
  ~ReplyClassifier();
  ReplyClassifier(const ReplyClassifier&) = delete;
  ReplyClassifier& operator=(const ReplyClassifier&) = delete;

  // Linear in the text, of which no more than 2,000 bytes are looked at.
  ReplyVerdict Classify(const Reply& reply);

  const ReplyRules& rules() const;

 private:
  struct Impl;
  explicit ReplyClassifier(std::unique_ptr<Impl> impl);

  Impl& Compiled() const;

  // Null: not compiled yet.
  mutable std::unique_ptr<Impl> impl_;
};

}  // namespace mailvane
