#include "shim/redaction/redactor.h"

#include "shim/redaction/characters.h"
#include "shim/redaction/command_line.h"
#include "shim/redaction/percent.h"
#include "shim/redaction/subprotocols.h"

namespace telinject::redaction {

namespace {}  // namespace

bool Redactor::scan(std::string_view text, Place place, int encodings, std::string* out) {
  bool found = Scan(text, place, &names_).run(out);
  std::string_view rest = found ? *out : text;
  if (encodings == 0 || rest.find('%') == kNotFound) return found;
  std::string more;
  auto inner = [&](std::string_view decoded, std::string* to) {
    return scan(decoded, place, encodings - 1, to);
  };
  if (!redact_encoded(rest, inner, &more)) return found;
  *out = std::move(more);
  return true;
}

std::string Redactor::scanned(std::string_view text, Place place) {
  std::string out;
  if (!scan(text, place, kMaxEncodings, &out)) out.assign(text);
  return out;
}

// Capitals within a word may begin another one ("ApiKey"), but in a header's name they need not
// mean anything ("COokie").
bool Redactor::secret_header(std::string_view name) {
  if (names_.judge(name) != Secrecy::kNone) return true;
  std::string lower(name);
  bool within = false, letter = false;
  for (char& c : lower) {
    bool capital = c >= 'A' && c <= 'Z';
    within = within || (capital && letter);
    if (capital) c = static_cast<char>(c - 'A' + 'a');
    letter = c >= 'a' && c <= 'z';
  }
  // What the handshake of a WebSocket calls a key is no secret.
  if (!within || lower.starts_with("sec-websocket-")) return false;
  return names_.judge(lower) != Secrecy::kNone;
}

void Redactor::header(std::string_view name, std::string_view value, std::string* out) {
  if (secret_header(name)) {
    out->assign(kRedacted);
  } else if (is_subprotocols(name)) {
    *out = scanned(redact_subprotocols(value), Place::kUrl);
  } else {
    url(value, out);
  }
}

void Redactor::url(std::string_view url, std::string* out) {
  if (!clean_.has(url)) {
    if (scan(url, Place::kUrl, kMaxEncodings, out)) return;
    clean_.add(url);
  }
  out->assign(url);
}

std::string Redactor::text(std::string_view text) {
  // A command has blanks in it.
  if (text.find(' ') == kNotFound) return scanned(text, Place::kText);
  return scanned(CommandLine(&names_).script(text), Place::kText);
}

std::string Redactor::path(std::string_view path) {
  return scanned(path, Place::kText);
}

std::string Redactor::arguments(const std::vector<std::string_view>& arguments) {
  CommandLine line(&names_);
  std::string out;
  for (size_t i = 0; i < arguments.size(); i++) {
    if (i > 0) out += ' ';
    out += scanned(line.next(arguments[i]), Place::kText);
  }
  return out;
}

std::string Redactor::joined_arguments(std::string_view joined) {
  if (joined.ends_with('\0')) joined.remove_suffix(1);
  if (joined.empty()) return {};
  std::vector<std::string_view> arguments;
  for (;;) {
    size_t end = joined.find('\0');
    arguments.push_back(joined.substr(0, end));
    if (end == kNotFound) break;
    joined.remove_prefix(end + 1);
  }
  return this->arguments(arguments);
}

}  // namespace telinject::redaction
