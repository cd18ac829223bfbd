#include "shim/redaction/command_line.h"

#include <algorithm>
#include <utility>

#include "shim/redaction/characters.h"
#include "shim/redaction/names.h"
#include "shim/redaction/scan.h"
#include "shim/redaction/values.h"

namespace telinject::redaction {

namespace {

// A script in an argument of a script.
constexpr int kMaxDepth = 3;
constexpr size_t kMostSeen = 128;

bool is_all_name(std::string_view text) {
  return !text.empty() &&
         std::all_of(text.begin(), text.end(), [](char c) { return is(c, kName); });
}

std::string_view without_dashes(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  return name;
}

bool is_option(std::string_view argument) {
  return argument.size() > 1 && argument.size() < 40 && argument[0] == '-' &&
         (argument[1] == '-' || is(argument[1], kLetter));
}

// "$NAME" and the like, in a script: what it stands for is not in the text.
bool is_nothing(std::string_view value) {
  return is_plain_value(value);
}

std::string hidden(std::string_view before = {}, std::string_view behind = {}) {
  std::string text(before);
  return text.append(kRedacted).append(behind);
}

std::string after_slash(std::string_view value) {
  size_t slash = value.find('/'), sign = value.rfind('@');
  bool user =
      slash != kNotFound && slash > 0 && sign != 0 && value.find_first_of(" =:") == kNotFound;
  if (sign != kNotFound && sign < slash) user = false;
  if (!user || value.find('/', slash + 1) < sign || value[0] == '.') return std::string(value);
  std::string_view password =
      value.substr(slash + 1, sign == kNotFound ? kNotFound : sign - slash - 1);
  if (is_nothing(password)) return std::string(value);
  return hidden(value.substr(0, slash + 1), sign == kNotFound ? "" : value.substr(sign));
}

// The secret part of a value; what has none stays, and is looked through as others are.
std::string hide_part(std::string_view value, SecretPart part) {
  constexpr std::string_view kSigns = " :%,/=";
  if (is_nothing(value)) return std::string(value);
  if (part == SecretPart::kAll) return hidden();
  if (part == SecretPart::kAfterSlash) return after_slash(value);
  if (part == SecretPart::kSource) {
    bool elsewhere = value == "stdin" || value.starts_with("file:") || value.starts_with("env:") ||
                     value.starts_with("fd:");
    return elsewhere ? std::string(value) : hidden();
  }
  size_t at = value.find(kSigns[static_cast<size_t>(part)]);
  bool url = value.find("://") != kNotFound;
  if (at == kNotFound || url || is_nothing(value.substr(at + 1))) return std::string(value);
  return hidden(value.substr(0, at + 1));
}

// The program has a -p that is no password, and perhaps -u besides.
bool has_other_p(std::string_view program) {
  constexpr std::string_view kPrograms[] = {
      "journalctl", "ps",        "lsof",    "pgrep",   "pkill",   "top",    "htop",  "docker",
      "podman",     "nerdctl",   "sudo",    "patch",   "diff",    "nmap",   "ssh",   "tar",
      "cp",         "mkdir",     "make",    "python",  "python3", "perl",   "ruby",  "pip",
      "pip3",       "install",   "cargo",   "gcc",     "g++",     "clang",  "rsync", "git",
      "bash",       "sh",        "dash",    "zsh",     "scp",     "tox",    "apt",   "dpkg",
      "read",       "systemctl", "tcpdump", "strace",  "gdb",     "pytest", "npm",   "adduser",
      "unshare",    "nsenter",   "ss",      "netstat", "ctest",   "gprof",  "grep",  "xargs",
      "touch",      "date",      "ls",      "find",    "gzip",    "zstd",   "xz",    "lpr",
      "lp",         "lpstat",    "cancel",  "chrt",    "taskset", "ionice", "perf",  "bpftrace"};
  return is_one_of(program.substr(program.rfind('/') + 1), kPrograms);
}

// As generators and rules for passwords have it, not as names of packages and versions.
bool looks_chosen(std::string_view value) {
  if (value.size() < 8 || value.size() > 128) return false;
  bool digit = false, small = false, capital = false, within = false;
  for (size_t i = 0; i < value.size(); i++) {
    digit = digit || is(value[i], kDigit);
    small = small || is(value[i], kLower);
    capital = capital || is(value[i], kUpper);
    within = within || (i + 1 < value.size() && is(value[i], kDigit) && is(value[i + 1], kLetter));
  }
  return digit && small && capital && within;
}

}  // namespace

void CommandLine::begin_command() {
  *this = CommandLine(names_, depth_);
  in_text_ = true;
}

// Whose options they are: behind launchers, their options and assignments; and behind what else
// runs commands (docker exec, ssh), so any argument may name it.
bool CommandLine::look_for_program(std::string_view argument) {
  bool assignment = argument.find('=') != kNotFound;
  if (in_text_ && assignment) {  // ProxyCommand=sshpass -p x
    argument.remove_prefix(argument.find('=') + 1);
    assignment = !client(argument).known();
  }
  if (argument.empty() || argument.starts_with('-') || assignment) return false;
  if (!program_known_ && is_launcher(argument)) {
    launched_ = true;
    return false;
  }
  // In a sentence a program's name may be a word as any other.
  bool begins = !in_text_ || index_ == 1 || launched_ || said_before_.ends_with(':');
  Client found = client(argument);
  program_known_ = program_known_ || !launched_ || found.known();
  if (!found.known()) return false;
  client_ = found;
  seen_.clear();
  row_ = nullptr;
  if (!begins) client_.arguments = {};
  for (const ClientArgument* row : client_.arguments) {
    if (row->after.empty()) {
      row_ = row;
      skip_ = row->skip;
      count_ = row->count;
    }
  }
  return true;
}

void CommandLine::expect(const ClientOption& option) {
  pending_ = Pending::kClient;
  part_ = option.part;
}

// -sSu user:x, of curl.
std::optional<std::string> CommandLine::joined_flags(std::string_view argument,
                                                     const ClientOption& option) {
  if (option.programs != " curl " || option.option.size() != 2 || argument.starts_with("--")) {
    return std::nullopt;
  }
  size_t at = argument.find(option.option[1], 1);
  if (at == kNotFound || at < 2) return std::nullopt;
  std::string_view flags = argument.substr(1, at - 1);
  if (flags.find_first_not_of(kCurlFlags) != kNotFound) return std::nullopt;
  if (at + 1 == argument.size()) {
    expect(option);
    return std::string(argument);
  }
  std::string value = hide_part(argument.substr(at + 1), option.part);
  value.insert(0, argument.substr(0, at + 1));
  return value;
}

std::optional<std::string> CommandLine::client_option(std::string_view argument) {
  if (argument.empty() || (argument[0] != '-' && argument[0] != '/')) return std::nullopt;
  for (const ClientOption* row : client_.options) {
    const ClientOption& option = *row;
    std::string behind = " " + std::string(option.behind) + " ";
    if (!option.behind.empty() && seen_.find(behind) == kNotFound) continue;
    if (argument == option.option && option.separate) {
      expect(option);
      return std::string(argument);
    }
    size_t size = option.option.size();
    bool begins = argument.size() > size && argument.starts_with(option.option);
    bool is_long = option.option.starts_with("--") || (option.separate && size > 2);
    if (begins && is_long && argument[size] == '=') size++;
    if (begins && (size > option.option.size() || (option.attached && argument[1] != '-'))) {
      std::string value = hide_part(argument.substr(size), option.part);
      value.insert(0, argument.substr(0, size));
      return value;
    }
    if (auto joined = joined_flags(argument, option)) return joined;
  }
  return std::nullopt;
}

std::optional<std::string> CommandLine::client_argument(std::string_view argument) {
  bool option = argument.starts_with('-');
  if (row_ != nullptr && !option) {
    if (skip_ > 0) {
      skip_--;
    } else if (count_-- > 0) {
      bool pair = row_->part == SecretPart::kAll && argument.find('=') != kNotFound &&
                  is_all_name(argument.substr(0, argument.find('=')));
      if (!pair) return hide_part(argument, row_->part);
    }
  }
  for (const ClientArgument* row : client_.arguments) {
    bool prefix = row->after.ends_with('*');
    std::string_view after = row->after.substr(0, row->after.size() - (prefix ? 1 : 0));
    if (after.empty()) continue;
    bool matches = prefix ? argument.starts_with(after) : same_ignoring_case(argument, after);
    if (!matches) continue;
    row_ = row;
    skip_ = row->skip;
    count_ = row->count;
  }
  return std::nullopt;
}

// --password=x, password=x, --password x, -pw x; and "config set github.token x".
std::optional<std::string> CommandLine::named_option(std::string_view argument, size_t index) {
  size_t equals = argument.find('=');
  std::string_view name = without_dashes(argument.substr(0, equals));
  if (equals == kNotFound && name.find(':') != kNotFound) name.remove_prefix(name.rfind(':') + 1);
  if (!is_all_name(name) || names_->judge(name) < Secrecy::kAnywhere) return std::nullopt;
  if (equals != kNotFound) {
    if (in_text_) return std::nullopt;  // the scan knows where it ends
    std::string_view value = argument.substr(equals + 1);
    bool quoted = value.size() > 1 && is(value[0], kQuote) && value.back() == value[0];
    std::string_view quote = value.substr(0, quoted ? 1 : 0);
    if (quoted) value = value.substr(1, value.size() - 2);
    if (is_plain_value(value) || is_harmless(name, value)) return std::nullopt;
    return hidden(argument.substr(0, equals + 1 + quote.size()), quote);
  }
  if (argument.starts_with('-') && name.size() > 1) {
    pending_ = Pending::kSecret;
  } else if (index > 0 && !argument.starts_with('-') && name != "passwd") {
    constexpr std::string_view kSetters[] = {"set", "config", "setx", "configure"};
    pending_ = is_one_of(said_before_, kSetters) ? Pending::kSecret : Pending::kIfRandom;
  }
  name_ = name;
  return std::nullopt;
}

// -u me:x, --user=me:x of a program that is not known: if it looks as if.
std::optional<std::string> CommandLine::user_and_password(std::string_view argument) {
  constexpr std::string_view kOptions[] = {"-u", "--user", "--login", "--userpass", "--basic-auth"};
  size_t colon = argument.find(':');
  if (!is_one_of(said_before_, kOptions) || colon == kNotFound || colon == 0) return std::nullopt;
  std::string_view password = argument.substr(colon + 1);
  if (password.starts_with("//") || !looks_random(password, 6)) return std::nullopt;
  return hidden(argument.substr(0, colon + 1));
}

// -p X of a program that is not known: if it has a user, too, whatever X is; else if X looks as if.
std::optional<std::string> CommandLine::short_password(std::string_view argument) {
  if (index_ == 1) may_have_password_ = !has_other_p(argument);
  if (!may_have_password_ || client_.known()) return std::nullopt;
  constexpr std::string_view kUsers[] = {"-u", "-U", "-l", "--user", "--username", "--login"};
  constexpr std::string_view kPasswords[] = {"-p", "-P", "-w"};
  bool user = is_one_of(argument, kUsers) || argument.starts_with("--user=") ||
              argument.starts_with("--username=") || argument.starts_with("--login=");
  has_user_ = has_user_ || user;
  bool attached = argument.size() > 5 && argument.starts_with("-p");
  bool separate = is_one_of(said_before_, kPasswords);
  if (!attached && !separate) return std::nullopt;
  std::string_view value = attached ? argument.substr(2) : argument;
  bool word = !value.empty() && value.find_first_of("/=,:. ") == kNotFound && value[0] != '-' &&
              !is_plain_value(value);
  bool number = std::all_of(value.begin(), value.end(), [](char c) { return is(c, kDigit); });
  bool secret = word && !number && (looks_chosen(value) || (has_user_ && value.size() > 5));
  if (!secret) return std::nullopt;
  return hidden(argument.substr(0, attached ? 2 : 0));
}

std::string CommandLine::next(std::string_view argument) {
  size_t index = index_++;
  Pending pending = std::exchange(pending_, Pending::kNone);
  said_before_ = std::exchange(previous_, std::string(argument.substr(0, 40)));
  bool option = is_option(argument);
  bool nothing =
      pending != Pending::kNone && (is_plain_value(argument) || is_harmless(name_, argument));
  if (argument == "=") {
    pending_ = pending;  // SET PASSWORD = 'x'
    return std::string(argument);
  }
  bool named = pending == Pending::kClient && option &&
               names_->judge(without_dashes(argument)) >= Secrecy::kAnywhere;
  if (pending == Pending::kClient && !named) return hide_part(argument, part_);
  if (pending == Pending::kSecret && !option && !nothing) return hidden();
  if (pending == Pending::kIfRandom && !option && !nothing && looks_random(argument, 6) &&
      argument.find_first_of("=/ ") == kNotFound) {
    return hidden();
  }
  bool program = look_for_program(argument);
  if (auto found = client_option(argument)) return *found;
  if (auto found = program ? std::nullopt : client_argument(argument)) return *found;
  if (auto found = user_and_password(argument)) return *found;
  if (auto found = short_password(argument)) return *found;
  if (auto found = named_option(argument, index)) return *found;
  if (is_all_name(argument) && seen_.size() < kMostSeen) {
    if (seen_.empty()) seen_ = ' ';
    seen_.append(argument).append(" ");
  }
  bool script = depth_ < kMaxDepth && argument.find_first_of(" \n\t") != kNotFound;
  return script ? CommandLine(names_, depth_ + 1).script(argument) : std::string(argument);
}

// Words, as a shell splits them.
struct CommandLine::Script {
  std::string_view text;
  size_t at = 0;
  bool closing[2] = {true, true};  // there may be a ' or a " behind

  // The end of the quoted part that begins at `open`, or `open` if it does not end.
  size_t quoted_end(size_t open) {
    bool doubled = text[open] == '"';
    if (!closing[doubled]) return open;
    for (size_t end = open + 1; end < text.size(); end++) {
      if (doubled && text[end] == '\\') {
        end++;
      } else if (text[end] == text[open]) {
        return end;
      }
    }
    closing[doubled] = false;
    return open;
  }

  // An apostrophe within a word opens nothing, but for an option's value: -p'x y'
  std::string_view word() {
    size_t start = at;
    for (; at < text.size(); at++) {
      char c = text[at];
      if (is(c, kBlank | kShell)) break;
      if (c == '\\') at++;
      bool within = at > start && is(text[at - 1], kLetter | kDigit) && text[start] != '-';
      if (is(c, kQuote) && !within) at = quoted_end(at);
    }
    at = std::min(at, text.size());
    return text.substr(start, at - start);
  }
};

// What a shell gives to a program that reads a password: echo X | sudo -S, sudo -S <<< X. Where it
// stands in what was written.
struct CommandLine::Input {
  size_t from = kNotFound, to = kNotFound;
  bool is_told() const { return from != kNotFound && to != kNotFound; }
  void hide(std::string* out) {
    while (to > from && (*out)[to - 1] == ' ') to--;
    bool quotes = to - from > 1 && is((*out)[from], kQuote) && (*out)[to - 1] == (*out)[from];
    out->replace(from + quotes, to - from - 2 * quotes, kRedacted);
    *this = {};
  }
};

// `said` is what the command says that stands before a pipe; `here` what it reads.
std::string CommandLine::script(std::string_view text) {
  Script words = {text};
  std::string out;
  in_text_ = true;
  Input said, here;
  bool says = false, sudo = false, reads = false, here_follows = false;
  while (words.at < text.size()) {
    char c = text[words.at];
    if (is(c, kBlank) && c != '\n') {
      out += text[words.at++];
      continue;
    }
    std::string_view word = words.word();
    if (word.empty()) {
      words.at++;
      bool pipe = c == '|';
      if (pipe && here.is_told()) said = here;  // cat <<< X |
      if (pipe && says && said.from != kNotFound && said.to == kNotFound) said.to = out.size();
      if (!pipe || !said.is_told()) said = {};
      here = {};
      says = sudo = reads = here_follows = false;
      begin_command();
      out += c;
      continue;
    }
    constexpr std::string_view kHere = "<<<";
    if (word.starts_with(kHere)) {
      out += kHere;
      word.remove_prefix(kHere.size());
      here_follows = true;
      if (word.empty()) continue;
    }
    bool quoted = word.size() > 1 && is(word[0], kQuote) && word.back() == word[0];
    std::string_view inner = quoted ? word.substr(1, word.size() - 2) : word;
    if (here_follows) {
      here_follows = false;
      here.from = out.size();
      out += word;
      here.to = out.size();
      if (reads) here.hide(&out);
      continue;
    }
    if (index_ == 0) says = inner == "echo" || inner == "printf" || inner == "yes";
    if (says && index_ == 1) said.from = out.size();
    sudo = sudo || inner == "sudo";
    bool su = index_ == 0 && inner == "su";
    if (su || reads_secret(inner) || (sudo && inner.starts_with("-S"))) {
      reads = true;
      for (Input* input : {&said, &here}) {
        if (input->is_told()) input->hide(&out);
      }
    }
    std::string_view quote = word.substr(0, quoted ? 1 : 0);
    out.append(quote).append(next(inner)).append(quote);
  }
  return out;
}

}  // namespace telinject::redaction
