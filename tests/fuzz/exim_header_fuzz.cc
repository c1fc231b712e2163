// Whatever the bytes of Exim's header file and message log: what comes out are parts of
// them, and no more waits than came.
#include <cstdint>
#include <cstdlib>
#include <functional>

#include "absl/strings/string_view.h"
#include "agent/source/exim_header.h"

namespace {

void Require(bool holds) {
  if (!holds) abort();
}

bool IsPart(absl::string_view part, absl::string_view whole) {
  if (part.empty()) return true;
  const std::less_equal<const char*> no_later;
  return no_later(whole.data(), part.data()) &&
         no_later(part.data() + part.size(), whole.data() + whole.size());
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  if (const auto header = mailvane::ParseEximHeader(bytes)) {
    Require(IsPart(header->sender, bytes));
    Require(IsPart(header->first_waiting, bytes));
    Require(header->waiting <= header->recipients);
    Require(header->recipients <= size);
    Require(header->header_bytes.value_or(0) <= size);
    Require(header->arrived >= 0);
  }
  const mailvane::EximLastWord word = mailvane::ParseEximMessageLog(bytes);
  Require(IsPart(word.reason, bytes));
  Require(IsPart(word.relay_host, bytes));
  return 0;
}
