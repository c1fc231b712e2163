#include "agent/reputation/reply_rules.h"

#include <map>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace mailvane {
namespace {

using absl::string_view;

constexpr char kBuiltIn[] =
#include "agent/reputation/reply_rules.txt.inc"
    ;

std::vector<string_view> Fields(string_view line) {
  return absl::StrSplit(line, ' ', absl::SkipEmpty());
}

class Parser {
 public:
  absl::StatusOr<ReplyRules> Parse(string_view text) {
    for (string_view line : absl::StrSplit(text, '\n')) {
      ++number_;
      const std::string error = TakeLine(line);
      if (!error.empty()) {
        return absl::InvalidArgumentError(absl::StrCat("line ", number_, ": ", error));
      }
    }
    if (const std::string error = EndRule(); !error.empty()) {
      return absl::InvalidArgumentError(error);
    }
    return std::move(out_);
  }

 private:
  // Each returns what is wrong; empty: nothing.
  std::string TakeLine(string_view line) {
    if (line.empty() || line[0] == '#') return "";
    if (absl::StartsWith(line, "    ")) return TakePhrase(line.substr(4));
    if (std::string error = EndRule(); !error.empty()) return error;
    const std::pair<string_view, string_view> halves =
        absl::StrSplit(line, absl::MaxSplits(' ', 1));
    const string_view word = halves.first;
    const string_view rest = absl::StripAsciiWhitespace(halves.second);
    if (word == "let") return TakeLet(rest);
    if (word == "==") {
      section_ = ReplyRule();
      return "";
    }
    if (word == "source") return section_.source = std::string(rest), "";
    if (word == "delist") return section_.delist_url = std::string(rest), "";
    if (word == "without") return section_.without_code = true, "";
    if (word == "provider" || word == "words") {
      section_.unmistakable = word == "words";
      section_.provider =
          std::string(word == "words" ? absl::StripPrefix(rest, "of ") : rest);
      return "";
    }
    if (word == "aside") return out_.asides.emplace_back(rest), "";
    if (word == "zone") return TakeZone(Fields(rest));
    return TakeRule(Fields(line));
  }

  std::string TakeLet(string_view rest) {
    const std::pair<string_view, string_view> halves =
        absl::StrSplit(rest, absl::MaxSplits(' ', 1));
    lets_.emplace_back(absl::StrCat("{", halves.first, "}"),
                       Expand(absl::StripAsciiWhitespace(halves.second)));
    return "";
  }

  std::string TakeZone(const std::vector<string_view>& fields) {
    if (fields.size() != 3) return "a zone has a word, a suffix and a URL or \"-\"";
    out_.zones.push_back({std::string(fields[0]), std::string(fields[1]),
                          fields[2] == "-" ? "" : std::string(fields[2])});
    return "";
  }

  std::string TakeRule(const std::vector<string_view>& fields) {
    if (fields.size() != 4)
      return "a rule has a name, a class, a scope, and later|never|-";
    const std::optional<ReplyClass> reply_class = ReplyClassOf(fields[1]);
    const std::optional<ReplyScope> scope = ReplyScopeOf(fields[2]);
    if (!reply_class) return absl::StrCat("no class ", fields[1]);
    if (!scope) return absl::StrCat("no scope ", fields[2]);
    if (fields[3] != "later" && fields[3] != "never" && fields[3] != "-") {
      return absl::StrCat("neither later, never nor -: ", fields[3]);
    }
    if (section_.source.empty()) return "its section names no source";
    if (!names_.insert(std::string(fields[0])).second) {
      return absl::StrCat("a second rule ", fields[0]);
    }
    rule_ = section_;
    rule_->name = std::string(fields[0]);
    rule_->reply_class = *reply_class;
    rule_->scope = *scope;
    if (fields[3] != "-") rule_->temporary = fields[3] == "later";
    return "";
  }

  std::string TakePhrase(string_view phrase) {
    if (!rule_) return "a phrase without a rule";
    rule_->phrases.push_back(Expand(phrase));
    return "";
  }

  std::string EndRule() {
    if (!rule_) return "";
    if (rule_->phrases.empty())
      return absl::StrCat("rule ", rule_->name, " has no phrase");
    out_.rules.push_back(*std::exchange(rule_, std::nullopt));
    return "";
  }

  std::string Expand(string_view phrase) const {
    std::string text(phrase);
    for (const auto& [name, value] : lets_) {
      for (size_t at; (at = text.find(name)) != std::string::npos;) {
        text.replace(at, name.size(), value);
      }
    }
    return text;
  }

  int number_ = 0;
  ReplyRules out_;
  // What the section says of all its rules.
  ReplyRule section_;
  std::optional<ReplyRule> rule_;
  std::vector<std::pair<std::string, std::string>> lets_;
  std::set<std::string> names_;
};

}  // namespace

absl::StatusOr<ReplyRules> ParseReplyRules(string_view text) {
  return Parser().Parse(text);
}

string_view BuiltInReplyRules() { return kBuiltIn; }

}  // namespace mailvane
