#include "agent/lists_config.h"

#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "agent/reputation/catalogue.h"
#include "agent/reputation/list_key.h"

namespace mailvane {

absl::StatusOr<std::vector<ListToAsk>> LoadLists(const v1::AgentBlocklists& config,
                                                 const FileSystem& files) {
  std::shared_ptr<const Catalogue> catalogue = Catalogue::BuiltIn();
  if (!config.catalogue().empty()) {
    absl::StatusOr<std::string> text = files.ReadAll(config.catalogue());
    if (!text.ok()) return text.status();
    std::vector<ConfigError> errors;
    catalogue = Catalogue::Parse(*text, &errors);
    if (catalogue == nullptr) {
      std::vector<std::string> lines;
      for (const ConfigError& error : errors) {
        lines.push_back(ToString(config.catalogue(), error));
      }
      return absl::InvalidArgumentError(absl::StrJoin(lines, "\n"));
    }
  }
  std::vector<std::pair<std::string, std::string>> keys;
  for (const v1::AgentBlocklists::Key& wanted : config.keys()) {
    const BlockList* const list = catalogue->Find(wanted.zone());
    if (list == nullptr || !list->needs_key) {
      return absl::InvalidArgumentError(
          absl::StrCat(wanted.zone(), ": no list of the catalogue that needs a key"));
    }
    absl::StatusOr<std::string> key = ReadListKey(files, wanted.key_file());
    if (!key.ok()) return key.status();
    keys.emplace_back(list->zone, *std::move(key));
  }
  return ListsToAsk(*catalogue, keys);
}

}  // namespace mailvane
