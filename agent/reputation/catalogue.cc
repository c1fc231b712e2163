#include "agent/reputation/catalogue.h"

#include <arpa/inet.h>

#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "platform/proto_time.h"

namespace mailvane {
namespace {

constexpr char kBuiltIn[] =
#include "agent/reputation/blocklists.yaml.inc"
    ;

// RFC 5782 s.5.
constexpr absl::string_view kTestListed[kSubjectKinds] = {
    "2.0.0.127", "2.0.0.0.0.0.f.7.f.f.f.f.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0.0",
    "test"};
constexpr char kNone[] = "none";

std::string LowerZone(absl::string_view zone) {
  return absl::AsciiStrToLower(absl::StripSuffix(zone, "."));
}

template <typename Value, size_t N>
std::optional<Value> Lookup(const std::pair<const char*, Value> (&words)[N],
                            absl::string_view word) {
  for (const auto& [name, value] : words) {
    if (word == name) return value;
  }
  return std::nullopt;
}

constexpr std::pair<const char*, Tier> kTiers[] = {
    {"page", Tier::kPage}, {"warn", Tier::kWarn}, {"info", Tier::kInfo}};
constexpr std::pair<const char*, BlockList::Polarity> kPolarities[] = {
    {"block", BlockList::Polarity::kBlock},
    {"allow", BlockList::Polarity::kAllow},
    {"mixed", BlockList::Polarity::kMixed},
    {"score", BlockList::Polarity::kScore}};
constexpr std::pair<const char*, CodeSays> kSays[] = {{"listed", CodeSays::kListed},
                                                      {"good", CodeSays::kGood},
                                                      {"neutral", CodeSays::kNeutral},
                                                      {"score", CodeSays::kScore}};
constexpr std::pair<const char*, bool> kExpiryModels[] = {
    {"automatic", true}, {"request", false}, {"owner", false}, {"unknown", false}};

CodeSays DefaultSays(BlockList::Polarity polarity) {
  switch (polarity) {
    case BlockList::Polarity::kAllow:
      return CodeSays::kGood;
    case BlockList::Polarity::kScore:
      return CodeSays::kScore;
    case BlockList::Polarity::kBlock:
    case BlockList::Polarity::kMixed:
      break;
  }
  return CodeSays::kListed;
}

bool IsDate(absl::string_view text) {
  absl::Time day;
  std::string error;
  return absl::ParseTime("%Y-%m-%d", text, &day, &error);
}

// Turns one entry of the file into a list, and says all that is wrong with it.
class Reader {
 public:
  Reader(std::string path, const v1::Blocklist& from, const ConfigPlaces& places,
         std::vector<ConfigError>* errors)
      : path_(std::move(path)), from_(from), places_(places), errors_(errors) {}

  BlockList Read() {
    list_.zone = LowerZone(from_.zone());
    if (!IsZoneName(list_.zone)) Fail("zone", "is no zone's name");
    list_.name = from_.name().empty() ? list_.zone : from_.name();
    ReadKinds();
    Take(Lookup(kPolarities, from_.polarity()), "polarity",
         "is none of block, allow, mixed, score", &list_.polarity);
    Take(Lookup(kTiers, from_.tier()), "tier", "is none of page, warn, info",
         &list_.tier);
    for (int i = 0; i < from_.codes_size(); ++i) {
      list_.codes.push_back(ReadCode(absl::StrCat("codes[", i, "]"), from_.codes(i)));
    }
    for (int i = 0; i < from_.refusals_size(); ++i) {
      list_.refusals.push_back(
          ReadCode(absl::StrCat("refusals[", i, "]"), from_.refusals(i)));
    }
    if (list_.codes.empty() && list_.polarity == BlockList::Polarity::kMixed) {
      Fail("codes", "a mixed list says nothing without its codes");
    }
    ReadExpiry();
    list_.delist_url = from_.delist_url();
    if (!list_.delist_url.empty() && !absl::StartsWith(list_.delist_url, "https://") &&
        !absl::StartsWith(list_.delist_url, "http://")) {
      Fail("delist_url", "is no http:// or https:// address");
    }
    list_.needs_key = from_.needs_key();
    list_.instead_of = LowerZone(from_.instead_of());
    list_.note = from_.note();
    if (from_.source().empty()) Fail("source", "is missing: who says so?");
    if (!IsDate(from_.verified())) Fail("verified", "is no date (try \"2026-11-24\")");
    return std::move(list_);
  }

 private:
  void Fail(const std::string& field, std::string message) {
    const std::string path = absl::StrCat(path_, ".", field);
    auto place = places_.find(path);
    if (place == places_.end()) place = places_.find(path_);
    const ConfigPlace at = place == places_.end() ? ConfigPlace() : place->second;
    errors_->push_back({at.line, at.column, path, std::move(message)});
  }

  template <typename Value>
  void Take(std::optional<Value> value, const std::string& field, const char* otherwise,
            Value* into) {
    if (value) {
      *into = *value;
    } else {
      Fail(field, otherwise);
    }
  }

  void ReadKinds() {
    const std::string& kind = from_.kind();
    const bool addresses = kind == "ip" || kind == "both";
    list_.asks[static_cast<int>(SubjectKind::kDomain)] =
        kind == "domain" || kind == "both";
    if (!addresses && kind != "domain") Fail("kind", "is none of ip, domain, both");
    for (const std::string& family : from_.families()) {
      if (family != "v4" && family != "v6") {
        Fail("families", "is neither v4 nor v6");
      } else {
        list_.asks[static_cast<int>(family == "v4" ? SubjectKind::kIpv4
                                                   : SubjectKind::kIpv6)] = true;
      }
    }
    if (addresses == from_.families().empty()) {
      Fail("families",
           addresses ? "is missing: v4, v6, or both?" : "a list of domains has none");
    }
    const std::string* points[kSubjectKinds] = {&from_.test_points().listed_v4(),
                                                &from_.test_points().listed_v6(),
                                                &from_.test_points().listed_domain()};
    for (int i = 0; i < kSubjectKinds; ++i) {
      if (!list_.asks[i] || *points[i] == kNone) continue;
      list_.test_listed[i] =
          points[i]->empty() ? std::string(kTestListed[i]) : LowerZone(*points[i]);
      if (!IsZoneName(list_.test_listed[i])) {
        Fail("test_points", "is no name below a zone");
      }
    }
  }

  ListCode ReadCode(const std::string& field, const v1::BlocklistCode& from) {
    ListCode code;
    code.means = from.means();
    if (code.means.empty()) Fail(field, "its meaning is missing");
    code.says = DefaultSays(list_.polarity);
    if (!from.says().empty()) {
      Take(Lookup(kSays, from.says()), field + ".says",
           "is none of listed, good, neutral, score", &code.says);
    }
    code.tier = list_.tier;
    if (!from.tier().empty()) {
      Take(Lookup(kTiers, from.tier()), field + ".tier", "is none of page, warn, info",
           &code.tier);
    }
    code.bit = from.bit();
    if (code.bit != 0) {
      if (!from.code().empty()) Fail(field, "is both a code and a bit");
      if (code.bit > 128 || (code.bit & (code.bit - 1)) != 0) {
        Fail(field + ".bit", "is none of 1, 2, 4, … 128");
      }
      return code;
    }
    const std::pair<std::string, std::string> ends =
        absl::StrSplit(from.code(), absl::MaxSplits('-', 1));
    const std::optional<uint32_t> first = ParseIpv4(ends.first);
    const std::optional<uint32_t> last =
        ends.second.empty() ? first : ParseIpv4(ends.second);
    if (!first || !last || *first > *last || *first >> 24 != 127 || *last >> 24 != 127) {
      Fail(field + ".code", "is no 127.x.y.z, nor a range of them");
      return code;
    }
    code.first = *first;
    code.last = *last;
    return code;
  }

  void ReadExpiry() {
    const v1::BlocklistExpiry& expiry = from_.expiry();
    list_.expiry_words = expiry.words();
    if (expiry.words().empty()) Fail("expiry", "how does a listing end?");
    bool automatic = false;
    Take(Lookup(kExpiryModels, expiry.model()), "expiry.model",
         "is none of automatic, request, owner, unknown", &automatic);
    if (!expiry.has_after()) return;
    if (!automatic) Fail("expiry.after", "only what ends by itself ends after a time");
    list_.ends_after = FromProto(expiry.after());
  }

  const std::string path_;
  const v1::Blocklist& from_;
  const ConfigPlaces& places_;
  std::vector<ConfigError>* const errors_;
  BlockList list_;
};

}  // namespace

absl::string_view SubjectKindName(SubjectKind kind) {
  switch (kind) {
    case SubjectKind::kIpv4:
      return "v4";
    case SubjectKind::kIpv6:
      return "v6";
    case SubjectKind::kDomain:
      return "domain";
  }
  return "";
}

absl::string_view TierName(Tier tier) {
  switch (tier) {
    case Tier::kPage:
      return "page";
    case Tier::kWarn:
      return "warn";
    case Tier::kInfo:
      return "info";
  }
  return "";
}

bool ListCode::Fits(uint32_t address) const {
  if (bit == 0) return first <= address && address <= last;
  return address >> 8 == 0x7f0000 && (address & bit) != 0;
}

const std::shared_ptr<const Catalogue>& Catalogue::BuiltIn() {
  // A test reads it, too: it has no errors.
  static const auto* const built_in = [] {
    std::vector<ConfigError> errors;
    return new std::shared_ptr<const Catalogue>(Parse(kBuiltIn, &errors));
  }();
  return *built_in;
}

std::shared_ptr<const Catalogue> Catalogue::Parse(absl::string_view text,
                                                  std::vector<ConfigError>* errors) {
  v1::BlocklistCatalogue file;
  ConfigPlaces places;
  *errors = ParseYamlConfig(text, &file, &places);
  if (IsUnreadable(*errors)) return nullptr;
  std::vector<ConfigError> found;
  const auto fail = [&](const std::string& path, std::string message) {
    const auto place = places.find(path);
    const ConfigPlace at = place == places.end() ? ConfigPlace() : place->second;
    found.push_back({at.line, at.column, path, std::move(message)});
  };
  auto catalogue = std::make_shared<Catalogue>();
  catalogue->dated_ = file.dated();
  if (!IsDate(file.dated())) fail("dated", "is no date (try \"2026-11-24\")");
  if (file.lists().empty()) fail("lists", "is missing: which lists shall be asked?");
  catalogue->dead_.assign(file.never_query().begin(), file.never_query().end());
  for (int i = 0; i < file.never_query_size(); ++i) {
    const v1::DeadBlocklist& dead = file.never_query(i);
    const std::string path = absl::StrCat("never_query[", i, "]");
    if (!IsZoneName(dead.zone())) fail(path, "is no zone's name");
    if (dead.since().empty() || dead.reason().empty()) {
      fail(path, "since when, and why?");
    }
  }
  std::set<std::string> zones;
  for (int i = 0; i < file.lists_size(); ++i) {
    const std::string path = absl::StrCat("lists[", i, "]");
    BlockList list = Reader(path, file.lists(i), places, &found).Read();
    if (!zones.insert(list.zone).second) fail(path + ".zone", "stands here twice");
    if (catalogue->FindDead(list.zone) != nullptr) {
      fail(path + ".zone", "stands among those that must not be asked");
    }
    catalogue->lists_.push_back(std::move(list));
  }
  for (int i = 0; i < file.lists_size(); ++i) {
    const std::string& other = catalogue->lists_[i].instead_of;
    if (!other.empty() && zones.count(other) == 0) {
      fail(absl::StrCat("lists[", i, "].instead_of"), "is no list of this catalogue");
    }
  }
  AddErrors(std::move(found), errors);
  return errors->empty() ? catalogue : nullptr;
}

const BlockList* Catalogue::Find(absl::string_view zone) const {
  const std::string wanted = LowerZone(zone);
  for (const BlockList& list : lists_) {
    if (list.zone == wanted) return &list;
  }
  return nullptr;
}

const v1::DeadBlocklist* Catalogue::FindDead(absl::string_view zone) const {
  const std::string wanted = LowerZone(zone);
  for (const v1::DeadBlocklist& dead : dead_) {
    if (wanted == dead.zone() || absl::EndsWith(wanted, "." + dead.zone())) return &dead;
  }
  return nullptr;
}

BlockList StandardList(absl::string_view zone, bool domains) {
  BlockList list;
  list.zone = list.name = LowerZone(zone);
  list.expiry_words = "not known";
  for (int i = 0; i < kSubjectKinds; ++i) {
    list.asks[i] = domains == (i == static_cast<int>(SubjectKind::kDomain));
    if (list.asks[i]) list.test_listed[i] = std::string(kTestListed[i]);
  }
  return list;
}

bool IsZoneName(absl::string_view text) {
  if (text.empty() || text.size() > 200) return false;
  for (const absl::string_view label : absl::StrSplit(text, '.')) {
    if (label.empty() || label.size() > 63) return false;
    for (const char c : label) {
      if (!absl::ascii_isalnum(c) && c != '-' && c != '_') return false;
    }
  }
  return true;
}

std::optional<uint32_t> ParseIpv4(absl::string_view text) {
  in_addr address;
  if (inet_pton(AF_INET, std::string(text).c_str(), &address) != 1) return std::nullopt;
  return ntohl(address.s_addr);
}

std::string Ipv4Text(uint32_t address) {
  return absl::StrCat(address >> 24, ".", address >> 16 & 0xff, ".", address >> 8 & 0xff,
                      ".", address & 0xff);
}

}  // namespace mailvane
