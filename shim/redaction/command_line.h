// Finds secrets by their place in a command: values of options, by name or program, and arguments
// of known programs. Secrets that an argument shows by itself are found by the scan (scan.h).
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "shim/redaction/clients.h"
#include "shim/redaction/name_judge.h"

namespace telinject::redaction {

class CommandLine {
 public:
  explicit CommandLine(NameJudge* names, int depth = 0) : names_(names), depth_(depth) {}

  // A program's arguments, one by one, from its name on. They are known as a whole, so a value with
  // blanks in it is hidden whole.
  std::string next(std::string_view argument);

  // A shell's script, or a text with commands in it: word by word, a command at a time. Blanks stay
  // as they are.
  std::string script(std::string_view text);

 private:
  enum class Pending { kNone, kSecret, kIfRandom, kClient };
  struct Script;
  struct Input;

  void begin_command();
  bool look_for_program(std::string_view argument);  // true if it is one of clients.h
  std::optional<std::string> client_option(std::string_view argument);
  std::optional<std::string> joined_flags(std::string_view argument, const ClientOption& option);
  std::optional<std::string> client_argument(std::string_view argument);
  std::optional<std::string> named_option(std::string_view argument, size_t index);
  std::optional<std::string> short_password(std::string_view argument);
  std::optional<std::string> user_and_password(std::string_view argument);
  void expect(const ClientOption& option);

  NameJudge* names_;
  int depth_;
  size_t index_ = 0;
  Client client_;
  bool program_known_ = false, launched_ = false;
  Pending pending_ = Pending::kNone;
  SecretPart part_ = SecretPart::kAll;
  std::string name_;                    // of the option whose value is pending
  std::string previous_, said_before_;  // the beginnings of the last argument and the one before
  bool in_text_ = false;
  bool may_have_password_ = false, has_user_ = false;  // as -p X; -u
  const ClientArgument* row_ = nullptr;
  int skip_ = 0, count_ = 0;
  std::string seen_;  // subcommands, each between spaces
};

}  // namespace telinject::redaction
