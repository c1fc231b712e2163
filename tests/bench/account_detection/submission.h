// A message that an account hands in, as the generator means it; the writer makes a mail
// program's log of it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace mailvane {

// How a mail program can be told: its way to log in and say hello, its Message-IDs.
struct MailProgram {
  int id_style = 0;
  const char* sasl_method = "PLAIN";
  int hello = 0;
};
inline constexpr int kIdStyles = 10;

enum class Answer {
  kTaken,
  kGreylisted,  // taken at the second attempt
  kUnknown,
  kSpam,
  kRateLimited,  // taken later
  kFull,
};

struct Submission {
  double time = 0;  // seconds since 1970
  int account = 0;  // of the world; -1: nobody's, mail from outside
  // Empty: by a program on the host itself.
  std::string client_ip;
  std::string login;  // empty: none
  std::string sender;
  MailProgram program;
  std::vector<std::pair<std::string, Answer>> recipients;
  bool theft = false;
  // Seconds until the first delivery is logged.
  double delay = 1;
};

}  // namespace mailvane
