#include "agent/account/detector.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "agent/account/form.h"
#include "agent/analyze/redact.h"

namespace mailvane {
namespace {

constexpr uint32_t kMinute = 60;
constexpr uint32_t kHour = 60 * kMinute;
constexpr uint32_t kDay = 24 * kHour;

// What a thief's mail is like.  Strangers in nearly every message; from networks all
// over the world; with lists of which a tenth and more is dead; from
// programs of his own.
constexpr float kThiefStranger = 0.98f;
constexpr float kThiefFar = 0.9f;
constexpr float kThiefUnshared = 0.95f;
constexpr float kThiefUnknown = 0.1f;
constexpr float kThiefSpam = 0.05f;
constexpr float kThiefForm = 0.6f;
constexpr float kThiefUnsharedForm = 0.7f;
constexpr float kThiefSender = 0.4f;

// What it adds at most that no other account has it.
constexpr float kUnsharedAtMost = 1;

// No family says more than this, nor one fact more than that.
constexpr std::array<float, kFamilies> kCap = {8, 8, 8, 8, 6};
constexpr float kMostOfOneFact = 5;
// One refusal can happen to anybody: it takes two to count as more than chance.
constexpr float kMostOfOneRefusal = 3;
// New addresses that exist are credit against the next that does not: or the one dead
// address in a run of a thousand would count as if it were the first message.
constexpr float kMostCredit = -5;
// Mail to friends speaks for the owner, a little.
constexpr float kMostForOwner = -1;

// One message to many strangers is worth this times the logarithm of how many, on top.
constexpr float kMoreStrangers = 0.5f;

// Half-lives, in seconds.
constexpr std::array<float, kFamilies> kHalfLife = {12 * kHour, 12 * kHour, 1 * kHour,
                                                    24 * kHour, 24 * kHour};

// Above this an account looks odd, and teaches us a tenth.
constexpr float kOdd = 6;
constexpr float kOddWeight = 0.1f;
// Below this an episode is over.
constexpr float kCalm = 1;

// An account that we hardly know needs more.
constexpr uint32_t kColdMessages = 20;
constexpr uint32_t kColdAge = 7 * kDay;
constexpr float kColdMargin = 3;

// Mail to so many on one day is a run; after three with few dead addresses among them
// it is what the account is for.
constexpr uint16_t kRunRecipients = 50;
constexpr uint8_t kBulkDays = 3;
constexpr uint32_t kBulkMemory = 100 * kDay;
constexpr float kBulkAtHome = 3;  // recipients and volume together
constexpr float kBulkAway = 8;

// So long an account's second finding of the same kind is no news.
constexpr uint32_t kAgainAfter = kDay;

constexpr size_t kMostExhibited = 512;
constexpr size_t kMostExhibits = 8;
constexpr size_t kExhibitBytes = 200;
constexpr size_t kMostAccountBytes = 256;
constexpr size_t kMostSuspected = 4096;

// Version of what Save writes beside the profiles.
constexpr char kServerVersion = '\1';
constexpr char kServerPiece[] = "server";
constexpr char kSurroundingsPiece[] = "shared/";
constexpr char kAccountPiece[] = "profile/";

uint32_t Seconds(absl::Time time) {
  return static_cast<uint32_t>(
      std::clamp<int64_t>(absl::ToUnixSeconds(time), 0, UINT32_MAX));
}

float& ScoreOf(Profile* profile, Family family) {
  return profile->score[static_cast<size_t>(family)];
}

void Add(Profile* profile, Family family, float nats) {
  const float least = family == Family::kOutcome ? kMostCredit : 0;
  float& score = ScoreOf(profile, family);
  score = std::clamp(score + nats, least, kCap[static_cast<size_t>(family)]);
}

void RaiseTo(Profile* profile, Family family, float nats) {
  float& score = ScoreOf(profile, family);
  score = std::max(score, std::min(nats, kCap[static_cast<size_t>(family)]));
}

float SumOf(const Profile& profile) {
  float sum = 0;
  for (float score : profile.score) sum += std::max(score, 0.0f);
  return sum;
}

void Count(uint16_t* counter, uint32_t more = 1) {
  *counter = static_cast<uint16_t>(std::min<uint32_t>(*counter + more, UINT16_MAX));
}

float Unless(bool hit, float rate) { return hit ? rate : 1 - rate; }

// ln(P(fact | thief) / P(fact | owner)).
float Ratio(bool hit, float thief, float owner) {
  return std::log(Unless(hit, thief) / Unless(hit, std::clamp(owner, 1e-4f, 0.999f)));
}

// The account's own share, drawn to the population's while it is little known.
float UsualShare(const Rate& own, const Rate& all) {
  return std::max(1e-4f, own.Expect(all.Expect(0.02f, 1), Population::kPriorWeight));
}

// What was surprising when it was new stays so for half a day, and is forgotten in a
// week or on the third day that it is used: a thief who waits gains little.
float StillSurprising(uint8_t tenths, uint8_t days, Hour first, uint32_t now) {
  if (tenths == 0 || days >= 3) return 0;
  const float age = static_cast<Hour>(HourOf(now) - first);
  const float share = std::clamp(1.15f - age / 80, 0.0f, 1.0f);
  return static_cast<float>(tenths) / 10 * share;
}

uint8_t Tenths(float nats) {
  return static_cast<uint8_t>(std::clamp(nats, 0.0f, 25.0f) * 10);
}

template <typename Known>
void Use(Known* known, uint32_t now) {
  if (HourOf(now) / 24 != known->last / 24 && known->days < 255) ++known->days;
  known->last = HourOf(now);
}

// The one that has been silent longest, of those used on one or two days if there is
// any.
template <typename Known>
Known* Replaceable(absl::Span<Known> all, uint32_t now) {
  return &*std::max_element(
      all.begin(), all.end(), [now](const Known& a, const Known& b) {
        const auto silence = [now](const Known& one) {
          if (one.first == 0 && one.last == 0) return UINT32_MAX;
          return static_cast<uint32_t>(static_cast<Hour>(HourOf(now) - one.last)) *
                 (one.days < 3 ? 8 : 1);
        };
        return silence(a) < silence(b);
      });
}

// Windows of volume, in seconds, and what people's are like when not empty.
constexpr struct {
  uint32_t seconds;
  float mean;
  float fano;
} kWindows[] = {{10 * kMinute, 1.3f, 1.6f}, {kHour, 2, 2.5f}, {kDay, 5, 4}};
// The prior's weight, and how fast an account's own past fades.
constexpr float kVolumePrior = 4;
constexpr float kVolumeFading = 0.03f;
// Paid for looking at three windows with every message.
constexpr float kVolumePrice = 4;

// An upper bound of -ln P(X >= x) for a negative binomial: Chernoff's, in closed form.
float Surprise(float x, float mean, float fano) {
  if (x <= mean) return 0;
  const float r = mean / (fano - 1);
  return x * std::log(x / mean) - (x + r) * std::log((x + r) / (mean + r));
}

void CloseWindow(VolumeWindow* window, float weight) {
  if (window->now == 0) return;
  const float deviation = std::sqrt(window->variance);
  float x = window->now;
  // One wild day must not make the next one usual.
  if (window->learned >= 5) x = std::min(x, window->mean + 4 * deviation + 3);
  const float rate =
      std::max(kVolumeFading, 1.0f / static_cast<float>(window->learned + 1)) * weight;
  const float difference = x - window->mean;
  window->mean += rate * difference;
  window->variance = (1 - rate) * (window->variance + rate * difference * difference);
  if (window->learned < UINT16_MAX) ++window->learned;
}

// Counts into the window; returns how surprising its content is now.
float PassWindow(VolumeWindow* window, size_t which, uint32_t now, float units,
                 float weight) {
  const uint32_t bucket = now / kWindows[which].seconds;
  if (bucket != window->bucket) {
    CloseWindow(window, weight);
    window->before = bucket == window->bucket + 1 ? window->now : 0;
    window->now = 0;
    window->bucket = bucket;
  }
  Count(&window->now, static_cast<uint32_t>(std::lround(units)));
  const float gone = static_cast<float>(now % kWindows[which].seconds) /
                     static_cast<float>(kWindows[which].seconds);
  const float content = window->now + window->before * (1 - gone);
  const float learned = std::min<float>(window->learned, 1 / kVolumeFading);
  const auto shrunk = [learned](float own, float prior) {
    return (own * learned + prior * kVolumePrior) / (learned + kVolumePrior);
  };
  const float mean = shrunk(window->mean, kWindows[which].mean);
  const float variance =
      shrunk(window->variance, kWindows[which].mean * kWindows[which].fano);
  return Surprise(content, mean, std::max(1.3f, variance / mean));
}

bool IsBulk(const Profile& profile) {
  return profile.bulk_days >= kBulkDays &&
         profile.last_seen - profile.last_bulk < kBulkMemory;
}

OpenMessage* FindOpen(Profile* profile, uint16_t id) {
  for (OpenMessage& open : profile->open) {
    if (open.id == id) return &open;
  }
  return nullptr;
}

OpenMessage* OpenNew(Profile* profile, uint16_t id) {
  OpenMessage* const open = &profile->open[profile->next_open];
  profile->next_open = (profile->next_open + 1) % Profile::kOpen;
  *open = OpenMessage();
  open->id = id;
  return open;
}

uint16_t MessageId(absl::string_view queue_id) {
  return static_cast<uint16_t>(Fingerprint(queue_id) >> 40) | 1;
}

}  // namespace

bool TellsFromBusyDay(const std::array<float, kFamilies>& parts) {
  const float origin = parts[static_cast<size_t>(Family::kOrigin)];
  const float outcome = parts[static_cast<size_t>(Family::kOutcome)];
  const float form = parts[static_cast<size_t>(Family::kForm)];
  return origin >= 2.5f || outcome >= 4.5f || (origin >= 1.5f && outcome >= 2) ||
         form >= 4;
}

bool Sends(const std::array<float, kFamilies>& parts) {
  return parts[static_cast<size_t>(Family::kRecipients)] >= 2 ||
         parts[static_cast<size_t>(Family::kVolume)] >= 2.5f;
}

AccountDetector::AccountDetector(const Options& options)
    : options_(options),
      profiles_(options.profiles),
      threshold_(options.false_holds_per_1000_account_months) {}

AccountDetector::Subject AccountDetector::SubjectOf(const AccountRef& account,
                                                    absl::Time time) {
  Subject subject;
  subject.ref = account;
  subject.now = Seconds(time);
  subject.profile = &profiles_.FindOrMake(account.key);
  PassTime(&subject);
  return subject;
}

void AccountDetector::PassTime(Subject* subject) {
  Profile* const profile = subject->profile;
  if (profile->first_seen == 0) {
    profile->first_seen = profile->last_seen = profile->scored = subject->now;
    profile->recipients_aged = profile->day = subject->now;
    profile->day = subject->now / kDay;
  }
  // Lines of several processes are only roughly in order: an account's time stands
  // still rather than going back.
  subject->now = std::max(subject->now, profile->last_seen);
  profile->last_seen = subject->now;
  if (subject->now / kDay > day_) {
    if (day_ != 0)
      threshold_.PassDay(profiles_.size() * std::min(subject->now / kDay - day_, 31u));
    day_ = subject->now / kDay;
  }
  if (subject->now / kDay != profile->day) CloseDay(profile, subject->now / kDay);
  if (subject->now != profile->scored) {
    const float passed = static_cast<float>(subject->now - profile->scored);
    for (size_t i = 0; i < kFamilies; ++i) {
      if (profile->score[i] != 0) profile->score[i] *= std::exp2(-passed / kHalfLife[i]);
    }
    profile->scored = subject->now;
  }
  if (subject->now - profile->recipients_aged >= kDay / 2 && SumOf(*profile) < kOdd) {
    profile->recipients_aged = subject->now;
    RecipientMemory(absl::MakeSpan(profile->recipients)).PassAge();
    RecipientMemory(profiles_.Extension(*profile)).PassAge();
  }
}

void AccountDetector::CloseDay(Profile* profile, uint32_t day) {
  const bool alarmed = profile->alarmed != 0 && profile->alarmed / kDay >= profile->day;
  if (!alarmed) threshold_.LearnDay(profile->highest_today);
  if (profile->day_recipients >= kRunRecipients && !alarmed &&
      profile->day_bad * 10 < profile->day_recipients) {
    if (profile->bulk_days < 255) ++profile->bulk_days;
    profile->last_bulk = profile->last_seen;
  }
  profile->day = day;
  profile->highest_today = 0;
  profile->day_recipients = profile->day_bad = 0;
}

float AccountDetector::LearningWeight(const Profile& profile) const {
  return SumOf(profile) >= kOdd ? kOddWeight : 1;
}

// 0 for an account of which nothing is known, 1 for one that has a past: how much it says
// that something is new.
float AccountDetector::Settled(const Profile& profile) const {
  const float messages = static_cast<float>(profile.messages) / kColdMessages;
  const float age = static_cast<float>(profile.last_seen - profile.first_seen) / kColdAge;
  return std::min({1.0f, messages, age});
}

void AccountDetector::Consume(const MessageSent& sent) {
  const Subject subject = SubjectOf(sent.account, sent.time);
  Profile* const profile = subject.profile;
  const uint32_t recipients = std::max(1u, sent.recipients.value_or(1));
  if (SumOf(*profile) < kCalm) {
    profile->episode = Episode();
    profile->episode.begun = subject.now;
    if (!exhibits_.empty()) exhibits_.erase(sent.account.key);
  }
  Count(&profile->episode.messages);
  Count(&profile->episode.recipients, recipients);
  Count(&profile->day_recipients, recipients);
  JudgeOrigin(subject, sent.client_ip);
  JudgeForm(subject, sent);
  JudgeSender(subject, sent.sender);
  JudgeVolume(subject, recipients);
  OpenNew(profile, MessageId(sent.queue_id));
  ++profile->messages;
  Decide(subject);
}

void AccountDetector::JudgeOrigin(const Subject& subject, absl::string_view client_ip) {
  const float surprise = MeetNetwork(subject, client_ip);
  if (surprise > 0) {
    Add(subject.profile, Family::kOrigin, surprise);
    Count(&subject.profile->episode.networks);
    Exhibit(subject, absl::StrCat("first message from ", client_ip));
  }
}

// How surprising it is just now that the account comes from there, if it is new.
float AccountDetector::MeetNetwork(const Subject& subject, absl::string_view client_ip) {
  const ClientNetwork network = NetworkOf(client_ip);
  if (network.near == 0) return 0;
  Profile* const profile = subject.profile;
  const uint16_t near = static_cast<uint16_t>(network.near >> 48) | 1;
  const uint16_t far = static_cast<uint16_t>(network.far >> 48) | 1;
  KnownNetwork* known = nullptr;
  bool far_known = false;
  for (KnownNetwork& one : profile->networks) {
    if (one.near == near && one.far == far) known = &one;
    if (one.far == far) far_known = true;
  }
  float surprise = 0;
  if (known == nullptr) {
    surprise = NewNetwork(subject, network, far_known);
    known = Replaceable(absl::MakeSpan(profile->networks), subject.now);
    *known = {near, far, HourOf(subject.now), HourOf(subject.now), Tenths(surprise), 1};
  } else {
    Use(known, subject.now);
    const float usual = UsualShare(profile->far_network, population_.far_network);
    RaiseTo(profile, Family::kOrigin,
            std::min(Ratio(true, kThiefFar, usual) + kUnsharedAtMost,
                     StillSurprising(known->surprise, known->days, known->first,
                                     subject.now)));
  }
  const float weight = LearningWeight(*profile);
  const bool is_far = surprise > 0;
  const bool again = subject.now - profile->last_far < kDay / 2;
  (again ? profile->far_again : profile->far_network).Learn(is_far, weight);
  (again ? population_.far_again : population_.far_network)
      .Learn(is_far, weight, Population::kMemory);
  if (is_far) profile->last_far = subject.now;
  return surprise;
}

// How much a network that the account never used speaks against it.
float AccountDetector::NewNetwork(const Subject& subject, const ClientNetwork& network,
                                  bool far_known) {
  Profile* const profile = subject.profile;
  const Surroundings::Shared shared = surroundings_.LookUp(network.far, subject.now);
  const Surroundings::Shared nearby = surroundings_.LookUp(network.near, subject.now);
  surroundings_.Learn(network.near, subject.now);
  if (far_known) return 0;
  surroundings_.Learn(network.far, subject.now);
  // The first one of all is where the account is at home.
  if (profile->messages == 0) return 0;
  const bool again = subject.now - profile->last_far < kDay / 2;
  const float usual =
      again ? profile->far_again.Expect(population_.far_again.Expect(0.15f, 1),
                                        Population::kPriorWeight)
            : profile->far_network.Expect(population_.far_network.Expect(0.02f, 1),
                                          Population::kPriorWeight);
  const float unshared = population_.unshared_network.Expect(0.6f, 1);
  float nats =
      Ratio(true, kThiefFar, usual) + Ratio(!shared.familiar, kThiefUnshared, unshared);
  const float weight = LearningWeight(*profile);
  population_.unshared_network.Learn(!shared.familiar, weight, Population::kMemory);
  nats = std::min(nats, kMostOfOneFact);
  // Several accounts that begin to come from one place on one day have one thief.
  if (nearby.newcomers >= 2 && !nearby.familiar) nats += 1.5f;
  const Surroundings::Guessing guessing =
      surroundings_.GuessedFrom(network.near, subject.now);
  if (guessing.accounts >= 3) {
    nats += 2;
  } else if (guessing.failures > 0) {
    nats += 1;
  }
  return std::max(nats, 0.0f) * Settled(*profile);
}

void AccountDetector::JudgeForm(const Subject& subject, const MessageSent& sent) {
  Profile* const profile = subject.profile;
  const uint64_t form = FormOf(sent);
  if (form == 0) return;
  const uint16_t print = static_cast<uint16_t>(form >> 48) | 1;
  const float weight = LearningWeight(*profile);
  const float usual = UsualShare(profile->new_form, population_.new_form);
  const float most = Ratio(true, kThiefForm, usual) + kUnsharedAtMost;
  for (KnownForm& known : profile->forms) {
    if (known.print != print) continue;
    Use(&known, subject.now);
    // No more than it would surprise today: some accounts have a new form every day.
    RaiseTo(profile, Family::kForm,
            std::min(most, StillSurprising(known.surprise, known.days, known.first,
                                           subject.now)));
    profile->new_form.Learn(false, weight);
    population_.new_form.Learn(false, weight, Population::kMemory);
    return;
  }
  float nats = 0;
  const Surroundings::Shared shared = surroundings_.LookUp(form, subject.now);
  surroundings_.Learn(form, subject.now);
  if (profile->messages > 0) {
    const float unshared = population_.unshared_form.Expect(0.5f, 1);
    nats = std::max(0.0f, Ratio(true, kThiefForm, usual) +
                              Ratio(!shared.familiar, kThiefUnsharedForm, unshared));
    nats = std::min(nats, kMostOfOneFact) * Settled(*profile);
    population_.unshared_form.Learn(!shared.familiar, weight, Population::kMemory);
    Add(profile, Family::kForm, nats);
    Count(&profile->episode.forms);
  }
  profile->new_form.Learn(true, weight);
  population_.new_form.Learn(true, weight, Population::kMemory);
  *Replaceable(absl::MakeSpan(profile->forms), subject.now) = {
      print, HourOf(subject.now), HourOf(subject.now), Tenths(nats), 1};
}

void AccountDetector::JudgeSender(const Subject& subject, absl::string_view sender) {
  if (sender.empty() || subject.ref.kind == AccountKind::kWebmail) return;
  Profile* const profile = subject.profile;
  const uint64_t hash = SenderPrint(sender);
  const uint16_t print = static_cast<uint16_t>(hash >> 48) | 1;
  const float weight = LearningWeight(*profile);
  for (KnownForm& known : profile->senders) {
    if (known.print != print) continue;
    Use(&known, subject.now);
    profile->new_sender.Learn(false, weight);
    population_.new_sender.Learn(false, weight, Population::kMemory);
    return;
  }
  float nats = 0;
  if (profile->messages > 0) {
    const float usual = profile->new_sender.Expect(
        population_.new_sender.Expect(0.015f, 1), Population::kPriorWeight);
    nats = std::min(std::max(0.0f, Ratio(true, kThiefSender, usual)), kMostOfOneFact) *
           Settled(*profile);
    Add(profile, Family::kForm, nats);
    Count(&profile->episode.senders);
    Exhibit(subject, absl::StrCat("first message with the sender <", sender, ">"));
  }
  profile->new_sender.Learn(true, weight);
  population_.new_sender.Learn(true, weight, Population::kMemory);
  *Replaceable(absl::MakeSpan(profile->senders), subject.now) = {
      print, HourOf(subject.now), HourOf(subject.now), Tenths(nats), 1};
}

void AccountDetector::JudgeVolume(const Subject& subject, uint32_t recipients) {
  Profile* const profile = subject.profile;
  const float weight = LearningWeight(*profile);
  const float units = 1 + std::log2(static_cast<float>(recipients));
  float most = 0;
  for (size_t which = 0; which < profile->volume.size(); ++which) {
    most = std::max(
        most, PassWindow(&profile->volume[which], which, subject.now, units, weight));
  }
  RaiseTo(profile, Family::kVolume, most - kVolumePrice);
}

Acquaintance AccountDetector::MeetRecipient(Profile* profile, absl::string_view address) {
  char lower[320];
  const size_t size = std::min(address.size(), sizeof(lower));
  for (size_t i = 0; i < size; ++i) lower[i] = absl::ascii_tolower(address[i]);
  const uint64_t hash = Fingerprint(absl::string_view(lower, size));
  RecipientMemory small(absl::MakeSpan(profile->recipients));
  RecipientMemory large(profiles_.Extension(*profile));
  const Acquaintance known = small.LookUp(hash);
  if (known != Acquaintance::kNew) return known;
  if (profile->extension < 0) {
    if (small.Insert(hash)) Count(&profile->forgotten);
    // Who has forgotten half as many as it can know has more friends than that.
    if (profile->forgotten > Profile::kRecipientCells / 2) profiles_.Rent(profile);
    return Acquaintance::kNew;
  }
  const Acquaintance too = large.LookUp(hash);
  if (too == Acquaintance::kNew) large.Insert(hash);
  return too;
}

void AccountDetector::Consume(const RecipientOutcome& outcome) {
  const Subject subject = SubjectOf(outcome.account, outcome.time);
  const Acquaintance acquaintance = MeetRecipient(subject.profile, outcome.address);
  JudgeRecipient(subject, outcome, acquaintance);
  if (acquaintance != Acquaintance::kTrusted) JudgeOutcome(subject, outcome);
  Decide(subject);
}

void AccountDetector::JudgeRecipient(const Subject& subject,
                                     const RecipientOutcome& outcome,
                                     Acquaintance acquaintance) {
  Profile* const profile = subject.profile;
  const uint16_t id = MessageId(outcome.queue_id);
  OpenMessage* open = FindOpen(profile, id);
  if (open == nullptr) {
    // A retry, long after: nothing new.
    if (acquaintance != Acquaintance::kNew) return;
    open = OpenNew(profile, id);
  }
  const bool first = open->seen == 0;
  if (open->seen < 255) ++open->seen;
  if (acquaintance == Acquaintance::kFresh) return;
  const bool stranger = acquaintance == Acquaintance::kNew;
  if (stranger) Count(&profile->episode.strangers);
  if (!first && !stranger) return;
  if (stranger && open->strangers > 0) {
    const float before = open->strangers;
    if (open->strangers < 255) ++open->strangers;
    Add(profile, Family::kRecipients, kMoreStrangers * std::log((before + 1) / before));
    return;
  }
  const size_t step = population_.StrangerStep(profile->messages);
  const bool again = subject.now - profile->last_stranger < kHour;
  Rate* const own = again ? &profile->stranger_again : &profile->stranger;
  Rate* const all = again ? &population_.stranger_again : &population_.stranger[step];
  const float usual = own->Expect(all->Expect(0.1f, 1), Population::kPriorWeight);
  Add(profile, Family::kRecipients,
      std::clamp(Ratio(stranger, kThiefStranger, usual), kMostForOwner, kMostOfOneFact));
  const float weight = LearningWeight(*profile);
  // The first messages go to strangers all: what they teach is the population's.
  if (profile->messages > kColdMessages) own->Learn(stranger, weight);
  all->Learn(stranger, weight, Population::kMemory);
  if (!stranger) return;
  open->strangers = 1;
  profile->last_stranger = subject.now;
  Count(&profile->episode.to_strangers);
}

void AccountDetector::JudgeOutcome(const Subject& subject,
                                   const RecipientOutcome& outcome) {
  Profile* const profile = subject.profile;
  if (outcome.outcome == Outcome::kNeutral) return;
  if (outcome.outcome == Outcome::kRateLimited) {
    if (ScoreOf(profile, Family::kOutcome) < 1) Add(profile, Family::kOutcome, 0.25f);
    return;
  }
  const bool unknown = outcome.outcome == Outcome::kUnknownRecipient;
  const bool spam = outcome.outcome == Outcome::kRefusedAsSpam;
  const float usual_unknown = UsualShare(profile->unknown, population_.unknown);
  const float usual_spam = UsualShare(profile->spam, population_.spam);
  const float nats = unknown ? std::log(kThiefUnknown / usual_unknown)
                     : spam  ? std::log(kThiefSpam / usual_spam)
                             : std::log((1 - kThiefUnknown - kThiefSpam) /
                                        std::max(0.1f, 1 - usual_unknown - usual_spam));
  Add(profile, Family::kOutcome, std::min(nats, kMostOfOneRefusal));
  const float weight = LearningWeight(*profile);
  profile->unknown.Learn(unknown, weight);
  profile->spam.Learn(spam, weight);
  population_.unknown.Learn(unknown, weight, Population::kMemory);
  population_.spam.Learn(spam, weight, Population::kMemory);
  if (!unknown && !spam) return;
  Count(&profile->day_bad);
  Count(unknown ? &profile->episode.unknown : &profile->episode.spam);
  Exhibit(subject, absl::StrCat("to <", outcome.address, ">: ", outcome.reply));
}

void AccountDetector::Consume(const LoginSeen& login) {
  const ClientNetwork network = NetworkOf(login.client_ip);
  if (network.near == 0) return;
  Subject subject;
  subject.ref = login.account;
  subject.now = Seconds(login.time);
  // Who only logs in, or tries to, makes no account of it.
  subject.profile = profiles_.Find(login.account.key);
  if (!login.ok) {
    surroundings_.LearnFailure(network.near, Fingerprint(login.account.key), login.times,
                               subject.now);
    if (subject.profile != nullptr) {
      Count(&subject.profile->episode.failed_logins, login.times);
    }
  } else if (login.mailbox && subject.profile != nullptr) {
    // Where mail is read, mail will be sent from: this is when the network was new.
    // Reading alone is no reason for suspicion.
    PassTime(&subject);
    MeetNetwork(subject, login.client_ip);
  }
}

AccountVerdict AccountDetector::VerdictOn(const Profile& profile) const {
  AccountVerdict verdict;
  for (size_t i = 0; i < kFamilies; ++i) {
    verdict.parts[i] = std::max(profile.score[i], 0.0f);
  }
  float& recipients = verdict.parts[static_cast<size_t>(Family::kRecipients)];
  float& volume = verdict.parts[static_cast<size_t>(Family::kVolume)];
  const float origin = verdict.parts[static_cast<size_t>(Family::kOrigin)];
  const float form = verdict.parts[static_cast<size_t>(Family::kForm)];
  if (IsBulk(profile)) {
    const float most = origin >= 1.5f || form >= 3 ? kBulkAway : kBulkAtHome;
    const float both = recipients + volume;
    if (both > most) {
      recipients *= most / both;
      volume *= most / both;
    }
  }
  for (float part : verdict.parts) verdict.sum += part;
  verdict.margin = profile.leniency;
  if (profile.messages < kColdMessages ||
      profile.last_seen - profile.first_seen < kColdAge) {
    verdict.margin += kColdMargin;
  }
  verdict.threshold = threshold_.value() + verdict.margin;
  if (verdict.sum >= verdict.threshold && Sends(verdict.parts)) {
    verdict.suspicion =
        TellsFromBusyDay(verdict.parts) ? Suspicion::kHold : Suspicion::kWatch;
  }
  return verdict;
}

void AccountDetector::Decide(const Subject& subject) {
  Profile* const profile = subject.profile;
  if (SumOf(*profile) < 3) return;
  const AccountVerdict verdict = VerdictOn(*profile);
  if (Sends(verdict.parts) && TellsFromBusyDay(verdict.parts)) {
    profile->highest_today =
        std::max(profile->highest_today, verdict.sum - verdict.margin);
  }
  if (verdict.suspicion == Suspicion::kNone) return;
  const bool hold = verdict.suspicion == Suspicion::kHold;
  const auto recently = [&](uint32_t then) {
    return then != 0 && subject.now - then < kAgainAfter;
  };
  if (recently(profile->alarmed) || (!hold && recently(profile->watched))) return;
  (hold ? profile->alarmed : profile->watched) = subject.now;
  AccountAlarm& alarm = alarms_.emplace_back();
  alarm.time = absl::FromUnixSeconds(subject.now);
  alarm.kind = subject.ref.kind;
  alarm.account = std::string(subject.ref.logged.substr(0, kMostAccountBytes));
  alarm.verdict = verdict;
  alarm.episode = profile->episode;
  alarm.usual.stranger = profile->stranger.Expect(
      population_.stranger[population_.StrangerStep(profile->messages)].Expect(0.1f, 1),
      Population::kPriorWeight);
  alarm.usual.unknown = profile->unknown.Expect(population_.unknown.Expect(0.02f, 1),
                                                Population::kPriorWeight);
  alarm.usual.hourly = profile->volume[1].mean;
  for (const KnownNetwork& one : profile->networks) {
    if (one.near != 0 && one.days >= 3) ++alarm.usual.networks;
  }
  alarm.expected_false_holds = threshold_.expected();
  const auto exhibits = exhibits_.find(subject.ref.key);
  if (exhibits != exhibits_.end()) alarm.exhibits = exhibits->second;
  if (suspected_.size() < kMostSuspected) {
    suspected_[std::string(subject.ref.key)] = subject.now;
  }
}

void AccountDetector::Exhibit(const Subject& subject, std::string fact) {
  auto found = exhibits_.find(subject.ref.key);
  if (found == exhibits_.end()) {
    if (exhibits_.size() >= kMostExhibited) exhibits_.erase(exhibits_.begin());
    found = exhibits_.try_emplace(std::string(subject.ref.key)).first;
  }
  if (found->second.size() >= kMostExhibits) return;
  found->second.push_back(absl::StrCat(
      absl::FormatTime("%Y-%m-%dT%H:%M:%SZ", absl::FromUnixSeconds(subject.now),
                       absl::UTCTimeZone()),
      " ", Redact(fact, kExhibitBytes)));
}

std::vector<AccountAlarm> AccountDetector::TakeAlarms() {
  return std::exchange(alarms_, {});
}

std::optional<AccountVerdict> AccountDetector::Judge(absl::string_view account,
                                                     absl::Time now) {
  Subject subject;
  subject.profile = profiles_.Find(account);
  if (subject.profile == nullptr) return std::nullopt;
  subject.now = Seconds(now);
  PassTime(&subject);
  return VerdictOn(*subject.profile);
}

void AccountDetector::Trust(absl::string_view account) {
  Profile* const profile = profiles_.Find(account);
  if (profile == nullptr) return;
  profile->score.fill(0);
  profile->episode = Episode();
  profile->alarmed = profile->watched = 0;
  profile->leniency = std::min(profile->leniency + 2, 6.0f);
  for (KnownNetwork& one : profile->networks) one.surprise = 0;
  for (KnownForm& one : profile->forms) one.surprise = 0;
  for (KnownForm& one : profile->senders) one.surprise = 0;
  RecipientMemory(absl::MakeSpan(profile->recipients)).TrustAll();
  RecipientMemory(profiles_.Extension(*profile)).TrustAll();
  suspected_.erase(account);
}

size_t AccountDetector::Suspected(absl::Time now) const {
  const uint32_t at = Seconds(now);
  return static_cast<size_t>(
      std::count_if(suspected_.begin(), suspected_.end(),
                    [at](const auto& one) { return at < one.second + kDay; }));
}

void AccountDetector::Save(
    absl::FunctionRef<void(absl::string_view, absl::string_view)> put,
    absl::FunctionRef<void(absl::string_view)> erase) {
  std::string server(1, kServerVersion);
  const AlarmThreshold::State& threshold = threshold_.state();
  server.append(reinterpret_cast<const char*>(&population_), sizeof(population_));
  server.append(reinterpret_cast<const char*>(&threshold), sizeof(threshold));
  put(kServerPiece, server);
  surroundings_.Save([&](int piece, absl::string_view bytes) {
    put(absl::StrCat(kSurroundingsPiece, piece), bytes);
  });
  profiles_.Save(
      [&](absl::string_view account, absl::string_view packed) {
        put(absl::StrCat(kAccountPiece, account), packed);
      },
      [&](absl::string_view account) { erase(absl::StrCat(kAccountPiece, account)); });
}

bool AccountDetector::Restore(absl::string_view piece, absl::string_view bytes) {
  if (absl::ConsumePrefix(&piece, kAccountPiece)) return profiles_.Restore(piece, bytes);
  if (absl::ConsumePrefix(&piece, kSurroundingsPiece)) {
    int number = -1;
    return absl::SimpleAtoi(piece, &number) && surroundings_.Restore(number, bytes);
  }
  AlarmThreshold::State threshold;
  if (piece != kServerPiece ||
      bytes.size() != 1 + sizeof(population_) + sizeof(threshold) ||
      bytes[0] != kServerVersion) {
    return false;
  }
  std::memcpy(&threshold, bytes.data() + 1 + sizeof(population_), sizeof(threshold));
  if (!threshold_.Restore(threshold)) return false;
  std::memcpy(&population_, bytes.data() + 1, sizeof(population_));
  return true;
}

}  // namespace mailvane
