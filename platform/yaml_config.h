// Configuration: YAML onto a protobuf message, by the fields' names.
//
// Unknown keys, repeated keys, wrong types and bad values are all found in one
// reading, each as `file:line:column: path: message`.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"
#include "google/protobuf/message.h"

namespace mailvane {

struct ConfigError {
  // From 1; 0 when the error has no place in the file.
  int line = 0;
  int column = 0;
  // "systems[2].country"; empty for the file as a whole.
  std::string path;
  std::string message;
};

// "agent.yaml:3:5: ping.interval: "soon" is no duration (try 30s)".
std::string ToString(absl::string_view file, const ConfigError& error);

struct ConfigPlace {
  int line = 0;
  int column = 0;
};

// Where each field that was set stands in the file, by its path, so that later
// checks can point at it.
using ConfigPlaces = std::map<std::string, ConfigPlace>;

// Fills `message` from `text`.  Returns all errors, in the file's order; the
// message is fit for use only when there are none.  Durations are numbers with
// ms, s, m, h or d.  Secrets are never part of an error's text.
std::vector<ConfigError> ParseYamlConfig(absl::string_view text,
                                         google::protobuf::Message* message,
                                         ConfigPlaces* places = nullptr);

// Whether there is nothing more to find: the text is no YAML at all.
bool IsUnreadable(const std::vector<ConfigError>& errors);

// Adds what checks of the values found to what the parser found, in the file's
// order; a value that could not be read is not wrong besides.
void AddErrors(std::vector<ConfigError> more, std::vector<ConfigError>* errors);

}  // namespace mailvane
