#include "agent/analyze/message_tracker.h"

#include <stdlib.h>
#include <string.h>

#include <algorithm>
#include <array>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"

namespace mailvane {
namespace {

using absl::string_view;

constexpr uint32_t kBlock = 4096;  // messages
// Looked at with each new message: what is done is gone before the blocks have grown
// by more than a third.
constexpr uint32_t kSweep = 4;
constexpr uint32_t kEvictionChoice = 8;
constexpr size_t kMostInstances = 4096;
constexpr size_t kProxySessions = 256;
constexpr size_t kMostWaiting = 65'536;
// A filter may take its time over a large message.
constexpr uint32_t kLongestFilter = 3600;
// Between a client's first recipient and the last line of its message.
constexpr uint32_t kArriving = 60;
// Lines within the same second or so may have changed places.
constexpr uint32_t kDisorder = 10;
// A clock that was set back by more than that began anew.
constexpr int64_t kSetBack = 86'400;

uint64_t Mix(uint64_t a, uint64_t b) {
  const unsigned __int128 product = static_cast<unsigned __int128>(a) * b;
  return static_cast<uint64_t>(product) ^ static_cast<uint64_t>(product >> 64);
}

// Queue ids are the mail program's own, so nobody can choose them to collide.
uint64_t Hash(string_view text, uint64_t seed) {
  constexpr uint64_t kA = 0x9e3779b97f4a7c15, kB = 0xe7037ed1a0b428db;
  uint64_t hash = seed ^ (text.size() * kA);
  while (text.size() > 8) {
    uint64_t word;
    memcpy(&word, text.data(), 8);
    hash = Mix(hash ^ word, kB);
    text.remove_prefix(8);
  }
  uint64_t word = 0;
  // An empty view may have no address at all.
  if (!text.empty()) memcpy(&word, text.data(), text.size());
  return Mix(hash ^ word, kA);
}
// 0 stands for a free place.
uint64_t Key(uint64_t instance, string_view id) {
  return std::max<uint64_t>(Hash(id, instance), 1);
}

bool IsLoopback(string_view ip) { return absl::StartsWith(ip, "127.") || ip == "::1"; }

// Of this host, or of a network that is reached from nowhere else (RFC 1918, 6598,
// 3927, 4193): where filters are.
bool IsNear(string_view ip) {
  if (IsLoopback(ip)) return true;
  const auto second = [&](string_view first, int least, int most) {
    if (!absl::StartsWith(ip, first)) return false;
    int number = 0;
    for (size_t i = first.size(); i < ip.size() && absl::ascii_isdigit(ip[i]); ++i) {
      number = std::min(number * 10 + (ip[i] - '0'), 1000);
    }
    return number >= least && number <= most;
  };
  if (ip.find(':') != string_view::npos) {
    return absl::StartsWithIgnoreCase(ip, "fc") || absl::StartsWithIgnoreCase(ip, "fd") ||
           absl::StartsWithIgnoreCase(ip, "fe8");
  }
  return absl::StartsWith(ip, "10.") || absl::StartsWith(ip, "192.168.") ||
         absl::StartsWith(ip, "169.254.") || second("172.", 16, 31) ||
         second("100.", 64, 127);
}

// The queue id that the next server gave, at the end of "250 2.0.0 from
// MTA(smtp:[127.0.0.1]:10025): 250 2.0.0 Ok: queued as 38B0910650A", and in what Exim
// and Sendmail say.
string_view IdInReply(string_view reply) {
  const auto word_at = [&](size_t at) {
    size_t end = at;
    while (end < reply.size() && (absl::ascii_isalnum(reply[end]) || reply[end] == '-')) {
      ++end;
    }
    return reply.substr(at, end - at);
  };
  for (string_view mark : {string_view("queued as "), string_view("OK id=")}) {
    const size_t at = reply.rfind(mark);
    if (at != string_view::npos) return word_at(at + mark.size());
  }
  const size_t at = reply.find(" Message accepted for delivery");
  if (at == string_view::npos) return {};
  size_t begin = at;
  while (begin > 0 && absl::ascii_isalnum(reply[begin - 1])) --begin;
  return reply.substr(begin, at - begin);
}

// The submission program's, on its way to the server on the same host.
bool IsHandedIn(const SyslogLine& head, const MailLine& line) {
  return line.transport == "relay" && absl::StartsWith(head.program, "sendmail") &&
         IsLoopback(line.relay_ip);
}

bool IsQueueDaemon(string_view daemon) {
  return daemon == "cleanup" || absl::EndsWith(daemon, "qmgr");
}

}  // namespace

// What was said of a message so far.
enum : uint16_t {
  kArrived = 1,      // a line told how it came
  kAccepted = 2,     // it is in the queue
  kWaiting = 4,      // and that is held back
  kTold = 8,         // or was told
  kReceived = 16,    // as one more message received
  kRemoved = 32,     // it left the queue
  kSecondHalf = 64,  // of another
  kDeferred = 128,   // once at least
  kHasFrom = 256,
  kHandedIn = 512,  // to the mail server on this host, whose message it is
};

// Texts of a message, one behind the other.
struct MessageTracker::Texts {
  enum Field { kIp, kAccount, kLocalUser, kFrom, kHost, kMethod, kMessageId, kFields };
  using All = std::array<string_view, kFields>;

  uint8_t size[kFields];
  // Of `bytes`, in eights.
  uint8_t room;
  char bytes[];

  // `reserve`: for one more at the end.
  static Texts* Make(const All& all, size_t reserve = 0) {
    size_t sum = 0;
    for (const string_view text : all) sum += std::min<size_t>(text.size(), 255);
    const size_t room = std::min<size_t>((sum + reserve + 7) / 8, 255) * 8;
    auto* made = static_cast<Texts*>(malloc(sizeof(Texts) + std::max(room, sum)));
    made->room = static_cast<uint8_t>(room / 8);
    char* at = made->bytes;
    for (int i = 0; i < kFields; ++i) {
      made->size[i] = static_cast<uint8_t>(std::min<size_t>(all[i].size(), 255));
      if (made->size[i] > 0) memcpy(at, all[i].data(), made->size[i]);
      at += made->size[i];
    }
    return made;
  }

  All Get() const {
    All all;
    const char* at = bytes;
    for (int i = 0; i < kFields; ++i) {
      all[i] = string_view(at, size[i]);
      at += size[i];
    }
    return all;
  }

  // The last field; false: there is no room.
  bool SetMessageId(string_view text) {
    size_t used = 0;
    for (int i = 0; i < kMessageId; ++i) used += size[i];
    text = text.substr(0, 255);
    if (used + text.size() > room * 8u) return false;
    if (!text.empty()) memcpy(bytes + used, text.data(), text.size());
    size[kMessageId] = static_cast<uint8_t>(text.size());
    return true;
  }
};

struct MessageTracker::Message {
  uint64_t key = 0;  // 0: a free place
  Texts* texts = nullptr;
  // Seconds since 1970, log time.
  uint32_t arrived = 0;
  uint32_t seen = 0;
  uint32_t nrcpt = 0;
  // Recipients that are done.
  uint32_t settled = 0;
  // Recipients put off since the queue manager last took it up.
  uint32_t deferred_now = 0;
  uint32_t next_free = kNobody;
  uint16_t flags = 0;
  MessageOrigin origin = MessageOrigin::kUnknown;

  bool has(uint16_t flag) const { return (flags & flag) != 0; }
  Texts::All Get() const { return texts == nullptr ? Texts::All{} : texts->Get(); }
  void Set(const Texts::All& all, size_t reserve = 0) {
    // `all` may be of the old ones.
    Texts* const made = Texts::Make(all, reserve);
    free(texts);
    texts = made;
  }
};

MessageTracker::MessageTracker(const Options& options, FlowSink* sink)
    : options_(options), sink_(sink), table_(1024) {}

MessageTracker::~MessageTracker() {
  for (uint32_t i = 0; i < made_; ++i) free(At(i).texts);
}

MessageTracker::Counters MessageTracker::counters() const {
  return {tracked_, forgotten_, linked_};
}

// ---------------------------------------------------------- places and keys

MessageTracker::Message& MessageTracker::At(uint32_t index) const {
  return blocks_[index / kBlock][index % kBlock];
}

uint32_t MessageTracker::Lookup(uint64_t key) const {
  const size_t mask = table_.size() - 1;
  const uint32_t tag = static_cast<uint32_t>(key >> 32);
  for (size_t at = key & mask; table_[at].index != kNobody; at = (at + 1) & mask) {
    if (table_[at].tag == tag && At(table_[at].index).key == key) return table_[at].index;
  }
  return kNobody;
}

void MessageTracker::Insert(uint64_t key, uint32_t index) {
  if (4 * (tracked_ + 1) > 3 * table_.size()) {
    std::vector<Place> old(2 * table_.size());
    old.swap(table_);
    const size_t mask = table_.size() - 1;
    for (const Place& place : old) {
      if (place.index == kNobody) continue;
      size_t at = At(place.index).key & mask;
      while (table_[at].index != kNobody) at = (at + 1) & mask;
      table_[at] = place;
    }
  }
  const size_t mask = table_.size() - 1;
  size_t at = key & mask;
  while (table_[at].index != kNobody) at = (at + 1) & mask;
  table_[at] = {static_cast<uint32_t>(key >> 32), index};
}

// What was pushed on by the removed one moves back, so that no gap cuts a run.
void MessageTracker::Remove(uint64_t key) {
  const size_t mask = table_.size() - 1;
  size_t gap = key & mask;
  while (At(table_[gap].index).key != key) gap = (gap + 1) & mask;
  for (size_t at = (gap + 1) & mask; table_[at].index != kNobody; at = (at + 1) & mask) {
    const size_t home = At(table_[at].index).key & mask;
    if (((at - home) & mask) < ((at - gap) & mask)) continue;
    table_[gap] = table_[at];
    gap = at;
  }
  table_[gap] = Place();
}

uint32_t MessageTracker::Make(uint64_t key) {
  Sweep();
  if (tracked_ >= options_.most_messages) Evict();
  uint32_t index = free_;
  if (index != kNobody) {
    free_ = At(index).next_free;
  } else {
    index = made_++;
    if (index / kBlock == blocks_.size()) {
      blocks_.push_back(std::make_unique<Message[]>(kBlock));
    }
  }
  Insert(key, index);
  ++tracked_;
  Message& message = At(index);
  message = Message();
  message.key = key;
  message.arrived = message.seen = seconds_;
  return index;
}

void MessageTracker::Free(uint32_t index) {
  Message& message = At(index);
  if (message.has(kWaiting)) Release(index);
  Remove(message.key);
  free(message.texts);
  message = Message();
  message.next_free = free_;
  free_ = index;
  --tracked_;
}

void MessageTracker::Sweep() {
  const int64_t linger = absl::ToInt64Seconds(options_.linger);
  const int64_t forget = absl::ToInt64Seconds(options_.forget_after);
  for (uint32_t i = 0; i < kSweep && i < made_; ++i) {
    hand_ = hand_ + 1 < made_ ? hand_ + 1 : 0;
    const Message& message = At(hand_);
    if (message.key == 0) continue;
    const int64_t age = static_cast<int64_t>(seconds_) - message.seen;
    if (age > (message.has(kRemoved) ? linger : forget) || age < -kSetBack) Free(hand_);
  }
}

void MessageTracker::Evict() {
  uint32_t oldest = kNobody;
  for (uint32_t looked_at = 0; looked_at < kEvictionChoice || oldest == kNobody;
       ++looked_at) {
    hand_ = hand_ + 1 < made_ ? hand_ + 1 : 0;
    if (At(hand_).key == 0) continue;
    if (oldest == kNobody || At(hand_).seen < At(oldest).seen) oldest = hand_;
  }
  if (!At(oldest).has(kRemoved)) ++forgotten_;
  Free(oldest);
}

void MessageTracker::SelectInstance(const SyslogLine& head) {
  const bool queue = IsQueueDaemon(head.daemon);
  if (instance_ == nullptr || instance_->name != head.instance ||
      instance_->host != head.host) {
    const uint64_t host = Hash(head.host, 1);
    const uint64_t hash = Hash(head.instance, host);
    if (instances_.size() >= kMostInstances && !instances_.contains(hash)) {
      // What they are is learned anew with their next lines.
      instances_.clear();
    }
    std::unique_ptr<Instance>& known = instances_[hash];
    if (known == nullptr) {
      known = std::make_unique<Instance>(Instance{std::string(head.host),
                                                  std::string(head.instance), host, hash,
                                                  // Only Postfix has instances.
                                                  head.instance.empty()});
    }
    instance_ = known.get();
  }
  if (queue) instance_->owner = true;
}

uint32_t MessageTracker::Find(string_view id) {
  const uint64_t loose = Key(instance_->host_hash, id);
  if (!instance_->owner) {
    const uint32_t index = Lookup(loose);
    return index != kNobody ? index : FindAnywhere(id);
  }
  const uint64_t own = Key(instance_->hash, id);
  uint32_t index = Lookup(own);
  if (index != kNobody) return index;
  // A service that logs under a name of its own began it: it is ours.
  index = Lookup(loose);
  if (index != kNobody) {
    Remove(loose);
    At(index).key = own;
    // One less for a moment, so that the table does not grow by this.
    --tracked_;
    Insert(own, index);
    ++tracked_;
  }
  return index;
}

uint32_t MessageTracker::FindAnywhere(string_view id) {
  for (const auto& [hash, instance] : instances_) {
    if (!instance->owner || instance->host_hash != instance_->host_hash) continue;
    const uint32_t index = Lookup(Key(hash, id));
    if (index != kNobody) return index;
  }
  return Lookup(Key(instance_->host_hash, id));
}

uint32_t MessageTracker::FindOrMake(string_view id) {
  const uint32_t index = Find(id);
  if (index != kNobody) return index;
  return Make(Key(instance_->owner ? instance_->hash : instance_->host_hash, id));
}

// A line that only a new message has.  What is there under its id is an earlier one,
// unless its lines have just overtaken this one.
uint32_t MessageTracker::Begin(string_view id) {
  const uint32_t index = Find(id);
  if (index != kNobody) {
    const Message& message = At(index);
    if (!message.has(kArrived | kRemoved) && seconds_ - message.arrived <= kDisorder) {
      return index;
    }
    Free(index);
  }
  return FindOrMake(id);
}

// ------------------------------------------------------------------ telling

MailMessage MessageTracker::Describe(const Message& message, string_view id) const {
  MailMessage told;
  const Texts::All texts = message.Get();
  told.queue_id = id;
  told.time = absl::FromUnixSeconds(message.arrived);
  told.origin = message.origin;
  told.reinjected = message.has(kSecondHalf);
  told.account = texts[Texts::kAccount];
  told.local_user = texts[Texts::kLocalUser];
  told.client_ip = texts[Texts::kIp];
  told.from = texts[Texts::kFrom];
  told.has_from = message.has(kHasFrom);
  return told;
}

void MessageTracker::Tell(Message* message, MailMessage told) {
  const Texts::All texts = message->Get();
  told.received = message->has(kArrived) && !message->has(kSecondHalf);
  told.client_host = texts[Texts::kHost];
  told.sasl_method = texts[Texts::kMethod];
  told.message_id = texts[Texts::kMessageId];
  sink_->Accept(told);
  message->flags |= kTold | (told.received ? kReceived : 0);
  // The rest is not needed any more.
  message->Set(
      {texts[Texts::kIp], texts[Texts::kAccount], texts[Texts::kLocalUser], told.from});
}

void MessageTracker::HoldBack(uint32_t index, const MailLine& line) {
  if (waiting_.size() >= kMostWaiting) {
    TellWaiting(waiting_.front());
    waiting_.pop_front();
  }
  At(index).flags |= kWaiting;
  waiting_.push_back({index, At(index).key, std::string(line.queue_id),
                      now_ + options_.link_wait, now_, line.size, line.nrcpt});
}

void MessageTracker::TellWaiting(const Waiting& waiting) {
  Message& message = At(waiting.index);
  if (message.key != waiting.key || !message.has(kWaiting)) return;
  message.flags &= ~kWaiting;
  MailMessage told = Describe(message, waiting.id);
  told.time = waiting.accepted;
  told.size = waiting.size;
  told.nrcpt = waiting.nrcpt;
  Tell(&message, told);
}

void MessageTracker::Release(uint32_t index) {
  if (!At(index).has(kWaiting)) return;
  // The line that releases it comes soon after its own, so it is near the end.
  for (auto it = waiting_.rbegin(); it != waiting_.rend(); ++it) {
    if (it->index == index && it->key == At(index).key) return TellWaiting(*it);
  }
}

void MessageTracker::Finish() {
  for (const Waiting& waiting : waiting_) TellWaiting(waiting);
  waiting_.clear();
  for (uint32_t i = 0; i < made_; ++i) {
    Message& message = At(i);
    if (message.key != 0 && message.has(kArrived) && !message.has(kAccepted | kRemoved) &&
        message.arrived + kArriving >= seconds_) {
      Tell(&message, Describe(message, string_view()));
    }
  }
}

// -------------------------------------------------------------------- lines

void MessageTracker::Take(const SyslogLine& head, const MailLine& line) {
  now_ = head.time;
  seconds_ = static_cast<uint32_t>(
      std::clamp<int64_t>(absl::ToUnixSeconds(now_), 0, ~uint32_t{0}));
  while (!waiting_.empty() && waiting_.front().due <= now_) {
    TellWaiting(waiting_.front());
    waiting_.pop_front();
  }
  switch (line.kind) {
    case MailKind::kReject:
      if (line.enforced) Attempt(head, line, ClientAttempt::Kind::kRefused);
      break;
    case MailKind::kAuthFailed:
      return Attempt(head, line, ClientAttempt::Kind::kAuthFailed);
    case MailKind::kAuthOk:
      return Attempt(head, line, ClientAttempt::Kind::kAuthOk);
    case MailKind::kLogin:
      return Attempt(head, line, ClientAttempt::Kind::kLogin);
    case MailKind::kLoginFailed:
      return Attempt(head, line, ClientAttempt::Kind::kLoginFailed);
    case MailKind::kOther:
      if (line.action != "proxied") return;
      break;
    case MailKind::kConnect:
    case MailKind::kDisconnect:
    case MailKind::kScreen:
    case MailKind::kInterimFailure:
    case MailKind::kHeld:
      return;
    case MailKind::kClient:
    case MailKind::kMessageId:
    case MailKind::kQueued:
    case MailKind::kDelivery:
    case MailKind::kBounceNotice:
    case MailKind::kRemoved:
    case MailKind::kPickup:
      break;
  }
  SelectInstance(head);
  if (line.kind == MailKind::kOther) return ProxyAccepted(head, line);
  if (line.kind == MailKind::kClient) return Client(head, line);
  if (line.kind == MailKind::kDelivery) return Delivery(head, line);
  if (line.queue_id.empty()) return;
  switch (line.kind) {
    case MailKind::kMessageId:
      return MessageId(line);
    case MailKind::kQueued:
      return Queued(head, line);
    case MailKind::kPickup:
      return Pickup(line);
    case MailKind::kBounceNotice:
      return Notice(line);
    case MailKind::kRemoved:
      return Removed(line);
    case MailKind::kReject:
      // The whole message was refused: it never gets into the queue.
      if (line.stage != "RCPT" && line.stage != "MAIL") Removed(line);
      return;
    default:
      return;
  }
}

void MessageTracker::Client(const SyslogLine& head, const MailLine& line) {
  const string_view ip =
      line.orig_client_ip.empty() ? line.client_ip : line.orig_client_ip;
  if (line.queue_id.empty()) {
    // "NOQUEUE: client=": of a proxy before the queue.
    if (proxied_.empty()) proxied_.resize(kProxySessions);
    const uint64_t session = Key(instance_->hash + head.pid, head.service);
    proxied_[session % kProxySessions] = {
        session, std::string(ip), std::string(line.client_host),
        std::string(line.account), std::string(line.sasl_method)};
    return;
  }
  const uint32_t index = Begin(line.queue_id);
  Message& message = At(index);
  message.flags |= kArrived;
  message.seen = seconds_;
  message.origin = line.ambiguous               ? MessageOrigin::kUnknown
                   : !line.account.empty()      ? MessageOrigin::kSubmitted
                   : IsLoopback(line.client_ip) ? MessageOrigin::kLoopback
                                                : MessageOrigin::kNetwork;
  const Texts::All known = message.Get();
  message.Set({ip,
               line.account,
               {},
               {},
               line.client_host,
               line.sasl_method,
               known[Texts::kMessageId]},
              96);
  if (line.other_queue_id.empty() || !IsNear(line.client_ip)) return;
  const uint32_t parent = FindAnywhere(line.other_queue_id);
  bool counted_twice = false;
  if (parent != kNobody) Link(parent, index, &counted_twice);
}

void MessageTracker::Pickup(const MailLine& line) {
  // cPanel's line about a message that Exim has already.
  if (instance_->name.empty()) return;
  const uint32_t index = Begin(line.queue_id);
  Message& message = At(index);
  message.flags |= kArrived;
  message.seen = seconds_;
  message.origin = MessageOrigin::kLocalUser;
  Texts::All texts;
  texts[Texts::kLocalUser] = line.local_user;
  texts[Texts::kMessageId] = message.Get()[Texts::kMessageId];
  message.Set(texts, 96);
  // postsuper -r put it through once more.
  if (line.other_queue_id.empty()) return;
  const uint32_t parent = Find(line.other_queue_id);
  bool counted_twice = false;
  if (parent != kNobody && parent != index) Link(parent, index, &counted_twice);
}

void MessageTracker::MessageId(const MailLine& line) {
  const uint32_t index = FindOrMake(line.queue_id);
  Message* message = &At(index);
  message->seen = seconds_;
  if (message->has(kRemoved)) {
    // The id is in use again, by a message without a client.
    Free(index);
    message = &At(FindOrMake(line.queue_id));
  }
  if (message->has(kAccepted)) return;
  if (message->texts != nullptr && message->texts->SetMessageId(line.message_id)) return;
  Texts::All texts = message->Get();
  texts[Texts::kMessageId] = line.message_id;
  message->Set(texts);
}

void MessageTracker::Queued(const SyslogLine& head, const MailLine& line) {
  if (!absl::EndsWith(head.daemon, "qmgr")) return Arrived(head, line);
  const uint32_t index = FindOrMake(line.queue_id);
  Message& message = At(index);
  message.seen = seconds_;
  message.deferred_now = 0;
  if (message.has(kAccepted)) return;
  message.flags |= kAccepted | kHasFrom;
  message.nrcpt = line.nrcpt.value_or(0);
  Texts::All texts = message.Get();
  const bool near = IsNear(texts[Texts::kIp]);
  const bool seen_before = message.texts != nullptr;
  texts[Texts::kFrom] = line.from;
  // A message that came from nowhere: a notice has no sender, a forward has one.
  const bool from_nowhere = !message.has(kArrived) && seen_before;
  if (from_nowhere && line.from.empty()) message.origin = MessageOrigin::kNotice;
  const bool may_be_second = !message.has(kSecondHalf) &&
                             texts[Texts::kAccount].empty() &&
                             (near || (from_nowhere && !line.from.empty()));
  if (may_be_second) {
    message.Set(texts);
    return HoldBack(index, line);
  }
  MailMessage told = Describe(message, line.queue_id);
  told.time = now_;
  told.from = line.from;
  told.size = line.size;
  told.nrcpt = line.nrcpt;
  Tell(&message, told);
}

// Exim's, Sendmail's, OpenSMTPD's line, which says everything at once.
void MessageTracker::Arrived(const SyslogLine& head, const MailLine& line) {
  const uint32_t index = Begin(line.queue_id);
  Message& message = At(index);
  message.flags |= kArrived | kAccepted | (line.has_from ? kHasFrom : 0);
  message.seen = seconds_;
  message.nrcpt = line.nrcpt.value_or(0);
  const bool notice = line.has_from && line.from.empty() && !line.other_queue_id.empty();
  message.origin = line.ambiguous               ? MessageOrigin::kUnknown
                   : notice                     ? MessageOrigin::kNotice
                   : !line.account.empty()      ? MessageOrigin::kSubmitted
                   : IsLoopback(line.client_ip) ? MessageOrigin::kLoopback
                   : !line.client_ip.empty()    ? MessageOrigin::kNetwork
                   : !line.local_user.empty()   ? MessageOrigin::kLocalUser
                                                : MessageOrigin::kUnknown;
  message.Set({line.client_ip, line.account,
               line.client_ip.empty() ? line.local_user : string_view(), line.from,
               line.client_host, line.sasl_method, line.message_id});
  if ((line.account.empty() && IsNear(line.client_ip)) ||
      (absl::StartsWith(head.program, "sendmail") && !line.local_user.empty())) {
    return HoldBack(index, line);
  }
  MailMessage told = Describe(message, line.queue_id);
  told.time = now_;
  told.size = line.size;
  told.nrcpt = line.nrcpt;
  told.helo = line.helo;
  Tell(&message, told);
}

bool MessageTracker::Link(uint32_t parent, uint32_t child, bool* counted_twice) {
  Message& first = At(parent);
  Message& second = At(child);
  if (parent == child) return false;
  // Another recipient of the same message.
  if (second.has(kSecondHalf)) return true;
  if (second.origin == MessageOrigin::kSubmitted ||
      second.origin == MessageOrigin::kNotice ||
      second.arrived + kDisorder < first.arrived ||
      seconds_ > second.arrived + kLongestFilter) {
    return false;
  }
  ++linked_;
  Release(parent);
  // Who handed it in did not count it.
  const bool same = !first.has(kHandedIn);
  *counted_twice = same && second.has(kReceived);
  if (same) {
    second.flags &= ~kReceived;
    second.flags |= kSecondHalf;
  }
  second.origin = first.origin;
  second.arrived = first.arrived;
  const Texts::All from = first.Get();
  Texts::All texts = second.Get();
  texts[Texts::kIp] = from[Texts::kIp];
  texts[Texts::kAccount] = from[Texts::kAccount];
  texts[Texts::kLocalUser] = from[Texts::kLocalUser];
  second.Set(texts, second.has(kAccepted) ? 0 : 96);
  Release(child);
  return true;
}

void MessageTracker::Delivery(const SyslogLine& head, const MailLine& line) {
  if (line.status == DeliveryStatus::kNone) return;
  uint32_t index = line.queue_id.empty() ? kNobody : Find(line.queue_id);
  if (index == kNobody && !line.queue_id.empty() &&
      line.status == DeliveryStatus::kDeferred && !line.own_pause) {
    // It came before the log began; it is to be counted once, too.
    index = FindOrMake(line.queue_id);
  }
  RecipientFate fate;
  MailMessage told;
  told.queue_id = line.queue_id;
  fate.time = now_;
  fate.status = line.status;
  fate.to = line.to;
  fate.orig_to = line.orig_to;
  fate.recipients = line.nrcpt.value_or(1) * line.repeated;
  fate.relay_host = line.relay_host;
  fate.relay_ip = line.relay_ip;
  fate.relay_port = line.relay_port;
  fate.transport = line.transport;
  fate.dsn = line.dsn;
  fate.reply = line.reply;
  fate.delay_seconds = line.delay_seconds;
  fate.own_pause = line.own_pause;
  if (IsHandedIn(head, line) && line.status != DeliveryStatus::kDeferred) {
    // The server logs what it took, and what it refused.
    fate.interim = true;
    if (index != kNobody && At(index).has(kWaiting)) {
      At(index).flags &= ~kWaiting;
      At(index).flags |= kHandedIn;
    }
  }
  if (line.status == DeliveryStatus::kSent) {
    constexpr string_view kForwarded = "forwarded as ";
    const bool forward =
        head.daemon == "local" && absl::StartsWith(line.reply, kForwarded);
    string_view next_id;
    if (forward) {
      fate.interim = true;
      next_id = line.reply.substr(kForwarded.size());
    } else if (line.relay_ip.empty() || IsNear(line.relay_ip)) {
      next_id = IdInReply(line.reply);
    }
    if (next_id.size() >= 5 && FindAnywhere(next_id) != kNobody) {
      // Its first half may be older than the log.
      if (index == kNobody && !line.queue_id.empty()) index = FindOrMake(line.queue_id);
      const uint32_t next = FindAnywhere(next_id);
      if (index != kNobody && next != kNobody) {
        fate.interim |= Link(index, next, &fate.received_twice);
      }
    }
  }
  if (index != kNobody) {
    Message& message = At(index);
    message.seen = seconds_;
    if (line.status == DeliveryStatus::kDeferred) {
      if (!line.own_pause) {
        fate.first_deferral = !message.has(kDeferred);
        message.flags |= kDeferred;
      }
      message.deferred_now += fate.recipients;
    } else {
      // qmgr says it once, of all that were left.
      if (line.status == DeliveryStatus::kExpired && line.to.empty()) {
        fate.recipients = message.deferred_now > 0 ? message.deferred_now
                          : message.nrcpt > message.settled
                              ? message.nrcpt - message.settled
                              : 1;
      }
      message.settled += fate.recipients;
    }
    told = Describe(message, line.queue_id);
    fate.forwarded = message.origin == MessageOrigin::kNetwork &&
                     !line.relay_ip.empty() && !IsNear(line.relay_ip);
  }
  fate.message = &told;
  sink_->Settle(fate);
}

void MessageTracker::Notice(const MailLine& line) {
  if (line.other_queue_id.empty()) return;
  const uint32_t index = FindOrMake(line.other_queue_id);
  Message& message = At(index);
  message.seen = seconds_;
  if (message.has(kArrived)) return;
  message.origin = MessageOrigin::kNotice;
  Release(index);
}

void MessageTracker::Removed(const MailLine& line) {
  const uint32_t index = Find(line.queue_id);
  if (index == kNobody) return;
  At(index).flags |= kRemoved;
  At(index).seen = seconds_;
}

void MessageTracker::ProxyAccepted(const SyslogLine& head, const MailLine& line) {
  if (proxied_.empty()) return;
  const uint64_t session = Key(instance_->hash + head.pid, head.service);
  const Proxied& proxied = proxied_[session % kProxySessions];
  const string_view id = IdInReply(line.reply);
  if (proxied.session != session || id.size() < 5) return;
  const uint32_t index = FindAnywhere(id);
  if (index == kNobody) return;
  Message& message = At(index);
  if (message.origin == MessageOrigin::kSubmitted ||
      seconds_ > message.arrived + kLongestFilter) {
    return;
  }
  message.origin = !proxied.account.empty()        ? MessageOrigin::kSubmitted
                   : IsLoopback(proxied.client_ip) ? MessageOrigin::kLoopback
                                                   : MessageOrigin::kNetwork;
  Texts::All texts = message.Get();
  texts[Texts::kIp] = proxied.client_ip;
  texts[Texts::kAccount] = proxied.account;
  texts[Texts::kHost] = proxied.client_host;
  texts[Texts::kMethod] = proxied.sasl_method;
  message.Set(texts);
  Release(index);
}

void MessageTracker::Attempt(const SyslogLine& head, const MailLine& line,
                             ClientAttempt::Kind kind) {
  ClientAttempt attempt;
  attempt.kind = kind;
  attempt.time = now_;
  attempt.times = line.repeated;
  attempt.account = line.account;
  attempt.client_ip = line.client_ip;
  attempt.client_host = line.client_host;
  attempt.helo = line.helo;
  attempt.sasl_method = line.sasl_method;
  attempt.service = !line.service.empty()   ? line.service
                    : !head.service.empty() ? head.service
                                            : head.daemon;
  if (kind == ClientAttempt::Kind::kRefused) {
    attempt.stage = line.stage;
    attempt.from = line.from;
    attempt.to = line.to;
    attempt.dsn = line.dsn;
  }
  attempt.reply = line.reply;
  sink_->Try(attempt);
}

}  // namespace mailvane
