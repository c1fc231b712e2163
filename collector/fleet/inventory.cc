#include "collector/fleet/inventory.h"

#include <arpa/inet.h>

#include <array>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace mailvane {
namespace {

// A page and a label have to carry them.
constexpr size_t kMaxIdBytes = 64;
constexpr size_t kMaxNameBytes = 64;
constexpr size_t kMaxLocationBytes = 128;
constexpr size_t kMaxDescriptionBytes = 1024;
// Every vantage point pings each of them.
constexpr int kMaxAddresses = 16;
constexpr int kMaxSystems = 20'000;

constexpr std::array<Lifecycle, 6> kLifecycles = {
    Lifecycle::kPlanned,  Lifecycle::kProvisioning, Lifecycle::kOperational,
    Lifecycle::kInternal, Lifecycle::kRetiring,     Lifecycle::kRetired,
};

// A letter or digit first: "." and ".." would be other places in a URL.
bool IsId(absl::string_view id) {
  if (id.empty() || id.size() > kMaxIdBytes || !absl::ascii_isalnum(id[0])) return false;
  for (const char c : id) {
    if (!absl::ascii_isalnum(c) && c != '.' && c != '-') return false;
  }
  return true;
}

bool IsCountry(absl::string_view country) {
  return country.size() == 2 && absl::ascii_isupper(country[0]) &&
         absl::ascii_isupper(country[1]);
}

bool IsAddress(const std::string& address) {
  unsigned char bytes[sizeof(in6_addr)];
  return inet_pton(AF_INET, address.c_str(), bytes) == 1 ||
         inet_pton(AF_INET6, address.c_str(), bytes) == 1;
}

bool HasControlCharacters(absl::string_view text) {
  for (const char c : text) {
    if (absl::ascii_iscntrl(c)) return true;
  }
  return false;
}

class Checker {
 public:
  explicit Checker(const ConfigPlaces& places) : places_(places) {}

  void Fail(const std::string& path, std::string message) {
    const ConfigPlace place = PlaceOf(path);
    errors_.push_back({place.line, place.column, path, std::move(message)});
  }

  void CheckText(const std::string& path, absl::string_view text, size_t max_bytes) {
    if (text.size() > max_bytes) {
      Fail(path, absl::StrCat("is longer than ", max_bytes, " bytes"));
    } else if (HasControlCharacters(text)) {
      Fail(path, "has control characters or line breaks");
    }
  }

  std::vector<ConfigError> TakeErrors() { return std::move(errors_); }

 private:
  // The field's own place, else that of what it is part of.
  ConfigPlace PlaceOf(absl::string_view path) const {
    for (;;) {
      const auto it = places_.find(std::string(path));
      if (it != places_.end()) return it->second;
      const size_t end = path.find_last_of(".[");
      if (end == absl::string_view::npos) return {};
      path = path.substr(0, end);
    }
  }

  const ConfigPlaces& places_;
  std::vector<ConfigError> errors_;
};

}  // namespace

std::optional<Lifecycle> ParseLifecycle(absl::string_view word) {
  if (word.empty()) return Lifecycle::kOperational;
  for (const Lifecycle lifecycle : kLifecycles) {
    if (word == Name(lifecycle)) return lifecycle;
  }
  return std::nullopt;
}

std::vector<ConfigError> CheckInventory(const v1::Inventory& inventory,
                                        const ConfigPlaces& places) {
  Checker checker(places);
  if (inventory.systems_size() > kMaxSystems) {
    checker.Fail("systems", absl::StrCat("has more than ", kMaxSystems, " systems"));
  }
  // By the id in lower case: people would take NC027 and nc027 for one.
  std::map<std::string, std::string> ids;
  for (int i = 0; i < inventory.systems_size(); ++i) {
    const v1::System& system = inventory.systems(i);
    const std::string path = absl::StrCat("systems[", i, "]");

    const std::string id_path = absl::StrCat(path, ".id");
    if (system.id().empty()) {
      checker.Fail(id_path, "is missing");
    } else if (!IsId(system.id())) {
      checker.Fail(
          id_path,
          absl::StrCat("must be letters, digits, dots and dashes, beginning with "
                       "a letter or digit, at most ",
                       kMaxIdBytes));
    } else if (system.id() == "collector") {
      checker.Fail(id_path, "\"collector\" is the collector's own name");
    } else {
      const auto [it, added] = ids.emplace(absl::AsciiStrToLower(system.id()), path);
      if (!added) {
        checker.Fail(id_path, absl::StrCat("\"", system.id(), "\" is the id of ",
                                           it->second, " too"));
      }
    }

    if (!ParseLifecycle(system.lifecycle()).has_value()) {
      checker.Fail(absl::StrCat(path, ".lifecycle"),
                   absl::StrCat("must be one of ",
                                absl::StrJoin(kLifecycles, ", ",
                                              [](std::string* out, Lifecycle lifecycle) {
                                                out->append(Name(lifecycle));
                                              })));
    }
    if (!system.country().empty() && !IsCountry(system.country())) {
      checker.Fail(absl::StrCat(path, ".country"),
                   "must be two capital letters (ISO 3166-1), as in NL");
    }
    checker.CheckText(absl::StrCat(path, ".name"), system.name(), kMaxNameBytes);
    checker.CheckText(absl::StrCat(path, ".location"), system.location(),
                      kMaxLocationBytes);
    checker.CheckText(absl::StrCat(path, ".description"), system.description(),
                      kMaxDescriptionBytes);

    if (system.addresses_size() > kMaxAddresses) {
      checker.Fail(absl::StrCat(path, ".addresses"),
                   absl::StrCat("has more than ", kMaxAddresses, " addresses"));
    }
    std::set<std::string> seen;
    for (int j = 0; j < system.addresses_size(); ++j) {
      const std::string& address = system.addresses(j);
      const std::string address_path = absl::StrCat(path, ".addresses[", j, "]");
      if (!IsAddress(address)) {
        checker.Fail(address_path,
                     "is no IPv4 or IPv6 address (names are not looked up)");
      } else if (!seen.insert(address).second) {
        checker.Fail(address_path, "stands here twice");
      }
    }
  }
  return checker.TakeErrors();
}

std::vector<ConfigError> ParseInventory(absl::string_view text,
                                        v1::Inventory* inventory) {
  ConfigPlaces places;
  std::vector<ConfigError> errors = ParseYamlConfig(text, inventory, &places);
  AddErrors(CheckInventory(*inventory, places), &errors);
  return errors;
}

SystemState SystemFromInventory(const v1::System& system) {
  SystemState state;
  state.id = system.id();
  state.name = system.name().empty() ? system.id() : system.name();
  state.location = system.location();
  state.country = system.country();
  state.description = system.description();
  state.lifecycle = ParseLifecycle(system.lifecycle()).value_or(Lifecycle::kOperational);
  state.is_public = system.has_public_() ? system.public_() : true;
  return state;
}

}  // namespace mailvane
