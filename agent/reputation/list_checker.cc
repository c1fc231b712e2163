#include "agent/reputation/list_checker.h"

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

// Few look at these lists, and nothing is done about a listing in a hurry.
constexpr int kInfoRest = 4;
// A tenth of the interval either way.
constexpr double kJitter = 0.2;
constexpr absl::Duration kDay = absl::Hours(24);
constexpr absl::Duration kSelfTestInterval = absl::Hours(1);
// No answer is kept for longer than a resolver keeps it.
constexpr absl::Duration kMostTtl = absl::Hours(24);
constexpr size_t kRandomBytes = 10;

}  // namespace

std::vector<ListToAsk> ListsToAsk(
    const Catalogue& catalogue,
    const std::vector<std::pair<std::string, std::string>>& keys) {
  const auto key_of = [&keys](const BlockList& list) -> const std::string* {
    for (const auto& [zone, key] : keys) {
      if (zone == list.zone) return &key;
    }
    return nullptr;
  };
  std::vector<ListToAsk> lists;
  for (const BlockList& list : catalogue.lists()) {
    const std::string* const key = key_of(list);
    if (list.needs_key && key == nullptr) continue;
    lists.push_back({list, list.needs_key ? *key : ""});
  }
  for (size_t i = 0; i < lists.size(); ++i) {
    const std::string replaced = lists[i].list.instead_of;
    if (replaced.empty()) continue;
    const auto found =
        std::find_if(lists.begin(), lists.end(),
                     [&](const ListToAsk& other) { return other.list.zone == replaced; });
    if (found == lists.end()) continue;
    if (found - lists.begin() < static_cast<ptrdiff_t>(i)) --i;
    lists.erase(found);
  }
  return lists;
}

ListChecker::ListChecker(std::vector<ListToAsk> lists, const Options& options,
                         Random* random)
    : options_(options), random_(random) {
  for (ListToAsk& list : lists) works_.emplace_back().ask = std::move(list);
}

void ListChecker::SetSubjects(Instant now, std::vector<Subject> subjects) {
  std::sort(subjects.begin(), subjects.end());
  subjects.erase(std::unique(subjects.begin(), subjects.end()), subjects.end());
  refused_subjects_ = subjects.size() > kMaxSubjects ? subjects.size() - kMaxSubjects : 0;
  if (subjects.size() > kMaxSubjects) subjects.resize(kMaxSubjects);
  // With nobody to ask about, nothing is asked at all.
  if (!started_ && subjects.empty()) return;
  const bool first = !std::exchange(started_, true);
  // Who is new shall not wait for the turn of those that are known.
  if (first || subjects != subjects_) {
    for (Work& work : works_) {
      const absl::Duration soon =
          now.mono +
          (options_.once ? absl::ZeroDuration() : random_->Below(options_.spread));
      work.due = std::max(first ? soon : std::min(work.due, soon), work.not_before);
    }
  }
  if (first) self_test_due_ = now.mono;
  subjects_ = std::move(subjects);
}

std::vector<ListQuestion> ListChecker::Step(Instant now) {
  if (!started_) return {};
  if (self_test_due_ && now.mono >= *self_test_due_) {
    self_test_due_ = now.mono + kSelfTestInterval;
    if (options_.once) self_test_due_.reset();
    Ask({About::kSelfTest}, SelfTestName(RandomLabel()), DnsType::kA);
  }
  for (size_t i = 0; i < works_.size(); ++i) {
    if (works_[i].waits_for == 0 && now.mono >= works_[i].due) StartPass(now, i);
  }
  return std::exchange(outgoing_, {});
}

void ListChecker::StartPass(Instant now, size_t index) {
  Work& work = works_[index];
  const BlockList& list = work.ask.list;
  work.started = now.mono;
  work.tests.clear();
  work.checks.clear();
  // A list without its key: said, and not asked.
  const bool mute = list.needs_key && work.ask.key.empty();
  bool wanted[kSubjectKinds] = {};
  for (const Subject& subject : subjects_) {
    if (!list.Asks(subject.kind)) continue;
    wanted[static_cast<int>(subject.kind)] = true;
    work.checks.push_back({subject, {}});
    Judgement& judgement = work.checks.back().judgement;
    judgement.cause = mute ? ListCause::kNoKey : ListCause::kNoAnswer;
    if (mute) judgement.why = "it needs a key, and none was given";
  }
  for (int kind = 0; kind < kSubjectKinds && !mute; ++kind) {
    if (!wanted[kind]) continue;
    for (TestQuestion& test :
         TestQuestions(list, static_cast<SubjectKind>(kind), RandomLabel())) {
      work.tests.push_back({static_cast<SubjectKind>(kind), {test.point, {}}});
      Ask({About::kTest, index, work.tests.size() - 1},
          ListName(list, test.label, work.ask.key), DnsType::kA);
      ++work.waits_for;
    }
  }
  for (size_t i = 0; i < work.checks.size() && !mute; ++i) {
    Ask({About::kSubject, index, i},
        ListName(list, work.checks[i].subject.label, work.ask.key), DnsType::kA);
    ++work.waits_for;
  }
  if (work.waits_for == 0) EndPass(now, &work);
}

void ListChecker::Ask(Pending pending, std::string name, DnsType type) {
  pending_.emplace(next_id_, pending);
  outgoing_.push_back({next_id_++, {std::move(name), type}});
  ++questions_;
}

void ListChecker::Take(Instant now, const DnsReply& reply) {
  const auto found = pending_.find(reply.id);
  if (found == pending_.end()) {
    ++strays_;
    return;
  }
  const Pending pending = found->second;
  pending_.erase(found);
  if (pending.about == About::kSelfTest) {
    self_test_ = reply.answer;
    return;
  }
  Work& work = works_[pending.work];
  if (pending.about == About::kTest) {
    work.tests[pending.index].answer.answer = reply.answer;
  } else if (pending.about == About::kReason) {
    work.checks[pending.index].judgement.reason = ReasonFrom(reply.answer);
  } else {
    Check& check = work.checks[pending.index];
    check.judgement = JudgeAnswer(work.ask.list, reply.answer);
    // Its reason stands under the same name; a refusal has one, too, but says it by
    // its code.
    if (check.judgement.verdict == ListVerdict::kListed) {
      Ask({About::kReason, pending.work, pending.index},
          ListName(work.ask.list, check.subject.label, work.ask.key), DnsType::kTxt);
      ++work.waits_for;
    }
  }
  if (--work.waits_for == 0) EndPass(now, &work);
}

void ListChecker::EndPass(Instant now, Work* work) {
  ListPass pass;
  pass.list = &work->ask.list;
  pass.took = now.mono - work->started;
  for (int i = 0; i < kSubjectKinds; ++i) {
    std::vector<TestAnswer> answers;
    for (const Test& test : work->tests) {
      if (static_cast<int>(test.kind) == i) answers.push_back(test.answer);
    }
    if (answers.empty()) continue;
    pass.health.emplace_back(static_cast<SubjectKind>(i),
                             JudgeZone(work->ask.list, answers));
  }
  work->health = pass.health;
  absl::Duration ttl = kMostTtl;
  for (Check& check : work->checks) {
    if (check.judgement.ttl) ttl = std::min(ttl, *check.judgement.ttl);
    Judgement verdict = std::move(check.judgement);
    for (const auto& [kind, health] : pass.health) {
      if (kind == check.subject.kind) verdict = Temper(health, std::move(verdict));
    }
    pass.verdicts.emplace_back(check.subject, std::move(verdict));
  }
  const size_t questions = work->tests.size() + work->checks.size();
  PlanNext(now, work, questions, work->checks.empty() ? absl::ZeroDuration() : ttl);
  // A list that has nobody to be asked about says nothing.
  if (!pass.verdicts.empty()) passes_.push_back(std::move(pass));
}

void ListChecker::PlanNext(Instant now, Work* work, size_t questions,
                           absl::Duration ttl) {
  if (options_.once) {
    work->due = work->not_before = absl::InfiniteDuration();
    return;
  }
  // Before the answers' time is over, the resolver would only say them again.
  work->not_before = now.mono + Budgeted(questions);
  const bool rarely = work->ask.list.tier == Tier::kInfo;
  const absl::Duration interval = Jittered(options_.interval * (rarely ? kInfoRest : 1));
  work->due = std::max({now.mono + interval, now.mono + ttl, work->not_before});
}

absl::Duration ListChecker::Budgeted(size_t questions) const {
  return kDay * static_cast<double>(questions) /
         std::max<double>(options_.daily_questions, 1);
}

absl::Duration ListChecker::Jittered(absl::Duration interval) {
  return interval * (1 - kJitter / 2) + random_->Below(interval * kJitter);
}

std::string ListChecker::RandomLabel() {
  // Letters only: a list of addresses must not take it for one.
  std::string label = "mv";
  for (const char byte : random_->Bytes(kRandomBytes)) {
    label += static_cast<char>('a' + static_cast<uint8_t>(byte) % 26);
  }
  return label;
}

void ListChecker::AskAgain(absl::string_view zone, absl::Duration at) {
  for (Work& work : works_) {
    if (work.ask.list.zone != zone) continue;
    work.due = std::min(work.due, std::max(at, work.not_before));
  }
}

std::vector<ListPass> ListChecker::TakePasses() { return std::exchange(passes_, {}); }

ResolverHealth ListChecker::resolver() const {
  if (!self_test_) return {};
  std::vector<ZoneReport> reports;
  for (const Work& work : works_) {
    for (const auto& [kind, health] : work.health) {
      reports.push_back({work.ask.list.zone, health});
    }
  }
  return JudgeResolver(*self_test_, reports);
}

bool ListChecker::idle() const {
  if (!pending_.empty() || !outgoing_.empty()) return false;
  return std::all_of(works_.begin(), works_.end(), [](const Work& work) {
    return work.due == absl::InfiniteDuration();
  });
}

absl::Duration ListChecker::NextDeadline() const {
  if (!started_) return absl::InfiniteDuration();
  if (!outgoing_.empty()) return -absl::InfiniteDuration();
  absl::Duration next = self_test_due_.value_or(absl::InfiniteDuration());
  for (const Work& work : works_) {
    if (work.waits_for == 0) next = std::min(next, work.due);
  }
  return next;
}

}  // namespace mailvane
