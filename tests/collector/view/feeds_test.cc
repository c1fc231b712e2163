#include "collector/view/feeds.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "tests/collector/view/demo_fleet.h"

namespace mailvane {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

PageSettings Settings() {
  PageSettings settings;
  settings.title = "Northern Lights Mail: systems status";
  settings.url = "https://status.example.net";
  return settings;
}

std::string Atom(const FleetSnapshot& fleet) {
  return RenderFeed(FeedFormat::kAtom, fleet, nullptr, Settings());
}
std::string Rss(const FleetSnapshot& fleet) {
  return RenderFeed(FeedFormat::kRss, fleet, nullptr, Settings());
}

// tests/real/feeds_test.py has another program read the same files.
TEST(Feeds, AreAsInTheGoldenFiles) {
  EXPECT_EQ(Atom(DemoFleet()), ReadFileOrDie("tests/collector/view/testdata/feed.atom"));
  EXPECT_EQ(Rss(DemoFleet()), ReadFileOrDie("tests/collector/view/testdata/feed.rss"));
}

TEST(Feeds, TheNewestPostIsFirstAndDatesTheFeed) {
  const std::string feed = Atom(DemoFleet());
  EXPECT_LT(feed.find("posts/2</id>"), feed.find("posts/1</id>"));
  EXPECT_LT(feed.find("<updated>2026-03-14T12:42:03Z</updated>"), feed.find("<entry>"));
}

TEST(Feeds, AFeedWithoutPostsDoesNotChangeByItself) {
  FleetSnapshot fleet = DemoFleet();
  fleet.posts.clear();
  const std::string before = Atom(fleet);
  EXPECT_THAT(before, Not(HasSubstr("<entry>")));
  fleet.at += absl::Minutes(5);
  EXPECT_EQ(Atom(fleet), before);
}

TEST(Feeds, ASystemsFeedHasItsPostsAlone) {
  const FleetSnapshot fleet = DemoFleet();
  const SystemState& system = *FindPublicSystem(fleet, "NC030");
  const std::string feed = RenderFeed(FeedFormat::kRss, fleet, &system, Settings());
  EXPECT_THAT(feed, HasSubstr("<title>NC030: Degraded</title>"));
  EXPECT_THAT(feed, Not(HasSubstr("NC027")));
  EXPECT_THAT(feed, HasSubstr("<link>https://status.example.net/systems/NC030</link>"));
  // The same entry in both feeds has one id.
  EXPECT_THAT(feed, HasSubstr("tag:status.example.net,2026-01-01:posts/1<"));
  EXPECT_THAT(Rss(fleet), HasSubstr("tag:status.example.net,2026-01-01:posts/1<"));
}

TEST(Feeds, WhatIsHiddenIsNotInThem) {
  FleetSnapshot fleet = DemoFleet();
  FindSystem(fleet, "NC027").is_public = false;
  EXPECT_THAT(Atom(fleet), Not(HasSubstr("NC027")));
  EXPECT_THAT(Rss(fleet), Not(HasSubstr("NC027")));
}

TEST(Feeds, TextCannotBecomeMarkup) {
  FleetSnapshot fleet = DemoFleet();
  fleet.posts[0].title = "a]]><script>alert(1)</script>\x1b\x01";
  fleet.posts[0].body = "<img src=x onerror=alert(1)>&amp;";
  for (const std::string& feed : {Atom(fleet), Rss(fleet)}) {
    EXPECT_THAT(feed, Not(HasSubstr("<script")));
    EXPECT_THAT(feed, Not(HasSubstr("]]>")));
    EXPECT_THAT(feed, Not(HasSubstr("\x1b")));
    // Escaped as markup for the body, and again for the feed around it.
    EXPECT_THAT(feed, HasSubstr("&lt;p&gt;&amp;lt;img src=x"));
    EXPECT_THAT(feed, HasSubstr("&amp;amp;amp;"));
  }
}

TEST(Feeds, WithoutAnAddressOfThePageLinksAreRelative) {
  PageSettings settings = Settings();
  settings.url = "";
  const std::string feed = RenderFeed(FeedFormat::kAtom, DemoFleet(), nullptr, settings);
  EXPECT_THAT(feed, HasSubstr("href=\"/posts/2\""));
  EXPECT_THAT(feed, HasSubstr("<id>tag:localhost,2026-01-01:posts/2</id>"));
}

}  // namespace
}  // namespace mailvane
