#include "shim/symbols/unpacked_file.h"

#include <elf.h>
#include <gelf.h>

#include <algorithm>
#include <array>
#include <utility>
#include <vector>

#include "shim/symbols/section_file.h"
#include "shim/symbols/unpacked_section.h"

namespace telinject {

namespace {

constexpr uint64_t kMaxBytes = uint64_t{16} << 30;
constexpr uint64_t kMaxInMemory = uint64_t{1} << 30;
// Debug information gets five times as large, a section of it twenty times. What claims more is
// made to fill memory or disk.
constexpr uint64_t kMostFromAByte = 64;
constexpr uint64_t kAlwaysAllowed = uint64_t{64} << 20;

// The others describe where variables are, macros, frames, or the same in another way.
constexpr std::array<std::string_view, 12> kWanted = {
    ".debug_info",   ".debug_types",    ".debug_abbrev", ".debug_addr",
    ".debug_line",   ".debug_line_str", ".debug_str",    ".debug_str_offsets",
    ".debug_ranges", ".debug_rnglists", ".debug_sup",    ".gnu_debugaltlink"};

Unpacking g_unpacking;

struct Part {
  std::string name;
  uint32_t type = 0;
  std::span<const uint8_t> stored;  // as it is in the file
  bool compressed = false;
  Compressed how;
  uint64_t bytes() const { return compressed ? how.bytes : stored.size(); }
};

// The sections that are wanted. False if one of them is damaged.
bool collect(const ElfFile& file, std::vector<Part>* parts) {
  bool good = true;
  file.each_section([&](const ElfFile::Section& section) {
    constexpr std::string_view kOlder = ".zdebug_";
    bool older = section.name.starts_with(kOlder);
    std::string name =
        older ? "." + std::string(section.name.substr(2)) : std::string(section.name);
    if (std::find(kWanted.begin(), kWanted.end(), name) == kWanted.end()) return true;
    Elf_Data* data = elf_rawdata(section.handle, nullptr);
    if (data == nullptr) return good = false;
    Part part;
    part.name = std::move(name);
    part.type = section.type;
    part.stored = {static_cast<const uint8_t*>(data->d_buf),
                   data->d_buf == nullptr ? 0 : data->d_size};
    part.compressed = older || (section.flags & SHF_COMPRESSED) != 0;
    if (part.compressed) {
      good = older ? read_compressed_gnu(part.stored, &part.how)
                   : read_compressed(part.stored, &part.how);
    }
    parts->push_back(std::move(part));
    return good;
  });
  return good;
}

Unpacked write_all(SectionFile* to, const ElfFile& from, const std::vector<Part>& parts) {
  for (const Part& part : parts) {
    Unpacked outcome = Unpacked::kDone;
    to->begin_section(part.name, part.type);
    if (part.compressed) {
      auto take = [&](const void* data, size_t bytes) { return to->write(data, bytes); };
      outcome = unpack_section(from.image(), part.how, take, g_unpacking.progress);
    } else if (!to->write(part.stored.data(), part.stored.size())) {
      outcome = Unpacked::kNoRoom;
    }
    if (outcome != Unpacked::kDone) return outcome;
    to->end_section();
  }
  return Unpacked::kDone;
}

}  // namespace

void set_unpacking(Unpacking unpacking) {
  g_unpacking = std::move(unpacking);
}

bool is_compressed(const ElfFile& file) {
  bool compressed = false;
  file.each_section([&](const ElfFile::Section& section) {
    bool debug = section.name.starts_with(".debug_") && (section.flags & SHF_COMPRESSED) != 0;
    compressed = debug || section.name.starts_with(".zdebug_");
    return !compressed;
  });
  return compressed;
}

uint64_t unpacked_bytes(const ElfFile& file) {
  uint64_t total = 0;
  file.each_section([&](const ElfFile::Section& section) {
    bool older = section.name.starts_with(".zdebug_");
    if (!older && (section.flags & SHF_COMPRESSED) == 0) return true;
    Elf_Data* data = elf_rawdata(section.handle, nullptr);
    if (data == nullptr || data->d_buf == nullptr) return true;
    std::span<const uint8_t> bytes(static_cast<const uint8_t*>(data->d_buf), data->d_size);
    Compressed how;
    // What is damaged is not unpacked.
    bool good = older ? read_compressed_gnu(bytes, &how) : read_compressed(bytes, &how);
    if (good) total += std::min(how.bytes, kMaxBytes);
    return true;
  });
  return total;
}

std::shared_ptr<ElfFile> unpack_debug_info(const ElfFile& file, std::string* problem) {
  const std::string& path = file.image().path();
  std::vector<Part> parts;
  if (!collect(file, &parts)) {
    *problem = path +
               ": its debug information is damaged (it cannot be unpacked): names come from the "
               "symbol table; build the file again";
    return nullptr;
  }
  uint64_t unpacked = 0, stored = 0, total = 0;
  for (const Part& part : parts) {
    uint64_t bytes = std::min(part.bytes(), kMaxBytes);
    if (part.compressed) {
      unpacked += bytes;
      stored += part.stored.size();
    }
    total += bytes;
  }
  if (total > kMaxBytes || (unpacked > kAlwaysAllowed && unpacked / kMostFromAByte > stored)) {
    *problem = path +
               ": its compressed debug information is too large to unpack: names come from the "
               "symbol table; unpack it with objcopy --decompress-debug-sections";
    return nullptr;
  }

  std::string reason;
  auto attempt = [&](SectionFile to) -> std::shared_ptr<ElfFile> {
    Unpacked outcome = to.has_room(total) ? write_all(&to, file, parts) : Unpacked::kNoRoom;
    if (outcome == Unpacked::kDone) return to.finish(file, path, &reason);
    reason = outcome == Unpacked::kNoRoom ? "no room" : "it is not what its header says";
    return nullptr;
  };
  std::shared_ptr<ElfFile> opened;
  bool small = unpacked < g_unpacking.worth_bytes;
  if (!small) opened = attempt(SectionFile::in_folder(g_unpacking.directory));
  if (opened == nullptr && (small || (reason == "no room" && total <= kMaxInMemory))) {
    if (!small) {
      *problem = path + ": no room in " + g_unpacking.directory + " for " +
                 std::to_string(total >> 20) +
                 " MiB of unpacked debug information: it is kept in memory; choose another folder "
                 "with TELEMETRY_SPOOL_DIR";
    }
    opened = attempt(SectionFile::in_memory());
  }
  if (opened != nullptr) return opened;
  *problem = path + ": its debug information is damaged, or there is no room for it (" + reason +
             "): names come from the symbol table";
  return nullptr;
}

}  // namespace telinject
