#include "shim/symbols/debug_files.h"

#ifdef TELINJECT_HAVE_LZMA
#include <lzma.h>
#endif
#include <zlib.h>

#include <algorithm>
#include <utility>

#include "shim/symbols/hex.h"

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

uint32_t checksum(const FileImage& image) {
  uLong crc = crc32(0, nullptr, 0);
  for (size_t at = 0; at < image.size();) {
    size_t bytes = std::min<size_t>(image.size() - at, size_t{1} << 30);
    crc = crc32(crc, reinterpret_cast<const Bytef*>(image.data() + at), static_cast<uInt>(bytes));
    at += bytes;
  }
  return static_cast<uint32_t>(crc);
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
  if (!link.has_value()) return nullptr;
  std::string directory = directory_of(program.image().path());
  std::string inside =
      !root.empty() && directory.starts_with(root) ? directory.substr(root.size()) : directory;
  std::vector<std::string> paths = {directory + "/" + link->name,
                                    directory + "/.debug/" + link->name,
                                    kDebugRoot + inside + "/" + link->name};
  for (const std::string& candidate : with_root(paths, root)) {
    if (candidate == program.image().path()) continue;
    std::shared_ptr<ElfFile> file = open_debug_info(candidate, &ignored);
    if (file == nullptr) continue;
    bool both_have_ids = !id.empty() && !file->build_id().empty();
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
  constexpr uint64_t kMaxMemory = uint64_t{256} << 20;
  constexpr size_t kMaxBytes = size_t{256} << 20;  // a real one has a few MiB; xz packs 1:7000
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
  std::string ignored;
  std::shared_ptr<FileImage> image =
      FileImage::of_bytes(program.image().path() + " (.gnu_debugdata)", std::move(bytes));
  return ElfFile::open(image, ElfKind::kDebugInfo, &ignored);
#else
  static_cast<void>(program);
  return nullptr;
#endif
}

}  // namespace telinject
