// Whatever the bytes of a Postfix queue file's head and its defer file: what comes out
// are parts of them, and a longer head never takes back what a shorter one said.
#include <cstdint>
#include <cstdlib>
#include <functional>

#include "absl/strings/string_view.h"
#include "agent/source/postfix_spool.h"

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
  const auto head = mailvane::ParseQueueFileHead(bytes);
  if (head) {
    Require(IsPart(head->sender, bytes));
    Require(IsPart(head->recipient, bytes));
    Require(IsPart(head->orig_recipient, bytes));
    Require(head->has_sender || head->sender.empty());
  }
  const auto shorter = mailvane::ParseQueueFileHead(bytes.substr(0, size / 2));
  if (head && shorter && !shorter->recipient.empty()) {
    Require(head->recipient == shorter->recipient);
  }
  Require(IsPart(mailvane::ParseDeferFile(bytes), bytes));
  return 0;
}
