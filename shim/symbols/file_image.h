// The bytes of a file, mapped read-only while the object lives. Reading them cannot crash the
// drain, and a change of the file is noticed:
//
//   - a page of zeros follows the last byte, so that text and LEB128 numbers that a damaged file
//     leaves without an end still end (elfutils reads a byte or two beyond a unit before it
//     checks);
//   - a file that is cut short under the mapping (`cp new.so old.so`, a build that writes in place)
//     would kill us with SIGBUS: the page that is gone is replaced by zeros and the image says so;
//   - a file that was written to after it was mapped says so too. Replacing it by rename or unlink,
//     as linkers and package managers do, changes nothing: the mapping keeps the old file alive.
//
// The first image installs a handler for SIGBUS, which passes on what is not about an image to
// whatever was installed before. No descriptor stays open.
#pragma once

#include <sys/stat.h>

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

namespace telinject {

class FileImage {
 public:
  static constexpr const char* kTooLarge = "no program is that large";  // 64 GiB

  // Null, and the reason in *error ("No such file or directory"), if it cannot be read as a regular
  // file, with the rights that this thread has been given for it (file_access.h).
  static std::shared_ptr<FileImage> open(const std::string& path, std::string* error);
  // Maps the file that is open, and reports it under that name. It has no name of its own, so no
  // other program writes to it.
  static std::shared_ptr<FileImage> of_descriptor(const std::string& name, int fd,
                                                  std::string* error);
  // Bytes that were unpacked from a file; always intact. Null if such images have two gigabytes
  // already.
  static std::shared_ptr<FileImage> of_bytes(const std::string& name, std::vector<char> bytes);

  ~FileImage();
  FileImage(const FileImage&) = delete;
  FileImage& operator=(const FileImage&) = delete;

  const std::string& path() const { return path_; }
  // Writable, but not shared with the file: libelf patches section headers in place.
  char* data() const { return data_; }
  size_t size() const { return size_; }

  uint64_t inode() const { return inode_; }
  uint64_t device_major() const { return device_major_; }
  uint64_t device_minor() const { return device_minor_; }
  int64_t modified_ns() const { return modified_ns_; }  // since the epoch

  // Lets the kernel drop these bytes from memory, which must not have been changed. If they are
  // read again, they come from the file.
  void forget(const void* bytes, size_t size) const;

  // False once the file has been written to or cut short since it was mapped. A system call.
  bool intact() const;

 private:
  FileImage() = default;
  bool map(const std::string& name, int fd, std::string* error);

  std::string path_;
  std::vector<char> bytes_;  // of_bytes() only
  char* data_ = nullptr;
  size_t size_ = 0;
  size_t mapped_bytes_ = 0;  // with the zeros; 0: not mapped
  size_t guard_ = 0;         // slot in the table of guarded ranges
  uint64_t inode_ = 0;
  uint64_t device_ = 0;
  uint64_t device_major_ = 0;
  uint64_t device_minor_ = 0;
  int64_t modified_ns_ = 0;
};

// While it lives, this thread survives that a file is cut short which it has mapped by other means
// (libdw maps .dwo files): zeros are read then.
class FileReading {
 public:
  FileReading();
  ~FileReading();
  FileReading(const FileReading&) = delete;
  FileReading& operator=(const FileReading&) = delete;

  bool cut_short() const;
};

}  // namespace telinject
