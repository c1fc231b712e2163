// What a verdict costs: a delivered "250", a reply that was heard before, and one whose
// words are new.
//
//   bazel run -c opt --copt=-O2 //tests/bench:reply_bench
#include <cstdio>
#include <fstream>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "agent/reputation/reply_classifier.h"
#include "tests/bench/stopwatch.h"

namespace mailvane {
namespace {

constexpr int kRuns = 5;

int Main(const char* path) {
  std::ifstream file(path);
  std::vector<std::string> replies;
  for (std::string line; std::getline(file, line);) {
    const std::vector<std::string> fields = absl::StrSplit(line, '\t');
    if (fields.size() == 5) replies.push_back(fields[4]);
  }
  if (replies.empty()) return fprintf(stderr, "%s: cannot be read\n", path), 1;
  std::unique_ptr<ReplyClassifier> classifier;
  const double made =
      BestCpuSeconds(1, [&] { classifier = std::make_unique<ReplyClassifier>(); });
  constexpr int kMany = 1'000'000;
  const double taken = BestCpuSeconds(kRuns, [&] {
    for (int i = 0; i < kMany; ++i) {
      Keep(classifier->Classify({"alt1.gmail-smtp-in.l.google.com", "250 2.0.0 OK", ""}));
    }
  });
  const double known = BestCpuSeconds(kRuns, [&] {
    for (const std::string& reply : replies) Keep(classifier->Classify({"", reply, ""}));
  });
  // Each with a word that nobody has said before.
  std::vector<std::string> fresh;
  for (int i = 0; i < 20; ++i) {
    for (const std::string& reply : replies) {
      fresh.push_back(absl::StrCat(reply, " q", i, "x", fresh.size()));
    }
  }
  const double unknown = BestCpuSeconds(1, [&] {
    for (const std::string& reply : fresh) Keep(classifier->Classify({"", reply, ""}));
  });
  printf("rules read and compiled  %8.1f ms\n", made * 1e3);
  printf("delivered                %8.3f us a reply\n", taken / kMany * 1e6);
  printf("heard before             %8.3f us\n",
         known / static_cast<double>(replies.size()) * 1e6);
  printf("new words                %8.3f us\n",
         unknown / static_cast<double>(fresh.size()) * 1e6);
  return 0;
}

}  // namespace
}  // namespace mailvane

int main(int argc, char** argv) {
  return mailvane::Main(argc > 1 ? argv[1] : "tests/testdata/replies/fixtures.tsv");
}
