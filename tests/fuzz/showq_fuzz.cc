// Whatever the bytes, and however they are split, the decoder says the same; it
// neither accepts a cut answer nor counts more than the bytes have room for.
#include <cstdint>
#include <cstdlib>

#include "absl/strings/string_view.h"
#include "agent/source/showq_decoder.h"

namespace {

using mailvane::kPostfixQueues;
using mailvane::PostfixQueue;
using mailvane::ShowqDecoder;
using mailvane::ShowqTotal;

void Require(bool holds) {
  if (!holds) abort();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const absl::string_view bytes(reinterpret_cast<const char*>(data), size);
  ShowqDecoder whole;
  const bool fed = whole.Feed(bytes).ok();
  const bool good = whole.Finish().ok();
  Require(fed || !good);

  ShowqDecoder split;
  // Pieces of many lengths, as the input itself says.
  for (size_t at = 0, i = 0; at < size; ++i) {
    const size_t length = 1 + data[i % size] % 7;
    split.Feed(bytes.substr(at, length)).IgnoreError();
    at += length;
  }
  Require(split.Finish().ok() == good);

  uint64_t messages = 0;
  for (size_t i = 0; i < kPostfixQueues; ++i) {
    const PostfixQueue queue = static_cast<PostfixQueue>(i);
    const ShowqTotal& total = whole.total(queue);
    messages += total.messages;
    Require(total.oldest_arrival.has_value() == (total.messages > 0));
    if (!good) continue;
    Require(split.total(queue).messages == total.messages);
    Require(split.total(queue).bytes == total.bytes);
    Require(split.total(queue).oldest_arrival == total.oldest_arrival);
  }
  // A message needs its three names.
  Require(messages <= size / 20);

  if (good) {
    ShowqDecoder cut;
    cut.Feed(bytes.substr(0, size - 1)).IgnoreError();
    Require(!cut.Finish().ok());
  }
  return 0;
}
