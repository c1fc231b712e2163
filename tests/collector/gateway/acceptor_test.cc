#include "collector/gateway/acceptor.h"

#include <arpa/inet.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <unistd.h>

#include <future>
#include <vector>

#include "platform/mutex.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

TEST(ConnectionRate, AllowsABurstAndThenItsPace) {
  ConnectionRate rate({/*burst=*/3, /*per_second=*/1, /*addresses=*/10});
  absl::Duration now = absl::Seconds(5);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rate.Allow(now, "a"));
  EXPECT_FALSE(rate.Allow(now, "a"));
  EXPECT_TRUE(rate.Allow(now, "b")) << "each address for itself";
  now += absl::Seconds(1);
  EXPECT_TRUE(rate.Allow(now, "a"));
  EXPECT_FALSE(rate.Allow(now, "a"));
  now += absl::Hours(1);
  for (int i = 0; i < 3; ++i) EXPECT_TRUE(rate.Allow(now, "a"));
  EXPECT_FALSE(rate.Allow(now, "a")) << "what was not used is not saved up";
}

TEST(ConnectionRate, ForgetsTheAddressThatWasUnusedForTheLongest) {
  ConnectionRate rate({/*burst=*/1, /*per_second=*/0, /*addresses=*/2});
  EXPECT_TRUE(rate.Allow(absl::Seconds(1), "old"));
  EXPECT_TRUE(rate.Allow(absl::Seconds(2), "new"));
  EXPECT_TRUE(rate.Allow(absl::Seconds(3), "third"));
  EXPECT_FALSE(rate.Allow(absl::Seconds(4), "new")) << "remembered";
  EXPECT_TRUE(rate.Allow(absl::Seconds(5), "old")) << "forgotten";
}

int ConnectWith(int fd, int port) {
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(port));
  return connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to);
}

// Connects and returns the descriptor, -1 when refused.
int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (ConnectWith(fd, port) == 0) return fd;
  close(fd);
  return -1;
}

// Waits until the other side has ended the connection.
bool IsEnded(int fd) {
  char byte;
  return recv(fd, &byte, 1, 0) <= 0;
}

TEST(Acceptor, HandsConnectionsOver) {
  std::promise<int> taken;
  auto acceptor = Acceptor::Start("127.0.0.1:0", Acceptor::Options(),
                                  [&](int fd) { taken.set_value(fd); });
  ASSERT_OK(acceptor);
  const int client = Connect((*acceptor)->port());
  ASSERT_GE(client, 0);
  const int server = taken.get_future().get();
  ASSERT_EQ(send(server, "x", 1, 0), 1);
  char byte = 0;
  EXPECT_EQ(recv(client, &byte, 1, 0), 1);
  EXPECT_EQ(byte, 'x');
  close(client);
  close(server);
}

TEST(Acceptor, RefusesAnAddressThatConnectsTooOften) {
  Acceptor::Options options;
  options.rate = {/*burst=*/1, /*per_second=*/0, /*addresses=*/10};
  auto acceptor = Acceptor::Start("127.0.0.1:0", options, [](int) {});
  ASSERT_OK(acceptor);
  const int first = Connect((*acceptor)->port());
  const int second = Connect((*acceptor)->port());
  EXPECT_TRUE(second < 0 || IsEnded(second));
  EXPECT_EQ((*acceptor)->refused(), 1u);
  close(first);
  close(second);
}

// Connections as they are handed over.
class Taken {
 public:
  ~Taken() {
    for (int fd : connections_) close(fd);
  }
  void Add(int fd) {
    MutexLock lock(&mu_);
    connections_.push_back(fd);
    changed_.NotifyAll();
  }
  void WaitFor(size_t count) {
    MutexLock lock(&mu_);
    while (connections_.size() < count) changed_.Wait(&mu_);
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::vector<int> connections_ ABSL_GUARDED_BY(mu_);
};

// What gRPC 1.51's own loop does not survive.
TEST(Acceptor, GoesOnAfterThereWereNoDescriptorsLeft) {
  Taken taken;
  Acceptor::Options options;
  options.reserved_descriptors = 0;  // up to the very last one
  auto acceptor = Acceptor::Start("127.0.0.1:0", options, [&](int fd) { taken.Add(fd); });
  ASSERT_OK(acceptor);
  const int port = (*acceptor)->port();
  const int early = Connect(port);
  ASSERT_GE(early, 0);
  taken.WaitFor(1);

  // Our own end is made before, and nothing is free below the new limit.
  const int waiting = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  rlimit tight = before;
  tight.rlim_cur = waiting + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  EXPECT_TRUE(ConnectWith(waiting, port) < 0 || IsEnded(waiting));
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_EQ((*acceptor)->refused(), 1u);

  const int late = Connect(port);
  ASSERT_GE(late, 0);
  taken.WaitFor(2);
  EXPECT_EQ((*acceptor)->refused(), 1u);
  for (int fd : {early, waiting, late}) close(fd);
}

TEST(Acceptor, SaysWhichAddressItCannotHave) {
  auto first = Acceptor::Start("127.0.0.1:0", Acceptor::Options(), [](int) {});
  ASSERT_OK(first);
  const std::string taken = "127.0.0.1:" + std::to_string((*first)->port());
  auto second = Acceptor::Start(taken, Acceptor::Options(), [](int) {});
  ASSERT_FALSE(second.ok());
  EXPECT_THAT(std::string(second.status().message()), testing::HasSubstr(taken));
}

}  // namespace
}  // namespace mailvane
