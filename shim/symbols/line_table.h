// The line table of one unit (.debug_line): which source line an instruction comes from.
//
// Read here and not by libdw, whose dwarf_getsrclines() sorts the rows of a unit by address and
// forgets which sequence (function, section) each was part of. Linkers leave the rows of functions
// that they have dropped, moved to address 0; in a shared library or PIE, which starts at 0 itself,
// they then lie between the rows of real functions and answer for them. It also keeps every table
// it has read until the end, 48 bytes a row (here 16, in a cache), and ends the process when memory
// is short.
#pragma once

#include <cstdint>
#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace telinject {

// Sections of the file that holds the table. They must outlive it.
struct LineSections {
  std::span<const uint8_t> line, line_strings, strings;
};

class LineTable {
 public:
  // `offset`: of the unit's table in .debug_line (DW_AT_stmt_list). Sequences that do not start at
  // an address for which `is_code` holds are left out. A damaged table holds what was read before
  // the damage.
  LineTable(const LineSections& sections, uint64_t offset, std::string_view compilation_directory,
            const std::function<bool(uint64_t)>& is_code);

  struct Position {
    uint32_t file = 0;
    uint32_t line = 0;  // 0: not known
  };
  // The position of the instruction at or around the address. If the compiler gave no line (0), the
  // position of the instructions before it in the same sequence.
  Position at(uint64_t vaddr) const;

  // Path of a file number as it stands in attributes and rows; absolute if that can be told, else
  // relative, empty if there is no such file.
  std::string file(uint64_t number) const;

  size_t rows() const { return rows_.size(); }
  bool damaged() const { return damaged_; }

 private:
  struct Row {
    uint64_t vaddr;
    uint32_t file, line;
  };
  struct Sequence {
    uint64_t begin, end;
    uint32_t first_row, row_count;
  };
  struct File {
    std::string_view name;
    uint64_t directory;
  };
  struct Header;
  friend class LineProgram;

  bool read_header(class ByteReader* reader, const LineSections& sections, Header* header);
  bool read_files_4(ByteReader* reader);
  bool read_files_5(ByteReader* reader, const LineSections& sections, bool wide);
  void end_sequence(size_t first_row, uint64_t end, const std::function<bool(uint64_t)>& is_code);

  std::string directory_;
  std::vector<std::string_view> directories_;
  std::vector<File> files_;
  std::vector<Row> rows_;
  std::vector<Sequence> sequences_;  // by address
  bool damaged_ = false;
};

// "/a/b/../c//./d" -> "/a/c/d". As text: symbolic links are not looked at.
std::string normal_path(std::string_view path);

}  // namespace telinject
