// Asks DNS lists about subjects, again and again, and says what they answered.  No
// I/O: the caller carries questions to a Resolver and replies back.
//
//   ListChecker checker(lists, options, &random);
//   checker.SetSubjects(now, subjects);
//   … each time the loop turns:
//   for (const ListQuestion& ask : checker.Step(now)) resolver->Ask(now, ask.id, …);
//   for (const DnsReply& reply : resolver->Poll(now)) checker.Take(now, reply);
//   for (const ListPass& pass : checker.TakePasses()) …
//
// A list is asked in passes: its test points, a name made up at random and all
// subjects at once, so that its health and its verdicts are of one moment.  Nothing
// is said before all of a pass is there.
//
// Belongs to one thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "agent/reputation/catalogue.h"
#include "agent/reputation/dnsbl.h"
#include "agent/reputation/subject.h"
#include "agent/reputation/zone_health.h"
#include "platform/clock.h"
#include "platform/random.h"
#include "platform/resolver.h"

namespace mailvane {

// A list, with the key to ask it by where it needs one.
struct ListToAsk {
  BlockList list;
  // Never logged, never shown.
  std::string key;
};

// Those of the catalogue that can be asked: lists that need a key only with one,
// and then in place of the list that they replace.  `keys` is by zone.
std::vector<ListToAsk> ListsToAsk(
    const Catalogue& catalogue,
    const std::vector<std::pair<std::string, std::string>>& keys);

struct ListQuestion {
  uint64_t id = 0;
  DnsQuestion question;
};

// What one list said in one pass.
struct ListPass {
  // Owned by the checker.
  const BlockList* list = nullptr;
  // For each kind of subject that it was asked about.
  std::vector<std::pair<SubjectKind, ZoneHealth>> health;
  // In the light of its health.
  std::vector<std::pair<Subject, Judgement>> verdicts;
  // How long the slowest answer took.
  absl::Duration took;
};

class ListChecker {
 public:
  // More would be a fleet's, not a host's.
  static constexpr size_t kMaxSubjects = 256;

  struct Options {
    // From one pass of a list to the next; four times that for lists of tier info.
    // Spread over a tenth of itself, so that a fleet does not ask in step.
    absl::Duration interval = absl::Hours(1);
    // The first pass of a list begins within this: a restart of all agents at once
    // is no burst either.
    absl::Duration spread = absl::Minutes(5);
    // Questions to one list in 24 hours; with many subjects passes are rarer.
    uint32_t daily_questions = 2000;
    // Each list once, and then no more.
    bool once = false;
  };

  // `random` is not owned and must outlive the checker.
  ListChecker(std::vector<ListToAsk> lists, const Options& options, Random* random);

  // Replaces all; beyond kMaxSubjects they are left out, and counted.
  void SetSubjects(Instant now, std::vector<Subject> subjects);

  // What to ask now.
  std::vector<ListQuestion> Step(Instant now);
  void Take(Instant now, const DnsReply& reply);
  // The passes that ended since the last call.
  std::vector<ListPass> TakePasses();

  // Asks a list again at `at`, but not more often than its budget allows.
  void AskAgain(absl::string_view zone, absl::Duration at);

  // In the light of the last passes.
  ResolverHealth resolver() const;
  // Nothing is under way, and nothing due: with `once`, all has been said.
  bool idle() const;
  // When Step must be called, on Instant.mono's scale.
  absl::Duration NextDeadline() const;

  const std::vector<Subject>& subjects() const { return subjects_; }
  // Subjects that the last SetSubjects left out.
  size_t refused_subjects() const { return refused_subjects_; }
  // Since the start.
  uint64_t questions() const { return questions_; }
  // Replies that nobody waits for.
  uint64_t strays() const { return strays_; }

 private:
  struct Test {
    SubjectKind kind;
    TestAnswer answer;
  };
  struct Check {
    Subject subject;
    Judgement judgement;
  };
  struct Work {
    ListToAsk ask;
    absl::Duration due = absl::ZeroDuration();
    absl::Duration not_before = absl::ZeroDuration();
    // Of the pass under way.
    absl::Duration started = absl::ZeroDuration();
    size_t waits_for = 0;
    std::vector<Test> tests;
    std::vector<Check> checks;
    // Of the last pass.
    std::vector<std::pair<SubjectKind, ZoneHealth>> health;
  };
  enum class About { kSelfTest, kTest, kSubject, kReason };
  struct Pending {
    About about;
    size_t work = 0;
    // In the work's tests or checks.
    size_t index = 0;
  };

  void StartPass(Instant now, size_t index);
  void EndPass(Instant now, Work* work);
  void Ask(Pending pending, std::string name, DnsType type);
  void PlanNext(Instant now, Work* work, size_t questions, absl::Duration ttl);
  // Not the same for two agents, nor for two lists.
  absl::Duration Jittered(absl::Duration interval);
  std::string RandomLabel();
  absl::Duration Budgeted(size_t questions) const;

  // Constant after construction.
  const Options options_;
  Random* const random_;

  std::vector<Work> works_;
  std::vector<Subject> subjects_;
  size_t refused_subjects_ = 0;
  std::unordered_map<uint64_t, Pending> pending_;
  uint64_t next_id_ = 1;
  std::vector<ListQuestion> outgoing_;
  std::vector<ListPass> passes_;
  std::optional<absl::Duration> self_test_due_;
  std::optional<DnsAnswer> self_test_;
  bool started_ = false;
  uint64_t questions_ = 0;
  uint64_t strays_ = 0;
};

}  // namespace mailvane
