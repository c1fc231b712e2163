// Any bytes as a reply: no crash, bounded words and outcome, and the same verdict when
// asked again.  What stands in <> with an @ decides nothing.
#include <stdlib.h>

#include <cstddef>
#include <cstdint>
#include <string>

#include "agent/reputation/reply_classifier.h"
#include "agent/reputation/reply_text.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static mailvane::ReplyClassifier& classifier = *new mailvane::ReplyClassifier;
  const std::string text(reinterpret_cast<const char*>(data), size);
  const mailvane::ReplyText read = mailvane::ReadReply(text);
  // A token may be written out whole once the limit is near.
  if (read.words.size() > 2 * mailvane::kMostReplyWords) abort();
  const mailvane::ReplyVerdict first = classifier.Classify({"", text, ""});
  const mailvane::ReplyVerdict second = classifier.Classify({"", text, ""});
  if (first.rule != second.rule || first.zone != second.zone) abort();
  if (first.zone.size() > 100 || first.delist_url.size() > 300) abort();
  classifier.Classify({text, text, text});

  // A mailbox's name, as a server repeats it.
  std::string address = text.substr(0, 200);
  for (char& c : address) {
    const unsigned char byte = c;
    if (byte <= 0x20 || byte >= 0x7f || c == '<' || c == '>' || c == '"' || c == '\\')
      c = 'x';
  }
  const mailvane::ReplyVerdict plain =
      classifier.Classify({"", "550 5.7.0 <ann@example.net> no", ""});
  const mailvane::ReplyVerdict named =
      classifier.Classify({"", "550 5.7.0 <" + address + "@example.net> no", ""});
  if (plain.reply_class != named.reply_class) abort();
  return 0;
}
