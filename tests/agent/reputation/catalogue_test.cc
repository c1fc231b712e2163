#include "agent/reputation/catalogue.h"

#include <fstream>
#include <set>
#include <sstream>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/agent/reputation/lists.h"

namespace mailvane {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::StartsWith;

std::vector<std::string> Errors(const std::string& text) {
  std::vector<ConfigError> errors;
  Catalogue::Parse(text, &errors);
  std::vector<std::string> lines;
  for (const ConfigError& error : errors) lines.push_back(ToString("f", error));
  return lines;
}

TEST(BuiltInCatalogue, HasNoErrors) {
  std::ifstream file("agent/reputation/blocklists.yaml");
  std::stringstream text;
  text << file.rdbuf();
  EXPECT_THAT(Errors(text.str()), IsEmpty());
}

TEST(BuiltInCatalogue, CoversWhatItPromises) {
  const std::shared_ptr<const Catalogue> catalogue = Catalogue::BuiltIn();
  ASSERT_NE(catalogue, nullptr);
  int live = 0, with_codes = 0, v6 = 0, domains = 0;
  for (const BlockList& list : catalogue->lists()) {
    ++live;
    if (!list.codes.empty()) ++with_codes;
    if (list.Asks(SubjectKind::kIpv6)) ++v6;
    if (list.Asks(SubjectKind::kDomain)) ++domains;
  }
  EXPECT_GE(live, 40);
  EXPECT_GE(with_codes, 15);
  EXPECT_GE(v6, 6);
  EXPECT_GE(domains, 6);
}

TEST(BuiltInCatalogue, SaysOfEachListWhatItIs) {
  for (const BlockList& list : Catalogue::BuiltIn()->lists()) {
    SCOPED_TRACE(list.zone);
    EXPECT_FALSE(list.expiry_words.empty());
    EXPECT_THAT(list.delist_url, StartsWith("http"));
    // What lists neighbours never wakes anybody.
    if (absl::StrContains(list.note, "nothing that this server does")) {
      EXPECT_EQ(list.tier, Tier::kInfo);
    }
    if (list.polarity == BlockList::Polarity::kAllow) {
      for (const ListCode& code : list.codes) EXPECT_NE(code.says, CodeSays::kListed);
    }
    // A code that can be read in two ways is read in the first.
    for (size_t i = 0; i < list.codes.size(); ++i) {
      for (size_t j = 0; j < i; ++j) {
        if (list.codes[i].bit != 0 || list.codes[j].bit != 0) continue;
        EXPECT_FALSE(list.codes[j].first <= list.codes[i].first &&
                     list.codes[i].last <= list.codes[j].last)
            << list.codes[i].means << " never comes to its turn";
      }
    }
    // A refusal must not be read as a listing.
    for (const ListCode& refusal : list.refusals) {
      for (const ListCode& code : list.codes) {
        EXPECT_FALSE(refusal.bit == 0 && code.bit == 0 && code.first <= refusal.last &&
                     refusal.first <= code.last)
            << code.means;
      }
    }
  }
}

TEST(BuiltInCatalogue, TheDeadAreNotAsked) {
  const std::shared_ptr<const Catalogue> catalogue = Catalogue::BuiltIn();
  for (const char* zone :
       {"dnsbl.sorbs.net", "sorbs.net", "SPAM.dnsbl.Sorbs.net.", "ix.dnsbl.manitu.net",
        "dnsbl.inps.de", "bl.spamcannibal.org", "dnsbl.njabl.org", "dnsbl.ahbl.org",
        "ubl.unsubscore.com", "dnsbl.madavi.de", "spamdown.org"}) {
    EXPECT_NE(catalogue->FindDead(zone), nullptr) << zone;
    EXPECT_EQ(catalogue->Find(zone), nullptr) << zone;
  }
  EXPECT_EQ(catalogue->FindDead("xsorbs.net"), nullptr);
  EXPECT_EQ(catalogue->FindDead("zen.spamhaus.org"), nullptr);
}

TEST(Catalogue, EachErrorStandsAtItsPlace) {
  const std::string kGood =
      "  kind: ip\n  families: [v4]\n  polarity: block\n  tier: warn\n";
  EXPECT_THAT(Errors(CatalogueText("a.example", kGood)), IsEmpty());
  const struct {
    const char* name;
    std::string text;
    const char* error;
  } kCases[] = {
      {"a key that is none", CatalogueText("a.example", kGood + "  colour: red\n"),
       "f:8:3: lists[0].colour: unknown key"},
      {"a zone with a space", CatalogueText("'a b'", kGood), "f:3:3: lists[0].zone: "},
      {"a kind",
       CatalogueText("a.example", "  kind: ipv4\n  polarity: block\n  tier: warn\n"),
       "f:4:3: lists[0].kind: is none of"},
      {"no family",
       CatalogueText("a.example", "  kind: ip\n  polarity: block\n  tier: warn\n"),
       "f:3:3: lists[0].families: is missing"},
      {"a domain list with families",
       CatalogueText(
           "a.example",
           "  kind: domain\n  families: [v4]\n  polarity: block\n  tier: warn\n"),
       "f:5:3: lists[0].families: a list of domains has none"},
      {"no polarity",
       CatalogueText("a.example", "  kind: ip\n  families: [v4]\n  tier: warn\n"),
       "f:3:3: lists[0].polarity: is none of"},
      {"a mixed list without codes",
       CatalogueText("a.example",
                     "  kind: ip\n  families: [v4]\n  polarity: mixed\n  tier: warn\n"),
       "f:3:3: lists[0].codes: a mixed list"},
      {"a code outside 127/8",
       CatalogueText("a.example", kGood + "  codes:\n  - {code: 10.0.0.1, means: x}\n"),
       "f:9:6: lists[0].codes[0].code: is no 127"},
      {"a range the wrong way round",
       CatalogueText("a.example",
                     kGood + "  codes:\n  - {code: 127.0.0.9-127.0.0.2, means: x}\n"),
       "f:9:6: lists[0].codes[0].code: is no 127"},
      {"a bit that is two",
       CatalogueText("a.example", kGood + "  codes:\n  - {bit: 3, means: x}\n"),
       "f:9:6: lists[0].codes[0].bit: is none of"},
      {"a code without a meaning",
       CatalogueText("a.example", kGood + "  codes:\n  - {code: 127.0.0.2}\n"),
       "f:9:5: lists[0].codes[0]: its meaning"},
      {"an address that is a script",
       CatalogueText("a.example", kGood + "  delist_url: \"javascript:alert(1)\"\n"),
       "f:8:3: lists[0].delist_url: "},
      {"a dead one among the living",
       CatalogueText("x.sorbs.net", kGood) +
           "never_query:\n- {zone: sorbs.net, since: \"2024\", reason: gone}\n",
       "f:3:3: lists[0].zone: stands among"},
      {"no date",
       "lists:\n- zone: a.example\n" + kGood +
           "  source: x\n  verified: \"2026-11-24\"\n"
           "  expiry: {model: unknown, words: x}\n",
       "f: dated: "},
  };
  for (const auto& [name, text, error] : kCases) {
    SCOPED_TRACE(name);
    EXPECT_THAT(Errors(text), ElementsAre(StartsWith(error)));
  }
}

TEST(Catalogue, AListThatIsNotKnownIsAskedAsTheRfcHasIt) {
  const BlockList list = StandardList("Example.org.", false);
  EXPECT_EQ(list.zone, "example.org");
  EXPECT_TRUE(list.Asks(SubjectKind::kIpv4));
  EXPECT_TRUE(list.Asks(SubjectKind::kIpv6));
  EXPECT_FALSE(list.Asks(SubjectKind::kDomain));
  EXPECT_EQ(list.test_listed[0], "2.0.0.127");
}

}  // namespace
}  // namespace mailvane
