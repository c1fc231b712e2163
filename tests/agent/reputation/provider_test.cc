#include "agent/reputation/provider.h"

#include <algorithm>
#include <set>
#include <string>

#include "absl/strings/ascii.h"
#include "gtest/gtest.h"

namespace mailvane {
namespace {

TEST(Provider, IsTheOwnerOfTheServer) {
  const struct {
    const char* host;
    const char* want;
  } rows[] = {
      {"hotmail-com.olc.protection.outlook.com", "microsoft"},
      {"example-org.mail.protection.outlook.com", "microsoft365"},
      {"example-org.a-v1.mx.microsoft", "microsoft365"},
      {"aspmx.l.google.com", "google"},
      {"ALT1.GMAIL-SMTP-IN.L.GOOGLE.COM.", "google"},
      {"mta7.am0.yahoodns.net", "yahoo"},
      {"mx01.mail.icloud.com", "apple"},
      {"mx00.gmx.net", "gmx"},
      {"mx-ha02.web.de", "gmx"},
      {"mx00.t-online.de", "t-online"},
      {"mx0a-001b2d01.pphosted.com", "proofpoint"},
      {"eu-smtp-inbound-1.mimecast.com", "mimecast"},
      {"d1.a.ess.barracudanetworks.com", "barracuda"},
      {"mx1.hc123-45.eu.iphmx.com", "cisco"},
      {"inbound-smtp.eu-west-1.amazonaws.com", "amazon"},
      {"ec2-192-0-2-1.eu-west-1.compute.amazonaws.com", "other"},
      {"mx.example.net", "other"},
  };
  for (const auto& row : rows) EXPECT_EQ(ProviderOf(row.host), row.want) << row.host;
}

TEST(Provider, SuffixesEndAtADot) {
  EXPECT_EQ(ProviderOf("mx.notgoogle.com"), "other");
  EXPECT_EQ(ProviderOf("google.com.example.net"), "other");
  EXPECT_EQ(ProviderOf("google.com"), "google");
  EXPECT_EQ(ProviderOf(".google.com.."), "other");
}

TEST(Provider, AgentsOfThisHostAreLocalAndNoServerIsUnknown) {
  for (const char* host :
       {"local", "virtual", "dovecot", "localhost", "127.0.0.1", "::1"}) {
    EXPECT_EQ(ProviderOf(host), "local") << host;
  }
  EXPECT_EQ(ProviderOf(""), "unknown");
  EXPECT_EQ(ProviderOf("none"), "unknown");
  EXPECT_EQ(ProviderOf("192.0.2.1"), "other");
  EXPECT_EQ(ProviderOf("2001:db8::1"), "other");
  EXPECT_EQ(ProviderOf(std::string(10000, 'a') + ".google.com"), "other");
}

TEST(Provider, NamesAreLabels) {
  const auto names = Providers();
  EXPECT_TRUE(std::is_sorted(names.begin(), names.end()));
  for (const absl::string_view name : names) {
    for (const char c : name) {
      EXPECT_TRUE(absl::ascii_islower(c) || absl::ascii_isdigit(c) || c == '-' ||
                  c == '_')
          << name;
    }
  }
}

}  // namespace
}  // namespace mailvane
