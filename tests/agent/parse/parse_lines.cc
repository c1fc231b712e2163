// Counts what becomes of each line of a log on standard input, and how long that
// took; with an argument ("other", "ambiguous", "unparsed", or a kind) prints the
// texts of those.
#include <chrono>
#include <cstdio>
#include <iostream>
#include <iterator>
#include <string>

#include "absl/time/clock.h"
#include "agent/parse/mail.h"

int main(int argc, char** argv) {
  const std::string log((std::istreambuf_iterator<char>(std::cin)),
                        std::istreambuf_iterator<char>());
  const std::string show = argc > 1 ? argv[1] : "";
  mailvane::SyslogReader reader(absl::UTCTimeZone());
  const absl::Time now = absl::Now();
  uint64_t counts[mailvane::kMailKinds] = {};
  uint64_t lines = 0, foreign = 0, unparsed = 0, ambiguous = 0;
  const auto begin = std::chrono::steady_clock::now();
  for (size_t pos = 0; pos < log.size();) {
    const size_t end = std::min(log.find('\n', pos), log.size());
    const absl::string_view text(log.data() + pos, end - pos);
    pos = end + 1;
    ++lines;
    const auto say = [&](absl::string_view what) {
      if (show == what) std::printf("%.*s\n", int(text.size()), text.data());
    };
    const auto header = reader.Parse(text, now);
    if (!header.has_value()) {
      ++unparsed;
      say("unparsed");
      continue;
    }
    const auto line = mailvane::ParseMail(*header);
    if (!line.has_value()) {
      ++foreign;
      continue;
    }
    if (line->ambiguous) {
      ++ambiguous;
      say("ambiguous");
    }
    ++counts[static_cast<int>(line->kind)];
    say(mailvane::MailKindName(line->kind));
  }
  const std::chrono::duration<double> took = std::chrono::steady_clock::now() - begin;
  std::fprintf(stderr, "%lu lines, %lu unparsed, %lu foreign, %lu ambiguous;", lines,
               unparsed, foreign, ambiguous);
  for (int i = 0; i < mailvane::kMailKinds; ++i) {
    const auto name = mailvane::MailKindName(static_cast<mailvane::MailKind>(i));
    if (counts[i] > 0)
      std::fprintf(stderr, " %s %lu", std::string(name).c_str(), counts[i]);
  }
  std::fprintf(stderr, "; %.2f M lines/s\n", lines / took.count() / 1e6);
}
