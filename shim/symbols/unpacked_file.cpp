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

constexpr uint64_t kMaxBytes = uint64_t{64} << 30;
// As much as libelf would be let unpack (dwarf_index.cpp).
constexpr uint64_t kMaxInMemory = uint64_t{1} << 30;

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

// The sections that are wanted. False if one of them is compressed in a way that is left to libelf.
bool collect(const ElfFile& file, std::vector<Part>* parts) {
  bool ours = true;
  file.each_section([&](const ElfFile::Section& section) {
    if (section.name.starts_with(".zdebug_")) ours = false;
    if (std::find(kWanted.begin(), kWanted.end(), section.name) == kWanted.end()) return ours;
    Elf_Data* data = elf_rawdata(section.handle, nullptr);
    if (data == nullptr) return ours = false;
    Part part;
    part.name = section.name;
    part.type = section.type;
    part.stored = {static_cast<const uint8_t*>(data->d_buf),
                   data->d_buf == nullptr ? 0 : data->d_size};
    part.compressed = (section.flags & SHF_COMPRESSED) != 0;
    if (part.compressed) {
      ours = read_compressed(part.stored, &part.how) && part.how.bytes <= kMaxBytes;
    }
    parts->push_back(std::move(part));
    return ours;
  });
  return ours;
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

std::shared_ptr<ElfFile> unpack_debug_info(const ElfFile& file, std::string* problem) {
  std::vector<Part> parts;
  if (!collect(file, &parts)) return nullptr;
  uint64_t unpacked = 0, total = 0;
  bool libelf_can = true;
  for (const Part& part : parts) {
    if (part.compressed) unpacked += part.bytes();
    if (part.compressed && is_zstd(part.how)) libelf_can = false;
    total += part.bytes();
  }
  bool small = unpacked < g_unpacking.worth_bytes;
  if (unpacked == 0 || total > kMaxBytes || (small && libelf_can)) return nullptr;

  const std::string& path = file.image().path();
  auto attempt = [&](SectionFile to, std::string* reason) -> std::shared_ptr<ElfFile> {
    Unpacked outcome = to.has_room(total) ? write_all(&to, file, parts) : Unpacked::kNoRoom;
    if (outcome == Unpacked::kDone) return to.finish(file, path, reason);
    if (outcome == Unpacked::kNoRoom) *reason = "no room";
    return nullptr;
  };
  std::string reason;
  std::shared_ptr<ElfFile> opened;
  if (!small) opened = attempt(SectionFile::in_folder(g_unpacking.directory), &reason);
  if (opened != nullptr) return opened;
  if (reason == "no room") {
    *problem = path + ": no room in " + g_unpacking.directory + " for " +
               std::to_string(total >> 20) +
               " MiB of unpacked debug information: it is kept in memory; choose another folder "
               "with TELEMETRY_SPOOL_DIR";
  } else if (!reason.empty()) {
    *problem = path + ": cannot use its unpacked debug information (" + reason + ")";
  }
  if (libelf_can || total > kMaxInMemory || (!small && reason != "no room")) return nullptr;
  return attempt(SectionFile::in_memory(), &reason);
}

}  // namespace telinject
