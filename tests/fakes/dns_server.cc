#include "tests/fakes/dns_server.h"

#include <arpa/inet.h>
#include <poll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdlib>
#include <optional>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "platform/clock.h"

namespace mailvane {
namespace {

void Append16(int value, std::string* out) {
  out->push_back(static_cast<char>(value >> 8));
  out->push_back(static_cast<char>(value));
}
void Append32(int64_t value, std::string* out) {
  Append16(static_cast<int>(value >> 16 & 0xffff), out);
  Append16(static_cast<int>(value & 0xffff), out);
}
void AppendName(absl::string_view name, std::string* out) {
  for (const absl::string_view label : absl::StrSplit(name, '.', absl::SkipEmpty())) {
    out->push_back(static_cast<char>(label.size()));
    absl::StrAppend(out, label);
  }
  out->push_back('\0');
}

std::string Data(const DnsRecord& record) {
  std::string data;
  unsigned char bytes[16];
  switch (record.type) {
    case DnsType::kA:
      inet_pton(AF_INET, record.data.c_str(), bytes);
      return std::string(reinterpret_cast<char*>(bytes), 4);
    case DnsType::kAaaa:
      inet_pton(AF_INET6, record.data.c_str(), bytes);
      return std::string(reinterpret_cast<char*>(bytes), 16);
    case DnsType::kTxt:
      for (size_t at = 0; at < record.data.size() || at == 0; at += 255) {
        const std::string part = record.data.substr(at, 255);
        data.push_back(static_cast<char>(part.size()));
        data += part;
      }
      return data;
    case DnsType::kMx:
      Append16(record.preference, &data);
      AppendName(record.data, &data);
      return data;
    default:
      AppendName(record.data, &data);
      return data;
  }
}

void AppendRecord(absl::string_view name, const DnsRecord& record, std::string* out) {
  AppendName(name, out);
  Append16(static_cast<int>(record.type), out);
  Append16(1, out);
  Append32(absl::ToInt64Seconds(record.ttl), out);
  const std::string data = Data(record);
  Append16(static_cast<int>(data.size()), out);
  *out += data;
}

int Listen(int type, int port, int* bound) {
  const int descriptor = socket(AF_INET, type | SOCK_CLOEXEC, 0);
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  address.sin_port = htons(static_cast<uint16_t>(port));
  socklen_t size = sizeof address;
  if (bind(descriptor, reinterpret_cast<sockaddr*>(&address), size) != 0) {
    close(descriptor);
    return -1;
  }
  getsockname(descriptor, reinterpret_cast<sockaddr*>(&address), &size);
  *bound = ntohs(address.sin_port);
  if (type == SOCK_STREAM) listen(descriptor, 16);
  const int buffer = 4 << 20;
  setsockopt(descriptor, SOL_SOCKET, SO_RCVBUF, &buffer, sizeof buffer);
  return descriptor;
}

}  // namespace

DnsRecord ARecord(const std::string& address, int ttl) {
  return {DnsType::kA, absl::Seconds(ttl), address};
}
DnsRecord TxtRecord(const std::string& text, int ttl) {
  return {DnsType::kTxt, absl::Seconds(ttl), text};
}
DnsScript NoSuchName() {
  DnsScript script;
  script.rcode = 3;
  return script;
}

std::string EncodeDnsQuestion(uint16_t number, const DnsQuestion& question) {
  std::string message;
  Append16(number, &message);
  Append16(0x0100, &message);
  for (const int count : {1, 0, 0, 0}) Append16(count, &message);
  AppendName(question.name, &message);
  Append16(static_cast<int>(question.type), &message);
  Append16(1, &message);
  return message;
}

std::string EncodeDnsAnswer(const std::string& message, const DnsScript& script) {
  if (!script.raw.empty()) return message.substr(0, 2) + script.raw;
  size_t at = 12;
  const std::string name = DecodeDnsName(message, &at).value_or("");
  const bool no = script.records.empty() && script.rcode != 2 && script.rcode != 5;
  std::string out = message.substr(0, 2);
  Append16(0x8180 | script.rcode | (script.truncated ? 0x0200 : 0), &out);
  Append16(1, &out);
  Append16(static_cast<int>(script.aliases.size() + script.records.size()), &out);
  Append16(no ? 1 : 0, &out);
  Append16(0, &out);
  out += message.substr(12, at + 4 - 12);
  std::string owner = name;
  for (const std::string& alias : script.aliases) {
    AppendRecord(owner, {DnsType::kCname, absl::Seconds(30), alias}, &out);
    owner = alias;
  }
  for (const DnsRecord& record : script.records) AppendRecord(owner, record, &out);
  if (!no) return out;
  AppendName("example", &out);
  Append16(static_cast<int>(DnsType::kSoa), &out);
  Append16(1, &out);
  Append32(3600, &out);
  std::string soa;
  AppendName("ns.example", &soa);
  AppendName("root.example", &soa);
  for (const int number : {1, 2, 3, 4, script.negative_ttl}) Append32(number, &soa);
  Append16(static_cast<int>(soa.size()), &out);
  return out + soa;
}

DnsServer::DnsServer(Script script) : script_(std::move(script)) {
  // Both sockets on one port; another may have taken the second one's.
  int port = 0;
  while (tcp_ < 0) {
    if (udp_ >= 0) close(udp_);
    udp_ = Listen(SOCK_DGRAM, 0, &port);
    tcp_ = Listen(SOCK_STREAM, port, &port);
  }
  address_ = absl::StrCat("127.0.0.1:", port);
  if (pipe(stop_) != 0) std::abort();
  thread_ = std::thread([this] { Run(); });
}

DnsServer::~DnsServer() {
  close(stop_[1]);
  thread_.join();
  close(stop_[0]);
  close(udp_);
  close(tcp_);
}

std::vector<std::pair<int, int>> DnsServer::seen() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return seen_;
}

std::string DnsServer::Answer(const std::string& message, bool tcp, DnsScript* script) {
  ++questions_;
  DnsQuestion question;
  size_t at = 12;
  question.name = DecodeDnsName(message, &at).value_or("");
  question.type = static_cast<DnsType>(static_cast<uint8_t>(message[at]) << 8 |
                                       static_cast<uint8_t>(message[at + 1]));
  *script = script_(question, tcp);
  if (tcp) script->truncated = false;
  return EncodeDnsAnswer(message, *script);
}

void DnsServer::Run() {
  struct Late {
    sockaddr_in to;
    std::string message;
  };
  std::multimap<absl::Duration, Late> late;
  while (true) {
    const absl::Duration now = SystemClock().Now().mono;
    while (!late.empty() && late.begin()->first <= now) {
      const Late& due = late.begin()->second;
      sendto(udp_, due.message.data(), due.message.size(), 0,
             reinterpret_cast<const sockaddr*>(&due.to), sizeof due.to);
      late.erase(late.begin());
    }
    timespec wait = absl::ToTimespec(absl::Seconds(60));
    if (!late.empty()) wait = absl::ToTimespec(late.begin()->first - now);
    pollfd polled[] = {{stop_[0], POLLIN, 0}, {udp_, POLLIN, 0}, {tcp_, POLLIN, 0}};
    if (ppoll(polled, 3, &wait, nullptr) < 0) continue;
    if (polled[0].revents != 0) return;
    if (polled[2].revents != 0) ServeTcp();
    char buffer[4096];
    sockaddr_in from = {};
    socklen_t size = sizeof from;
    ssize_t got = 0;
    while ((got = recvfrom(udp_, buffer, sizeof buffer, MSG_DONTWAIT,
                           reinterpret_cast<sockaddr*>(&from), &size)) > 12) {
      const std::string message(buffer, got);
      {
        const std::lock_guard<std::mutex> lock(mutex_);
        seen_.emplace_back(ntohs(from.sin_port), static_cast<uint8_t>(buffer[0]) << 8 |
                                                     static_cast<uint8_t>(buffer[1]));
      }
      DnsScript script;
      std::string answer = Answer(message, /*tcp=*/false, &script);
      if (!script.lost) {
        late.emplace(SystemClock().Now().mono + script.delay,
                     Late{from, std::move(answer)});
      }
    }
  }
}

// One question a connection, at once: enough for a resolver that was told to come
// back over TCP.
void DnsServer::ServeTcp() {
  const int connection = accept(tcp_, nullptr, nullptr);
  unsigned char head[2];
  std::string message;
  if (recv(connection, head, 2, MSG_WAITALL) == 2) {
    message.resize(head[0] << 8 | head[1]);
    if (recv(connection, message.data(), message.size(), MSG_WAITALL) ==
        static_cast<ssize_t>(message.size())) {
      DnsScript script;
      const std::string answer = Answer(message, /*tcp=*/true, &script);
      std::string out;
      Append16(static_cast<int>(answer.size()), &out);
      out += answer;
      if (!script.lost) send(connection, out.data(), out.size(), MSG_NOSIGNAL);
    }
  }
  close(connection);
}

}  // namespace mailvane
