// Joins lines to messages: one message from its arrival to its removal, however often
// the queue manager takes it up, whatever filters it goes through.
//
//   lines ─ parse ─▶ MessageTracker ─▶ accepted, settled, tried ─▶ analyzers
//
// How the pieces find each other:
//
// - by queue id, within one host and one instance of Postfix.  The names that services
//   log under ("postfix-submission/smtpd") need not be instances: one that cleanup or
//   qmgr speaks under is;
// - a filter's second entry by `queued as ID` in its answer to the first, when the
//   filter is on this host or in a private network, or by XFORWARD's orig_queue_id;
//   a forward by local(8)'s `forwarded as ID`, a bounce by the notice's line.  Never by
//   Message-ID, which anybody can write;
// - the account of a proxy before the queue by the id in its `proxy-accept`;
// - what Sendmail's submission program hands to the mail server on its own host is the
//   server's message, and no other.
//
// An entry that may turn out to be another's second half is held back for `link_wait`
// of log time, for the line that says so comes after it.
//
// Queue ids are used again.  A message ends with its removal, at the next arrival under
// its id, or when it was not heard of for `forget_after`.
//
// Memory: about 150 bytes a message.  At `most_messages` the one not heard of for longest
// (of a handful: which handful goes round) is forgotten, and counted.
//
// Pure; belongs to one thread.
#pragma once

#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "agent/analyze/mail_flow.h"
#include "agent/parse/mail_line.h"
#include "agent/parse/syslog_line.h"

namespace mailvane {

class MessageTracker {
 public:
  struct Options {
    // 150 MB at the most.  A queue of a million messages is seldom, and is what this
    // program has to count then.
    size_t most_messages = 1'000'000;
    // Postfix keeps trying for five days, and so does Exim for four.
    absl::Duration forget_after = absl::Hours(6 * 24);
    // Lines of several daemons are only roughly in order.
    absl::Duration linger = absl::Seconds(30);
    // From a message's entry to the filter's answer that names it.
    absl::Duration link_wait = absl::Seconds(5);
  };
  struct Counters {
    uint64_t tracked = 0;    // now
    uint64_t forgotten = 0;  // at the bound, before they were done
    uint64_t linked = 0;     // second halves that found their first
  };

  // `sink` is not owned and must outlive the tracker.
  MessageTracker(const Options& options, FlowSink* sink);
  ~MessageTracker();
  MessageTracker(const MessageTracker&) = delete;
  MessageTracker& operator=(const MessageTracker&) = delete;

  void Take(const SyslogLine& head, const MailLine& line);
  // The log has ended: tells what was held back, and what was arriving just then.
  void Finish();

  Counters counters() const;

 private:
  static constexpr uint32_t kNobody = ~0u;
  struct Message;
  struct Texts;
  struct Place {
    uint32_t tag = 0;
    uint32_t index = kNobody;
  };
  // A name under which one Postfix, or a part of it, logs on one host.
  struct Instance {
    std::string host;
    std::string name;
    uint64_t host_hash = 0;
    uint64_t hash = 0;
    // It has a queue of its own.
    bool owner = false;
  };
  struct Waiting {
    uint32_t index;
    uint64_t key;
    std::string id;
    absl::Time due;
    absl::Time accepted;
    std::optional<uint64_t> size;
    std::optional<uint32_t> nrcpt;
  };
  // A proxy's session: what the front half knows of the message that it is passing on.
  struct Proxied {
    uint64_t session = 0;
    std::string client_ip, client_host, account, sasl_method;
  };
  void SelectInstance(const SyslogLine& head);
  // kNobody: there is none.
  uint32_t Find(absl::string_view id);
  // In any instance of this host.
  uint32_t FindAnywhere(absl::string_view id);
  uint32_t FindOrMake(absl::string_view id);
  uint32_t Begin(absl::string_view id);

  Message& At(uint32_t index) const;
  uint32_t Lookup(uint64_t key) const;
  uint32_t Make(uint64_t key);
  void Insert(uint64_t key, uint32_t index);
  void Remove(uint64_t key);
  void Free(uint32_t index);
  void Sweep();
  void Evict();

  void Client(const SyslogLine& head, const MailLine& line);
  void Pickup(const MailLine& line);
  void MessageId(const MailLine& line);
  void Queued(const SyslogLine& head, const MailLine& line);
  void Arrived(const SyslogLine& head, const MailLine& line);
  void Delivery(const SyslogLine& head, const MailLine& line);
  void Notice(const MailLine& line);
  void Removed(const MailLine& line);
  void ProxyAccepted(const SyslogLine& head, const MailLine& line);
  void Attempt(const SyslogLine& head, const MailLine& line, ClientAttempt::Kind kind);

  // True: the entry is known as `parent`'s second half from now on.  `*counted_twice`:
  // and was told as a message of its own before.
  bool Link(uint32_t parent, uint32_t child, bool* counted_twice);
  void HoldBack(uint32_t index, const MailLine& line);
  // Tells what was held back of this message, if anything was.
  void Release(uint32_t index);
  void TellWaiting(const Waiting& waiting);
  void Tell(Message* message, MailMessage told);
  MailMessage Describe(const Message& message, absl::string_view id) const;

  // Constant after construction.
  const Options options_;
  FlowSink* const sink_;

  // The line under way.
  absl::Time now_;
  uint32_t seconds_ = 0;
  Instance* instance_ = nullptr;

  absl::flat_hash_map<uint64_t, std::unique_ptr<Instance>> instances_;
  // In blocks, so that growing moves nothing.
  std::vector<std::unique_ptr<Message[]>> blocks_;
  uint32_t made_ = 0;  // places in the blocks that were ever used
  uint32_t free_ = kNobody;
  uint32_t hand_ = 0;  // where Sweep and Evict go on
  // Key → place in the blocks, by linear probing; a power of two of them.
  std::vector<Place> table_;
  std::deque<Waiting> waiting_;
  std::vector<Proxied> proxied_;
  uint64_t tracked_ = 0;
  uint64_t forgotten_ = 0;
  uint64_t linked_ = 0;
};

}  // namespace mailvane
