#include "agent/blocklist_command.h"

#include <poll.h>
#include <signal.h>

#include <algorithm>
#include <map>
#include <memory>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/types/span.h"
#include "agent/reputation/catalogue.h"
#include "agent/reputation/list_checker.h"
#include "agent/reputation/list_key.h"
#include "agent/source/host.h"
#include "nlohmann/json.hpp"
#include "platform/file_system.h"
#include "platform/program.h"
#include "platform/random.h"
#include "platform/resolver.h"
#include "platform/write_all.h"

namespace mailvane {
namespace {

using Json = nlohmann::ordered_json;

// Less can't be told from no answer, more from a program that hangs.
constexpr double kLeastTimeout = 0.05;
constexpr double kMostTimeout = 60;
// So many lists are named one by one; beyond it their number says more.
constexpr size_t kMostNamed = 6;

struct Row {
  Subject subject;
  const BlockList* list;
  Judgement judgement;
};

// What matters comes first.
bool Before(const Row& a, const Row& b) {
  const auto key = [](const Row& row) {
    const Judgement& judgement = row.judgement;
    static constexpr int kRank[] = {0, 3, 2, 1};  // listed, clean, unknown, sick
    return std::make_tuple(row.subject, kRank[static_cast<int>(judgement.verdict)],
                           judgement.tier, row.list->tier, row.list->zone);
  };
  return key(a) < key(b);
}

struct Counts {
  size_t of[4] = {};
  size_t& operator[](ListVerdict verdict) { return of[static_cast<int>(verdict)]; }
};

// All that was asked, as one line of JSON each.
std::string ToJson(const Row& row) {
  const Judgement& judgement = row.judgement;
  Json json;
  json["kind"] = "verdict";
  json[row.subject.kind == SubjectKind::kDomain ? "domain" : "address"] =
      row.subject.text;
  json["zone"] = row.list->zone;
  json["verdict"] = ListVerdictName(judgement.verdict).data();
  if (judgement.verdict == ListVerdict::kListed) {
    json["tier"] = TierName(judgement.tier).data();
    // Each once: two bits of one answer have two meanings.
    json["codes"] = Json::array();
    json["meanings"] = Json::array();
    for (const ListedCode& code : judgement.codes) {
      if (json["codes"].empty() || json["codes"].back() != code.code) {
        json["codes"].push_back(code.code);
      }
      if (!code.means.empty()) json["meanings"].push_back(code.means);
    }
    if (!judgement.reason.empty()) json["reason"] = judgement.reason;
    const std::string url = DelistUrl(*row.list, row.subject);
    if (!url.empty()) json["delist_url"] = url;
    json["ends"] = row.list->expiry_words;
  }
  if (!judgement.why.empty()) json["why"] = judgement.why;
  if (!judgement.note.empty()) json["note"] = judgement.note;
  if (judgement.ttl) json["ttl_seconds"] = absl::ToInt64Seconds(*judgement.ttl);
  return json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
}

class Blocklist {
 public:
  Blocklist(const BlocklistWords& words, const Clock& clock)
      : words_(words), clock_(clock) {}

  // 0, or an exit code after saying why.
  int Prepare() {
    if (words_.timeout_seconds < kLeastTimeout || words_.timeout_seconds > kMostTimeout) {
      return Usage("--timeout: is not between 0.05 and 60 seconds");
    }
    for (const auto step :
         {&Blocklist::ReadSubjects, &Blocklist::ReadCatalogue, &Blocklist::ChooseLists}) {
      if (const int code = (this->*step)(); code != kExitOk) return code;
    }
    ResolverOptions options;
    options.servers = words_.resolvers;
    options.timeout = absl::Seconds(words_.timeout_seconds);
    absl::StatusOr<std::unique_ptr<Resolver>> resolver = MakeResolver(options, &random_);
    if (!resolver.ok()) return Usage(resolver.status().message());
    resolver_ = *std::move(resolver);
    return kExitOk;
  }

  // Asks, and waits until all have answered or were given up.
  void Ask() {
    ListChecker::Options options;
    options.once = true;
    checker_ = std::make_unique<ListChecker>(std::move(lists_), options, &random_);
    checker_->SetSubjects(clock_.Now(), subjects_);
    while (!checker_->idle()) {
      Instant now = clock_.Now();
      for (const ListQuestion& ask : checker_->Step(now)) {
        resolver_->Ask(now, ask.id, ask.question);
      }
      Wait(resolver_->NextDeadline() - clock_.Now().mono);
      now = clock_.Now();
      for (const DnsReply& reply : resolver_->Poll(now)) checker_->Take(now, reply);
      for (ListPass& pass : checker_->TakePasses()) {
        for (auto& [subject, judgement] : pass.verdicts) {
          rows_.push_back({subject, pass.list, std::move(judgement)});
        }
      }
    }
    health_ = checker_->resolver();
    // One thing is wrong then, not one with each list.
    if (health_.state == ResolverState::kInvents) {
      for (Row& row : rows_) {
        row.judgement = Judgement();
        row.judgement.cause = ListCause::kResolver;
        row.judgement.why = "the resolver invents answers";
      }
    }
    for (const Row& row : rows_) ++counts_[row.judgement.verdict];
    std::sort(rows_.begin(), rows_.end(), Before);
  }

  std::string JsonLines() {
    std::string out;
    for (const Row& row : rows_) out += ToJson(row);
    Json json;
    json["kind"] = "summary";
    json["resolver"] = ResolverStateName(health_.state).data();
    json["resolver_address"] = resolver_->Servers();
    if (!health_.why.empty()) json["resolver_why"] = health_.why;
    json["catalogue"] = catalogue_->dated();
    json["subjects"] = subjects_.size();
    json["listed"] = counts_[ListVerdict::kListed];
    json["clean"] = counts_[ListVerdict::kClean];
    json["unknown"] = counts_[ListVerdict::kUnknown];
    json["zone_sick"] = counts_[ListVerdict::kZoneSick];
    json["questions"] = checker_->questions();
    return out + json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n";
  }

  std::string Table() {
    std::string out;
    if (Useless()) return out;
    for (size_t from = 0, to = 0; from < rows_.size(); from = to) {
      while (to < rows_.size() && rows_[to].subject == rows_[from].subject) ++to;
      AppendSubject(absl::MakeConstSpan(rows_).subspan(from, to - from), &out);
    }
    return out;
  }

  // What is wrong with the resolver, for whoever reads the table; else empty.
  std::string Complaint() const {
    if (health_.why.empty()) return "";
    return absl::StrCat(resolver_->Servers(), ": ", health_.why, "\n");
  }

  int exit_code() {
    if (counts_[ListVerdict::kListed] > 0) return kExitFindings;
    if (health_.state == ResolverState::kNoAnswer) return kExitTemporary;
    const bool told = counts_[ListVerdict::kClean] > 0;
    return told ? kExitOk : kExitFailure;
  }

 private:
  int ReadSubjects() {
    std::vector<std::string> texts = words_.subjects;
    if (texts.empty()) {
      for (std::string& address : InterfaceAddresses()) {
        if (IsPublicAddress(address)) texts.push_back(std::move(address));
      }
      if (texts.empty()) {
        return Usage(
            "this host has no public address of its own: name those that its "
            "mail leaves by");
      }
    }
    if (texts.size() > ListChecker::kMaxSubjects) {
      return Usage(absl::StrCat("more than ", ListChecker::kMaxSubjects,
                                " addresses and domains at once"));
    }
    for (const std::string& text : texts) {
      absl::StatusOr<Subject> subject = ParseSubject(text);
      if (!subject.ok()) return Usage(subject.status().message());
      subjects_.push_back(*std::move(subject));
    }
    return kExitOk;
  }

  int ReadCatalogue() {
    catalogue_ = Catalogue::BuiltIn();
    if (words_.catalogue.empty()) return kExitOk;
    absl::StatusOr<std::string> text = HostFileSystem().ReadAll(words_.catalogue);
    if (!text.ok()) return Fail(text.status().message());
    std::vector<ConfigError> errors;
    catalogue_ = Catalogue::Parse(*text, &errors);
    for (const ConfigError& error : errors) Fail(ToString(words_.catalogue, error));
    return errors.empty() ? kExitOk : kExitFailure;
  }

  int ReadKeys(std::vector<std::pair<std::string, std::string>>* keys) {
    for (const std::string& word : words_.keys) {
      const size_t equals = word.find('=');
      const std::string zone = word.substr(0, equals);
      const BlockList* const list = catalogue_->Find(zone);
      if (equals == std::string::npos || list == nullptr || !list->needs_key) {
        return Usage(absl::StrCat("--key ", zone,
                                  ": no list of the catalogue that needs a key has this "
                                  "zone (try ZONE=FILE)"));
      }
      absl::StatusOr<std::string> key =
          ReadListKey(HostFileSystem(), word.substr(equals + 1));
      if (!key.ok()) return Fail(key.status().message());
      keys->emplace_back(list->zone, *std::move(key));
    }
    return kExitOk;
  }

  int ChooseLists() {
    std::vector<std::pair<std::string, std::string>> keys;
    if (const int code = ReadKeys(&keys); code != kExitOk) return code;
    lists_ = ListsToAsk(*catalogue_, keys);
    if (words_.zones.empty()) return kExitOk;
    std::vector<ListToAsk> chosen;
    for (const std::string& zone : words_.zones) {
      if (!IsZoneName(zone)) return Usage(absl::StrCat("--zone ", zone, ": is no zone"));
      if (const v1::DeadBlocklist* const dead = catalogue_->FindDead(zone)) {
        return Usage(absl::StrCat("--zone ", zone, ": must not be asked any more (",
                                  dead->reason(), "; since ", dead->since(), ")"));
      }
      Choose(zone, &chosen);
    }
    lists_ = std::move(chosen);
    return kExitOk;
  }

  void Choose(const std::string& zone, std::vector<ListToAsk>* chosen) {
    for (const ListToAsk& list : lists_) {
      if (list.list.zone == absl::AsciiStrToLower(zone)) return chosen->push_back(list);
    }
    // Known, but without the key that it needs, or in another's place.
    if (const BlockList* const list = catalogue_->Find(zone)) {
      return chosen->push_back({*list, ""});
    }
    bool has[2] = {};
    for (const Subject& subject : subjects_) {
      has[subject.kind == SubjectKind::kDomain] = true;
    }
    for (const bool domains : {false, true}) {
      if (has[domains]) chosen->push_back({StandardList(zone, domains), ""});
    }
  }

  void Wait(absl::Duration until) {
    std::vector<pollfd> polled;
    for (const int descriptor : resolver_->Descriptors()) {
      polled.push_back({descriptor, POLLIN, 0});
    }
    const absl::Duration bounded =
        std::clamp(until, absl::ZeroDuration(), absl::Seconds(60));
    poll(polled.data(), polled.size(),
         static_cast<int>(absl::ToInt64Milliseconds(bounded + absl::Milliseconds(1))));
  }

  // A table would be one of excuses.
  bool Useless() const {
    return health_.state == ResolverState::kInvents ||
           health_.state == ResolverState::kNoAnswer;
  }

  void AppendSubject(absl::Span<const Row> rows, std::string* out) {
    Counts counts;
    for (const Row& row : rows) ++counts[row.judgement.verdict];
    const size_t told = counts[ListVerdict::kListed] + counts[ListVerdict::kClean];
    absl::StrAppend(
        out, out->empty() ? "" : "\n", rows[0].subject.text, ": ",
        counts[ListVerdict::kListed] > 0
            ? absl::StrCat("LISTED on ", counts[ListVerdict::kListed], " of ", told)
        : told > 0 ? absl::StrCat("clean on ", told == 1 ? "" : "all ", told)
                   : std::string("not known on any"),
        told == 1 ? " list" : " lists");
    if (told < rows.size() && told > 0) {
      absl::StrAppend(out, "; ", rows.size() - told, " could not be told");
    }
    *out += "\n";
    std::map<std::pair<ListVerdict, std::string>, std::vector<absl::string_view>> silent;
    std::vector<absl::string_view> clean;
    for (const Row& row : rows) {
      const Judgement& judgement = row.judgement;
      if (judgement.verdict == ListVerdict::kListed) {
        AppendListing(row, out);
      } else if (judgement.verdict == ListVerdict::kClean) {
        clean.push_back(row.list->zone);
        if (!judgement.note.empty()) AppendLine("CLEAN", row, judgement.note, out);
        if (words_.all && judgement.note.empty()) AppendLine("CLEAN", row, "", out);
      } else {
        silent[{judgement.verdict, judgement.why}].push_back(row.list->zone);
      }
    }
    // The same reason once, whatever number of lists has it.
    for (const auto& [key, zones] : silent) {
      absl::StrAppendFormat(out, "  %-9s  %s: %s\n", ListVerdictName(key.first),
                            Named(zones), key.second);
    }
  }

  std::string Named(const std::vector<absl::string_view>& zones) const {
    if (words_.all || zones.size() <= kMostNamed) return absl::StrJoin(zones, ", ");
    return absl::StrCat(absl::StrJoin(zones.begin(), zones.begin() + kMostNamed, ", "),
                        " and ", zones.size() - kMostNamed, " more");
  }

  static void AppendLine(absl::string_view verdict, const Row& row,
                         absl::string_view text, std::string* out) {
    absl::StrAppendFormat(out, "  %-9s  %s%s%s\n", verdict, row.list->zone,
                          text.empty() ? "" : ": ", text);
  }

  static void AppendListing(const Row& row, std::string* out) {
    const Judgement& judgement = row.judgement;
    std::vector<std::string> codes;
    for (const ListedCode& code : judgement.codes) {
      codes.push_back(code.means.empty() ? code.code
                                         : absl::StrCat(code.code, " ", code.means));
    }
    absl::StrAppendFormat(out, "  %-9s  %s (%s): %s\n", "LISTED", row.list->zone,
                          TierName(judgement.tier), absl::StrJoin(codes, "; "));
    const auto detail = [out](absl::string_view name, absl::string_view text) {
      if (!text.empty()) absl::StrAppendFormat(out, "             %-8s %s\n", name, text);
    };
    detail("it says", judgement.reason);
    detail("ends", row.list->expiry_words);
    detail("see", DelistUrl(*row.list, row.subject));
    detail("note", row.list->note);
  }

  const BlocklistWords& words_;
  const Clock& clock_;
  KernelRandom random_;
  std::vector<Subject> subjects_;
  std::shared_ptr<const Catalogue> catalogue_;
  std::vector<ListToAsk> lists_;
  std::unique_ptr<Resolver> resolver_;
  std::unique_ptr<ListChecker> checker_;

  std::vector<Row> rows_;
  Counts counts_;
  ResolverHealth health_;
};

}  // namespace

int RunBlocklist(const BlocklistWords& words, const Clock& clock, int output,
                 int errors) {
  // Written to, a pipe without a reader says EPIPE.
  signal(SIGPIPE, SIG_IGN);
  Blocklist blocklist(words, clock);
  if (const int code = blocklist.Prepare(); code != kExitOk) return code;
  blocklist.Ask();
  WriteAll(errors, blocklist.Complaint());
  const int error =
      WriteAll(output, words.json ? blocklist.JsonLines() : blocklist.Table());
  if (error != 0 && error != EPIPE) {
    return Fail(ErrnoStatus(error, "write standard output").message());
  }
  return blocklist.exit_code();
}

}  // namespace mailvane
