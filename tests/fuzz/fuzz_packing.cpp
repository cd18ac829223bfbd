// Records of any content, packed and unpacked; and anything at all, unpacked.
#include <algorithm>
#include <vector>

#include "shim/drain/records/record_packing.h"
#include "tests/fuzz/input.h"

using namespace telinject;
using namespace telinject::drain;

namespace {

void pack_and_unpack(const std::vector<std::byte>& records) {
  RecordPacker packer;
  RecordUnpacker unpacker;
  auto unpacked = [&](size_t size) {
    std::vector<std::byte> bytes(packer.packed().begin(), packer.packed().end());
    fuzz::require(bytes.size() <= size);
    std::vector<std::byte> again(size);
    fuzz::require(unpacker.unpack(bytes, bytes.size(), again.data(), size) == size);
    return again;
  };
  packer.pack(records.data(), records.size());
  fuzz::require(unpacked(records.size()) == records);
  RecordPacker::Written written = packer.pack_written(records.data(), records.size());
  fuzz::require(written.size <= records.size());
  auto end = records.begin() + static_cast<std::ptrdiff_t>(written.size);
  fuzz::require(std::equal(records.begin(), end, unpacked(written.size).begin()));
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto* bytes = reinterpret_cast<const std::byte*>(data);
  pack_and_unpack({bytes, bytes + size / kUnitBytes * kUnitBytes});
  for (size_t room : {size_t{160}, size / kUnitBytes * kUnitBytes, 16 * size}) {
    std::vector<std::byte> records(room);
    RecordUnpacker unpacker;
    size_t unpacked = unpacker.unpack({bytes, size}, size, records.data(), room);
    fuzz::require(unpacked <= room && unpacked % kUnitBytes == 0);
    records.resize(unpacked);
    pack_and_unpack(records);
  }
  return 0;
}
