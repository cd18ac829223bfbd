#include "shim/symbols/line_table.h"

#include <dwarf.h>

#include <algorithm>
#include <array>

#include "shim/symbols/byte_reader.h"
#include "shim/symbols/reading_budget.h"

namespace telinject {

namespace {

constexpr uint64_t kMaxFiles = 1 << 20;
constexpr size_t kMaxRows = 1 << 24;

// A string somewhere in a section of strings.
std::string_view string_at(std::span<const uint8_t> section, uint64_t offset) {
  if (offset >= section.size()) return {};
  return ByteReader(section.subspan(offset)).text();
}

struct EntryFormat {
  uint64_t content, form;
};

// Reads one field of a file or directory; only text and small numbers are of use to us.
struct Field {
  std::string_view text;
  uint64_t number = 0;
};

bool read_field(ByteReader* reader, const LineSections& sections, bool wide, uint64_t form,
                Field* out) {
  switch (form) {
    case DW_FORM_string:
      out->text = reader->text();
      break;
    case DW_FORM_line_strp:
      out->text = string_at(sections.line_strings, reader->offset(wide));
      break;
    case DW_FORM_strp:
      out->text = string_at(sections.strings, reader->offset(wide));
      break;
    case DW_FORM_strp_sup:
    case DW_FORM_sec_offset:
      reader->offset(wide);
      break;
    case DW_FORM_data1:
      out->number = reader->u8();
      break;
    case DW_FORM_data2:
      out->number = reader->u16();
      break;
    case DW_FORM_data4:
      out->number = reader->u32();
      break;
    case DW_FORM_data8:
      out->number = reader->u64();
      break;
    case DW_FORM_udata:
      out->number = reader->uleb();
      break;
    case DW_FORM_data16:
      reader->skip(16);
      break;
    case DW_FORM_block:
      reader->skip(reader->uleb());
      break;
    case DW_FORM_block1:
      reader->skip(reader->u8());
      break;
    case DW_FORM_strx:
      reader->uleb();
      break;
    case DW_FORM_strx1:
      reader->skip(1);
      break;
    case DW_FORM_strx2:
      reader->skip(2);
      break;
    case DW_FORM_strx3:
      reader->skip(3);
      break;
    case DW_FORM_strx4:
      reader->skip(4);
      break;
    default:
      return false;
  }
  return reader->ok();
}

std::vector<EntryFormat> read_formats(ByteReader* reader) {
  std::vector<EntryFormat> formats(reader->u8());
  for (EntryFormat& format : formats) {
    format.content = reader->uleb();
    format.form = reader->uleb();
  }
  return formats;
}

}  // namespace

struct LineTable::Header {
  uint16_t version = 0;
  uint8_t minimum_instruction = 1, line_range = 1, opcode_base = 1;
  int8_t line_base = 0;
  std::array<uint8_t, 256> operand_counts = {};
};

// The state machine of DWARF 5, 6.2: a program that prints rows.
class LineProgram {
 public:
  LineProgram(const LineTable::Header& header, ByteReader reader, LineTable* table,
              const std::function<bool(uint64_t)>& is_code)
      : header_(header), reader_(reader), table_(table), is_code_(is_code) {}

  bool run() {
    while (!reader_.at_end() && table_->rows_.size() < kMaxRows) {
      ReadingBudget::spend();
      uint8_t opcode = reader_.u8();
      if (opcode >= header_.opcode_base) {
        unsigned step = opcode - header_.opcode_base;
        advance(step / header_.line_range);
        add_to_line(static_cast<int64_t>(header_.line_base) + step % header_.line_range);
        row();
      } else if (opcode == 0) {
        extended();
      } else {
        standard(opcode);
      }
    }
    table_->rows_.resize(first_row_);  // of a sequence without an end
    return reader_.ok() && reader_.at_end();
  }

 private:
  void reset() {
    vaddr_ = 0;
    file_ = 1;
    line_ = 1;
    first_row_ = table_->rows_.size();
  }

  void advance(uint64_t steps) { vaddr_ += steps * header_.minimum_instruction; }

  void add_to_line(int64_t difference) {  // wraps round, for damaged tables
    line_ = static_cast<int64_t>(static_cast<uint64_t>(line_) + static_cast<uint64_t>(difference));
  }

  void row() {
    std::vector<LineTable::Row>& rows = table_->rows_;
    uint32_t line = line_ < 0 || line_ > UINT32_MAX ? 0 : static_cast<uint32_t>(line_);
    uint32_t file = static_cast<uint32_t>(std::min<uint64_t>(file_, UINT32_MAX));
    if (rows.size() > first_row_) {
      LineTable::Row& last = rows.back();
      if (vaddr_ < last.vaddr) return;  // rows ascend, save in a damaged table
      if (vaddr_ == last.vaddr) {       // the last row of an address counts
        last.file = file;
        last.line = line;
        return;
      }
      if (last.file == file && last.line == line) return;
    }
    rows.push_back({vaddr_, file, line});
  }

  void standard(uint8_t opcode) {
    switch (opcode) {
      case DW_LNS_copy:
        row();
        break;
      case DW_LNS_advance_pc:
        advance(reader_.uleb());
        break;
      case DW_LNS_advance_line:
        add_to_line(reader_.sleb());
        break;
      case DW_LNS_set_file:
        file_ = reader_.uleb();
        break;
      case DW_LNS_const_add_pc:
        advance((255u - header_.opcode_base) / header_.line_range);
        break;
      case DW_LNS_fixed_advance_pc:
        vaddr_ += reader_.u16();
        break;
      default:  // columns, statements, blocks, ...: of no use here
        for (unsigned i = header_.operand_counts[opcode]; i > 0; i--) reader_.uleb();
    }
  }

  void extended() {
    ByteReader operand(reader_.part(reader_.uleb()));
    switch (operand.u8()) {
      case DW_LNE_end_sequence:
        table_->end_sequence(first_row_, vaddr_, is_code_);
        reset();
        break;
      case DW_LNE_set_address:
        vaddr_ = operand.left() == 4 ? operand.u32() : operand.u64();
        break;
      case DW_LNE_define_file: {
        std::string_view name = operand.text();
        if (table_->files_.size() < kMaxFiles) table_->files_.push_back({name, operand.uleb()});
        break;
      }
      default:
        break;
    }
  }

  const LineTable::Header& header_;
  ByteReader reader_;
  LineTable* table_;
  const std::function<bool(uint64_t)>& is_code_;
  uint64_t vaddr_ = 0;
  uint64_t file_ = 1;
  int64_t line_ = 1;
  size_t first_row_ = 0;
};

LineTable::LineTable(const LineSections& sections, uint64_t offset,
                     std::string_view compilation_directory,
                     const std::function<bool(uint64_t)>& is_code)
    : directory_(compilation_directory) {
  damaged_ = true;
  if (offset >= sections.line.size()) return;
  ByteReader reader(sections.line.subspan(offset));
  uint64_t length = reader.u32();
  bool wide = length == 0xffffffff;
  if (wide) length = reader.u64();
  ByteReader unit(reader.part(std::min<uint64_t>(length, reader.left())));

  Header header;
  header.version = unit.u16();
  if (header.version < 2 || header.version > 5) return;
  if (header.version >= 5) unit.skip(2);  // sizes of an address and of a segment selector
  uint64_t header_bytes = unit.offset(wide);
  ByteReader lists(unit.part(header_bytes));
  if (!unit.ok() || !read_header(&lists, sections, &header)) return;
  bool files_read =
      header.version >= 5 ? read_files_5(&lists, sections, wide) : read_files_4(&lists);
  damaged_ = !LineProgram(header, unit, this, is_code).run() || !files_read;
  rows_.shrink_to_fit();
  std::stable_sort(sequences_.begin(), sequences_.end(),
                   [](const Sequence& a, const Sequence& b) { return a.begin < b.begin; });
}

bool LineTable::read_header(ByteReader* reader, const LineSections&, Header* header) {
  header->minimum_instruction = reader->u8();
  if (header->version >= 4) reader->skip(1);  // operations in an instruction, for VLIW machines
  reader->skip(1);                            // default of is_stmt
  header->line_base = static_cast<int8_t>(reader->u8());
  header->line_range = reader->u8();
  header->opcode_base = reader->u8();
  for (unsigned i = 1; i < header->opcode_base; i++) header->operand_counts[i] = reader->u8();
  return reader->ok() && header->line_range != 0 && header->opcode_base != 0;
}

bool LineTable::read_files_4(ByteReader* reader) {
  directories_.push_back(directory_);  // number 0
  while (reader->ok() && directories_.size() < kMaxFiles) {
    std::string_view name = reader->text();
    if (name.empty()) break;
    directories_.push_back(name);
  }
  files_.push_back({});  // numbers start at 1
  while (reader->ok() && files_.size() < kMaxFiles) {
    std::string_view name = reader->text();
    if (name.empty()) break;
    files_.push_back({name, reader->uleb()});
    reader->uleb();  // time of modification
    reader->uleb();  // size
  }
  return reader->ok();
}

bool LineTable::read_files_5(ByteReader* reader, const LineSections& sections, bool wide) {
  for (bool directories : {true, false}) {
    std::vector<EntryFormat> formats = read_formats(reader);
    uint64_t count = reader->uleb();
    if (!reader->ok() || count > kMaxFiles || (formats.empty() && count > 0)) return false;
    for (uint64_t i = 0; i < count; i++) {
      File file = {};
      for (const EntryFormat& format : formats) {
        Field field;
        if (!read_field(reader, sections, wide, format.form, &field)) return false;
        if (format.content == DW_LNCT_path) file.name = field.text;
        if (format.content == DW_LNCT_directory_index) file.directory = field.number;
      }
      if (directories) {
        directories_.push_back(file.name);
      } else {
        files_.push_back(file);
      }
    }
  }
  // Number 0 is the compilation directory itself; what is relative is so to it.
  if (!directories_.empty() && !directories_[0].empty() &&
      (directories_[0][0] == '/' || !directory_.starts_with('/'))) {
    directory_ = directories_[0];
  }
  if (!directories_.empty()) directories_[0] = {};
  return true;
}

void LineTable::end_sequence(size_t first_row, uint64_t end,
                             const std::function<bool(uint64_t)>& is_code) {
  size_t count = rows_.size() - first_row;
  uint64_t begin = count == 0 ? 0 : rows_[first_row].vaddr;
  if (count == 0 || end <= begin || !is_code(begin)) {
    rows_.resize(first_row);
    return;
  }
  sequences_.push_back(
      {begin, end, static_cast<uint32_t>(first_row), static_cast<uint32_t>(count)});
}

LineTable::Position LineTable::at(uint64_t vaddr) const {
  auto after = std::upper_bound(sequences_.begin(), sequences_.end(), vaddr,
                                [](uint64_t value, const Sequence& s) { return value < s.begin; });
  // Sequences do not overlap, save in files that no linker wrote: a few steps back are enough.
  for (int tries = 0; after != sequences_.begin() && tries < 8; tries++) {
    --after;
    if (vaddr >= after->end) continue;
    auto first = rows_.begin() + after->first_row;
    auto row = std::upper_bound(first, first + after->row_count, vaddr,
                                [](uint64_t value, const Row& r) { return value < r.vaddr; });
    while (row != first && (row - 1)->line == 0) --row;
    if (row == first) return {};
    --row;
    return {row->file, row->line};
  }
  return {};
}

std::string LineTable::file(uint64_t number) const {
  if (number >= files_.size() || files_[number].name.empty()) return {};
  const File& file = files_[number];
  std::string path(file.name);
  if (path[0] != '/' && file.directory < directories_.size()) {
    std::string_view directory = directories_[file.directory];
    if (!directory.empty()) path = std::string(directory) + "/" + path;
  }
  if (path[0] != '/' && !directory_.empty()) path = directory_ + "/" + path;
  return normal_path(path);
}

std::string normal_path(std::string_view path) {
  bool absolute = path.starts_with('/');
  std::vector<std::string_view> parts;
  while (!path.empty()) {
    size_t slash = std::min(path.find('/'), path.size());
    std::string_view part = path.substr(0, slash);
    path.remove_prefix(std::min(slash + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == ".." && !parts.empty() && parts.back() != "..") {
      parts.pop_back();
    } else if (part != ".." || !absolute) {
      parts.push_back(part);
    }
  }
  std::string normal;
  for (std::string_view part : parts) {
    if (absolute || !normal.empty()) normal += '/';
    normal += part;
  }
  return normal;
}

}  // namespace telinject
