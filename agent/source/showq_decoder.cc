#include "agent/source/showq_decoder.h"

#include <algorithm>
#include <cstring>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// Longest name or value that is kept; Postfix' own are below 30.
constexpr size_t kMaxToken = 64;
// Longest value that is passed over: a sender or a reason.  Postfix itself cuts
// a line of a queue file or a defer log at far less.
constexpr size_t kMaxSkipped = 1 << 20;
// What is kept of an address or a reason.
constexpr size_t kMostText = 1000;
// The last second of the year 9999.
constexpr int64_t kMaxArrival = 253'402'300'799;

constexpr std::array<absl::string_view, kPostfixQueues> kQueueNames = {
    "active", "incoming", "deferred", "hold", "maildrop"};

absl::Status Broken(absl::string_view what) {
  return absl::InvalidArgumentError(absl::StrCat("showq's answer ", what));
}

// A stranger's bytes, for a person.
std::string Quoted(absl::string_view bytes) {
  return absl::StrCat("\"", absl::CHexEscape(bytes), "\"");
}

// Digits alone: no sign, no space, which SimpleAtoi would take.
bool ParseNumber(absl::string_view text, uint64_t* number) {
  return !text.empty() && std::all_of(text.begin(), text.end(), absl::ascii_isdigit) &&
         absl::SimpleAtoi(text, number);
}

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_' || c == '-'; }

}  // namespace

absl::Status ShowqDecoder::Feed(absl::string_view bytes) {
  if (broken_.ok()) broken_ = Consume(bytes);
  return broken_;
}

absl::Status ShowqDecoder::Consume(absl::string_view bytes) {
  while (!bytes.empty()) {
    if (ended_) return Broken("goes on after its end");
    const void* nul = memchr(bytes.data(), '\0', bytes.size());
    const bool whole = nul != nullptr;
    const absl::string_view part =
        whole ? bytes.substr(0, static_cast<const char*>(nul) - bytes.data()) : bytes;
    bytes.remove_prefix(part.size() + (whole ? 1 : 0));

    if (in_value_ &&
        (attribute_ == Attribute::kSkipped || attribute_ == Attribute::kText)) {
      skipped_ += part.size();
      if (skipped_ > kMaxSkipped) return Broken("has a value without an end");
      if (attribute_ == Attribute::kText) {
        const absl::string_view kept = part.substr(0, kMostText - text_->size());
        text_->append(kept.data(), kept.size());
      }
      if (whole) in_value_ = false;
      continue;
    }

    if (partial_.size() + part.size() > kMaxToken) {
      return Broken(in_value_ ? "has a value that is too long"
                              : "has a name that is too long");
    }
    if (!whole) {
      partial_.append(part.data(), part.size());
      continue;
    }
    absl::string_view token = part;
    if (!partial_.empty()) {
      partial_.append(part.data(), part.size());
      token = partial_;
    }
    absl::Status taken = in_value_ ? TakeValue(token) : TakeName(token);
    partial_.clear();
    if (!taken.ok()) return taken;
  }
  return absl::OkStatus();
}

absl::Status ShowqDecoder::TakeName(absl::string_view name) {
  if (name.empty()) return EndList();
  if (!std::all_of(name.begin(), name.end(), IsNameCharacter)) {
    return Broken(absl::StrCat("has the name ", Quoted(name)));
  }
  if (name == "queue_name") {
    attribute_ = Attribute::kQueueName;
  } else if (name == "time") {
    attribute_ = Attribute::kTime;
  } else if (name == "size") {
    attribute_ = Attribute::kSize;
  } else if (name == "protocol" && lists_ == 0 && list_is_empty_) {
    attribute_ = Attribute::kProtocol;
  } else {
    // A later Postfix may have more to say.
    text_ = sink_ == nullptr ? nullptr : TextNamed(name);
    attribute_ = text_ == nullptr ? Attribute::kSkipped : Attribute::kText;
    skipped_ = 0;
  }
  list_is_empty_ = false;
  in_value_ = true;
  return absl::OkStatus();
}

absl::Status ShowqDecoder::TakeValue(absl::string_view value) {
  in_value_ = false;
  uint64_t number = 0;
  switch (attribute_) {
    case Attribute::kProtocol:
      // Every Postfix service greets with its own.
      if (value != "mail_queue_list_protocol") {
        return Broken(absl::StrCat("is in the protocol ", Quoted(value)));
      }
      greeted_ = true;
      break;
    case Attribute::kQueueName: {
      const auto known = std::find(kQueueNames.begin(), kQueueNames.end(), value);
      // A queue that nobody counts would make the sum too small.
      if (known == kQueueNames.end()) {
        return Broken(absl::StrCat("has the queue ", Quoted(value)));
      }
      if (queue_.has_value()) return Broken("has a message in two queues");
      queue_ = static_cast<PostfixQueue>(known - kQueueNames.begin());
      break;
    }
    case Attribute::kTime:
      if (!ParseNumber(value, &number) || number > kMaxArrival || arrival_.has_value()) {
        return Broken(absl::StrCat("has the time ", Quoted(value)));
      }
      arrival_ = static_cast<int64_t>(number);
      break;
    case Attribute::kSize:
      if (!ParseNumber(value, &number) || size_.has_value()) {
        return Broken(absl::StrCat("has the size ", Quoted(value)));
      }
      size_ = number;
      break;
    case Attribute::kText:
    case Attribute::kSkipped:
      break;
  }
  return absl::OkStatus();
}

// Where a value is kept; null: nowhere, because it is of no use or there is one.
std::string* ShowqDecoder::TextNamed(absl::string_view name) {
  if (name == "sender") has_sender_ = true;
  for (const auto& [known, text] :
       {std::pair<absl::string_view, std::string*>{"queue_id", &id_},
        {"sender", &sender_},
        {"recipient", &recipient_},
        {"reason", &reason_}}) {
    if (name == known) return text->empty() ? text : nullptr;
  }
  return nullptr;
}

absl::Status ShowqDecoder::EndList() {
  if (list_is_empty_) {
    ended_ = true;
    return absl::OkStatus();
  }
  if (greeted_ && lists_ == 0) {
    if (queue_.has_value()) return Broken("has a message in its greeting");
  } else {
    if (!queue_ || !arrival_ || !size_) {
      return Broken("has a message without queue, time or size");
    }
    ShowqTotal& total = totals_[static_cast<size_t>(*queue_)];
    if (*size_ > std::numeric_limits<uint64_t>::max() - total.bytes) {
      return Broken("has messages larger than can be counted");
    }
    ++total.messages;
    total.bytes += *size_;
    total.oldest_arrival = std::min(total.oldest_arrival.value_or(*arrival_), *arrival_);
    if (sink_ != nullptr) {
      sink_({*queue_, *size_, *arrival_, id_, has_sender_, sender_, recipient_, reason_});
    }
  }
  ++lists_;
  list_is_empty_ = true;
  queue_.reset();
  arrival_.reset();
  size_.reset();
  has_sender_ = false;
  for (std::string* text : {&id_, &sender_, &recipient_, &reason_}) text->clear();
  return absl::OkStatus();
}

absl::Status ShowqDecoder::Finish() const {
  if (!broken_.ok()) return broken_;
  if (!ended_) return Broken("was cut off");
  return absl::OkStatus();
}

}  // namespace mailvane
