#include "agent/reputation/reply_text.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace mailvane {
namespace {

using absl::string_view;

constexpr size_t kNone = string_view::npos;
// What is longer is read at both its ends: the last line of a reply may be the one
// that says why.
constexpr size_t kMostHead = 1400;
constexpr size_t kMostTail = 600;

bool IsDigit(char c) { return c >= '0' && c <= '9'; }
bool IsWord(char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)); }

bool TakeIgnoreCase(string_view* rest, string_view prefix) {
  if (!absl::StartsWithIgnoreCase(*rest, prefix)) return false;
  rest->remove_prefix(prefix.size());
  return true;
}

// Where `needle` (lower case) is, in any case.
size_t FindIgnoreCase(string_view text, string_view needle) {
  const auto found =
      std::search(text.begin(), text.end(), needle.begin(), needle.end(),
                  [](char a, char b) { return absl::ascii_tolower(a) == b; });
  return found == text.end() ? kNone : found - text.begin();
}

ReplyPhase PhaseOf(string_view command) {
  for (string_view pipelined = "pipelined "; TakeIgnoreCase(&command, pipelined);) {
  }
  if (absl::StartsWithIgnoreCase(command, "initial connection") ||
      absl::StartsWithIgnoreCase(command, "receiving the initial") ||
      absl::StartsWithIgnoreCase(command, "performing the initial")) {
    return ReplyPhase::kConnect;
  }
  if (FindIgnoreCase(command.substr(0, 40), "helo") != kNone ||
      FindIgnoreCase(command.substr(0, 40), "ehlo") != kNone ||
      FindIgnoreCase(command.substr(0, 40), "starttls") != kNone) {
    return ReplyPhase::kHelo;
  }
  if (FindIgnoreCase(command.substr(0, 40), "mail from") != kNone)
    return ReplyPhase::kMail;
  if (FindIgnoreCase(command.substr(0, 40), "rcpt to") != kNone) return ReplyPhase::kRcpt;
  if (FindIgnoreCase(command.substr(0, 40), "data") != kNone ||
      FindIgnoreCase(command.substr(0, 40), "message body") != kNone ||
      FindIgnoreCase(command.substr(0, 40), "bdat") != kNone) {
    return ReplyPhase::kData;
  }
  return ReplyPhase::kUnknown;
}

// "mx.example.net[192.0.2.7]:25" or Exim's "mx.example.net [192.0.2.7]:25" at the
// start.
bool TakeHost(string_view* rest, string_view* host) {
  const size_t open = rest->find('[');
  if (open == 0 || open == kNone || open > 256) return false;
  const size_t close = rest->find(']', open);
  if (close == kNone || close - open > 48) return false;
  string_view name = rest->substr(0, open);
  if (absl::EndsWith(name, " ")) name.remove_suffix(1);
  if (name.empty() || name.find(' ') != kNone) return false;
  *host = name;
  rest->remove_prefix(close + 1);
  if (absl::StartsWith(*rest, ":")) {
    size_t size = 1;
    while (size < rest->size() && IsDigit((*rest)[size])) ++size;
    if (size > 1) rest->remove_prefix(size);
  }
  return true;
}

// Exim names the command up to a colon that is not part of it:
// "RCPT TO:<a:b@example.net>: 550 ...", "MAIL FROM:<x> SIZE=1: 451 ...".
size_t EndOfEximCommand(string_view text) {
  bool in_address = false;
  for (size_t i = 0; i < text.size(); ++i) {
    if (text[i] == '<') in_address = true;
    if (text[i] == '>') in_address = false;
    if (!in_address && text[i] == ':' && (i + 1 == text.size() || text[i + 1] == ' ')) {
      return i;
    }
  }
  return kNone;
}

// What stands around a reply: takes it off, and keeps what it tells.
string_view Unwrap(string_view text, ReplyText* out) {
  TakeIgnoreCase(&text, "delivery temporarily suspended: ");
  for (string_view diagnostic : {"diagnostic-code: ", "smtp; ", "smtp;", "lmtp; ",
                                 "x-postfix; ", "x-unix; ", "(reason: ", "reason: "}) {
    TakeIgnoreCase(&text, diagnostic);
  }
  if (TakeIgnoreCase(&text, "h=")) {
    string_view rest = text;
    if (TakeHost(&rest, &out->host)) text = rest;
    if (!TakeIgnoreCase(&text, ": ")) TakeIgnoreCase(&text, " ");
  }
  for (string_view remote : {"smtp error from remote mail server after ",
                             "smtp error from remote mailer after ", "lmtp error after ",
                             "lmtp error from remote mail server after "}) {
    if (!TakeIgnoreCase(&text, remote)) continue;
    out->phase = PhaseOf(text);
    const size_t end = EndOfEximCommand(text);
    text = end == kNone ? string_view()
                        : absl::StripLeadingAsciiWhitespace(text.substr(end + 1));
    break;
  }
  string_view named = text;
  if (TakeIgnoreCase(&named, "host ") && TakeHost(&named, &out->host)) {
    text = named;
    if (TakeIgnoreCase(&text, " refused to talk to me: ")) {
      out->phase = ReplyPhase::kConnect;
    } else if (!TakeIgnoreCase(&text, " said: ")) {
      TakeIgnoreCase(&text, ": ");
    }
  } else if (TakeIgnoreCase(&text, "connect to ") ||
             TakeIgnoreCase(&text, "lost connection with ") ||
             TakeIgnoreCase(&text, "conversation with ")) {
    // The words behind the host say it all, so the words before stay too.
    string_view rest = text;
    TakeHost(&rest, &out->host);
    text = string_view();
  }
  return text;
}

// Behind the reply Postfix says which command it was for.
string_view TakeCommand(string_view text, ReplyText* out) {
  const size_t at = text.rfind(" (in reply to ");
  if (at == kNone || !absl::EndsWith(text, ")")) return text;
  out->phase = PhaseOf(text.substr(at + sizeof(" (in reply to ") - 1));
  return text.substr(0, at);
}

// "5.7.1" at the start, and no more of a number behind it.
string_view DsnAt(string_view text) {
  if (text.size() < 5 || (text[0] != '2' && text[0] != '4' && text[0] != '5') ||
      text[1] != '.') {
    return {};
  }
  size_t size = 2;
  for (int part = 0; part < 2; ++part) {
    const size_t begin = size;
    while (size < text.size() && IsDigit(text[size])) ++size;
    if (size == begin || size - begin > 3) return {};
    if (part == 0) {
      if (size >= text.size() || text[size] != '.') return {};
      ++size;
    }
  }
  if (size < text.size() &&
      (IsWord(text[size]) ||
       (text[size] == '.' && size + 1 < text.size() && IsDigit(text[size + 1])))) {
    return {};
  }
  return text.substr(0, size);
}

// "550" at the start, and no more of a number or word behind it; 0: none.
int CodeAt(string_view text) {
  // Nobody is refused by 1xx or 3xx.
  if (text.size() < 3 || (text[0] != '2' && text[0] != '4' && text[0] != '5') ||
      text[1] < '0' || text[1] > '5' || !IsDigit(text[2])) {
    return 0;
  }
  if (text.size() > 3 &&
      (IsWord(text[3]) || text[3] == '.' || text[3] == ':' || text[3] == '%')) {
    return 0;
  }
  return (text[0] - '0') * 100 + (text[1] - '0') * 10 + (text[2] - '0');
}

bool IsWordStart(string_view text, size_t at) {
  return at == 0 || !(IsWord(text[at - 1]) || text[at - 1] == '.' ||
                      text[at - 1] == '-' || text[at - 1] == ':');
}

// The code at the start; else, in a longer story ("Remote host said: 550 5.1.1 no"),
// one behind a colon, or one that an enhanced code follows.
void FindCodes(string_view text, ReplyText* out) {
  size_t begin = 0;
  out->code = CodeAt(text);
  for (size_t i = 1; out->code == 0 && i + 3 <= text.size(); ++i) {
    if (!IsDigit(text[i]) || !IsWordStart(text, i)) continue;
    const int code = CodeAt(text.substr(i));
    if (code == 0) continue;
    const bool is_said =
        i >= 2 && text[i - 1] == ' ' && (text[i - 2] == ':' || text[i - 2] == '<');
    if (!is_said && (i + 4 > text.size() || DsnAt(text.substr(i + 4)).empty())) continue;
    out->code = code;
    begin = i;
  }
  const char kind = out->code == 0 ? 0 : static_cast<char>('0' + out->code / 100);
  for (size_t i = begin; i + 5 <= text.size(); ++i) {
    if (!IsDigit(text[i]) || (i > 0 && (IsWord(text[i - 1]) || text[i - 1] == '.')))
      continue;
    const string_view dsn = DsnAt(text.substr(i));
    if (dsn.empty() || (kind != 0 && dsn[0] != kind)) continue;
    out->dsn = std::string(dsn);
    return;
  }
}

// Steps through a reply and writes its words.
class Words {
 public:
  Words(string_view text, int code, string_view dsn)
      : rest_(text), code_(code), dsn_(dsn) {}

  std::string Take() {
    while (!rest_.empty() && out_.size() < kMostReplyWords) Step();
    while (!out_.empty() && out_.back() == ' ') out_.pop_back();
    return std::move(out_);
  }

 private:
  void Step() {
    const char c = rest_[0];
    if (c == '<' && TakeBracketed()) return;
    if (at_start_ && (TakeCode() || TakeIp() || TakeToken())) return;
    at_start_ = !IsWord(c) && c != '.' && c != '-' && c != '_' && c != '@';
    // Exim and others show a reply's line ends so.
    if (absl::StartsWith(rest_, "\\n") || absl::StartsWith(rest_, "\\r")) {
      rest_.remove_prefix(2);
      at_start_ = true;
      return Put(' ');
    }
    rest_.remove_prefix(1);
    Put(c);
  }

  void Put(char c) {
    const unsigned char byte = c;
    if (byte <= 0x20 || byte == 0x7f) c = ' ';
    if (c == ' ' && (out_.empty() || out_.back() == ' ')) return;
    out_.push_back(absl::ascii_tolower(static_cast<unsigned char>(c)));
  }

  // "<ann@example.net>", "<unknown[192.0.2.7]>", "<"a>b"@example.net>" → "<>".  A URL
  // in brackets stays.
  bool TakeBracketed() {
    bool quoted = false;
    for (size_t i = 1; i < rest_.size() && i < 400; ++i) {
      if (rest_[i] == '\\') {
        ++i;
      } else if (rest_[i] == '"') {
        quoted = !quoted;
      } else if (rest_[i] == '>' && !quoted) {
        const string_view inside = rest_.substr(1, i - 1);
        if (absl::StartsWithIgnoreCase(inside, "http") && inside.find('@') == kNone) {
          return false;
        }
        rest_.remove_prefix(i + 1);
        absl::StrAppend(&out_, "<>");
        at_start_ = true;
        return true;
      }
    }
    return false;
  }

  // The code and enhanced code that each line of a reply begins with.
  bool TakeCode() {
    if (code_ != 0 && CodeAt(rest_) == code_ &&
        (out_.empty() || out_.back() == ' ' || out_.back() == '\n')) {
      rest_.remove_prefix(std::min<size_t>(4, rest_.size()));
      if (!dsn_.empty() && DsnAt(rest_) == dsn_) rest_.remove_prefix(dsn_.size());
      Put(' ');
      return true;
    }
    if (out_.empty() && !dsn_.empty() && DsnAt(rest_) == dsn_) {
      rest_.remove_prefix(dsn_.size());
      return true;
    }
    return false;
  }

  // "192.0.2.7", "2001:db8::7".
  bool TakeIp() {
    size_t size = 0;
    int dots = 0;
    int colons = 0;
    while (size < rest_.size() && size < 46 &&
           (absl::ascii_isxdigit(static_cast<unsigned char>(rest_[size])) ||
            rest_[size] == '.' || rest_[size] == ':')) {
      dots += rest_[size] == '.';
      colons += rest_[size] == ':';
      ++size;
    }
    // The full stop or colon of a sentence.
    while (size > 0 &&
           (rest_[size - 1] == '.' || (rest_[size - 1] == ':' && colons != 7))) {
      dots -= rest_[size - 1] == '.';
      colons -= rest_[size - 1] == ':';
      --size;
    }
    const bool v4 = dots == 3 && colons == 0 && IsDigit(rest_[0]);
    const bool v6 = colons >= 2 && colons <= 7;
    if (!v4 && !v6) return false;
    if (size < rest_.size() &&
        (IsWord(rest_[size]) || rest_[size] == '-' || rest_[size] == '_')) {
      return false;
    }
    if (size + 1 < rest_.size() && rest_[size] == '.' && IsWord(rest_[size + 1]))
      return false;
    rest_.remove_prefix(size);
    absl::StrAppend(&out_, "ip");
    return true;
  }

  // An address, a host with its IP address, or a URL.
  bool TakeToken() {
    const size_t end = std::min(rest_.find_first_of(" \t<>\"\\"), rest_.size());
    const string_view token = rest_.substr(0, end);
    if (absl::StartsWithIgnoreCase(token, "http://") ||
        absl::StartsWithIgnoreCase(token, "https://")) {
      const size_t query = std::min(token.find_first_of("?#"), token.size());
      for (const char c : token.substr(0, query)) Put(c);
      rest_.remove_prefix(end);
      return true;
    }
    const size_t at = token.find('@');
    if (at != kNone && at > 0 && at + 1 < token.size() && IsWord(token[at + 1])) {
      size_t stop = at + 1;
      while (stop < token.size() &&
             (IsWord(token[stop]) || token[stop] == '.' || token[stop] == '-')) {
        ++stop;
      }
      Put('@');
      rest_.remove_prefix(stop);
      return true;
    }
    const size_t open = token.find('[');
    const size_t close = token.find(']');
    if (open != kNone && open > 0 && close != kNone && close > open + 2 &&
        token.substr(open + 1, close - open - 1)
                .find_first_not_of("0123456789abcdefABCDEF.:") == kNone &&
        token.substr(0, open).find_first_of("=(,;:") == kNone) {
      absl::StrAppend(&out_, "[]");
      rest_.remove_prefix(close + 1);
      return true;
    }
    return false;
  }

  string_view rest_;
  const int code_;
  const string_view dsn_;
  std::string out_;
  // Nothing of a word is right before.
  bool at_start_ = true;
};

}  // namespace

ReplyText ReadReply(string_view text) {
  text = absl::StripAsciiWhitespace(text);
  std::string cut;
  ReplyText out;
  string_view reply = Unwrap(text, &out);
  const bool is_own = reply.empty();
  // What our own side says of a connection names no code.
  reply = is_own ? text : TakeCommand(reply, &out);
  if (!is_own) FindCodes(reply.substr(0, kMostHead), &out);
  if (reply.size() > kMostHead + kMostTail) {
    cut = absl::StrCat(reply.substr(0, kMostHead), " ",
                       reply.substr(reply.size() - kMostTail));
    reply = cut;
  }
  out.words = Words(reply, out.code, out.dsn).Take();
  return out;
}

}  // namespace mailvane
