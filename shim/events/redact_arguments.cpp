#include "shim/events/redact_arguments.h"

#include <algorithm>

#include "shim/events/client_options.h"
#include "shim/events/secrets.h"

namespace telinject {

namespace {

constexpr size_t kNone = std::string_view::npos;

// Names that are secret only whole: as options, assignments and keys.
constexpr std::string_view kSecretExactly[] = {"pass", "pw",     "psw", "auth", "bearer",
                                               "jwt",  "cookie", "pin", "otp",  "sas"};

char lower(char c) {
  return c >= 'A' && c <= 'Z' ? static_cast<char>(c + 32) : c;
}

std::string lowered(std::string_view text) {
  std::string out;
  for (char c : text) out += c == '_' ? '-' : lower(c);
  return out;
}

bool is_name_char(char c) {
  return (c >= '0' && c <= '9') || (lower(c) >= 'a' && lower(c) <= 'z') || c == '_' || c == '-' ||
         c == '.';
}

std::string_view without_dashes(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  return name;
}

bool is_secret(std::string_view name) {
  name = without_dashes(name);
  // A file with the password in it, a switch, a name: they say where, not what.
  std::string text = lowered(name);
  for (std::string_view ending :
       {"-file", "-path", "-stdin", "-fd", "-prompt", "-env", "-name", "-url", "-type", "-id"}) {
    if (text.ends_with(ending) && text != "aws-access-key-id") return false;
  }
  return is_secret_name(name) || std::find(std::begin(kSecretExactly), std::end(kSecretExactly),
                                           text) != std::end(kSecretExactly);
}

bool all_name(std::string_view text) {
  return !text.empty() && std::all_of(text.begin(), text.end(), is_name_char);
}

// "Authorization: Bearer x" -> "Authorization: REDACTED"; true if it was one.
bool redact_header(std::string* text) {
  size_t colon = text->find(':');
  if (colon == kNone || text->compare(colon, 3, "://") == 0) return false;
  std::string_view name(text->data(), colon);
  // -HAuthorization: x, --header=Authorization: x, and what a shell's script has around it
  if (size_t equals = name.rfind('='); equals != kNone) name.remove_prefix(equals + 1);
  if (name.starts_with("-H")) name.remove_prefix(2);
  while (!name.empty() && (name[0] == '\'' || name[0] == '"')) name.remove_prefix(1);
  if (!all_name(name) || !is_secret_header(name)) return false;
  size_t value = text->find_first_not_of(" \t", colon + 1);
  if (value != kNone) text->replace(value, kNone, kRedacted);
  return true;
}

// "key=value" anywhere between separators: ?sig=x&..., host=h password=x, user:x;pwd=y
void redact_pairs(std::string* text) {
  constexpr std::string_view kSeparators = "?&;#, ";
  size_t at = 0;
  bool query = false;
  while (at < text->size()) {
    size_t end = std::min(text->find_first_of(kSeparators, at), text->size());
    std::string_view part(text->data() + at, end - at);
    size_t equals = part.find('=');
    if (equals != kNone && equals + 1 < part.size()) {
      std::string_view name = part.substr(0, equals);
      if (all_name(name) && (is_secret(name) || (query && is_secret_query(name)))) {
        text->replace(at + equals + 1, part.size() - equals - 1, kRedacted);
        end = at + equals + 1 + kRedacted.size();
      }
    }
    if (end >= text->size()) return;
    query = query || (*text)[end] == '?';
    at = end + 1;
  }
}

// "password": "x" in JSON, 'password': 'x' in what is nearly that.
void redact_json(std::string* text) {
  for (char quote : {'"', '\''}) {
    for (size_t open = text->find(quote); open != kNone;) {
      size_t close = text->find(quote, open + 1);
      if (close == kNone) break;
      size_t colon = text->find_first_not_of(" \t", close + 1);
      std::string_view name(text->data() + open + 1, close - open - 1);
      if (colon == kNone || (*text)[colon] != ':' || !all_name(name) || !is_secret(name)) {
        open = close + 1 < text->size() ? text->find(quote, close + 1) : kNone;
        // A name's closing quote is not another's opening one.
        continue;
      }
      size_t value = text->find_first_not_of(" \t", colon + 1);
      if (value == kNone) break;
      bool quoted = (*text)[value] == quote;
      size_t from = quoted ? value + 1 : value;
      size_t end = from;
      while (end < text->size() &&
             (quoted ? (*text)[end] != quote : (*text)[end] != ',' && (*text)[end] != '}')) {
        end += quoted && (*text)[end] == '\\' ? 2 : 1;
      }
      end = std::min(end, text->size());
      text->replace(from, end - from, kRedacted);
      size_t next = from + kRedacted.size() + (quoted ? 1 : 0);
      open = next < text->size() ? text->find(quote, next) : kNone;
    }
  }
}

// "Bearer x", "Basic x": the word behind.
void redact_schemes(std::string* text) {
  for (std::string_view scheme : {"bearer ", "basic "}) {
    std::string low;
    for (char c : *text) low += lower(c);
    size_t at = low.find(scheme);
    if (at == kNone || (at > 0 && is_name_char(low[at - 1]))) continue;
    size_t from = text->find_first_not_of(' ', at + scheme.size());
    if (from == kNone) continue;
    size_t end = std::min(text->find_first_of(" '\"", from), text->size());
    if (end - from >= 8) text->replace(from, end - from, kRedacted);
  }
}

std::string hide_part(std::string_view value, SecretPart part) {
  char sign = part == SecretPart::kAfterColon ? ':' : part == SecretPart::kAfterSign ? '%' : ',';
  size_t at = value.find(sign);
  if (part == SecretPart::kAll) return std::string(kRedacted);
  if (at != kNone) return std::string(value.substr(0, at + 1)) + std::string(kRedacted);
  std::string text(value);  // a URL instead, perhaps
  redact_users(&text);
  return text;
}

std::vector<std::string_view> split(std::string_view text, char separator) {
  std::vector<std::string_view> parts;
  for (;;) {
    size_t end = text.find(separator);
    parts.push_back(text.substr(0, end));
    if (end == kNone) return parts;
    text.remove_prefix(end + 1);
  }
}

// Walks over the arguments of one program.
class Redactor {
 public:
  std::string run(const std::vector<std::string_view>& arguments, int depth) {
    std::string out;
    for (size_t i = 0; i < arguments.size(); i++) {
      if (i > 0) out += ' ';
      out += one(arguments[i], i, depth);
    }
    return out;
  }

 private:
  enum class Next { kPlain, kSecret, kClient, kHeader };

  // Whose options they are: behind launchers, their options and assignments.
  void look_for_program(std::string_view argument) {
    bool assignment = argument.find('=') != kNone;
    if (program_known_ || argument.empty() || argument.starts_with('-') || assignment) return;
    if (is_launcher(argument)) {
      launched_ = true;
      return;
    }
    options_ = client_options(argument);
    // "timeout 5 mysql", "nice -n 5 mysql": numbers and the like are none; so any argument may be
    // one.
    program_known_ = !launched_ || !options_.empty();
  }

  std::string one(std::string_view argument, size_t index, int depth) {
    look_for_program(argument);
    Next next = next_;
    next_ = Next::kPlain;
    bool option = argument.size() > 1 && argument[0] == '-';
    if (next == Next::kSecret && !(option && is_option(argument))) return std::string(kRedacted);
    if (next == Next::kClient) return hide_part(argument, part_);

    std::string text(argument);
    if (redact_header(&text)) return text;
    if (option && !options_.empty()) {
      for (const ClientOption& client : options_) {
        if (argument == client.option && client.separate) {
          next_ = Next::kClient;
          part_ = client.part;
          return text;
        }
        bool long_option = client.option.starts_with("--");
        if (client.attached && argument.size() > client.option.size() &&
            argument.starts_with(client.option) && !argument.starts_with("--")) {
          return std::string(client.option) +
                 hide_part(argument.substr(client.option.size()), client.part);
        }
        if (long_option && argument.size() > client.option.size() &&
            argument.starts_with(client.option) && argument[client.option.size()] == '=') {
          return std::string(client.option) + "=" +
                 hide_part(argument.substr(client.option.size() + 1), client.part);
        }
      }
    }
    size_t equals = argument.find('=');
    if (equals != kNone && all_name(argument.substr(0, equals)) &&
        is_secret(argument.substr(0, equals))) {
      bool empty = equals + 1 == argument.size();
      return std::string(argument.substr(0, equals + 1)) + std::string(empty ? "" : kRedacted);
    }
    // aws configure set aws_secret_access_key X: a name alone, and long enough to be nothing else
    bool bare_name = index > 0 && argument.size() > 15 && all_name(argument);
    if (equals == kNone && (option || bare_name) && all_name(without_dashes(argument)) &&
        is_secret(argument)) {
      next_ = Next::kSecret;
    }
    // A shell's script, a connection string: looked at word by word, as a command of its own.
    constexpr int kDepth = 2;
    if (depth < kDepth && argument.find_first_of(" \n\t") != kNone) {
      redact_json(&text);
      redact_schemes(&text);
      redact_pairs(&text);
      text = script(text, depth + 1);
    } else {
      redact_json(&text);
      redact_schemes(&text);
      redact_pairs(&text);
    }
    redact_users(&text);
    redact_tokens(&text);
    return text;
  }

  static bool is_option(std::string_view argument) {
    return argument.size() > 1 &&
           (argument[1] == '-' || (lower(argument[1]) >= 'a' && lower(argument[1]) <= 'z')) &&
           argument.size() < 32;
  }

  // Lines and words are kept as they are; each simple command starts anew.
  static std::string script(const std::string& text, int depth) {
    std::string out;
    std::vector<std::string_view> words;
    auto finish = [&] {
      if (!words.empty()) out += Redactor().run(words, depth);
      words.clear();
    };
    size_t at = 0;
    std::string_view all(text);
    while (at <= all.size()) {
      size_t end = std::min(all.find_first_of(" \t\n;|&()", at), all.size());
      words.push_back(all.substr(at, end - at));
      if (end == all.size()) break;
      if (all[end] == ' ') {
        at = end + 1;
        continue;
      }
      finish();
      out += all[end];
      at = end + 1;
    }
    finish();
    return out;
  }

  std::vector<ClientOption> options_;
  bool program_known_ = false, launched_ = false;
  Next next_ = Next::kPlain;
  SecretPart part_ = SecretPart::kAll;
};

}  // namespace

std::string redact_arguments(const std::vector<std::string_view>& arguments) {
  return Redactor().run(arguments, 0);
}

std::string redact_joined_arguments(std::string_view text) {
  if (text.ends_with('\0')) text.remove_suffix(1);
  return text.empty() ? std::string() : redact_arguments(split(text, '\0'));
}

}  // namespace telinject
