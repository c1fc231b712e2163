#include "platform/dns_message.h"

#include <arpa/inet.h>

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

constexpr size_t kHeaderBytes = 12;
constexpr size_t kMostNameBytes = 255;
// A chain of aliases that is longer leads nowhere.
constexpr size_t kMostAliases = 16;
// RFC 2181 s.8: the highest bit makes a TTL zero.  A week is what resolvers keep
// at most; more would only overflow somebody's sum.
constexpr uint32_t kMostTtl = 7 * 86400;

// Reads big-endian numbers, and remembers that one was not there.
class Cursor {
 public:
  Cursor(absl::string_view message, size_t offset) : message_(message), at_(offset) {}

  uint16_t U16() {
    if (!Has(2)) return 0;
    const uint16_t value = Byte(at_) << 8 | Byte(at_ + 1);
    at_ += 2;
    return value;
  }
  uint32_t U32() {
    const uint32_t high = U16();
    return high << 16 | U16();
  }
  absl::string_view Bytes(size_t size) {
    if (!Has(size)) return "";
    const absl::string_view bytes = message_.substr(at_, size);
    at_ += size;
    return bytes;
  }
  std::string Name() {
    const std::optional<std::string> name = DecodeDnsName(message_, &at_);
    if (!name) ok_ = false;
    return name.value_or("");
  }
  bool ok() const { return ok_; }
  size_t at() const { return at_; }

 private:
  bool Has(size_t size) {
    if (ok_ && message_.size() - at_ < size) ok_ = false;
    return ok_;
  }
  uint8_t Byte(size_t at) const { return static_cast<uint8_t>(message_[at]); }

  const absl::string_view message_;
  size_t at_;
  bool ok_ = true;
};

// One record as it stands in the message.
struct RawRecord {
  std::string name;
  uint16_t type = 0;
  uint16_t dns_class = 0;
  uint32_t ttl = 0;
  size_t data_at = 0;
  size_t data_size = 0;
};

std::optional<RawRecord> ReadRecord(Cursor* cursor) {
  RawRecord record;
  record.name = cursor->Name();
  record.type = cursor->U16();
  record.dns_class = cursor->U16();
  record.ttl = cursor->U32();
  if (record.ttl > 0x7fffffff) record.ttl = 0;
  record.ttl = std::min(record.ttl, kMostTtl);
  record.data_size = cursor->U16();
  record.data_at = cursor->at();
  cursor->Bytes(record.data_size);
  if (!cursor->ok()) return std::nullopt;
  return record;
}

std::optional<std::string> AddressText(int family, absl::string_view bytes) {
  char text[INET6_ADDRSTRLEN];
  if (bytes.size() != (family == AF_INET ? 4 : 16)) return std::nullopt;
  if (inet_ntop(family, bytes.data(), text, sizeof text) == nullptr) return std::nullopt;
  return text;
}

// All strings of a TXT record, put together.
std::optional<std::string> TextOf(absl::string_view bytes) {
  std::string text;
  while (!bytes.empty()) {
    const size_t size = static_cast<uint8_t>(bytes[0]);
    if (bytes.size() - 1 < size) return std::nullopt;
    absl::StrAppend(&text, bytes.substr(1, size));
    bytes.remove_prefix(1 + size);
  }
  return text;
}

// A name that fills its data to the end; names may point to anywhere before.
std::optional<std::string> NameIn(absl::string_view message, size_t from, size_t end) {
  std::optional<std::string> name = DecodeDnsName(message, &from);
  return from == end ? name : std::nullopt;
}

// Absent: the data is not what its type says.
std::optional<DnsRecord> ReadData(absl::string_view message, const RawRecord& raw) {
  DnsRecord record;
  record.type = static_cast<DnsType>(raw.type);
  record.ttl = absl::Seconds(raw.ttl);
  const absl::string_view bytes = message.substr(raw.data_at, raw.data_size);
  const size_t end = raw.data_at + raw.data_size;
  std::optional<std::string> data;
  switch (record.type) {
    case DnsType::kA:
      data = AddressText(AF_INET, bytes);
      break;
    case DnsType::kAaaa:
      data = AddressText(AF_INET6, bytes);
      break;
    case DnsType::kTxt:
      data = TextOf(bytes);
      break;
    case DnsType::kNs:
    case DnsType::kCname:
    case DnsType::kPtr:
      data = NameIn(message, raw.data_at, end);
      break;
    case DnsType::kMx:
      if (bytes.size() < 3) return std::nullopt;
      record.preference = Cursor(message, raw.data_at).U16();
      data = NameIn(message, raw.data_at + 2, end);
      break;
    case DnsType::kSoa:
      data = "";
      break;
  }
  if (!data) return std::nullopt;
  record.data = *std::move(data);
  return record;
}

// How long a "no" may be kept: RFC 2308 s.5.
std::optional<absl::Duration> NegativeTtl(absl::string_view message,
                                          const RawRecord& soa) {
  Cursor cursor(message, soa.data_at);
  cursor.Name();
  cursor.Name();
  for (int i = 0; i < 4; ++i) cursor.U32();
  const uint32_t minimum = cursor.U32();
  if (!cursor.ok() || cursor.at() > soa.data_at + soa.data_size) return std::nullopt;
  return absl::Seconds(std::min({soa.ttl, minimum, kMostTtl}));
}

DnsAnswer Malformed(absl::string_view why) {
  DnsAnswer answer;
  answer.status = DnsStatus::kMalformed;
  answer.detail = std::string(why);
  return answer;
}

DnsStatus FromRcode(int rcode) {
  switch (rcode) {
    case 0:
      return DnsStatus::kOk;
    case 2:
      return DnsStatus::kServfail;
    case 3:
      return DnsStatus::kNxdomain;
    case 5:
      return DnsStatus::kRefused;
    default:
      return DnsStatus::kOtherError;
  }
}

void KeepLeast(absl::Duration ttl, std::optional<absl::Duration>* least) {
  *least = least->has_value() ? std::min(**least, ttl) : ttl;
}

// Follows the aliases from the question's name, and takes the records where they
// end.  False: an alias could not be read.
bool Collect(absl::string_view message, const std::vector<RawRecord>& section,
             const DnsQuestion& question, DnsAnswer* answer) {
  std::string name = absl::AsciiStrToLower(absl::StripSuffix(question.name, "."));
  while (answer->aliases.size() < kMostAliases) {
    const RawRecord* alias = nullptr;
    for (const RawRecord& raw : section) {
      if (raw.dns_class != 1 || raw.name != name) continue;
      if (raw.type == static_cast<uint16_t>(question.type)) {
        std::optional<DnsRecord> record = ReadData(message, raw);
        if (!record) return false;
        KeepLeast(record->ttl, &answer->ttl);
        answer->records.push_back(*std::move(record));
      } else if (raw.type == static_cast<uint16_t>(DnsType::kCname)) {
        alias = &raw;
      }
    }
    if (!answer->records.empty() || alias == nullptr) return true;
    const std::optional<DnsRecord> target = ReadData(message, *alias);
    if (!target) return false;
    KeepLeast(target->ttl, &answer->ttl);
    name = target->data;
    answer->aliases.push_back(name);
  }
  return true;
}

}  // namespace

absl::string_view DnsStatusName(DnsStatus status) {
  switch (status) {
    case DnsStatus::kOk:
      return "answered";
    case DnsStatus::kNoData:
      return "no such record";
    case DnsStatus::kNxdomain:
      return "NXDOMAIN";
    case DnsStatus::kServfail:
      return "SERVFAIL";
    case DnsStatus::kRefused:
      return "REFUSED";
    case DnsStatus::kOtherError:
      return "error";
    case DnsStatus::kTimeout:
      return "timeout";
    case DnsStatus::kUnreachable:
      return "unreachable";
    case DnsStatus::kTruncated:
      return "truncated";
    case DnsStatus::kMalformed:
      return "malformed";
  }
  return "";
}

std::optional<std::string> DecodeDnsName(absl::string_view message, size_t* offset) {
  std::string name;
  size_t at = *offset;
  // A pointer leads to before the place where it was followed: no loops.
  size_t limit = message.size();
  bool jumped = false;
  size_t wire_bytes = 0;
  while (true) {
    if (at >= limit) return std::nullopt;
    const uint8_t size = static_cast<uint8_t>(message[at]);
    if ((size & 0xc0) == 0xc0) {
      if (at + 1 >= limit) return std::nullopt;
      const size_t target = (size & 0x3f) << 8 | static_cast<uint8_t>(message[at + 1]);
      if (!jumped) *offset = at + 2;
      jumped = true;
      if (target >= at) return std::nullopt;
      limit = at;
      at = target;
      continue;
    }
    if ((size & 0xc0) != 0) return std::nullopt;
    if (size == 0) {
      if (!jumped) *offset = at + 1;
      return name;
    }
    wire_bytes += size + 1;
    if (wire_bytes >= kMostNameBytes || limit - at - 1 < size) return std::nullopt;
    if (!name.empty()) name += '.';
    for (const char c : message.substr(at + 1, size)) {
      if (c == '.' || c == '\\') {
        name += '\\';
        name += c;
      } else if (absl::ascii_isgraph(static_cast<unsigned char>(c))) {
        name += absl::ascii_tolower(c);
      } else {
        absl::StrAppendFormat(&name, "\\%03d", static_cast<uint8_t>(c));
      }
    }
    at += size + 1;
  }
}

DnsAnswer DecodeDnsAnswer(absl::string_view message, const DnsQuestion& question) {
  if (message.size() < kHeaderBytes) return Malformed("shorter than its header");
  Cursor cursor(message, 0);
  cursor.U16();
  const uint16_t flags = cursor.U16();
  const uint16_t questions = cursor.U16();
  const uint16_t answers = cursor.U16();
  const uint16_t authorities = cursor.U16();
  cursor.U16();
  if ((flags & 0x8000) == 0) return Malformed("a question in place of an answer");

  DnsAnswer answer;
  answer.status = FromRcode(flags & 0xf);
  if (answer.status == DnsStatus::kOtherError) {
    answer.detail = absl::StrCat("error ", flags & 0xf);
  }
  if (answer.status != DnsStatus::kOk && answer.status != DnsStatus::kNxdomain) {
    return answer;
  }
  if ((flags & 0x0200) != 0) {
    answer.status = DnsStatus::kTruncated;
    return answer;
  }
  for (int i = 0; i < questions && cursor.ok(); ++i) {
    cursor.Name();
    cursor.U32();
  }
  std::vector<RawRecord> section;
  for (int i = 0; i < answers; ++i) {
    std::optional<RawRecord> record = ReadRecord(&cursor);
    if (!record) return Malformed("its answers end early");
    section.push_back(*std::move(record));
  }
  if (!cursor.ok() || !Collect(message, section, question, &answer)) {
    return Malformed("a record is not what its type says");
  }
  if (answer.status == DnsStatus::kOk && !answer.records.empty()) return answer;
  // NXDOMAIN holds for the end of the aliases; records beside it would be a lie.
  answer.records.clear();
  if (answer.status == DnsStatus::kOk) answer.status = DnsStatus::kNoData;
  for (int i = 0; i < authorities; ++i) {
    const std::optional<RawRecord> record = ReadRecord(&cursor);
    if (!record) return Malformed("its authorities end early");
    if (record->type != static_cast<uint16_t>(DnsType::kSoa)) continue;
    const std::optional<absl::Duration> ttl = NegativeTtl(message, *record);
    if (ttl) KeepLeast(*ttl, &answer.ttl);
  }
  return answer;
}

}  // namespace mailvane
