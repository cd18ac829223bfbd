#include "shim/symbols/file_access.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <string_view>
#include <utility>

#include "shim/symbols/process_rights.h"
#include "shim/symbols/regular_file.h"

namespace telinject {

namespace {

constexpr size_t kMostDropped = 16;
// By what a file contains, not by a name: a program in a container has its debug information where
// the tracing is done.
constexpr std::string_view kByBuildId = "/usr/lib/debug/.build-id/";

thread_local const FileAccess* t_access = nullptr;
thread_local const std::string* t_root = nullptr;

bool can_change_rights() {
  static const bool can = geteuid() == 0 && ActingAs({65534, 65534, {}}).succeeded();
  return can;
}

// Where we cannot act as somebody else.
bool may_read(const FileRights& rights, const struct stat& status) {
  if (rights.uid == 0 || rights.uid == geteuid() || (status.st_mode & S_IROTH) != 0) return true;
  return rights.uid == status.st_uid && (status.st_mode & S_IRUSR) != 0;
}

std::string of_user(const std::string& error, const FileRights& rights) {
  return rights.uid == geteuid() ? error
                                 : error + ", as user " + std::to_string(rights.uid) + " sees it";
}

// Below the root that the paths are to be followed in.
bool is_below_root(const std::string& path) {
  return t_root != nullptr && !t_root->empty() && path.starts_with(*t_root + "/");
}

std::string link_text(const std::string& path) {
  char text[4096];
  ssize_t n = readlink(path.c_str(), text, sizeof text);
  return {text, n > 0 ? static_cast<size_t>(n) : 0};
}

// Whether the program was executed below the root that its process has by now: it may have gone
// there since. By the kernel's names, as this process sees them.
bool executed_below(const std::string& folder, bool same_mounts) {
  std::string program = link_text(folder + "/exe"), root = link_text(folder + "/root");
  if (same_mounts) return root == "/" || program.starts_with(root + "/");
  struct stat named = {}, executed = {};
  return stat((folder + "/root" + program).c_str(), &named) == 0 &&
         stat((folder + "/exe").c_str(), &executed) == 0 && named.st_dev == executed.st_dev &&
         named.st_ino == executed.st_ino;
}

bool has_parent_step(std::string_view path) {
  return path.find("/../") != path.npos || path.ends_with("/..");
}

}  // namespace

std::shared_ptr<FileAccess> FileAccess::of_process(int pid, FileRights rights) {
  std::shared_ptr<FileAccess> access(new FileAccess);
  access->rights_ = std::move(rights);
  if (pid <= 0) return access;
  access->add_process(pid);
  struct stat status = {};
  if (stat(("/proc/" + std::to_string(pid) + "/exe").c_str(), &status) == 0) {
    access->program_ = {status.st_dev, status.st_ino};
  }
  access->find_root(pid);
  return access;
}

FileAccess::~FileAccess() {
  if (root_fd_ >= 0) close(root_fd_);
}

void FileAccess::find_root(int pid) {
  std::string folder = "/proc/" + std::to_string(pid);
  std::string root = folder + "/root";
  struct stat own = {}, theirs = {}, own_mounts = {}, their_mounts = {};
  if (stat("/", &own) != 0 || stat((root + "/").c_str(), &theirs) != 0 ||
      stat("/proc/self/ns/mnt", &own_mounts) != 0 ||
      stat((folder + "/ns/mnt").c_str(), &their_mounts) != 0) {
    return;
  }
  if (own.st_dev == theirs.st_dev && own.st_ino == theirs.st_ino &&
      own_mounts.st_ino == their_mounts.st_ino) {
    return;
  }
  if (!executed_below(folder, own_mounts.st_ino == their_mounts.st_ino)) return;
  root_fd_ = ::open(root.c_str(), O_PATH | O_DIRECTORY | O_CLOEXEC);
  if (root_fd_ < 0) return;
  root_ = "/proc/self/fd/" + std::to_string(root_fd_);
  root_id_ = {their_mounts.st_ino, theirs.st_ino};
}

void FileAccess::add_process(int pid) {
  constexpr size_t kLast = kMostProcesses - 1;  // besides the first
  size_t place = process_count_ <= kLast ? process_count_ : 1 + process_count_ % kLast;
  processes_[place] = pid;
  process_count_++;
}

// Asked only of what root has started: who was somebody else from the start stays that.
void FileAccess::look_for_dropped_rights() {
  if (rights_.uid != 0 || !can_change_rights()) return;
  for (size_t i = 0; i < std::min(process_count_, kMostProcesses); i++) {
    FileRights now;
    if (dropped_.size() >= kMostDropped) return;
    if (!dropped_rights_of(processes_[i], &now)) continue;
    if (std::find(dropped_.begin(), dropped_.end(), now) == dropped_.end()) {
      dropped_.push_back(std::move(now));
    }
  }
}

std::string FileAccess::key_with(const std::vector<FileRights>& dropped) const {
  std::string key;
  auto add = [&](const FileRights& rights) {
    key += "\1" + std::to_string(rights.uid) + ":" + std::to_string(rights.gid);
    for (uint32_t group : rights.groups) key += "," + std::to_string(group);
  };
  if (rights_.uid != geteuid()) add(rights_);
  for (const FileRights& rights : dropped) add(rights);
  if (confined()) {
    key += "\2" + std::to_string(root_id_.device) + ":" + std::to_string(root_id_.inode);
  }
  return key;
}

std::string FileAccess::key() const {
  return key_with({});
}

std::string FileAccess::key_now() {
  look_for_dropped_rights();
  return key_with(dropped_);
}

FileAccess::Scope::Scope(const FileAccess* access, const std::string& root)
    : outer_(std::exchange(t_access, access)), outer_root_(std::exchange(t_root, &root)) {}

FileAccess::Scope::~Scope() {
  t_access = outer_;
  t_root = outer_root_;
}

FileAccess::LibraryOpening::LibraryOpening() {
  if (t_access != nullptr) allowed_ = t_access->act_for_library(&acting_);
}

FileAccess::LibraryOpening::~LibraryOpening() = default;

// Where processes of it have given up root's rights, a file must be readable with what they have
// now.
bool FileAccess::act_for_library(std::unique_ptr<ActingAs>* acting) const {
  if (confined() || dropped_.size() > 1) return false;
  const FileRights& rights = dropped_.empty() ? rights_ : dropped_.front();
  if (rights.uid == geteuid()) return true;
  if (!can_change_rights()) return rights.uid == 0;
  *acting = std::make_unique<ActingAs>(rights);
  return (*acting)->succeeded();
}

int FileAccess::open_file(const std::string& path, std::string* error) {
  return t_access != nullptr ? t_access->open(path, error) : open_here(path, error);
}

int FileAccess::open_here(const std::string& path, std::string* error) {
  if (!is_below_root(path)) return open_regular_file(path, error);
  return open_regular_file_below(*t_root, path.substr(t_root->size()), error);
}

int FileAccess::open(const std::string& path, std::string* error) const {
  int fd = open_with(rights_, path, error);
  for (const FileRights& rights : dropped_) {
    if (fd < 0) return -1;
    int again = open_with(rights, path, error);
    struct stat one = {}, other = {};
    if (again >= 0 && fstat(fd, &one) == 0 && fstat(again, &other) == 0 &&
        one.st_dev == other.st_dev && one.st_ino == other.st_ino) {
      close(again);
      continue;
    }
    if (again >= 0) {
      close(again);
      *error = "it was replaced meanwhile";
    } else if (was_given(fd)) {
      continue;
    }
    close(fd);
    return -1;
  }
  return fd;
}

int FileAccess::open_with(const FileRights& rights, const std::string& path,
                          std::string* error) const {
  bool below = is_below_root(path) && *t_root == root_;
  if (confined() && !below && (!path.starts_with(kByBuildId) || has_parent_step(path))) {
    *error = "outside of its program's root folder";
    return -1;
  }
  if (rights.uid == geteuid()) return open_here(path, error);
  if (can_change_rights()) {
    ActingAs other(rights);
    if (!other.succeeded()) {
      *error = "cannot act as user " + std::to_string(rights.uid);
      return -1;
    }
    int fd = open_here(path, error);
    if (fd < 0) *error = of_user(*error, rights);
    return fd;
  }
  int fd = open_here(path, error);
  struct stat status = {};
  if (fd < 0 || (fstat(fd, &status) == 0 && may_read(rights, status))) return fd;
  close(fd);
  *error = of_user(strerror(EACCES), rights);
  return -1;
}

// Something that processes without the right to open it have all the same.
bool FileAccess::was_given(int fd) const {
  struct stat status = {};
  if (fstat(fd, &status) != 0) return false;
  if (program_.inode != 0 && program_ == FileId{status.st_dev, status.st_ino}) return true;
  size_t count = std::min(process_count_, kMostProcesses);
  return std::any_of(processes_.begin(), processes_.begin() + static_cast<ptrdiff_t>(count),
                     [&](int pid) { return has_mapped(pid, status); });
}

}  // namespace telinject
