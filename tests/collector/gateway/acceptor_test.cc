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

// Connects and returns the descriptor, -1 when refused.
int Connect(int port) {
  const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in to{};
  to.sin_family = AF_INET;
  to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  to.sin_port = htons(static_cast<uint16_t>(port));
  if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) return fd;
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

// What gRPC 1.51's own loop does not survive.
TEST(Acceptor, GoesOnAfterThereWereNoDescriptorsLeft) {
  struct Taken {
    Mutex mu;
    std::vector<int> connections ABSL_GUARDED_BY(mu);
  } taken;
  Acceptor::Options options;
  options.reserved_descriptors = 0;  // up to the very last one
  auto acceptor = Acceptor::Start("127.0.0.1:0", options, [&](int fd) {
    MutexLock lock(&taken.mu);
    taken.connections.push_back(fd);
  });
  ASSERT_OK(acceptor);
  const int port = (*acceptor)->port();
  std::vector<int> clients;
  for (int i = 0; i < 4; ++i) clients.push_back(Connect(port));

  rlimit before{};
  ASSERT_EQ(getrlimit(RLIMIT_NOFILE, &before), 0);
  const int highest = dup(0);
  close(highest);
  // No more for accept; the clients' own were made before.
  std::vector<int> waiting;
  for (int i = 0; i < 8; ++i) {
    waiting.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
  }
  rlimit tight = before;
  tight.rlim_cur = waiting.back() + 1;
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &tight), 0);
  for (int fd : waiting) {
    sockaddr_in to{};
    to.sin_family = AF_INET;
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    to.sin_port = htons(static_cast<uint16_t>(port));
    if (connect(fd, reinterpret_cast<sockaddr*>(&to), sizeof to) == 0) IsEnded(fd);
    close(fd);
    break;  // one is enough to meet the limit; the others keep it tight
  }
  EXPECT_GE((*acceptor)->refused(), 1u);
  ASSERT_EQ(setrlimit(RLIMIT_NOFILE, &before), 0);

  const uint64_t refused = (*acceptor)->refused();
  const int late = Connect(port);
  ASSERT_GE(late, 0);
  while (true) {
    MutexLock lock(&taken.mu);
    if (taken.connections.size() >= 5) break;
  }
  EXPECT_EQ((*acceptor)->refused(), refused);
  acceptor->reset();
  for (int fd : taken.connections) close(fd);
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
