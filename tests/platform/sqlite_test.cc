#include "platform/sqlite.h"

#include <gtest/gtest.h>

#include "tests/status_matchers.h"

namespace mailvane {
namespace {

using absl::StatusCode;

TEST(Sqlite, KeepsIntegersTextAndBlobsAsTheyWere) {
  auto db = Database::Open(":memory:");
  ASSERT_OK(db);
  ASSERT_OK((*db)->Run("CREATE TABLE t (a INTEGER, b TEXT, c BLOB, d BLOB)"));
  auto insert = (*db)->Prepare("INSERT INTO t VALUES (?, ?, ?, NULL)");
  ASSERT_OK(insert);
  const std::string bytes("\0\xff\n", 3);
  insert->Bind(1, -7);
  insert->BindText(2, "seven");
  insert->BindBlob(3, bytes);
  ASSERT_OK(insert->Run());
  auto query = (*db)->Prepare("SELECT a, b, c, d FROM t");
  ASSERT_OK(query);
  auto row = query->Step();
  ASSERT_OK(row);
  ASSERT_TRUE(*row);
  EXPECT_EQ(query->Int(0), -7);
  EXPECT_EQ(query->Text(1), "seven");
  EXPECT_EQ(query->Blob(2), bytes);
  EXPECT_TRUE(query->Null(3));
  EXPECT_FALSE(*query->Step());
}

TEST(Sqlite, ATransactionThatIsNotCommittedLeavesNothing) {
  auto db = Database::Open(":memory:");
  ASSERT_OK(db);
  ASSERT_OK((*db)->Run("CREATE TABLE t (a)"));
  {
    auto transaction = Transaction::Begin(db->get());
    ASSERT_OK(transaction);
    ASSERT_OK((*db)->Run("INSERT INTO t VALUES (1)"));
  }
  EXPECT_EQ(*(*db)->QueryInt("SELECT count(*) FROM t"), 0);
  {
    auto transaction = Transaction::Begin(db->get());
    ASSERT_OK(transaction);
    ASSERT_OK((*db)->Run("INSERT INTO t VALUES (1)"));
    ASSERT_OK(transaction->Commit());
  }
  EXPECT_EQ(*(*db)->QueryInt("SELECT count(*) FROM t"), 1);
}

TEST(Sqlite, TellsAFileThatIsNoDatabase) {
  const std::string path = testing::TempDir() + "/not_a_database";
  FILE* file = fopen(path.c_str(), "w");
  ASSERT_NE(file, nullptr);
  for (int i = 0; i < 1000; ++i) fputs("not a database ", file);
  fclose(file);
  EXPECT_THAT(Database::Open(path), StatusIs(StatusCode::kDataLoss));
}

}  // namespace
}  // namespace mailvane
