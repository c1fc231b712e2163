#include "platform/yaml_config.h"

#include <yaml-cpp/yaml.h>

#include <algorithm>
#include <limits>
#include <set>
#include <tuple>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "google/protobuf/descriptor.h"
#include "google/protobuf/duration.pb.h"

namespace mailvane {
namespace {

using google::protobuf::Descriptor;
using google::protobuf::FieldDescriptor;
using google::protobuf::Message;
using google::protobuf::Reflection;

// "1500ms", "30s", "5m", "2h", "7d" as nanoseconds; false for anything else.
bool ParseDuration(absl::string_view text, google::protobuf::Duration* duration) {
  const size_t digits = text.find_first_not_of("0123456789");
  int64_t number = 0;
  if (digits == 0 || digits == absl::string_view::npos) return false;
  if (!absl::SimpleAtoi(text.substr(0, digits), &number)) return false;
  const absl::string_view unit = text.substr(digits);
  int64_t unit_ms = 0;
  if (unit == "ms") unit_ms = 1;
  if (unit == "s") unit_ms = 1000;
  if (unit == "m") unit_ms = 60'000;
  if (unit == "h") unit_ms = 3'600'000;
  if (unit == "d") unit_ms = 86'400'000;
  // A hundred years: nobody means more, and the product can't overflow.
  if (unit_ms == 0 || number > 3'153'600'000'000 / unit_ms) return false;
  const int64_t total_ms = number * unit_ms;
  duration->set_seconds(total_ms / 1000);
  duration->set_nanos(static_cast<int32_t>(total_ms % 1000 * 1'000'000));
  return true;
}

// Walks a YAML tree and a message together.
class Reader {
 public:
  explicit Reader(ConfigPlaces* places) : places_(places) {}

  void ReadMapping(const YAML::Node& node, const std::string& path, Message* message) {
    // A file that is empty, or "ping:" with nothing after it, sets nothing.
    if (node.IsNull()) return;
    if (!node.IsMap()) {
      return Fail(node, path, "must be a mapping of keys to values");
    }
    std::set<std::string> seen;
    for (const auto& entry : node) {
      if (!entry.first.IsScalar()) {
        Fail(entry.first, path, "a key must be a word");
        continue;
      }
      const std::string& key = entry.first.Scalar();
      const std::string key_path = path.empty() ? key : absl::StrCat(path, ".", key);
      const FieldDescriptor* field = message->GetDescriptor()->FindFieldByName(key);
      if (field == nullptr) {
        Fail(entry.first, key_path,
             absl::StrCat("unknown key; known here: ", KnownKeys(*message)));
      } else if (!seen.insert(key).second) {
        Fail(entry.first, key_path, "the key stands here twice");
      } else {
        if (places_ != nullptr) (*places_)[key_path] = Place(entry.first);
        ReadField(entry.second, key_path, *field, message);
      }
    }
  }

  void Fail(const YAML::Node& node, const std::string& path, std::string message) {
    const ConfigPlace place = Place(node);
    errors_.push_back({place.line, place.column, path, std::move(message)});
  }

  std::vector<ConfigError> TakeErrors() { return std::move(errors_); }

 private:
  static ConfigPlace Place(const YAML::Node& node) {
    const YAML::Mark mark = node.Mark();
    if (mark.is_null()) return {};
    return {mark.line + 1, mark.column + 1};
  }

  static std::string KnownKeys(const Message& message) {
    const Descriptor& type = *message.GetDescriptor();
    std::vector<std::string> names;
    for (int i = 0; i < type.field_count(); ++i) names.push_back(type.field(i)->name());
    return absl::StrJoin(names, ", ");
  }

  void ReadField(const YAML::Node& node, const std::string& path,
                 const FieldDescriptor& field, Message* message) {
    if (!field.is_repeated()) return ReadValue(node, path, field, message);
    // One value stands for a list of one.
    if (!node.IsSequence()) return ReadValue(node, path, field, message);
    for (size_t i = 0; i < node.size(); ++i) {
      const std::string item_path = absl::StrCat(path, "[", i, "]");
      if (places_ != nullptr) (*places_)[item_path] = Place(node[i]);
      ReadValue(node[i], item_path, field, message);
    }
  }

  void ReadValue(const YAML::Node& node, const std::string& path,
                 const FieldDescriptor& field, Message* message) {
    const Reflection& reflection = *message->GetReflection();
    if (field.cpp_type() == FieldDescriptor::CPPTYPE_MESSAGE) {
      Message* const child = field.is_repeated()
                                 ? reflection.AddMessage(message, &field)
                                 : reflection.MutableMessage(message, &field);
      auto* const duration = dynamic_cast<google::protobuf::Duration*>(child);
      if (duration == nullptr) return ReadMapping(node, path, child);
      if (!node.IsScalar() || !ParseDuration(node.Scalar(), duration)) {
        Fail(node, path, absl::StrCat(Shown(node), " is no duration (try 30s)"));
      }
      return;
    }
    if (!node.IsScalar()) {
      return Fail(node, path, "must be one value, not a list or a mapping");
    }
    const std::string& text = node.Scalar();
    switch (field.cpp_type()) {
      case FieldDescriptor::CPPTYPE_STRING:
        return field.is_repeated() ? reflection.AddString(message, &field, text)
                                   : reflection.SetString(message, &field, text);
      case FieldDescriptor::CPPTYPE_BOOL: {
        bool value = false;
        if (!YAML::convert<bool>::decode(node, value)) {
          return Fail(node, path,
                      absl::StrCat(Shown(node), " is neither true nor false"));
        }
        return reflection.SetBool(message, &field, value);
      }
      case FieldDescriptor::CPPTYPE_UINT64: {
        uint64_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) {
          return Fail(node, path, absl::StrCat(Shown(node), " is no whole number"));
        }
        return reflection.SetUInt64(message, &field, value);
      }
      case FieldDescriptor::CPPTYPE_UINT32: {
        uint32_t value = 0;
        if (!absl::SimpleAtoi(text, &value)) {
          return Fail(node, path, absl::StrCat(Shown(node), " is no whole number"));
        }
        return reflection.SetUInt32(message, &field, value);
      }
      default:
        // Our own schema's fault, so at least say it.
        return Fail(node, path, "this kind of field can't be configured");
    }
  }

  // A value as an error may show it: short, on one line.
  static std::string Shown(const YAML::Node& node) {
    if (!node.IsScalar()) return "this";
    std::string text = node.Scalar().substr(0, 40);
    for (char& c : text) {
      if (static_cast<unsigned char>(c) < ' ' || c == 0x7f) c = '?';
    }
    return absl::StrCat("\"", text, "\"");
  }

  ConfigPlaces* const places_;
  std::vector<ConfigError> errors_;
};

}  // namespace

std::string ToString(absl::string_view file, const ConfigError& error) {
  std::string text(file);
  if (error.line > 0) absl::StrAppend(&text, ":", error.line, ":", error.column);
  if (!error.path.empty()) absl::StrAppend(&text, ": ", error.path);
  absl::StrAppend(&text, ": ", error.message);
  // A key, or a character that YAML does not know, as they stand in the file:
  // an error is one line whatever they are.
  std::string line;
  for (char c : text) {
    if (absl::ascii_iscntrl(c)) {
      absl::StrAppend(&line, "\\x", absl::Hex(static_cast<uint8_t>(c), absl::kZeroPad2));
    } else {
      line += c;
    }
  }
  return line;
}

std::vector<ConfigError> ParseYamlConfig(absl::string_view text, Message* message,
                                         ConfigPlaces* places) {
  // yaml-cpp throws on what it can't read: this is the one place it may.
  try {
    Reader reader(places);
    reader.ReadMapping(YAML::Load(std::string(text)), "", message);
    return reader.TakeErrors();
  } catch (const YAML::Exception& error) {
    if (error.mark.is_null()) return {{0, 0, "", error.msg}};
    return {{error.mark.line + 1, error.mark.column + 1, "", error.msg}};
  }
}

bool IsUnreadable(const std::vector<ConfigError>& errors) {
  return !errors.empty() && errors.front().path.empty();
}

void AddErrors(std::vector<ConfigError> more, std::vector<ConfigError>* errors) {
  std::set<std::string> known;
  for (const ConfigError& error : *errors) known.insert(error.path);
  for (ConfigError& error : more) {
    if (known.count(error.path) == 0) errors->push_back(std::move(error));
  }
  // What has no place comes last.
  const auto place = [](const ConfigError& error) {
    return std::make_tuple(error.line == 0, error.line, error.column);
  };
  std::stable_sort(errors->begin(), errors->end(),
                   [&place](const ConfigError& a, const ConfigError& b) {
                     return place(a) < place(b);
                   });
}

}  // namespace mailvane
