// With whose rights files are opened that a traced process has named: its own, not ours.
//
// A drain of root's may trace programs of other users, or such that have given their rights up. It
// must not read for them what they may not read: a program of mode 0700, whose functions would be
// named in the trace; a device, of which opening is use. So what is opened for a process
//   - is opened as its user and groups, as the kernel told them when it joined. (setfsuid(2) is for
//     the calling thread alone.) If processes of it run as root no more, and cannot again, they
//     have to be able to read it, too; except for the program that was executed, and for what they
//     have mapped, which they were given by somebody who could;
//   - is looked for below its root folder, if that was another one, or in another mount namespace,
//     when its program was executed;
//   - is a regular file. Nothing else is opened, not even to see what it is.
// Links are followed: it is the rights of who named it that count.
//
// A drain that is not root's opens with its own rights; for a process of another user only what
// everybody, or that user, may read.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace telinject {

class ActingAs;

struct FileRights {
  uint32_t uid = 0, gid = 0;
  std::vector<uint32_t> groups;  // supplementary

  auto operator<=>(const FileRights&) const = default;
};

class FileAccess {
 public:
  // Of a process that has just joined, with the rights that it had then. To be made soon after
  // that. Its number is one of our PID namespace; 0: not known.
  static std::shared_ptr<FileAccess> of_process(int pid, FileRights rights);
  ~FileAccess();
  FileAccess(const FileAccess&) = delete;
  FileAccess& operator=(const FileAccess&) = delete;

  // Another process that names files through the same memory: a forked child.
  void add_process(int pid);

  // Its files are below root() only: "/proc/self/fd/7".
  bool confined() const { return root_fd_ >= 0; }
  const std::string& root() const { return root_; }

  // Tells apart who may open different files. Empty: all that we may ourselves. As it joined, and
  // as it is by now.
  std::string key() const;
  std::string key_now();

  // While it lives, this thread's open_file() opens with these rights; with our own if null. Paths
  // that begin with `root`, which may be empty, are followed as by a process that has that root.
  class Scope {
   public:
    Scope(const FileAccess* access, const std::string& root);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    const FileAccess* outer_;
    const std::string* outer_root_;
  };

  // For a library that opens files by itself (libdw): while it lives, whatever this thread opens is
  // opened with the rights of its Scope. If allowed() is false, it must not open anything: nothing
  // else is checked while it opens, so there is one user only that it can act as, and the system's
  // root folder.
  class LibraryOpening {
   public:
    LibraryOpening();
    ~LibraryOpening();
    LibraryOpening(const LibraryOpening&) = delete;
    LibraryOpening& operator=(const LibraryOpening&) = delete;
    bool allowed() const { return allowed_; }

   private:
    std::unique_ptr<ActingAs> acting_;
    bool allowed_ = true;
  };

  // A regular file, to be read and closed by the caller. -1, and the reason in *error ("No such
  // file or directory"), if it cannot be had.
  static int open_file(const std::string& path, std::string* error);

 private:
  struct FileId {
    uint64_t device = 0, inode = 0;
    bool operator==(const FileId&) const = default;
  };
  static constexpr size_t kMostProcesses = 64;

  FileAccess() = default;
  void find_root(int pid);
  void look_for_dropped_rights();
  int open(const std::string& path, std::string* error) const;
  bool act_for_library(std::unique_ptr<ActingAs>* acting) const;
  int open_with(const FileRights& rights, const std::string& path, std::string* error) const;
  static int open_here(const std::string& path, std::string* error);
  bool was_given(int fd) const;
  std::string key_with(const std::vector<FileRights>& dropped) const;

  FileRights rights_;
  std::vector<FileRights> dropped_;                 // that processes were seen to have instead
  std::array<int, kMostProcesses> processes_ = {};  // the first, and the last ones
  size_t process_count_ = 0;
  FileId program_;  // as it was executed
  std::string root_;
  int root_fd_ = -1;  // if its files are below it only
  FileId root_id_;
};

}  // namespace telinject
