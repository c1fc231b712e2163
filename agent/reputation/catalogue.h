// The catalogue of DNS lists: which there are, what their answers mean, and which
// must not be asked any more.  Data from a YAML file (blocklists.yaml, built in),
// checked and made quick to use.
//
// Immutable once made; a new file makes a new catalogue.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "absl/time/time.h"
#include "mailvane/v1/blocklists.pb.h"
#include "platform/yaml_config.h"

namespace mailvane {

// What a list is asked about.
enum class SubjectKind { kIpv4, kIpv6, kDomain };
constexpr int kSubjectKinds = 3;
// "v4", "v6", "domain".
absl::string_view SubjectKindName(SubjectKind kind);

// How much a listing matters, most first.
enum class Tier { kPage, kWarn, kInfo };
absl::string_view TierName(Tier tier);

// What being on the list with this code says.
enum class CodeSays { kListed, kGood, kNeutral, kScore };

struct ListCode {
  // Of answers, as numbers in host order; both included.
  uint32_t first = 0;
  uint32_t last = 0;
  // In place of the range: a bit of the last octet of 127.0.0.x.
  uint32_t bit = 0;
  CodeSays says = CodeSays::kListed;
  Tier tier = Tier::kWarn;
  std::string means;

  bool Fits(uint32_t address) const;
};

struct BlockList {
  std::string zone;
  std::string name;
  bool asks[kSubjectKinds] = {};
  enum class Polarity { kBlock, kAllow, kMixed, kScore } polarity = Polarity::kBlock;
  Tier tier = Tier::kWarn;
  std::vector<ListCode> codes;
  std::vector<ListCode> refusals;
  std::string expiry_words;
  // Absent: it does not end by itself, or nobody says when.
  std::optional<absl::Duration> ends_after;
  std::string delist_url;
  bool needs_key = false;
  std::string instead_of;
  // Below the zone, for each kind of subject; empty: it has none.
  std::string test_listed[kSubjectKinds];
  std::string note;

  bool Asks(SubjectKind kind) const { return asks[static_cast<int>(kind)]; }
};

class Catalogue {
 public:
  // The one that is built in; it stays for ever.
  static const std::shared_ptr<const Catalogue>& BuiltIn();
  // Null after adding to `errors`.
  static std::shared_ptr<const Catalogue> Parse(absl::string_view text,
                                                std::vector<ConfigError>* errors);

  const std::vector<BlockList>& lists() const { return lists_; }
  const std::string& dated() const { return dated_; }
  const BlockList* Find(absl::string_view zone) const;
  // Why `zone` must not be asked: itself or what it stands below is dead.
  const v1::DeadBlocklist* FindDead(absl::string_view zone) const;

 private:
  std::string dated_;
  std::vector<BlockList> lists_;
  std::vector<v1::DeadBlocklist> dead_;
};

// A list that no catalogue knows, as RFC 5782 would have it: `families` v4 and v6,
// or a domain list.
BlockList StandardList(absl::string_view zone, bool domains);

// Whether `text` can stand as a zone's name: labels of letters, digits, dashes and
// underscores.
bool IsZoneName(absl::string_view text);

// "127.0.0.2" in host order.
std::optional<uint32_t> ParseIpv4(absl::string_view text);
std::string Ipv4Text(uint32_t address);

}  // namespace mailvane
