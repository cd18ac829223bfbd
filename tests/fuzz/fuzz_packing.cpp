// Records of any content, packed and unpacked; and anything at all, unpacked.
#include <cstring>
#include <vector>

#include "shim/drain/record_packing.h"
#include "tests/fuzz/input.h"

using namespace telinject;

namespace {

void pack_and_unpack(const std::vector<std::byte>& records) {
  RecordPacker packer;
  RecordUnpacker unpacker;
  size_t packed = packer.pack(records.data(), records.size());
  fuzz::require(packed == packer.packed().size() && packed <= records.size());
  std::vector<std::byte> bytes(packer.packed().begin(), packer.packed().end());
  std::vector<std::byte> again(records.size());
  fuzz::require(unpacker.unpack(bytes, packed, again.data(), again.size()) == again.size());
  fuzz::require(again == records);
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
