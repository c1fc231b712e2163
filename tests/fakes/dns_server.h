// A DNS server on loopback that says what a test tells it to, as late as it shall,
// over UDP and TCP.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "platform/dns_message.h"

namespace mailvane {

struct DnsScript {
  // Of the header; 3 is NXDOMAIN.
  int rcode = 0;
  std::vector<DnsRecord> records;
  // Aliases on the way from the question's name to the records.
  std::vector<std::string> aliases;
  absl::Duration delay = absl::ZeroDuration();
  // Over UDP: no answer, or one that was cut off.
  bool lost = false;
  bool truncated = false;
  // Sent as they are, behind the question's number; in place of all the rest.
  std::string raw;
  // SOA minimum in the authority section, for a "no".
  int negative_ttl = 300;
};

class DnsServer {
 public:
  // `script` is called in the server's thread, once for each question that arrives,
  // repetitions included; `name` is in lower case.
  using Script = std::function<DnsScript(const DnsQuestion& question, bool tcp)>;
  explicit DnsServer(Script script);
  ~DnsServer();
  DnsServer(const DnsServer&) = delete;
  DnsServer& operator=(const DnsServer&) = delete;

  // "127.0.0.1:40001".
  const std::string& address() const { return address_; }
  int questions() const { return questions_; }
  // Source ports and numbers of the questions over UDP.
  std::vector<std::pair<int, int>> seen() const;

 private:
  void Run();
  std::string Answer(const std::string& message, bool tcp, DnsScript* script);
  void ServeTcp();

  const Script script_;
  std::string address_;
  int udp_ = -1;
  int tcp_ = -1;
  int stop_[2] = {-1, -1};
  std::atomic<int> questions_{0};
  mutable std::mutex mutex_;
  std::vector<std::pair<int, int>> seen_;
  std::thread thread_;
};

DnsRecord ARecord(const std::string& address, int ttl = 60);
DnsRecord TxtRecord(const std::string& text, int ttl = 60);
// NXDOMAIN.
DnsScript NoSuchName();

// The message that says `script`, to the question in `message`; for fuzzing, too.
std::string EncodeDnsAnswer(const std::string& message, const DnsScript& script);
std::string EncodeDnsQuestion(uint16_t number, const DnsQuestion& question);

}  // namespace mailvane
