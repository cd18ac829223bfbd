#include "shim/symbols/debug_files.h"

#ifdef TELINJECT_HAVE_LZMA
#include <lzma.h>
#endif
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "shim/symbols/hex.h"
#include "shim/symbols/reading_budget.h"

namespace telinject {

namespace {

constexpr const char* kDebugRoot = "/usr/lib/debug";

std::string directory_of(const std::string& path) {
  size_t slash = path.rfind('/');
  return slash == path.npos ? "." : path.substr(0, slash);
}

std::vector<std::string> with_root(std::vector<std::string> paths, const std::string& root) {
  if (!root.empty()) {
    size_t count = paths.size();
    for (size_t i = 0; i < count; i++) {
      if (paths[i][0] == '/' && !paths[i].starts_with(root)) paths.push_back(root + paths[i]);
    }
  }
  return paths;
}

std::string build_id_path(const std::string& build_id) {
  if (build_id.size() < 2) return {};
  std::string digits = hex_digits(build_id);
  return std::string(kDebugRoot) + "/.build-id/" + digits.substr(0, 2) + "/" + digits.substr(2) +
         ".debug";
}

std::shared_ptr<ElfFile> open_debug_info(const std::string& path, std::string* error) {
  std::shared_ptr<FileImage> image = FileImage::open(path, error);
  return image == nullptr ? nullptr : ElfFile::open(image, ElfKind::kDebugInfo, error);
}

// Of all its bytes. That of a larger file is not taken: a file that is mostly holes may claim any
// size, and debug files of gigabytes have build ids.
constexpr size_t kMostChecked = size_t{4} << 30;

uint32_t checksum(const FileImage& image) {
  constexpr size_t kPieceBytes = size_t{4} << 20;
  uLong crc = crc32(0, nullptr, 0);
  for (size_t at = 0; at < image.size();) {
    size_t bytes = std::min<size_t>(image.size() - at, kPieceBytes);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(image.data() + at), static_cast<uInt>(bytes));
    image.forget(image.data() + at, bytes);
    at += bytes;
    ReadingBudget::spend();
  }
  return static_cast<uint32_t>(crc);
}

bool is_same_file(const ElfFile& a, const ElfFile& b) {
  return a.image().inode() == b.image().inode() &&
         a.image().device_major() == b.image().device_major() &&
         a.image().device_minor() == b.image().device_minor();
}

}  // namespace

std::shared_ptr<ElfFile> find_debug_file(const ElfFile& program, const std::string& root,
                                         std::string* problem) {
  std::string ignored;
  const std::string& id = program.build_id();
  if (std::string path = build_id_path(id); !path.empty()) {
    for (const std::string& candidate : with_root({path}, root)) {
      std::shared_ptr<ElfFile> file = open_debug_info(candidate, &ignored);
      if (file != nullptr && file->build_id() == id) return file;
    }
  }

  std::optional<ElfFile::DebugLink> link = program.debug_link();
  // A name, not a path: it is looked for in certain folders only.
  if (!link.has_value() || link->name.find('/') != link->name.npos) return nullptr;
  std::string directory = directory_of(program.image().path());
  std::string inside =
      !root.empty() && directory.starts_with(root) ? directory.substr(root.size()) : directory;
  std::vector<std::string> paths = {directory + "/" + link->name,
                                    directory + "/.debug/" + link->name,
                                    kDebugRoot + inside + "/" + link->name};
  auto tell_too_large = [&](const std::string& path) {
    *problem = path + " is too large to be the debug information of " + program.image().path() +
               ", or to be compared with its checksum: not used; link with a build id "
               "(-Wl,--build-id)";
  };
  for (const std::string& candidate : with_root(paths, root)) {
    std::string reason;
    std::shared_ptr<ElfFile> file = open_debug_info(candidate, &reason);
    if (file == nullptr && reason == FileImage::kTooLarge) tell_too_large(candidate);
    if (file == nullptr || is_same_file(*file, program)) continue;
    bool both_have_ids = !id.empty() && !file->build_id().empty();
    if (!both_have_ids && file->image().size() > kMostChecked) {
      tell_too_large(candidate);
      continue;
    }
    if (both_have_ids ? file->build_id() == id : checksum(file->image()) == link->crc) return file;
    *problem = candidate + " is not the debug information of this " + program.image().path() +
               " (its " + (both_have_ids ? "build id" : "checksum") +
               " differs): not used; install the one that belongs to it";
  }
  return nullptr;
}

std::shared_ptr<ElfFile> find_alternate_file(const ElfFile& debug_file,
                                             const std::string& link_name,
                                             const std::string& build_id, const std::string& root,
                                             std::string* problem) {
  std::vector<std::string> paths;
  if (std::string path = build_id_path(build_id); !path.empty()) paths.push_back(path);
  if (!link_name.empty()) {
    paths.push_back(link_name[0] == '/'
                        ? link_name
                        : directory_of(debug_file.image().path()) + "/" + link_name);
  }
  std::string ignored;
  for (const std::string& candidate : with_root(paths, root)) {
    std::shared_ptr<ElfFile> file = open_debug_info(candidate, &ignored);
    if (file != nullptr && file->build_id() == build_id) return file;
  }
  *problem = debug_file.image().path() + " shares debug information with " + link_name +
             " (build id " + hex_digits(build_id) +
             "), which is not here: names come from the symbol table; install that file";
  return nullptr;
}

std::shared_ptr<ElfFile> unpack_mini_debug_info(const ElfFile& program) {
#ifdef TELINJECT_HAVE_LZMA
  constexpr uint64_t kMaxMemory = uint64_t{128} << 20;
  constexpr size_t kMaxBytes = size_t{128} << 20;  // a real one has a few MiB; xz packs 1:7000
  std::span<const uint8_t> packed = program.section(".gnu_debugdata");
  if (packed.empty()) return nullptr;
  lzma_stream stream = LZMA_STREAM_INIT;
  if (lzma_stream_decoder(&stream, kMaxMemory, 0) != LZMA_OK) return nullptr;
  stream.next_in = packed.data();
  stream.avail_in = packed.size();
  std::vector<char> bytes;
  lzma_ret result = LZMA_OK;
  while (result == LZMA_OK && bytes.size() < kMaxBytes) {
    size_t used = bytes.size();
    bytes.resize(std::max<size_t>(used * 2, size_t{1} << 20));
    stream.next_out = reinterpret_cast<uint8_t*>(bytes.data()) + used;
    stream.avail_out = bytes.size() - used;
    result = lzma_code(&stream, LZMA_FINISH);
    bytes.resize(bytes.size() - stream.avail_out);
  }
  lzma_end(&stream);
  if (result != LZMA_STREAM_END) return nullptr;
  bytes.shrink_to_fit();
  std::string ignored;
  std::shared_ptr<FileImage> image =
      FileImage::of_bytes(program.image().path() + " (.gnu_debugdata)", std::move(bytes));
  if (image == nullptr) return nullptr;
  return ElfFile::open(image, ElfKind::kDebugInfo, &ignored);
#else
  static_cast<void>(program);
  return nullptr;
#endif
}

}  // namespace telinject
