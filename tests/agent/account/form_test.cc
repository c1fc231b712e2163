#include "agent/account/form.h"

#include <gtest/gtest.h>

namespace mailvane {
namespace {

uint64_t FormOfId(absl::string_view message_id, absl::string_view method = "PLAIN") {
  MessageSent sent;
  sent.sender = "ann@example.net";
  sent.message_id = message_id;
  sent.sasl_method = method;
  return FormOf(sent);
}

TEST(FormOf, OneProgramHasOneForm) {
  EXPECT_EQ(FormOfId("0f3b9d1c-77aa-4c1e-9a55-0123456789ab@example.net"),
            FormOfId("a1b2c3d4-1111-4abc-8def-fedcba987654@example.net"));
  EXPECT_EQ(FormOfId("8b1a9953c4611296a827abf8c47804d7@example.net"),
            FormOfId("e4d909c290d0fb1ca068ffaddf22cbd0@example.net"));
}

TEST(FormOf, OthersHaveOthers) {
  const uint64_t mine = FormOfId("0f3b9d1c-77aa-4c1e-9a55-0123456789ab@example.net");
  for (const char* id : {"0F3B9D1C-77AA-4C1E-9A55-0123456789AB@example.net",
                         "8b1a9953c4611296a827abf8c47804d7@example.net",
                         "0f3b9d1c-77aa-4c1e-9a55-0123456789ab@localhost",
                         "20260101120000.4Zk1@mx1.example.com", ""}) {
    EXPECT_NE(FormOfId(id), mine) << id;
  }
  EXPECT_NE(FormOfId("0f3b9d1c-77aa-4c1e-9a55-0123456789ab@example.net", "LOGIN"), mine);
}

TEST(FormOf, WhereNothingIsLoggedThereIsNone) { EXPECT_EQ(FormOf(MessageSent()), 0u); }

TEST(SenderPrint, LeavesOutWhatIsOfOneRecipient) {
  EXPECT_EQ(SenderPrint("bounce+7731-12@lists.example"),
            SenderPrint("bounce+90-joe=example.org@Lists.example"));
  EXPECT_EQ(SenderPrint("Ann@example.net"), SenderPrint("ann@example.net"));
  EXPECT_NE(SenderPrint("ann@example.net"), SenderPrint("bob@example.net"));
  EXPECT_NE(SenderPrint("ann@example.net"), SenderPrint("ann@example.com"));
}

}  // namespace
}  // namespace mailvane
