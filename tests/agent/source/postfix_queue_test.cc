#include "agent/source/postfix_queue.h"

#include <poll.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;

Instant At(int64_t second) {
  return {absl::FromUnixSeconds(1'000'000 + second), absl::Seconds(500 + second)};
}

// A queue directory with a service behind public/showq, played by the test.
class Service {
 public:
  explicit Service(absl::string_view below = "") {
    char name[] = "/tmp/showqXXXXXX";
    root_ = mkdtemp(name);
    directory_ = absl::StrCat(root_, below);
    std::filesystem::create_directories(directory_ + "/public");
  }
  ~Service() {
    if (client_ >= 0) close(client_);
    if (listener_ >= 0) close(listener_);
    std::filesystem::remove_all(root_);
  }

  const std::string& directory() const { return directory_; }
  std::string path() const { return directory_ + "/public/showq"; }

  void Listen(int backlog = 8) {
    listener_ = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    sockaddr_un address{};
    address.sun_family = AF_UNIX;
    // By its short name, whatever the path's length.
    const std::string back = std::filesystem::current_path();
    std::filesystem::current_path(directory_ + "/public");
    strcpy(address.sun_path, "showq");
    ASSERT_EQ(bind(listener_, reinterpret_cast<sockaddr*>(&address), sizeof address), 0)
        << strerror(errno);
    std::filesystem::current_path(back);
    ASSERT_EQ(listen(listener_, backlog), 0);
  }
  void StopListening() { close(listener_), listener_ = -1; }

  void Accept() {
    client_ = accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    ASSERT_GE(client_, 0);
  }
  void Say(const std::string& bytes) {
    ASSERT_EQ(send(client_, bytes.data(), bytes.size(), MSG_NOSIGNAL),
              static_cast<ssize_t>(bytes.size()));
  }
  void HangUp() { close(client_), client_ = -1; }

 private:
  std::string root_;
  std::string directory_;
  int listener_ = -1;
  int client_ = -1;
};

std::string Message(const char* queue, int64_t arrival, int size) {
  std::string text = absl::StrCat("queue_name|", queue, "|queue_id|A|time|", arrival,
                                  "|size|", size, "|forced_expire|0|sender|||");
  for (char& c : text) {
    if (c == '|') c = '\0';
  }
  return text;
}

const std::string kGreeting("protocol\0mail_queue_list_protocol\0\0", 35);
const std::string kEnd(1, '\0');

std::string Line(const v1::QueueDepth& depth) {
  return absl::StrCat(
      v1::Queue_Name(depth.queue()), " ", depth.messages(), " ", depth.bytes(), " ",
      depth.has_oldest_age_seconds() ? absl::StrCat(depth.oldest_age_seconds()) : "-");
}

std::vector<std::string> Lines(const v1::QueueReading& reading) {
  std::vector<std::string> lines;
  for (const v1::QueueDepth& depth : reading.depths()) lines.push_back(Line(depth));
  return lines;
}

void ExpectUnavailable(const std::optional<v1::QueueReading>& reading,
                       v1::Unavailable why, const std::string& detail) {
  ASSERT_TRUE(reading.has_value());
  EXPECT_EQ(reading->unavailable(), why) << reading->detail();
  EXPECT_THAT(reading->detail(), HasSubstr(detail));
  EXPECT_EQ(reading->depths_size(), 0);
}

TEST(ShowqReader, GivesAllFiveQueues) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  EXPECT_EQ(reader.Descriptor(), -1);
  EXPECT_EQ(reader.NextDeadline(), absl::InfiniteDuration());
  EXPECT_EQ(reader.Poll(At(0)), std::nullopt);

  reader.Start(At(0));
  EXPECT_TRUE(reader.busy());
  ASSERT_GE(reader.Descriptor(), 0);
  EXPECT_EQ(reader.NextDeadline(), At(10).mono);
  EXPECT_EQ(reader.Poll(At(0)), std::nullopt);
  service.Accept();
  service.Say(kGreeting + Message("deferred", 999'000, 100));
  pollfd ready{reader.Descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 1);
  EXPECT_EQ(reader.Poll(At(1)), std::nullopt);
  service.Say(Message("deferred", 999'500, 20) + Message("active", 1'000'001, 3) + kEnd);
  service.HangUp();

  const std::optional<v1::QueueReading> reading = reader.Poll(At(2));
  ASSERT_TRUE(reading.has_value());
  EXPECT_EQ(reading->unavailable(), v1::UNAVAILABLE_UNSPECIFIED);
  EXPECT_THAT(Lines(*reading),
              testing::ElementsAre("QUEUE_ACTIVE 1 3 1", "QUEUE_INCOMING 0 0 -",
                                   "QUEUE_DEFERRED 2 120 1002", "QUEUE_HOLD 0 0 -",
                                   "QUEUE_MAILDROP 0 0 -"));
  EXPECT_FALSE(reader.busy());
  EXPECT_EQ(reader.Descriptor(), -1);
  EXPECT_EQ(reader.Poll(At(3)), std::nullopt);
}

TEST(ShowqReader, StartsAnewEachTime) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  for (int round = 0; round < 3; ++round) {
    reader.Start(At(round));
    service.Accept();
    service.Say(kGreeting + Message("hold", 1, 1) + kEnd);
    service.HangUp();
    const std::optional<v1::QueueReading> reading = reader.Poll(At(round));
    ASSERT_TRUE(reading.has_value());
    EXPECT_EQ(reading->depths(3).messages(), 1u);
  }
}

TEST(ShowqReader, DoesNotAskTwiceAtOnce) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  const int descriptor = reader.Descriptor();
  reader.Start(At(5));
  EXPECT_EQ(reader.Descriptor(), descriptor);
  EXPECT_EQ(reader.NextDeadline(), At(10).mono);
}

TEST(ShowqReader, HasNoNegativeAge) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  service.Accept();
  service.Say(kGreeting + Message("active", 1'000'100, 1) + kEnd);
  service.HangUp();
  const std::optional<v1::QueueReading> reading = reader.Poll(At(0));
  ASSERT_TRUE(reading.has_value());
  EXPECT_EQ(Line(reading->depths(0)), "QUEUE_ACTIVE 1 1 0");
}

TEST(ShowqReader, SaysWhyItCannotAsk) {
  {
    Service nobody;
    ShowqReader reader(nobody.directory());
    reader.Start(At(0));
    EXPECT_EQ(reader.Descriptor(), -1);
    EXPECT_LE(reader.NextDeadline(), At(0).mono);
    ExpectUnavailable(reader.Poll(At(0)), v1::UNAVAILABLE_NOT_FOUND, nobody.path());
    EXPECT_FALSE(reader.busy());
  }
  {
    // A socket's file stays when its owner is gone.
    Service dead;
    dead.Listen();
    dead.StopListening();
    ShowqReader reader(dead.directory());
    reader.Start(At(0));
    ExpectUnavailable(reader.Poll(At(0)), v1::UNAVAILABLE_NOT_FOUND,
                      dead.path() + ": Postfix is not running");
  }
  {
    // Something else has the name.
    Service file;
    std::filesystem::create_directory(file.path());
    ShowqReader reader(file.directory());
    reader.Start(At(0));
    const std::optional<v1::QueueReading> reading = reader.Poll(At(0));
    ASSERT_TRUE(reading.has_value());
    EXPECT_NE(reading->unavailable(), v1::UNAVAILABLE_UNSPECIFIED);
  }
}

TEST(ShowqReader, SaysThatItMayNot) {
  if (geteuid() == 0) {
    // root may do everything; give that up, in a child of its own.
    EXPECT_EXIT(
        {
          Service service;
          service.Listen();
          chmod((service.directory() + "/public").c_str(), 0700);
          if (setresuid(65534, 65534, 65534) != 0) _exit(77);
          ShowqReader reader(service.directory());
          reader.Start(At(0));
          const std::optional<v1::QueueReading> reading = reader.Poll(At(0));
          _exit(reading && reading->unavailable() == v1::UNAVAILABLE_PERMISSION_DENIED &&
                        reading->depths_size() == 0
                    ? 0
                    : 1);
        },
        [](int status) {
          return WIFEXITED(status) &&
                 (WEXITSTATUS(status) == 0 || WEXITSTATUS(status) == 77);
        },
        "");
    return;
  }
  Service service;
  service.Listen();
  chmod((service.directory() + "/public").c_str(), 0);
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  ExpectUnavailable(reader.Poll(At(0)), v1::UNAVAILABLE_PERMISSION_DENIED,
                    service.path());
  chmod((service.directory() + "/public").c_str(), 0700);
}

TEST(ShowqReader, DoesNotWaitForEver) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  service.Accept();
  EXPECT_EQ(reader.Poll(At(9)), std::nullopt);
  ExpectUnavailable(reader.Poll(At(10)), v1::UNAVAILABLE_TIMEOUT, service.path());
  EXPECT_FALSE(reader.busy());
}

TEST(ShowqReader, WaitsLongerWhileTheServiceSpeaks) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  service.Accept();
  service.Say(kGreeting);
  for (int second = 9; second < 60; second += 9) {
    service.Say(Message("active", 1, 1));
    ASSERT_EQ(reader.Poll(At(second)), std::nullopt) << second;
  }
  EXPECT_EQ(reader.NextDeadline(), At(60).mono);
  service.Say(Message("active", 1, 1));
  ExpectUnavailable(reader.Poll(At(60)), v1::UNAVAILABLE_TIMEOUT, service.path());
}

TEST(ShowqReader, HasNoPartOfACutAnswer) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  service.Accept();
  service.Say(kGreeting + Message("active", 1, 1));
  service.HangUp();
  ExpectUnavailable(reader.Poll(At(1)), v1::UNAVAILABLE_MALFORMED,
                    service.path() + ": showq's answer was cut off");
}

TEST(ShowqReader, DoesNotReadOnInGarbage) {
  Service service;
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  service.Accept();
  service.Say("220 mail.example.net ESMTP\r\n" + kEnd);
  ExpectUnavailable(reader.Poll(At(1)), v1::UNAVAILABLE_MALFORMED, service.path());
  EXPECT_EQ(reader.Descriptor(), -1);
}

TEST(ShowqReader, ReadsOnlySoMuchAtOnce) {
  Service service;
  service.Listen();
  ShowqReader::Limits limits;
  limits.poll_bytes = 1;
  ShowqReader reader(service.directory(), nullptr, limits);
  reader.Start(At(0));
  service.Accept();
  service.Say(kGreeting + kEnd);
  service.HangUp();
  // One read takes the answer, the next one its end.
  EXPECT_EQ(reader.Poll(At(0)), std::nullopt);
  pollfd ready{reader.Descriptor(), POLLIN, 0};
  EXPECT_EQ(poll(&ready, 1, 0), 1);
  EXPECT_TRUE(reader.Poll(At(0)).has_value());
}

TEST(ShowqReader, ComesAgainWhenTheServiceIsCrowded) {
  Service service;
  service.Listen(0);
  // A backlog of 0 has room for one.
  ShowqReader first(service.directory());
  first.Start(At(0));
  ASSERT_GE(first.Descriptor(), 0);
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  EXPECT_EQ(reader.Descriptor(), -1);
  EXPECT_EQ(reader.NextDeadline(), At(0).mono + absl::Milliseconds(100));
  EXPECT_EQ(reader.Poll(At(0)), std::nullopt);
  EXPECT_EQ(reader.Poll(At(9)), std::nullopt);
  service.Accept();
  service.HangUp();
  EXPECT_EQ(reader.Poll(At(9)), std::nullopt);
  EXPECT_EQ(reader.Poll(At(9) /* past the retry */), std::nullopt);
  Instant later = At(9);
  later.mono += absl::Milliseconds(100);
  EXPECT_EQ(reader.Poll(later), std::nullopt);
  service.Accept();
  service.Say(kGreeting + kEnd);
  service.HangUp();
  EXPECT_TRUE(reader.Poll(later).has_value());
}

TEST(ShowqReader, GivesUpOnACrowdedService) {
  Service service;
  service.Listen(0);
  ShowqReader first(service.directory());
  first.Start(At(0));
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  ExpectUnavailable(reader.Poll(At(10)), v1::UNAVAILABLE_TIMEOUT, service.path());
}

TEST(ShowqReader, ReachesASocketWithALongPath) {
  Service service(absl::StrCat("/", std::string(120, 'd')));
  service.Listen();
  ShowqReader reader(service.directory());
  reader.Start(At(0));
  service.Accept();
  service.Say(kGreeting + kEnd);
  service.HangUp();
  const std::optional<v1::QueueReading> reading = reader.Poll(At(0));
  ASSERT_TRUE(reading.has_value());
  EXPECT_EQ(reading->depths_size(), 5) << reading->detail();
}

TEST(ShowqReader, KeepsItsDetailShortAndPlain) {
  ShowqReader reader("/nowhere\xff\x1b/" + std::string(400, 'x'));
  reader.Start(At(0));
  const std::optional<v1::QueueReading> reading = reader.Poll(At(0));
  ASSERT_TRUE(reading.has_value());
  EXPECT_LE(reading->detail().size(), 256u);
  EXPECT_THAT(reading->detail(), HasSubstr("/nowhere?"
                                           "?/"));
}

}  // namespace
}  // namespace mailvane
