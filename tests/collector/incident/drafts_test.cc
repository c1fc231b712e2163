#include "collector/incident/drafts.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace mailvane {
namespace {

using ::testing::HasSubstr;

SystemState System() {
  SystemState system;
  system.id = "NC027";
  system.name = "NC027";
  system.location = "Amsterdam";
  return system;
}

// What the fleet's state hands over after a change: the last health that was
// known stays when nothing is known.
std::optional<Post> Draft(Health from, Health to, SystemState system = System()) {
  HealthTransition transition;
  transition.system = system.id;
  transition.from = from;
  transition.to = to;
  transition.why = "Because.";
  transition.at = absl::FromUnixSeconds(1'700'000'000);
  if (from != Health::kUnknown) system.last_known_health = from;
  return DraftPost(transition, system);
}

TEST(Drafts, SaysWhatHappenedWhereAndSinceWhen) {
  const std::optional<Post> post = Draft(Health::kOperational, Health::kDegraded);
  ASSERT_TRUE(post);
  EXPECT_EQ(post->system, "NC027");
  EXPECT_EQ(post->title, "NC027: Degraded");
  EXPECT_EQ(post->body, "NC027 (Amsterdam), since 2023-11-14 22:13 UTC: Because.");
  EXPECT_EQ(post->created_at, absl::FromUnixSeconds(1'700'000'000));
}

TEST(Drafts, WhatIsNewsIsATable) {
  const struct {
    Health from;
    Health to;
    const char* title;  // null: no news
  } kCases[] = {
      {Health::kOperational, Health::kDegraded, "NC027: Degraded"},
      {Health::kOperational, Health::kMajorOutage, "NC027: Major outage"},
      {Health::kUnknown, Health::kPartialOutage, "NC027: Partial outage"},
      {Health::kDegraded, Health::kMajorOutage, "NC027: Major outage"},
      {Health::kMajorOutage, Health::kOperational, "NC027: Resolved"},
      {Health::kDegraded, Health::kOperational, "NC027: Resolved"},
      // Halfway back.
      {Health::kMajorOutage, Health::kPartialOutage, nullptr},
      {Health::kPartialOutage, Health::kDegraded, nullptr},
      // Data that came or went.
      {Health::kUnknown, Health::kOperational, nullptr},
      {Health::kOperational, Health::kUnknown, nullptr},
      {Health::kMajorOutage, Health::kUnknown, nullptr},
      {Health::kMaintenance, Health::kOperational, nullptr},
  };
  for (const auto& [from, to, title] : kCases) {
    SCOPED_TRACE(std::string(Name(from)) + " to " + Name(to));
    const std::optional<Post> post = Draft(from, to);
    ASSERT_EQ(post.has_value(), title != nullptr);
    if (post) {
      EXPECT_EQ(post->title, title);
    }
  }
}

// A host that comes back is seen to answer pings before its agent reports, so
// nearly each outage ends by way of the unknown.
TEST(Drafts, AnOutageThatEndsByWayOfTheUnknownIsResolved) {
  SystemState system = System();
  system.last_known_health = Health::kMajorOutage;
  const std::optional<Post> post = Draft(Health::kUnknown, Health::kOperational, system);
  ASSERT_TRUE(post);
  EXPECT_EQ(post->title, "NC027: Resolved");
}

TEST(Drafts, ATroubleThatWasOutOfSightForAWhileIsNoNewOne) {
  SystemState system = System();
  system.last_known_health = Health::kDegraded;
  EXPECT_FALSE(Draft(Health::kUnknown, Health::kDegraded, system));
  EXPECT_TRUE(Draft(Health::kUnknown, Health::kMajorOutage, system)) << "but worse is";
}

TEST(Drafts, WhatIsNotShownOrNotInServiceMakesNoPost) {
  SystemState hidden = System();
  hidden.is_public = false;
  EXPECT_FALSE(Draft(Health::kOperational, Health::kMajorOutage, hidden));
  for (Lifecycle lifecycle :
       {Lifecycle::kPlanned, Lifecycle::kProvisioning, Lifecycle::kRetired}) {
    SystemState system = System();
    system.lifecycle = lifecycle;
    EXPECT_FALSE(Draft(Health::kOperational, Health::kMajorOutage, system))
        << Name(lifecycle);
  }
  for (Lifecycle lifecycle : {Lifecycle::kInternal, Lifecycle::kRetiring}) {
    SystemState system = System();
    system.lifecycle = lifecycle;
    EXPECT_TRUE(Draft(Health::kOperational, Health::kMajorOutage, system))
        << Name(lifecycle);
  }
}

TEST(Drafts, ASystemWithoutAPlaceStandsByItsName) {
  SystemState system = System();
  system.location.clear();
  EXPECT_THAT(Draft(Health::kDegraded, Health::kOperational, system)->body,
              HasSubstr("NC027 works normally again since 2023-11-14 22:13 UTC."));
}

}  // namespace
}  // namespace mailvane
