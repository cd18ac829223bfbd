// A file that events are appended to, possibly by several processes, and that may be full.
//
// Several drains take turns, by flock(2). During a turn, the end of the file is what a writer left
// when it ended its turn or was killed. If the file system has no locks, or another process holds
// the lock for more than a second (a user's flock command), the drain writes without it.
//
// A turn is taken in the file that is at the path then. If another program has renamed or removed
// the file (logrotate), the path gets a new one, as it does when the file has reached its size.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>

#include "shim/sinks/rotation.h"

namespace telinject {

class AppendFile {
 public:
  // Made with mode 0644 if it is not there. Null, with one line of reason, if it cannot be opened.
  static std::unique_ptr<AppendFile> open(const std::string& path, std::string* problem,
                                          Rotation rotation = {});
  ~AppendFile();
  AppendFile(const AppendFile&) = delete;
  AppendFile& operator=(const AppendFile&) = delete;

  class Turn {
   public:
    // With `mends` the file stays as it is at first: its end may have to be mended.
    explicit Turn(AppendFile* file, bool mends = false);
    ~Turn();
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

    // True if no other process that takes turns can append now.
    bool alone() const { return alone_; }
    // True if the end of the file is not what we appended last.
    bool others_wrote() const { return others_wrote_; }
    // True if it is not the file of the turn before.
    bool is_another_file() const { return is_another_file_; }

   private:
    AppendFile* file_;
    bool alone_ = false, others_wrote_ = false, is_another_file_ = false;
  };

  // Returns how many bytes were written: fewer if there is no room or no reader. Waits for the
  // reader of a FIFO.
  size_t append(std::string_view bytes);

  // Cuts the last `bytes` that were appended. False if another process has appended behind them, or
  // the file cannot be cut.
  bool take_back(size_t bytes);

  // The last bytes of the file, at most so many; "" if it cannot be read or is not a regular file.
  std::string tail(size_t bytes) const;
  // Cuts so many bytes at the end, including other processes' bytes. Only in a turn that is
  // alone().
  bool cut(size_t bytes);

  const std::string& path() const { return path_; }

 private:
  AppendFile(int fd, std::string path, Rotation rotation);
  void use(int fd);
  void close_files();
  bool lock();
  void make_way();
  void put_off(uint64_t size, const std::string& why);
  bool follow();

  int fd_ = -1;
  int reading_ = -1;  // the same file, if it is regular and readable
  std::string path_;
  Rotation rotation_;
  uint64_t rotate_at_ = 0;  // bytes; more than rotation_.most_bytes after a failure
  bool told_ = false;       // that it cannot be rotated
  bool is_regular_ = false;
  bool takes_turns_ = false;  // regular, and nobody held the lock for too long
  int64_t end_ = 0;           // of the file, behind what we have appended last
};

}  // namespace telinject
