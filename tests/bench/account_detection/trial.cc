#include "tests/bench/account_detection/trial.h"

#include <algorithm>
#include <cstdio>
#include <limits>
#include <map>
#include <memory>
#include <set>
#include <unordered_map>
#include <unordered_set>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/time/time.h"
#include "agent/account/account_analyzer.h"
#include "agent/analyze/message_tracker.h"
#include "agent/parse/mail.h"
#include "agent/parse/syslog_line.h"
#include "tests/bench/stopwatch.h"

namespace mailvane {
namespace {

using Pieces = std::map<std::string, std::string>;

class PieceWriter final : public StateWriter {
 public:
  explicit PieceWriter(Pieces* pieces) : pieces_(pieces) {}
  void Put(absl::string_view piece, absl::string_view bytes) override {
    (*pieces_)[std::string(piece)] = std::string(bytes);
  }
  void Erase(absl::string_view piece) override { pieces_->erase(std::string(piece)); }

 private:
  Pieces* const pieces_;
};

// Text in, findings and baselines' alarms out.
class Reader final : private FlowSink {
 public:
  using Alarm = std::function<void(int judge, absl::string_view account)>;

  Reader(const TrialOptions& options, Alarm alarm, Baselines::Label label)
      : options_(options),
        alarm_(std::move(alarm)),
        analyzer_(AnalyzerOptions(options)),
        baselines_(
            [this](int which, absl::string_view account) { alarm_(2 + which, account); },
            std::move(label)),
        tracker_(MessageTracker::Options(), this),
        syslog_(absl::UTCTimeZone()) {}

  void Take(absl::string_view line) {
    ++lines_;
    const std::optional<SyslogLine> head =
        syslog_.Parse(line, absl::FromUnixSeconds(1767571200));
    if (!head) return;
    const std::optional<MailLine> mail = ParseMail(*head);
    if (mail) tracker_.Take(*head, *mail);
  }

  AccountAnalyzer& analyzer() { return analyzer_; }
  Baselines& baselines() { return baselines_; }
  uint64_t lines() const { return lines_; }
  uint64_t events() const { return events_; }
  double seconds() const { return seconds_; }
  // Told of each accepted message before it is judged.
  std::function<void(const MailMessage&)> on_accept = [](const MailMessage&) {};

 private:
  static AccountAnalyzer::Options AnalyzerOptions(const TrialOptions& options) {
    // One for all: a theft has an analyzer of its own, and there are thousands.
    static ReplyClassifier* const classifier = new ReplyClassifier;
    AccountAnalyzer::Options analyzer;
    analyzer.classifier = classifier;
    analyzer.detector.false_holds_per_1000_account_months = options.budget;
    return analyzer;
  }

  // The clock is looked at for one event of 16, and what looking costs is taken off.
  template <typename Work>
  void Timed(Work work) {
    ++events_;
    if (events_ % 16 != 0) return work();
    const double before = Seconds(CLOCK_THREAD_CPUTIME_ID);
    const double begun = Seconds(CLOCK_THREAD_CPUTIME_ID);
    work();
    const double ended = Seconds(CLOCK_THREAD_CPUTIME_ID);
    seconds_ += 16 * ((ended - begun) - (begun - before));
  }
  void Accept(const MailMessage& message) override {
    on_accept(message);
    Timed([&] { analyzer_.Accept(message); });
    if (options_.baselines) baselines_.Accept(message);
    TellFindings();
  }
  void Settle(const RecipientFate& fate) override {
    Timed([&] { analyzer_.Settle(fate); });
    if (options_.baselines) baselines_.Settle(fate);
    TellFindings();
  }
  void Try(const ClientAttempt& attempt) override { analyzer_.Try(attempt); }

  void TellFindings() {
    if (!analyzer_.has_findings()) return;
    for (const v1::Finding& finding : analyzer_.TakeFindings()) {
      last_finding = finding;
      const bool hold = finding.type() == "account_compromised";
      if (hold) alarm_(0, finding.subject());
      alarm_(1, finding.subject());
    }
  }

 public:
  v1::Finding last_finding;

 private:
  const TrialOptions& options_;
  const Alarm alarm_;
  AccountAnalyzer analyzer_;
  Baselines baselines_;
  MessageTracker tracker_;
  SyslogReader syslog_;
  uint64_t lines_ = 0;
  uint64_t events_ = 0;
  double seconds_ = 0;
};

void Show(const v1::Finding& finding, absl::string_view why) {
  std::printf("-- %s: %s %s, %d messages\n", std::string(why).c_str(),
              finding.type().c_str(), finding.subject().c_str(),
              static_cast<int>(finding.messages()));
  for (const std::string& line : finding.evidence())
    std::printf("     %s\n", line.c_str());
}

class Trial {
 public:
  explicit Trial(const TrialOptions& options)
      : options_(options),
        world_(options.world),
        writer_(options.server, options.world.seed),
        dice_(options.world.seed * 31 + 7),
        shown_left_(options.show),
        reader_(
            options_,
            [this](int judge, absl::string_view account) { HonestAlarm(judge, account); },
            [this](absl::string_view, absl::string_view account) {
              return HonestTruth(account);
            }) {
    writer_.set_jitter(options.jitter);
    for (size_t i = 0; i < world_.accounts().size(); ++i) {
      const World::Account& account = world_.accounts()[i];
      const std::string name = !account.login.empty() ? account.login
                               : options.server == MailServer::kPostfix
                                   ? absl::StrCat("uid:", 1000 + i)
                                   : absl::StrCat("user", i);
      numbers_[name] = static_cast<int>(i);
    }
  }

  TrialResult Run() {
    const double begun = Seconds(CLOCK_THREAD_CPUTIME_ID);
    PlanThefts();
    for (day_ = 0; day_ < world_.days(); ++day_) {
      HonestDay();
      if (!planned_[day_].empty()) {
        PieceWriter writer(&pieces_);
        reader_.analyzer().Save(&writer);
        for (const auto& [campaign, origin] : planned_[day_]) Steal(campaign, origin);
      }
    }
    result_.lines += reader_.lines();
    result_.events = reader_.events();
    result_.detector_seconds = reader_.seconds();
    result_.seconds = Seconds(CLOCK_THREAD_CPUTIME_ID) - begun;
    AccountDetector& detector = reader_.analyzer().detector();
    result_.threshold = detector.threshold().value();
    result_.accounts = detector.stats().at_work + detector.stats().packed;
    result_.state_bytes = detector.stats().bytes;
    for (const auto& [name, bytes] : pieces_)
      result_.packed_bytes += name.size() + bytes.size();
    return result_;
  }

 private:
  void PlanThefts() {
    planned_.resize(world_.days());
    std::vector<std::pair<Campaign, Origin>> all;
    for (int campaign = 0; campaign < kCampaigns; ++campaign) {
      for (int origin = 0; origin < kOrigins; ++origin) {
        for (int i = 0; i < options_.thefts_per_cell; ++i) {
          all.emplace_back(static_cast<Campaign>(campaign), static_cast<Origin>(origin));
        }
      }
    }
    // The second half of the time: accounts have a past by then.
    const int first = world_.days() / 2;
    for (const auto& one : all) {
      planned_[first + static_cast<int>(dice_.Below(world_.days() - first))].push_back(
          one);
    }
  }

  void HonestDay() {
    std::vector<Submission> all = world_.Day(day_);
    std::stable_sort(
        all.begin(), all.end(),
        [](const Submission& a, const Submission& b) { return a.time < b.time; });
    std::set<int> sent;
    std::unordered_map<int, int> count;
    for (const Submission& submission : all) {
      writer_.Write(submission);
      ++sent_[submission.account];
      ++count[submission.account];
    }
    // Guesses at passwords from everywhere, all day.
    for (int i = 0; i < options_.world.accounts / 20; ++i) {
      const World::Account& account =
          world_.accounts()[dice_.Below(static_cast<uint32_t>(world_.accounts().size()))];
      if (!account.login.empty()) {
        writer_.WriteFailedLogin(world_.StartOf(day_) + dice_.Between(0, 86400),
                                 account.login, world_.ForeignAddress(&dice_));
      }
    }
    alarmed_today_.clear();
    writer_.Emit(world_.StartOf(day_ + 1),
                 [this](absl::string_view line) { reader_.Take(line); });
    for (size_t i = 0; i < world_.accounts().size(); ++i) {
      const World::Account& account = world_.accounts()[i];
      if (day_ < account.born) continue;
      for (int judge = 0; judge < kJudges; ++judge) {
        result_.honest[judge][static_cast<int>(account.habit)].account_months += 1.0 / 30;
      }
      const int index = static_cast<int>(i);
      if (IsRunner(account) && account.known_runs > 3 && count[index] > 40) {
        ++result_.runs;
        for (int judge = 0; judge < kJudges; ++judge) {
          if (alarmed_today_.count({judge, index}) > 0) ++result_.run_alarms[judge];
        }
      }
    }
  }

  static bool IsRunner(const World::Account& account) {
    return account.habit == Habit::kInvoices || account.habit == Habit::kNewsletter;
  }

  void HonestAlarm(int judge, absl::string_view account) {
    const auto number = numbers_.find(std::string(account));
    const int index = number == numbers_.end() ? 0 : number->second;
    if (!alarmed_today_.insert({judge, index}).second) return;
    ++result_.honest[judge][static_cast<int>(world_.accounts()[index].habit)].alarms;
    if (judge == 0 && shown_left_-- > 0) {
      Show(reader_.last_finding, absl::StrCat("day ", day_, ", honest ",
                                              HabitName(world_.accounts()[index].habit)));
    }
  }

  Baselines::Truth HonestTruth(absl::string_view account) {
    const auto number = numbers_.find(std::string(account));
    return number != numbers_.end() &&
                   world_.accounts()[number->second].habit == Habit::kNewsletter
               ? Baselines::Truth::kBulk
               : Baselines::Truth::kOrdinary;
  }

  int ChooseVictim() {
    while (true) {
      const int index =
          static_cast<int>(dice_.Below(static_cast<uint32_t>(world_.accounts().size())));
      const World::Account& account = world_.accounts()[index];
      if (account.login.empty()) continue;
      // One in ten is an account that its owner has nearly forgotten.
      if (sent_[index] >= 30 || (account.habit == Habit::kDormant && dice_.Chance(0.5)))
        return index;
    }
  }

  void Steal(Campaign campaign, Origin origin) {
    const int victim = ChooseVictim();
    const World::Account& account = world_.accounts()[victim];
    Dice dice(dice_.Next());
    const double start = world_.StartOf(day_ + 1) + dice.Between(0, 86400);
    const Theft theft = MakeTheft(world_, campaign, origin, victim, start, &dice);
    LogWriter writer(options_.server, dice.Next());
    writer.set_jitter(options_.jitter);
    // Queue id → recipients.
    std::unordered_map<std::string, size_t> stolen;
    for (const Submission& message : theft.messages) {
      const std::string id = writer.Write(message);
      if (message.theft) stolen[id] = message.recipients.size();
    }
    for (const FailedLogin& guess : theft.guesses) {
      writer.WriteFailedLogin(guess.time, account.login, guess.ip);
    }
    for (int day = day_ + 1; world_.StartOf(day) <= theft.end; ++day) {
      for (const Submission& own : world_.DayOf(victim, day, &dice)) writer.Write(own);
    }
    double messages = 0;
    double recipients = 0;
    std::array<bool, kJudges> fired = {};
    Reader* reading = nullptr;
    const auto alarm = [&](int judge, absl::string_view who) {
      if (who != account.login || fired[judge]) return;
      fired[judge] = true;
      Caught& caught =
          result_.thefts[judge][static_cast<int>(campaign)][static_cast<int>(origin)];
      caught.messages.push_back(messages);
      caught.recipients.push_back(recipients);
      if (judge == 0 && options_.show > 0 && dice.Chance(0.01)) {
        Show(reading->last_finding,
             absl::StrCat(CampaignName(campaign), " by ", OriginName(origin)));
      }
    };
    Reader reader(options_, alarm, [&](absl::string_view id, absl::string_view who) {
      return stolen.count(std::string(id)) > 0 ? Baselines::Truth::kSpam
                                               : HonestTruth(who);
    });
    reading = &reader;
    reader.on_accept = [&](const MailMessage& message) {
      const auto found = stolen.find(std::string(message.queue_id));
      if (found == stolen.end()) return;
      ++messages;
      recipients += static_cast<double>(found->second);
    };
    const std::string own = absl::StrCat("profile/sasl/", account.login);
    for (const auto& [piece, bytes] : pieces_) {
      if (piece.compare(0, 8, "profile/") == 0 && piece != own) continue;
      reader.analyzer().Restore(piece, bytes);
    }
    reader.baselines().SetState(account.login,
                                reader_.baselines().StateOf(account.login));
    bool done = false;
    writer.Emit(std::numeric_limits<double>::infinity(), [&](absl::string_view line) {
      if (done) return;
      reader.Take(line);
      done = options_.baselines
                 ? std::all_of(fired.begin(), fired.end(), [](bool f) { return f; })
                 : fired[0];
    });
    for (int judge = 0; judge < kJudges; ++judge) {
      ++result_.thefts[judge][static_cast<int>(campaign)][static_cast<int>(origin)]
            .thefts;
    }
    result_.lines += reader.lines();
  }

  const TrialOptions options_;
  World world_;
  LogWriter writer_;
  Dice dice_;
  int day_ = 0;
  int shown_left_;
  Reader reader_;
  Pieces pieces_;
  std::vector<std::vector<std::pair<Campaign, Origin>>> planned_;
  std::unordered_map<std::string, int> numbers_;
  std::unordered_map<int, int> sent_;
  std::set<std::pair<int, int>> alarmed_today_;
  TrialResult result_;
};

}  // namespace

std::string JudgeName(int judge) {
  return judge == 0   ? "Mailvane, hold"
         : judge == 1 ? "Mailvane, watch or hold"
                      : BaselineName(judge - 2);
}

TrialResult RunTrial(const TrialOptions& options) {
  return std::make_unique<Trial>(options)->Run();
}

void Merge(const TrialResult& from, TrialResult* into) {
  const auto append = [](const std::vector<double>& more, std::vector<double>* all) {
    all->insert(all->end(), more.begin(), more.end());
  };
  for (int judge = 0; judge < kJudges; ++judge) {
    for (int habit = 0; habit < kHabits; ++habit) {
      into->honest[judge][habit].alarms += from.honest[judge][habit].alarms;
      into->honest[judge][habit].account_months +=
          from.honest[judge][habit].account_months;
    }
    into->run_alarms[judge] += from.run_alarms[judge];
    for (int campaign = 0; campaign < kCampaigns; ++campaign) {
      for (int origin = 0; origin < kOrigins; ++origin) {
        const Caught& one = from.thefts[judge][campaign][origin];
        Caught& all = into->thefts[judge][campaign][origin];
        all.thefts += one.thefts;
        append(one.messages, &all.messages);
        append(one.recipients, &all.recipients);
      }
    }
  }
  into->runs += from.runs;
  into->lines += from.lines;
  into->events += from.events;
  into->detector_seconds += from.detector_seconds;
  into->seconds += from.seconds;
  into->threshold = from.threshold;
  into->accounts += from.accounts;
  into->state_bytes += from.state_bytes;
  into->packed_bytes += from.packed_bytes;
}

}  // namespace mailvane
