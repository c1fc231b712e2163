#include "agent/queue_command.h"

#include <poll.h>

#include <algorithm>
#include <iterator>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "agent/analyze/queue_view.h"
#include "agent/command_output.h"
#include "agent/log_input.h"
#include "agent/parse/mail.h"
#include "agent/parse/mail_json.h"
#include "agent/source/mail_queue.h"
#include "agent/source/queue_reader.h"
#include "platform/program.h"

namespace mailvane {
namespace {

// More than a queue has, as a rule.
constexpr size_t kMostRows = 500;

// What is said of one queue.
struct Answer {
  MailQueue queue;
  // "files", "socket".
  absl::string_view read_by;
  std::string path;
  v1::QueueReading reading;
};

v1::QueueDepth Total(const v1::QueueReading& reading) {
  v1::QueueDepth total;
  for (const v1::QueueDepth& depth : reading.depths()) {
    total.set_messages(total.messages() + depth.messages());
    total.set_bytes(total.bytes() + depth.bytes());
    if (!depth.has_oldest_age_seconds()) continue;
    total.set_oldest_age_seconds(
        std::max(total.oldest_age_seconds(), depth.oldest_age_seconds()));
  }
  return total;
}

absl::string_view QueueName(v1::Queue queue) {
  switch (queue) {
    case v1::QUEUE_ACTIVE:
      return "active";
    case v1::QUEUE_INCOMING:
      return "incoming";
    case v1::QUEUE_DEFERRED:
      return "deferred";
    case v1::QUEUE_HOLD:
      return "hold";
    case v1::QUEUE_MAILDROP:
      return "maildrop";
    case v1::QUEUE_CORRUPT:
      return "corrupt";
    case v1::QUEUE_FROZEN:
      return "frozen";
    default:
      return "unknown";
  }
}

// Why, in one word: a closed set.
absl::string_view UnavailableName(v1::Unavailable unavailable) {
  switch (unavailable) {
    case v1::UNAVAILABLE_NOT_FOUND:
      return "not_found";
    case v1::UNAVAILABLE_PERMISSION_DENIED:
      return "permission_denied";
    case v1::UNAVAILABLE_TIMEOUT:
      return "timeout";
    case v1::UNAVAILABLE_MALFORMED:
      return "malformed";
    default:
      return "other";
  }
}

// "3m", "5h", "2d 4h".
std::string Age(uint64_t seconds) {
  const uint64_t days = seconds / 86400;
  const uint64_t hours = seconds / 3600;
  if (days > 0) return absl::StrCat(days, "d ", hours % 24, "h");
  if (hours > 0) return absl::StrCat(hours, "h ", seconds / 60 % 60, "m");
  if (seconds >= 60) return absl::StrCat(seconds / 60, "m");
  return absl::StrCat(seconds, "s");
}

std::string Bytes(uint64_t bytes) {
  const char* const units[] = {"B", "kB", "MB", "GB", "TB"};
  double number = static_cast<double>(bytes);
  size_t unit = 0;
  while (number >= 999.5 && unit + 1 < std::size(units)) {
    number /= 1000;
    ++unit;
  }
  return absl::StrFormat(unit == 0 || number >= 9.95 ? "%.0f %s" : "%.1f %s", number,
                         units[unit]);
}

absl::Status TakeLog(const std::string& path, absl::Time now, QueueView* view) {
  auto input = LogInput::Open(path, [] {});
  if (!input.ok()) return input.status();
  SyslogReader reader(absl::LocalTimeZone());
  absl::string_view text;
  while ((*input)->Next(&text)) {
    const std::optional<SyslogLine> header = reader.Parse(text, now);
    if (!header) continue;
    const std::optional<MailLine> line = ParseMail(*header);
    if (line && !line->ambiguous) view->TakeLine(*line);
  }
  return (*input)->status();
}

Answer Read(const MailQueue& queue, const Clock& clock, QueueView* view) {
  QueueReader reader(
      queue, [view](const QueuedMessage& message) { view->Take(message); },
      SpoolReasons::kRead);
  view->Begin(clock.Now());
  reader.Start(clock.Now());
  std::optional<v1::QueueReading> reading;
  while (!(reading = reader.Poll(clock.Now()))) {
    pollfd wait = {reader.Descriptor(), POLLIN, 0};
    const absl::Duration until = reader.NextDeadline() - clock.Now().mono;
    poll(&wait, 1,
         static_cast<int>(
             std::clamp<int64_t>(absl::ToInt64Milliseconds(until), 0, 60'000)));
  }
  if (reading->unavailable() == v1::UNAVAILABLE_UNSPECIFIED) {
    view->Finish(clock.Now(), &*reading);
  }
  return {queue, reader.by_files() ? "files" : "socket", reader.location(),
          *std::move(reading)};
}

void AppendJson(const Answer& answer, std::string* out) {
  const v1::QueueReading& reading = answer.reading;
  absl::StrAppend(out, "{\"program\":\"", QueueProgramName(answer.queue.program),
                  "\",\"path\":");
  AppendJsonString(answer.path, out);
  absl::StrAppend(out, ",\"read_by\":\"", answer.read_by, "\"");
  if (reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
    absl::StrAppend(out, ",\"unavailable\":\"", UnavailableName(reading.unavailable()),
                    "\",\"detail\":");
    AppendJsonString(reading.detail(), out);
    *out += "}\n";
    return;
  }
  const auto depth = [out](const v1::QueueDepth& one) {
    absl::StrAppend(out, "\"messages\":", one.messages(), ",\"bytes\":", one.bytes());
    if (one.has_oldest_age_seconds()) {
      absl::StrAppend(out, ",\"oldest_age_seconds\":", one.oldest_age_seconds());
    }
  };
  *out += ",";
  depth(Total(reading));
  *out += ",\"queues\":[";
  const char* comma = "";
  for (const v1::QueueDepth& one : reading.depths()) {
    absl::StrAppend(out, std::exchange(comma, ","), "{\"queue\":\"",
                    QueueName(one.queue()), "\",");
    depth(one);
    *out += "}";
  }
  *out += "],\"causes\":[";
  comma = "";
  for (const v1::QueueCause& cause : reading.causes()) {
    absl::StrAppend(out, std::exchange(comma, ","), "{\"provider\":\"", cause.provider(),
                    "\",\"age\":\"", cause.age(), "\",\"reason\":\"", cause.reason(),
                    "\",\"messages\":", cause.messages(), ",\"bytes\":", cause.bytes(),
                    "}");
  }
  *out += "]";
  if (answer.queue.lifetime) {
    absl::StrAppend(
        out, ",\"lifetime_seconds\":", absl::ToInt64Seconds(*answer.queue.lifetime));
  } else {
    *out += ",\"lifetime_detail\":";
    AppendJsonString(answer.queue.lifetime_detail, out);
  }
  if (reading.has_expiring()) {
    absl::StrAppend(out, ",\"expiring_within_6h\":", reading.expiring());
  }
  if (reading.has_forwarded()) {
    absl::StrAppend(out, ",\"forwarded\":", reading.forwarded());
  }
  *out += "}\n";
}

// A path, to a terminal.
std::string Shown(absl::string_view text) {
  std::string shown;
  AppendJsonString(text, &shown);
  return shown.substr(1, shown.size() - 2);
}

void AppendTable(const Answer& answer, std::string* out) {
  const v1::QueueReading& reading = answer.reading;
  absl::StrAppendFormat(out, "%s, %s (%s)\n",
                        answer.queue.program == QueueProgram::kExim ? "Exim" : "Postfix",
                        Shown(answer.path),
                        answer.read_by == "files" ? "its files" : "what showq says");
  if (reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) {
    absl::StrAppendFormat(out, "UNKNOWN: %s\n", Shown(reading.detail()));
    return;
  }
  absl::StrAppendFormat(out, "\n%-12s%10s%10s  %s\n", "QUEUE", "MESSAGES", "SIZE",
                        "OLDEST");
  const auto row = [out](absl::string_view name, const v1::QueueDepth& depth) {
    absl::StrAppendFormat(
        out, "%-12s%10d%10s  %s\n", name, depth.messages(), Bytes(depth.bytes()),
        depth.has_oldest_age_seconds() ? Age(depth.oldest_age_seconds()) : "-");
  };
  for (const v1::QueueDepth& depth : reading.depths()) {
    row(QueueName(depth.queue()), depth);
  }
  const v1::QueueDepth total = Total(reading);
  row("all", total);
  if (reading.causes_size() > 0) {
    absl::StrAppendFormat(out, "\n%-16s%-11s%-22s%10s%10s\n", "PROVIDER", "AGE", "REASON",
                          "MESSAGES", "SIZE");
  }
  for (const v1::QueueCause& cause : reading.causes()) {
    std::string age = cause.age();
    std::replace(age.begin(), age.end(), '_', ' ');
    absl::StrAppendFormat(out, "%-16s%-11s%-22s%10d%10s\n", cause.provider(), age,
                          cause.reason(), cause.messages(), Bytes(cause.bytes()));
  }
  *out += "\n";
  if (reading.has_expiring()) {
    absl::StrAppendFormat(out, "expires within 6 h: %d", reading.expiring());
    if (answer.queue.lifetime) {
      absl::StrAppendFormat(out, " (given up after %s)",
                            Age(absl::ToInt64Seconds(*answer.queue.lifetime)));
    }
    *out += "\n";
  } else {
    absl::StrAppendFormat(out, "expires within 6 h: UNKNOWN (%s)\n",
                          Shown(answer.queue.lifetime_detail));
  }
  if (reading.has_forwarded()) {
    absl::StrAppendFormat(out, "forwarded mail: %d of %d\n", reading.forwarded(),
                          total.messages());
  } else {
    *out += "forwarded mail: UNKNOWN (only a log tells: --log FILE)\n";
  }
}

}  // namespace

int RunQueue(const QueueWords& words, const v1::AgentConfig& config,
             const FileSystem& files, const Clock& clock, int output, int errors) {
  CommandOutput out(output, errors);
  bool unknown = false;
  std::vector<MailQueue> queues;
  for (const std::string& spool : words.spools) {
    absl::StatusOr<MailQueue> queue = MailQueueIn(files, config, spool);
    if (queue.ok()) {
      queues.push_back(*std::move(queue));
    } else {
      out.Complain(queue.status().message());
    }
  }
  if (words.spools.empty()) queues = FindMailQueues(files, config);
  if (queues.empty() && words.spools.empty()) {
    out.Complain("no queue of Postfix or Exim was found; --spool DIR says where one is");
  }
  for (const MailQueue& queue : queues) {
    QueueView::Options options;
    options.lifetime = queue.lifetime;
    options.notice_lifetime = queue.notice_lifetime;
    options.most_causes = kMostRows;
    QueueView view(options);
    for (const std::string& log : words.logs) {
      const absl::Status heard = TakeLog(log, clock.Now().wall, &view);
      if (!heard.ok()) out.Complain(heard.message());
    }
    const Answer answer = Read(queue, clock, &view);
    if (answer.reading.unavailable() != v1::UNAVAILABLE_UNSPECIFIED) unknown = true;
    if (words.json) {
      AppendJson(answer, &out.text());
    } else {
      if (&queue != &queues.front()) out.text() += "\n";
      AppendTable(answer, &out.text());
    }
    out.Written();
  }
  out.Flush();
  return unknown || out.failed() ? kExitFailure : kExitOk;
}

}  // namespace mailvane
