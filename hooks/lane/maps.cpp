#include "hooks/lane/maps.h"

namespace telinject::program {

int MapsReader::get() {
  if (position_ == size_) {
    size_ = sys::call(SYS_read, fd_, sys::arg(buffer_), sizeof buffer_);
    position_ = 0;
    if (size_ <= 0) {
      size_ = 0;
      return -1;
    }
  }
  return static_cast<unsigned char>(buffer_[position_++]);
}

bool MapsReader::number(uint64_t* value, unsigned base, char* after) {
  uint64_t v = 0;
  for (;;) {
    int c = get();
    if (c < 0) return false;
    unsigned digit = c >= '0' && c <= '9'   ? static_cast<unsigned>(c - '0')
                     : c >= 'a' && c <= 'f' ? static_cast<unsigned>(c - 'a' + 10)
                                            : 99;
    if (digit >= base) {
      *value = v;
      *after = static_cast<char>(c);
      return true;
    }
    v = v * base + digit;
  }
}

// 55d0c0a00000-55d0c0a02000 r-xp 00002000 fe:00 1234   /usr/bin/app
bool MapsReader::next(Mapping* mapping, char* path, size_t capacity) {
  uint64_t start, end, offset, major, minor, inode;
  char after;
  if (!number(&start, 16, &after) || after != '-' || !number(&end, 16, &after) || after != ' ') {
    return false;
  }
  int permissions[5];
  for (int& c : permissions) c = get();
  if (!number(&offset, 16, &after) || !number(&major, 16, &after) || after != ':' ||
      !number(&minor, 16, &after) || !number(&inode, 10, &after)) {
    return false;
  }
  *mapping = {start,
              end,
              offset,
              inode,
              static_cast<uint32_t>(major),
              static_cast<uint32_t>(minor),
              permissions[2] == 'x',
              0};
  int c = static_cast<unsigned char>(after);
  while (c == ' ') c = get();
  size_t n = 0;
  while (c >= 0 && c != '\n') {
    if (path != nullptr && n < capacity) path[n] = static_cast<char>(c);
    if (path == nullptr || n < capacity) n++;
    c = get();
  }
  mapping->path_bytes = n;
  return true;
}

bool find_mapping(uintptr_t address, Mapping* mapping) {
  MapsReader reader;
  if (!reader.ok()) return false;
  while (reader.next(mapping, nullptr, 0)) {
    if (address - mapping->start < mapping->end - mapping->start) return true;
  }
  return false;
}

}  // namespace telinject::program
