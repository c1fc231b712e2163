#include "collector/store/sqlite_store.h"

#include <algorithm>
#include <cstdio>

#include "absl/time/clock.h"
#include "collector/store/store_writer.h"
#include "platform/mutex.h"
#include "platform/sqlite.h"
#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using absl::StatusCode;
using ::testing::ElementsAre;
using ::testing::SizeIs;

const std::string kEpoch(16, 'e');

EventRow Row(uint64_t seq, const std::string& key, const std::string& agent = "NC027") {
  EventRow row;
  row.agent = agent;
  row.epoch = kEpoch;
  row.seq = row.covers_upto = seq;
  row.key = key;
  row.time = row.arrived = absl::FromUnixSeconds(1'700'000'000);
  row.body = "body of " + key;
  return row;
}

class SqliteStoreTest : public testing::Test {
 protected:
  SqliteStoreTest()
      : path_(testing::TempDir() + "/store_" +
              testing::UnitTest::GetInstance()->current_test_info()->name()) {
    for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path_ + suffix).c_str());
    Open();
  }

  void Open() {
    store_.reset();
    auto store = SqliteStore::Open(path_);
    ASSERT_OK(store);
    store_ = *std::move(store);
  }

  const std::string path_;
  std::unique_ptr<SqliteStore> store_;
};

TEST_F(SqliteStoreTest, RemembersOverARestart) {
  StoreBatch batch;
  batch.events = {Row(1, "a"), Row(2, "b"), Row(1, "a", "NC036")};
  batch.seen = {{"NC027", absl::FromUnixSeconds(5), "0.1"}};
  batch.posts = {{0, absl::FromUnixSeconds(6), "NC027", "title", "body"}};
  ASSERT_OK(store_->Commit(batch));
  Open();
  auto committed = store_->LoadCommitted();
  ASSERT_OK(committed);
  ASSERT_THAT(*committed, SizeIs(2));
  EXPECT_EQ((*committed)[0].seq, 2u);
  auto seen = store_->LoadSeen();
  ASSERT_OK(seen);
  EXPECT_EQ((*seen)[0].at, absl::FromUnixSeconds(5));
  auto posts = store_->LoadPosts(10);
  ASSERT_OK(posts);
  EXPECT_EQ((*posts)[0].title, "title");
  auto events = store_->LoadEvents(2);
  ASSERT_OK(events);
  ASSERT_THAT(*events, SizeIs(2));
  EXPECT_EQ((*events)[0].agent, "NC036") << "newest first";
  EXPECT_EQ((*events)[1].body, "body of b");
}

TEST_F(SqliteStoreTest, KeepsAlertsAsTheyAreAndForgetsThem) {
  StoreBatch batch;
  batch.alerts = {{"a", "pending"}, {"b", "firing"}, {"a", "firing, too"}};
  ASSERT_OK(store_->Commit(batch));
  batch.alerts = {{"b", ""}};
  ASSERT_OK(store_->Commit(batch));
  Open();
  auto alerts = store_->LoadAlerts();
  ASSERT_OK(alerts);
  ASSERT_THAT(*alerts, SizeIs(1));
  EXPECT_EQ((*alerts)[0].body, "firing, too");
}

TEST_F(SqliteStoreTest, KeepsHealthAsItGrowsAndForgetsWhatIsOld) {
  StoreBatch batch;
  batch.health = {{"NC027", 100, 110, "operational"}, {"NC036", 50, 60, "degraded"}};
  ASSERT_OK(store_->Commit(batch));
  batch.health = {{"NC027", 100, 125, "operational"},
                  {"NC027", 125, 130, "major_outage"}};
  ASSERT_OK(store_->Commit(batch));
  Open();
  auto health = store_->LoadHealth();
  ASSERT_OK(health);
  ASSERT_THAT(*health, SizeIs(3));
  EXPECT_EQ((*health)[0].system, "NC036") << "in the order of time";
  EXPECT_EQ((*health)[1].until, 125);
  EXPECT_EQ((*health)[2].health, "major_outage");
  batch.health = {{"NC027", 125, 140, "major_outage"}};
  batch.forget_health_until = 125;
  ASSERT_OK(store_->Commit(batch));
  EXPECT_THAT(*store_->LoadHealth(), SizeIs(1));
}

TEST_F(SqliteStoreTest, WhenAnAgentWasHeardFirstStays) {
  StoreBatch batch;
  batch.seen = {{"NC027", absl::FromUnixSeconds(5), "0.1", absl::FromUnixSeconds(4)}};
  ASSERT_OK(store_->Commit(batch));
  batch.seen = {{"NC027", absl::FromUnixSeconds(9), "0.1", absl::FromUnixSeconds(8)}};
  ASSERT_OK(store_->Commit(batch));
  auto seen = store_->LoadSeen();
  ASSERT_OK(seen);
  EXPECT_EQ((*seen)[0].at, absl::FromUnixSeconds(9));
  EXPECT_EQ((*seen)[0].first, absl::FromUnixSeconds(4));
}

// What a collector of schema 1 left behind.
TEST_F(SqliteStoreTest, BringsAnOlderFileUpToDate) {
  store_.reset();
  for (const char* suffix : {"", "-wal", "-shm"}) std::remove((path_ + suffix).c_str());
  {
    auto db = Database::Open(path_);
    ASSERT_OK(db);
    ASSERT_OK((*db)->Run(
        "CREATE TABLE committed (agent TEXT NOT NULL, epoch BLOB NOT NULL, seq INTEGER "
        "NOT NULL, PRIMARY KEY (agent, epoch)) WITHOUT ROWID;"
        "CREATE TABLE events (id INTEGER PRIMARY KEY, agent TEXT NOT NULL, epoch BLOB "
        "NOT "
        "NULL, seq INTEGER NOT NULL, key BLOB NOT NULL, time_us INTEGER NOT NULL, "
        "arrived_us INTEGER NOT NULL, body BLOB NOT NULL, rejected INTEGER NOT NULL, "
        "UNIQUE (agent, epoch, seq), UNIQUE (agent, key));"
        "CREATE TABLE seen (agent TEXT PRIMARY KEY, at_us INTEGER NOT NULL, version TEXT "
        "NOT NULL) WITHOUT ROWID;"
        "CREATE TABLE posts (id INTEGER PRIMARY KEY AUTOINCREMENT, created_us INTEGER "
        "NOT "
        "NULL, system TEXT NOT NULL, title TEXT NOT NULL, body TEXT NOT NULL);"
        "INSERT INTO seen VALUES ('NC027', 5000000, '0.1');"
        "PRAGMA user_version=1"));
  }
  Open();
  auto seen = store_->LoadSeen();
  ASSERT_OK(seen);
  EXPECT_EQ((*seen)[0].at, absl::FromUnixSeconds(5));
  EXPECT_LT((*seen)[0].first, absl::FromUnixSeconds(5)) << "it has been there for long";
  StoreBatch batch;
  batch.alerts = {{"a", "firing"}};
  batch.events = {Row(1, "a")};
  ASSERT_OK(store_->Commit(batch));
  Open();
  EXPECT_THAT(*store_->LoadAlerts(), SizeIs(1));
  EXPECT_THAT(*store_->LoadHealth(), SizeIs(0));
}

TEST_F(SqliteStoreTest, AReplayIsStoredOnceByItsNumberAndByItsKey) {
  ASSERT_OK(store_->Commit({{Row(1, "a"), Row(2, "b")}, {}, {}}));
  auto again = store_->Commit({{Row(1, "a"), Row(2, "b"), Row(3, "a")}, {}, {}});
  ASSERT_OK(again);
  EXPECT_EQ(again->duplicates, 3u);
  EXPECT_THAT(*store_->LoadEvents(10), SizeIs(2));
  EXPECT_EQ((*store_->LoadCommitted())[0].seq, 3u) << "accounted for all the same";
}

TEST_F(SqliteStoreTest, RefusesAHoleAndKeepsNothingOfThatBatch) {
  ASSERT_OK(store_->Commit({{Row(1, "a")}, {}, {}}));
  StoreBatch holed;
  holed.events = {Row(1, "x", "NC036"), Row(3, "c")};
  holed.seen = {{"NC027", absl::FromUnixSeconds(5), "0.1"}};
  EXPECT_THAT(store_->Commit(holed), StatusIs(StatusCode::kFailedPrecondition));
  EXPECT_THAT(*store_->LoadEvents(10), SizeIs(1));
  EXPECT_THAT(*store_->LoadSeen(), SizeIs(0));
  EventRow gap = Row(2, "gap");
  gap.covers_upto = 9;
  ASSERT_OK(store_->Commit({{gap, Row(10, "d")}, {}, {}})) << "a gap that is named";
  EXPECT_EQ((*store_->LoadCommitted())[0].seq, 10u);
}

TEST_F(SqliteStoreTest, NumbersPosts) {
  const PostRow post{0, absl::FromUnixSeconds(6), "NC027", "t", "b"};
  auto first = store_->Commit({{}, {}, {post, post}});
  ASSERT_OK(first);
  EXPECT_THAT(first->post_ids, ElementsAre(1, 2));
  EXPECT_THAT(store_->Commit({{}, {}, {post}})->post_ids, ElementsAre(3));
}

TEST_F(SqliteStoreTest, AnOlderSightDoesNotReplaceANewerOne) {
  ASSERT_OK(store_->Commit({{}, {{"NC027", absl::FromUnixSeconds(9), "2"}}, {}}));
  ASSERT_OK(store_->Commit({{}, {{"NC027", absl::FromUnixSeconds(5), "1"}}, {}}));
  EXPECT_EQ((*store_->LoadSeen())[0].version, "2");
}

TEST_F(SqliteStoreTest, RefusesANewerSchema) {
  store_.reset();
  ASSERT_OK((*Database::Open(path_))->Run("PRAGMA user_version=99"));
  EXPECT_THAT(SqliteStore::Open(path_), StatusIs(StatusCode::kFailedPrecondition));
  ASSERT_OK((*Database::Open(path_))->Run("PRAGMA user_version=1"));
}

// Every ticket is answered, in order, each with its own posts' ids, however
// they were grouped.
TEST_F(SqliteStoreTest, TheWriterAnswersEachTicketInOrder) {
  struct Answers {
    Mutex mu;
    std::vector<uint64_t> tickets ABSL_GUARDED_BY(mu);
    std::vector<int64_t> posts ABSL_GUARDED_BY(mu);
  } answers;
  {
    StoreWriter writer(
        store_.get(),
        [&](uint64_t ticket, absl::StatusOr<StoreResult> result, absl::Duration) {
          EXPECT_OK(result);
          MutexLock lock(&answers.mu);
          answers.tickets.push_back(ticket);
          for (int64_t id : result->post_ids) answers.posts.push_back(id);
        });
    for (uint64_t i = 1; i <= 500; ++i) {
      StoreBatch batch;
      batch.events = {Row(i, std::to_string(i))};
      if (i % 100 == 0) batch.posts = {{0, absl::Now(), "", "t", "b"}};
      writer.Write(i, std::move(batch));
    }
  }
  MutexLock lock(&answers.mu);
  ASSERT_THAT(answers.tickets, SizeIs(500));
  EXPECT_TRUE(std::is_sorted(answers.tickets.begin(), answers.tickets.end()));
  EXPECT_THAT(answers.posts, ElementsAre(1, 2, 3, 4, 5));
  EXPECT_EQ((*store_->LoadCommitted())[0].seq, 500u);
}

}  // namespace
}  // namespace mailvane
