// CPU seconds to read a queue with its breakdown, beside a bare walk of the same
// directories: the least that any reader must do.  queue_bench.py makes the queue and
// asks the mail programs' own tools.
//
//   queue_bench postfix|exim DIRECTORY
#include <dirent.h>
#include <sys/stat.h>

#include <cinttypes>
#include <cstdio>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "agent/analyze/queue_view.h"
#include "agent/source/mail_queue.h"
#include "agent/source/queue_reader.h"
#include "platform/file_system.h"
#include "tests/bench/stopwatch.h"

namespace mailvane {
namespace {

constexpr int kRuns = 5;

uint64_t Walk(const std::string& path) {
  uint64_t entries = 0;
  DIR* const directory = opendir(path.c_str());
  if (directory == nullptr) return 0;
  while (const dirent* entry = readdir(directory)) {
    if (entry->d_name[0] == '.') continue;
    if (entry->d_type == DT_DIR) {
      entries += Walk(absl::StrCat(path, "/", entry->d_name));
    } else {
      ++entries;
    }
  }
  closedir(directory);
  return entries;
}

uint64_t Read(QueueReader* reader, QueueView* view) {
  const Instant now = {absl::Now(), absl::Now() - absl::UnixEpoch()};
  view->Begin(now);
  reader->Start(now);
  std::optional<v1::QueueReading> reading;
  while (!(reading = reader->Poll(now))) {
  }
  if (!reading->detail().empty()) printf("%s\n", reading->detail().c_str());
  view->Finish(now, &*reading);
  uint64_t messages = 0;
  for (const v1::QueueDepth& depth : reading->depths()) messages += depth.messages();
  return messages;
}

int Main(const std::string& program, const std::string& directory) {
  MailQueue queue;
  queue.program = program == "exim" ? QueueProgram::kExim : QueueProgram::kPostfix;
  queue.directory = directory;
  QueueView::Options options;
  options.lifetime = options.notice_lifetime = absl::Hours(120);

  uint64_t entries = 0;
  const double walk = BestCpuSeconds(kRuns, [&] {
    entries = 0;
    for (const char* part : program == "exim"
                                ? std::initializer_list<const char*>{"/input"}
                                : std::initializer_list<const char*>{
                                      "/incoming", "/active", "/deferred", "/hold"}) {
      entries += Walk(directory + part);
    }
  });
  uint64_t messages = 0;
  double first[2];
  for (const SpoolReasons reasons : {SpoolReasons::kLeave, SpoolReasons::kRead}) {
    first[reasons == SpoolReasons::kRead] = BestCpuSeconds(kRuns, [&] {
      QueueView view(options);
      QueueReader reader(
          queue, [&](const QueuedMessage& message) { view.Take(message); }, reasons);
      messages = Read(&reader, &view);
    });
  }
  QueueView view(options);
  QueueReader reader(
      queue, [&](const QueuedMessage& message) { view.Take(message); },
      SpoolReasons::kLeave);
  Read(&reader, &view);
  const double refresh = BestCpuSeconds(kRuns, [&] { Read(&reader, &view); });
  printf("{\"messages\":%" PRIu64 ",\"entries\":%" PRIu64
         ",\"walk\":%.4f,\"first\":%.4f,\"first_with_reasons\":%.4f,\"refresh\":%.4f}\n",
         messages, entries, walk, first[0], first[1], refresh);
  return 0;
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) {
  if (argc != 3) return fprintf(stderr, "queue_bench postfix|exim DIRECTORY\n"), 2;
  return mailvane::Main(argv[1], argv[2]);
}
