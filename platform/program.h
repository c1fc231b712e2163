// What every program of ours does alike: exit codes, common words of the
// command line, signals that come through a descriptor.
#pragma once

#include <signal.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <CLI/CLI.hpp>
#include <cstdio>
#include <initializer_list>
#include <string>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"
#include "platform/log.h"
#include "platform/version.h"

namespace mailvane {

inline constexpr int kExitOk = 0;
inline constexpr int kExitFailure = 1;
inline constexpr int kExitUsage = 2;
inline constexpr int kExitFindings = 3;
inline constexpr int kExitTemporary = 75;

struct LogWords {
  std::string level = "info";
  std::string format = "logfmt";
};

inline void AddCommonWords(CLI::App* app, LogWords* words) {
  app->add_option("--log.level", words->level, "debug, info, warning or error")
      ->capture_default_str();
  app->add_option("--log.format", words->format, "logfmt or json")->capture_default_str();
  app->set_version_flag("--version", app->get_name() + " " + kVersion);
}

inline absl::Status Apply(const LogWords& words) {
  absl::StatusOr<LogLevel> level = ParseLogLevel(words.level);
  if (!level.ok()) return level.status();
  absl::StatusOr<LogFormat> format = ParseLogFormat(words.format);
  if (!format.ok()) return format.status();
  SetLogLevel(*level);
  SetLogFormat(*format);
  return absl::OkStatus();
}

inline int Fail(absl::string_view message) {
  fprintf(stderr, "%.*s\n", static_cast<int>(message.size()), message.data());
  return kExitFailure;
}

inline int Usage(absl::string_view message) {
  fprintf(stderr, "%.*s\nRun with --help for more information.\n",
          static_cast<int>(message.size()), message.data());
  return kExitUsage;
}

// CLI11 throws; this is the one place where it may.  --help and --version exit
// with 0, words that make no sense with 2.
#define CLI11_PARSE_OR_EXIT(app, argc, argv)                                      \
  try {                                                                           \
    (app).parse(argc, argv);                                                      \
  } catch (const CLI::ParseError& error) {                                        \
    return (app).exit(error) == 0 ? ::mailvane::kExitOk : ::mailvane::kExitUsage; \
  }

// Signals as something to wait for, in place of handlers.  Made before the
// first thread, so that all threads leave them alone.
class SignalDescriptor {
 public:
  SignalDescriptor(std::initializer_list<int> signals) {
    sigset_t set;
    sigemptyset(&set);
    for (int signal : signals) sigaddset(&set, signal);
    sigprocmask(SIG_BLOCK, &set, nullptr);
    descriptor_ = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    ::signal(SIGPIPE, SIG_IGN);
  }
  ~SignalDescriptor() { close(descriptor_); }
  SignalDescriptor(const SignalDescriptor&) = delete;
  SignalDescriptor& operator=(const SignalDescriptor&) = delete;

  int descriptor() const { return descriptor_; }
  // 0: none.
  int Take() const {
    signalfd_siginfo info{};
    return read(descriptor_, &info, sizeof info) == sizeof info
               ? static_cast<int>(info.ssi_signo)
               : 0;
  }

 private:
  int descriptor_;
};

}  // namespace mailvane
