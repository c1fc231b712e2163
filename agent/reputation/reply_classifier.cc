#include "agent/reputation/reply_classifier.h"

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "agent/reputation/provider.h"
#include "agent/reputation/reply_text.h"
#include "re2/re2.h"
#include "re2/set.h"

namespace mailvane {
namespace {

using absl::string_view;

// Of RE2: the program of all phrases, and the states of its automaton so far.
constexpr int64_t kMostMemory = 48 << 20;
// Servers say few different things; what is not remembered is looked at again.
constexpr size_t kMostRemembered = 4096;
// A code, an enhanced code, and some words.
constexpr size_t kLeastBeforeAside = 30;
constexpr size_t kMostUrl = 300;
constexpr size_t kMostZone = 100;

bool IsHostChar(char c) {
  return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '-' || c == '.' ||
         c == '_';
}

bool IsBelow(string_view host, string_view suffix) {
  return absl::EndsWith(host, suffix) &&
         (host.size() == suffix.size() || host[host.size() - suffix.size() - 1] == '.');
}

// "mx1.mail.example.net" → "example.net".  Where the registry's part has two labels
// (co.uk) that is too little, and then "co.uk" is never taken for somebody: see LeadsTo.
string_view LastLabels(string_view host, int count) {
  size_t at = host.size();
  while (count-- > 0 && at != string_view::npos && at > 0) {
    at = host.rfind('.', at - 1);
    if (at == string_view::npos) return host;
  }
  return host.substr(at + 1);
}

string_view HostOfUrl(string_view url) {
  const size_t begin = url.find("://");
  if (begin == string_view::npos) return {};
  url.remove_prefix(begin + 3);
  size_t size = 0;
  while (size < url.size() && IsHostChar(url[size])) ++size;
  // "http://good.example@bad.example/" leads elsewhere.
  if (size < url.size() && (url[size] == '@' || url[size] == '%')) return {};
  return url.substr(0, size);
}

// Both belong to one owner, as far as names can tell.
bool IsSameOwner(string_view one, string_view other) {
  const string_view domain = LastLabels(one, 2);
  const size_t dot = domain.find('.');
  // "co.uk" and its like own nothing.
  if (dot == string_view::npos || dot < 4) return one == other;
  return IsBelow(other, domain);
}

// The host names in `words`, each in turn.
template <typename Take>
void ForEachHost(string_view words, Take take) {
  size_t at = 0;
  while (at < words.size()) {
    while (at < words.size() && !IsHostChar(words[at])) ++at;
    size_t end = at;
    while (end < words.size() && IsHostChar(words[end])) ++end;
    string_view host = words.substr(at, end - at);
    while (!host.empty() && (host.back() == '.' || host.back() == '-'))
      host.remove_suffix(1);
    while (!host.empty() && (host[0] == '.' || host[0] == '-')) host.remove_prefix(1);
    const bool in_url = at >= 3 && words.substr(at - 3, 3) == "://";
    if (host.find('.') != string_view::npos && host.size() <= kMostZone &&
        !absl::ascii_isdigit(static_cast<unsigned char>(host.back()))) {
      if (!take(host, in_url)) return;
    }
    at = end;
  }
}

// "2.0.0.127.zen.spamhaus.org" → "zen.spamhaus.org".
string_view WithoutAddress(string_view host) {
  while (true) {
    const size_t dot = host.find('.');
    if (dot == string_view::npos || dot == 0) return host;
    if (host.substr(0, dot).find_first_not_of("0123456789") != string_view::npos) {
      return host;
    }
    host.remove_prefix(dot + 1);
  }
}

}  // namespace

struct ReplyClassifier::Impl {
  ReplyRules rules;
  std::unique_ptr<RE2::Set> set;
  // Phrase → rule.
  std::vector<int> rule_of;
  // Provider and what the phrases are compared with → the rule; -1: none.
  absl::flat_hash_map<std::string, int> remembered;
  std::vector<int> matches;
  std::string subject;

  absl::Status Compile();
  void DropAsides();
  int FindRule(string_view provider, bool has_code);
  bool Applies(const ReplyRule& rule, string_view provider, bool has_code) const;
  void NameZone(const ReplyText& read, ReplyVerdict* verdict) const;
  void FindLink(string_view text, string_view relay, ReplyVerdict* verdict) const;
};

absl::Status ReplyClassifier::Impl::Compile() {
  RE2::Options options;
  options.set_encoding(RE2::Options::EncodingLatin1);
  options.set_log_errors(false);
  options.set_never_capture(true);
  options.set_max_mem(kMostMemory);
  set = std::make_unique<RE2::Set>(options, RE2::UNANCHORED);
  for (size_t i = 0; i < rules.rules.size(); ++i) {
    for (const std::string& phrase : rules.rules[i].phrases) {
      std::string error;
      if (set->Add(phrase, &error) < 0) {
        return absl::InvalidArgumentError(
            absl::StrCat("rule ", rules.rules[i].name, ": ", phrase, ": ", error));
      }
      rule_of.push_back(static_cast<int>(i));
    }
  }
  if (!set->Compile()) return absl::InvalidArgumentError("too many phrases");
  return absl::OkStatus();
}

// Each up to the end of its sentence, unless nothing else is said.
void ReplyClassifier::Impl::DropAsides() {
  for (const std::string& aside : rules.asides) {
    const size_t begin = subject.find(aside);
    if (begin == std::string::npos || begin < kLeastBeforeAside) continue;
    const size_t end = subject.find(". ", begin);
    subject.erase(begin, end == std::string::npos ? end : end - begin);
  }
}

bool ReplyClassifier::Impl::Applies(const ReplyRule& rule, string_view provider,
                                    bool has_code) const {
  if (rule.without_code && has_code) return false;
  return rule.provider.empty() || rule.unmistakable || provider.empty() ||
         provider == rule.provider;
}

int ReplyClassifier::Impl::FindRule(string_view provider, bool has_code) {
  std::string key = absl::StrCat(provider, "\n", subject);
  const auto known = remembered.find(key);
  if (known != remembered.end()) return known->second;
  matches.clear();
  set->Match(re2::StringPiece(subject.data(), subject.size()), &matches);
  int best = -1;
  for (const int phrase : matches) {
    const int rule = rule_of[phrase];
    if ((best < 0 || rule < best) && Applies(rules.rules[rule], provider, has_code))
      best = rule;
  }
  if (remembered.size() >= kMostRemembered) remembered.clear();
  remembered.emplace(std::move(key), best);
  return best;
}

void ReplyClassifier::Impl::NameZone(const ReplyText& read, ReplyVerdict* verdict) const {
  const NamedZone* named = nullptr;
  string_view zone;
  // A list that we know, by its name; better where it is no link.
  ForEachHost(read.words, [&](string_view host, bool in_url) {
    for (const NamedZone& known : rules.zones) {
      if (!IsBelow(host, known.suffix)) continue;
      if (zone.empty()) named = &known;
      if (zone.empty() || !in_url)
        zone = in_url ? string_view(known.suffix) : WithoutAddress(host);
      return in_url;
    }
    return true;
  });
  // One that we don't know: "blocked using bl.example.net".
  if (zone.empty()) {
    for (string_view mark : {"using ", "listed by ", "listed in ", "listed at ",
                             "listed on ", "blocked by ", "rbl: ", "dnsbl: ", "found in ",
                             "found on ", "rejected by ", "list ", "rbl ", "dnsbl "}) {
      const size_t at = read.words.find(std::string(mark));
      if (at == std::string::npos) continue;
      string_view rest = string_view(read.words).substr(at + mark.size());
      rest = rest.substr(0, rest.find(' '));
      ForEachHost(rest, [&](string_view host, bool in_url) {
        if (!in_url && host.find('_') == string_view::npos) zone = WithoutAddress(host);
        return false;
      });
      if (!zone.empty()) break;
    }
  }
  if (zone.empty()) {
    for (const NamedZone& known : rules.zones) {
      if (!absl::StrContains(read.words, known.word)) continue;
      named = &known;
      zone = known.suffix;
      break;
    }
  }
  verdict->zone = std::string(zone);
  if (named != nullptr) verdict->delist_url = named->delist_url;
}

void ReplyClassifier::Impl::FindLink(string_view text, string_view relay,
                                     ReplyVerdict* verdict) const {
  for (size_t at = 0; (at = text.find("http", at)) != string_view::npos; ++at) {
    string_view url = text.substr(at);
    if (!absl::StartsWith(url, "http://") && !absl::StartsWith(url, "https://")) continue;
    url = url.substr(0, std::min(url.find_first_of(" \t<>\"'\\()[]{}"), kMostUrl));
    while (!url.empty() && absl::StrContains(".,;:!", url.substr(url.size() - 1))) {
      url.remove_suffix(1);
    }
    const std::string host = absl::AsciiStrToLower(HostOfUrl(url));
    if (host.empty()) continue;
    const bool trusted =
        (!relay.empty() && IsSameOwner(absl::AsciiStrToLower(relay), host)) ||
        (!verdict->zone.empty() && IsSameOwner(verdict->zone, host)) ||
        (!verdict->delist_url.empty() &&
         IsSameOwner(std::string(HostOfUrl(verdict->delist_url)), host));
    if (!trusted) continue;
    verdict->delist_url = std::string(url);
    return;
  }
}

ReplyClassifier::ReplyClassifier(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}
ReplyClassifier::~ReplyClassifier() = default;

ReplyClassifier::ReplyClassifier() = default;

ReplyClassifier::Impl& ReplyClassifier::Compiled() const {
  if (impl_ != nullptr) return *impl_;
  absl::StatusOr<ReplyRules> rules = ParseReplyRules(BuiltInReplyRules());
  impl_ = std::make_unique<Impl>();
  absl::Status status = rules.status();
  if (status.ok()) {
    impl_->rules = *std::move(rules);
    status = impl_->Compile();
  }
  if (!status.ok()) {
    fprintf(stderr, "reply_rules.txt: %s\n", status.ToString().c_str());
    abort();
  }
  return *impl_;
}

absl::StatusOr<std::unique_ptr<ReplyClassifier>> ReplyClassifier::WithRules(
    ReplyRules rules) {
  auto impl = std::make_unique<Impl>();
  impl->rules = std::move(rules);
  if (absl::Status status = impl->Compile(); !status.ok()) return status;
  return std::unique_ptr<ReplyClassifier>(new ReplyClassifier(std::move(impl)));
}

const ReplyRules& ReplyClassifier::rules() const { return Compiled().rules; }

ReplyVerdict ReplyClassifier::Classify(const Reply& reply) {
  Impl& compiled = Compiled();
  ReplyVerdict verdict;
  if (!reply.relay_host.empty()) verdict.provider = ProviderOf(reply.relay_host);
  // Most of a log is this.
  if (reply.text.size() >= 4 && reply.text[0] == '2' && reply.text[3] == ' ' &&
      absl::ascii_isdigit(static_cast<unsigned char>(reply.text[1])) &&
      absl::ascii_isdigit(static_cast<unsigned char>(reply.text[2]))) {
    verdict.reply_class = ReplyClass::kDelivered;
    verdict.temporary = std::nullopt;
    verdict.rule = compiled.rules.rules[0].name;
    return verdict;
  }
  const ReplyText read = ReadReply(reply.text);
  const string_view host = reply.relay_host.empty() ? read.host : reply.relay_host;
  if (verdict.provider.empty() && !host.empty()) verdict.provider = ProviderOf(host);
  const string_view dsn = read.dsn.empty() ? reply.dsn : string_view(read.dsn);
  compiled.subject = read.code == 0 ? "-" : absl::StrCat(read.code);
  absl::StrAppend(&compiled.subject, " ", dsn.empty() ? "-" : dsn, " ", read.words);
  compiled.DropAsides();
  const int found = compiled.FindRule(verdict.provider, read.code != 0);
  if (read.code != 0) {
    if (read.code / 100 != 2) verdict.temporary = read.code / 100 == 4;
  } else if (!dsn.empty() && dsn[0] != '2') {
    verdict.temporary = dsn[0] == '4';
  }
  if (found < 0) return verdict;
  const ReplyRule& rule = compiled.rules.rules[found];
  verdict.reply_class = rule.reply_class;
  verdict.scope = rule.scope;
  verdict.rule = rule.name;
  if (!verdict.temporary) verdict.temporary = rule.temporary;
  if (verdict.provider.empty()) verdict.provider = rule.provider;
  verdict.delist_url = rule.delist_url;
  if (rule.reply_class == ReplyClass::kDnsblListed) compiled.NameZone(read, &verdict);
  switch (rule.reply_class) {
    case ReplyClass::kIpBlocked:
    case ReplyClass::kDnsblListed:
    case ReplyClass::kIpReputation:
    case ReplyClass::kDomainReputation:
    case ReplyClass::kRateLimited:
      compiled.FindLink(reply.text, host, &verdict);
      break;
    default:
      break;
  }
  return verdict;
}

}  // namespace mailvane
