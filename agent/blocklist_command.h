// `mailvane-agent blocklist`: asks the DNS lists about addresses and domains, now.
#pragma once

#include <string>
#include <vector>

#include "platform/clock.h"

namespace mailvane {

struct BlocklistWords {
  // Addresses and domains; none: this host's public addresses.
  std::vector<std::string> subjects;
  // Only these lists; one that the catalogue does not know is asked as RFC 5782
  // would have it.
  std::vector<std::string> zones;
  // "127.0.0.1:53"; none: those of /etc/resolv.conf.
  std::vector<std::string> resolvers;
  // A file in place of the catalogue that is built in.
  std::string catalogue;
  // "ZONE=FILE": the file has the key of a list that needs one.
  std::vector<std::string> keys;
  // For one question with all its tries.
  double timeout_seconds = 5;
  bool json = false;
  // The clean ones one by one, too.
  bool all = false;
};

// Writes to the two descriptors, and returns the program's exit code: 3 when
// anything is listed, 75 when the resolver does not answer.
int RunBlocklist(const BlocklistWords& words, const Clock& clock, int output, int errors);

}  // namespace mailvane
