#include "agent/source/main_cf.h"

#include <algorithm>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "absl/strings/strip.h"

namespace mailvane {
namespace {

constexpr char kConfigDirectory[] = "/etc/postfix";
constexpr char kQueueDirectory[] = "/var/spool/postfix";
constexpr char kLogFile[] = "/var/log/mail.log";

// Deeper than anyone nests, and than a loop needs to show itself.
constexpr int kMaxDepth = 10;
// Names replaced in one value: ten levels of nothing, ten times each, would take
// for ever.
constexpr int kMaxExpansions = 1000;
// PATH_MAX; settings that double at each step stop here.
constexpr size_t kMaxValue = 4096;

// What a path may be built of; Debian's own values.
constexpr std::pair<absl::string_view, absl::string_view> kDefaults[] = {
    {"command_directory", "/usr/sbin"},
    {"config_directory", kConfigDirectory},
    {"daemon_directory", "/usr/lib/postfix/sbin"},
    {"data_directory", "/var/lib/postfix"},
    {"mail_name", "Postfix"},
    {"multi_instance_name", ""},
    {"queue_directory", kQueueDirectory},
    {"syslog_name", "postfix"},
};

bool IsNameCharacter(char c) { return absl::ascii_isalnum(c) || c == '_'; }

absl::Status CannotTell(absl::string_view what) {
  return absl::FailedPreconditionError(what);
}

}  // namespace

MainCf MainCf::Parse(absl::string_view text) {
  MainCf file;
  std::string logical;
  const auto take = [&file, &logical] {
    const size_t equals = logical.find('=');
    if (equals != std::string::npos) {
      const absl::string_view line = logical;
      const absl::string_view name = absl::StripAsciiWhitespace(line.substr(0, equals));
      const absl::string_view value = absl::StripAsciiWhitespace(line.substr(equals + 1));
      file.settings_[std::string(name)] = std::string(value);
    }
    logical.clear();
  };
  for (absl::string_view line : absl::StrSplit(text, '\n')) {
    absl::ConsumeSuffix(&line, "\r");
    const absl::string_view content = absl::StripLeadingAsciiWhitespace(line);
    if (content.empty() || content[0] == '#') continue;
    if (content.size() == line.size()) take();
    absl::StrAppend(&logical, line);
  }
  take();
  return file;
}

std::optional<std::string> MainCf::Raw(absl::string_view name) const {
  const auto setting = settings_.find(name);
  if (setting == settings_.end()) return std::nullopt;
  return setting->second;
}

absl::StatusOr<std::optional<std::string>> MainCf::Value(absl::string_view name) const {
  const auto setting = settings_.find(name);
  if (setting == settings_.end()) return std::optional<std::string>();
  std::string value;
  int budget = kMaxExpansions;
  const absl::Status status = Append(setting->second, 0, &budget, &value);
  if (!status.ok()) return CannotTell(absl::StrCat(name, ": ", status.message()));
  return std::optional<std::string>(std::move(value));
}

absl::Status MainCf::Append(absl::string_view text, int depth, int* budget,
                            std::string* out) const {
  if (depth > kMaxDepth) return CannotTell("leads back to itself");
  while (true) {
    const size_t dollar = std::min(text.find('$'), text.size());
    absl::StrAppend(out, text.substr(0, dollar));
    if (out->size() > kMaxValue) return CannotTell("is too long");
    text.remove_prefix(dollar);
    if (text.empty()) return absl::OkStatus();
    text.remove_prefix(1);
    if (absl::ConsumePrefix(&text, "$")) {
      out->push_back('$');
      continue;
    }
    if (--*budget < 0) return CannotTell("needs too many names");
    char close = '\0';
    if (absl::ConsumePrefix(&text, "{"))
      close = '}';
    else if (absl::ConsumePrefix(&text, "("))
      close = ')';
    const size_t length =
        std::find_if_not(text.begin(), text.end(), IsNameCharacter) - text.begin();
    const absl::string_view name = text.substr(0, length);
    text.remove_prefix(length);
    if (name.empty() || (close != '\0' && !absl::ConsumePrefix(&text, {&close, 1}))) {
      return CannotTell("has an expansion that only Postfix can do");
    }
    absl::string_view value;
    if (const auto setting = settings_.find(name); setting != settings_.end()) {
      value = setting->second;
    } else {
      const auto* known =
          std::find_if(std::begin(kDefaults), std::end(kDefaults),
                       [name](const auto& entry) { return entry.first == name; });
      if (known == std::end(kDefaults)) {
        return CannotTell(absl::StrCat("needs $", name, ", which is not set"));
      }
      value = known->second;
    }
    absl::Status status = Append(value, depth + 1, budget, out);
    if (!status.ok()) return status;
  }
}

std::optional<absl::Duration> ParsePeriod(absl::string_view text, absl::Duration unit) {
  absl::Duration sum;
  if (text.empty()) return std::nullopt;
  while (!text.empty()) {
    const size_t digits =
        std::find_if_not(text.begin(), text.end(), absl::ascii_isdigit) - text.begin();
    uint32_t number = 0;
    if (!absl::SimpleAtoi(text.substr(0, digits), &number)) return std::nullopt;
    text.remove_prefix(digits);
    absl::Duration size = unit;
    if (!text.empty()) {
      constexpr std::pair<char, absl::Duration> kUnits[] = {{'s', absl::Seconds(1)},
                                                            {'m', absl::Minutes(1)},
                                                            {'h', absl::Hours(1)},
                                                            {'d', absl::Hours(24)},
                                                            {'w', absl::Hours(24 * 7)}};
      const auto* known = std::find_if(
          std::begin(kUnits), std::end(kUnits),
          [&](const auto& one) { return one.first == absl::ascii_tolower(text[0]); });
      if (known == std::end(kUnits)) return std::nullopt;
      size = known->second;
      text.remove_prefix(1);
    }
    sum += number * size;
  }
  return sum;
}

MailPaths FindMailPaths(const FileSystem& files, const v1::AgentConfig& config) {
  MailPaths paths;
  paths.queue_directory = kQueueDirectory;
  paths.log_file = kLogFile;

  const std::string& directory = config.postfix().config_directory();
  const std::string path =
      absl::StrCat(directory.empty() ? kConfigDirectory : directory, "/main.cf");
  const absl::StatusOr<std::string> text = files.ReadAll(path);
  paths.has_postfix = !absl::IsNotFound(text.status());
  MainCf main_cf;
  if (text.ok()) {
    main_cf = MainCf::Parse(*text);
  } else if (paths.has_postfix) {
    paths.detail = std::string(text.status().message());
  }

  // Whether `name` names a file or directory; says why when it should.
  const auto ask = [&](absl::string_view name, std::string* into, PathOrigin* origin) {
    const absl::StatusOr<std::optional<std::string>> value = main_cf.Value(name);
    std::string why;
    if (!value.ok()) {
      why = std::string(value.status().message());
    } else if (!value->has_value() || (*value)->empty()) {
      return;
    } else if (!absl::StartsWith(**value, "/")) {
      why = absl::StrCat(name, ": is no absolute path");
    } else if (absl::StartsWith(**value, "/dev/")) {
      why = absl::StrCat(name, ": is a device");
    } else {
      *into = **value;
      *origin = PathOrigin::kMainCf;
      return;
    }
    absl::StrAppend(&paths.detail, paths.detail.empty() ? "" : "; ", path, ": ", why);
  };
  const auto settle = [&](const std::string& configured, absl::string_view name,
                          std::string* into, PathOrigin* origin) {
    if (configured.empty()) return ask(name, into, origin);
    *into = configured;
    *origin = PathOrigin::kConfig;
  };
  settle(config.postfix().queue_directory(), "queue_directory", &paths.queue_directory,
         &paths.queue_origin);
  settle(config.log().file(), "maillog_file", &paths.log_file, &paths.log_origin);

  if (!text.ok()) return paths;
  const auto period = [&](absl::string_view name) -> std::optional<absl::Duration> {
    const absl::StatusOr<std::optional<std::string>> value = main_cf.Value(name);
    if (!value.ok()) return std::nullopt;
    return ParsePeriod(value->value_or("5d"), absl::Hours(24));
  };
  paths.lifetime = period("maximal_queue_lifetime");
  paths.notice_lifetime = period("bounce_queue_lifetime");
  const absl::StatusOr<std::optional<std::string>> instances =
      main_cf.Value("multi_instance_directories");
  if (instances.ok() && instances->has_value()) {
    for (absl::string_view one :
         absl::StrSplit(**instances, absl::ByAnyChar(", \t\n"), absl::SkipEmpty())) {
      paths.instances.emplace_back(one);
    }
  }
  return paths;
}

}  // namespace mailvane
