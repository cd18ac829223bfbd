#include "shim/drain/main/dump_command.h"

#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <system_error>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "shim/channel/hello.h"
#include "shim/channel/session.h"
#include "shim/drain/base/text_of_file.h"
#include "shim/drain/base/warn.h"
#include "shim/drain/main/exit_status.h"
#include "shim/sinks/printable_text.h"
#include "shim/sinks/sink.h"
#include "shim/sinks/standard_error.h"

namespace telinject::drain {

namespace {

namespace fs = std::filesystem;

fs::path folder_of(int pid) {
  return fs::path("/proc") / std::to_string(pid);
}

// That the process was started with.
std::optional<Session> session_of(int pid) {
  std::string environment = text_of_file(folder_of(pid) / "environ");
  std::vector<std::string> variables = absl::StrSplit(environment, '\0');
  for (const std::string& variable : variables) {
    Session session;
    if (!variable.starts_with(absl::StrCat(kSessionVariable, "="))) continue;
    if (parse_session(variable.c_str() + variable.find('=') + 1, &session)) return session;
  }
  return std::nullopt;
}

bool is_drain(int pid) {
  return text_of_file(folder_of(pid) / "comm") == "telinject-drain\n";
}

// The first number behind a name in the process's status; -1 if there is none.
int64_t status_of(int pid, std::string_view name) {
  std::ifstream status(folder_of(pid) / "status");
  std::string word;
  int64_t number = 0;
  while (status >> word) {
    if (word == name && status >> number) return number;
  }
  return -1;
}

// Any user may give a process the drain's name, and have it watch any process. Its real user is
// what counts: a program with more rights than the user who started it has that user's environment.
bool may_be_drain_of(int drain, int pid) {
  int64_t user = status_of(drain, "Uid:");
  return user == 0 || (user > 0 && user == status_of(pid, "Uid:"));
}

// A drain watches the processes that it serves.
bool watches(int drain, int pid) {
  std::error_code error;
  std::string line = absl::StrCat("\nPid:\t", pid, "\n");
  for (const auto& entry : fs::directory_iterator(folder_of(drain) / "fdinfo", error)) {
    if (text_of_file(entry.path()).find(line) != std::string::npos) return true;
  }
  return false;
}

// Of the drain that telrun, by this number, has started; or that the process has itself, for
// without telrun the first program of a session has no session in its environment.
std::optional<Session> session_by_drain(int pid) {
  std::error_code error;
  for (const auto& entry : fs::directory_iterator("/proc", error)) {
    int drain;
    if (!absl::SimpleAtoi(entry.path().filename().string(), &drain) || !is_drain(drain)) continue;
    if (!may_be_drain_of(drain, pid)) continue;
    if (status_of(drain, "PPid:") != pid && !watches(drain, pid)) continue;
    if (std::optional<Session> session = session_of(drain)) return session;
  }
  return std::nullopt;
}

// Only root, or the session's user, may be listening by that name.
bool is_our_drain(int fd, const Session& session) {
  ucred peer = {};
  socklen_t length = sizeof peer;
  bool known = getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &peer, &length) == 0;
  return known && (peer.uid == 0 || peer.uid == session.uid);
}

int connect_to(const Session& session) {
  using Address = uint32_t (*)(const Session&, sockaddr_un*);
  for (Address address_of : {session_path_address, session_abstract_address}) {
    sockaddr_un address;
    uint32_t length = address_of(session, &address);
    if (length == 0) continue;
    int fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    bool connected = connect(fd, reinterpret_cast<sockaddr*>(&address), length) == 0;
    if (connected && is_our_drain(fd, session)) return fd;
    close(fd);
  }
  return -1;
}

// "" if there is none.
std::string ask(int fd, const Session& session) {
  Hello hello = {Hello::kDumpMagic, kLayoutVersion, getpid(), 0, {}};
  memcpy(hello.secret, session.secret, kSecretBytes);
  if (send(fd, &hello, sizeof hello, MSG_NOSIGNAL) != sizeof hello) return "";
  char answer[4096];
  ssize_t size;
  do size = recv(fd, answer, sizeof answer, 0);
  while (size < 0 && errno == EINTR);
  return size > 0 ? std::string(answer, static_cast<size_t>(size)) : "";
}

// Why nothing is known of the process.
std::string why_unknown(int pid) {
  std::error_code error;
  if (!fs::exists(folder_of(pid), error)) return absl::StrCat("there is no process ", pid);
  if (!std::ifstream(folder_of(pid) / "environ").is_open()) {
    return absl::StrCat("process ", pid, " is another user's: ask as that user, or as root");
  }
  return absl::StrCat("process ", pid, " is not traced");
}

}  // namespace

int dump_command(int count, char** arguments) {
  StandardError::use();
  int pid = 0;
  if (count != 1 || !absl::SimpleAtoi(arguments[0], &pid) || pid <= 0) {
    warn("dump takes the id of a process that is traced, or of its telrun",
         count == 1 ? absl::StrCat(", not ", printable(arguments[0])) : "");
    return kUsage;
  }
  std::optional<Session> session = session_of(pid);
  if (!session.has_value()) session = session_by_drain(pid);
  if (!session.has_value()) {
    warn(why_unknown(pid));
    return 1;
  }
  int fd = connect_to(*session);
  if (fd < 0) {
    warn("the drain of process ", pid, " is gone: nothing is kept of it any more");
    return 1;
  }
  std::string answer = ask(fd, *session);
  close(fd);
  if (answer.empty()) {
    warn("the drain of process ", pid,
         " gave no answer: it has ended, or is of another release of telinject");
    return 1;
  }
  std::string text = printable(answer.substr(1));
  auto kind = static_cast<DumpAnswer>(answer[0]);
  if (kind == DumpAnswer::kLost) {
    warn(text);
    return 1;
  }
  if (kind != DumpAnswer::kWritten) {
    warn("nothing is kept of process ", pid, ": ", text);
    return 1;
  }
  std::unique_ptr<Sink> output = open_stdout_sink();
  return output != nullptr && output->write(text + "\n") == 0 ? 0 : 1;
}

}  // namespace telinject::drain
