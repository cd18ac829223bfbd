// TELINJECT_SESSION and TELINJECT_PARENT: what is written is read back, all else is refused.
#include <catch2/catch.hpp>

#include <algorithm>
#include <cstddef>
#include <string>

#include "shim/channel/session.h"

namespace telinject::test::session_test {
namespace {

constexpr const char* kSecret = "0123456789abcdef0123456789abcdef";
// The first half of what sha256sum says of "n" and "f", each followed by the secret's bytes.
constexpr const char* kName = "fee81f9f8686a4f9d137568a9a3184ec";
constexpr const char* kFile = "ddf88d1946d711bae9da82ec1971ee47";

std::string text_of(const Session& session) {
  char text[kSessionTextBytes];
  format_session(session, text);
  return text;
}

bool refused(const std::string& text) {
  Session session;
  return !parse_session(text.c_str(), &session);
}

}  // namespace

TEST_CASE("a session's text gives each part") {
  Session session;
  std::string text = std::string("2:p:m:65536:1000:") + kSecret + ":/run/user/1000/telinject";
  REQUIRE(parse_session(text.c_str(), &session));
  CHECK(session.mode == SessionMode::kPreload);
  CHECK(session.clock == ClockKind::kMonotonic);
  CHECK(session.waiting_bytes == 65536);
  CHECK(session.uid == 1000);
  CHECK(std::string(session.name) == kName);
  CHECK(std::string(session.file) == kFile);
  uint8_t secret[kSecretBytes] = {0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef,
                                  0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef};
  CHECK(is_session_secret(session, secret));
  CHECK(std::string(session.directory) == "/run/user/1000/telinject");
  CHECK(text_of(session) == text);
}

TEST_CASE("the longest session fits into its text and comes back") {
  std::string directory = "/" + std::string(kSessionDirectoryBytes - 2, 'd');
  std::string text = std::string("2:r:t:1099511627776:4294967295:") + kSecret + ":" + directory;
  Session session;
  REQUIRE(parse_session(text.c_str(), &session));
  CHECK(session.uid == 4294967295u);
  CHECK(text_of(session) == text);
  CHECK(refused(text + "d"));
}

TEST_CASE("a session without a directory has the abstract address only") {
  Session session;
  REQUIRE(parse_session((std::string("2:r:t:0:0:") + kSecret + ":").c_str(), &session));
  CHECK(std::string(session.directory) == "");
  sockaddr_un address;
  CHECK(session_path_address(session, &address) == 0);
  uint32_t length = session_abstract_address(session, &address);
  CHECK(address.sun_path[0] == 0);
  std::string name = std::string("telinject-") + kName;
  CHECK(std::string(address.sun_path + 1) == name);
  CHECK(length == offsetof(sockaddr_un, sun_path) + 1 + name.size());
}

TEST_CASE("a session's path is the file in its directory, with the terminator") {
  Session session;
  REQUIRE(parse_session((std::string("2:r:t:0:0:") + kSecret + ":/run/t").c_str(), &session));
  sockaddr_un address;
  uint32_t length = session_path_address(session, &address);
  CHECK(std::string(address.sun_path) == std::string("/run/t/") + kFile);
  CHECK(length == offsetof(sockaddr_un, sun_path) + std::string(address.sun_path).size() + 1);
}

TEST_CASE("the longest directory still makes an address") {
  Session session;
  std::string directory = "/" + std::string(kSessionDirectoryBytes - 2, 'd');
  REQUIRE(parse_session((std::string("2:r:t:0:0:") + kSecret + ":" + directory).c_str(), &session));
  sockaddr_un address;
  CHECK(session_path_address(session, &address) > 0);
}

TEST_CASE("a secret with any bit changed is refused") {
  Session session = {};
  uint8_t secret[kSecretBytes] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
  set_session_secret(secret, &session);
  for (size_t bit = 0; bit < 8 * kSecretBytes; bit++) {
    uint8_t other[kSecretBytes];
    std::copy(secret, secret + kSecretBytes, other);
    other[bit / 8] = static_cast<uint8_t>(other[bit / 8] ^ 1 << bit % 8);
    CAPTURE(bit);
    CHECK_FALSE(is_session_secret(session, other));
    Session another = {};
    set_session_secret(other, &another);
    CHECK(std::string(another.name) != session.name);
    CHECK(std::string(another.file) != session.file);
  }
  CHECK(is_session_secret(session, secret));
}

TEST_CASE("neither address contains the secret or the other's name") {
  Session session;
  REQUIRE(parse_session((std::string("2:r:t:0:0:") + kSecret + ":/run/t").c_str(), &session));
  sockaddr_un path, abstract;
  REQUIRE(session_path_address(session, &path) > 0);
  REQUIRE(session_abstract_address(session, &abstract) > 0);
  std::string shown = std::string(path.sun_path) + (abstract.sun_path + 1);
  CHECK(shown.find(std::string(kSecret, 8)) == shown.npos);
  CHECK(std::string(abstract.sun_path + 1).find(std::string(kFile, 8)) == shown.npos);
}

TEST_CASE("session texts that are not ours are refused") {
  std::string name = kSecret;
  std::string good = "2:r:t:65536:0:" + name + ":/tmp";
  REQUIRE_FALSE(refused(good));
  // Cut anywhere before the directory.
  for (size_t length = 0; length + 4 < good.size(); length++) {
    CAPTURE(length);
    CHECK(refused(good.substr(0, length)));
  }
  CHECK(refused("1:r:t:65536:0:" + name + ":/tmp"));
  CHECK(refused("2:x:t:65536:0:" + name + ":/tmp"));
  CHECK(refused("2:r:x:65536:0:" + name + ":/tmp"));
  CHECK(refused("2:r:t:1099511627777:0:" + name + ":/tmp"));
  CHECK(refused("2:r:t:-1:0:" + name + ":/tmp"));
  CHECK(refused("2:r:t::0:" + name + ":/tmp"));
  CHECK(refused("2:r:t:0:4294967296:" + name + ":/tmp"));
  CHECK(refused("2:r:t:0:99999999999999999999:" + name + ":/tmp"));
  CHECK(refused("2:r:t:0:0:" + name.substr(1) + "g:/tmp"));
  CHECK(refused("2:r:t:0:0:" + std::string("0123456789ABCDEF0123456789abcdef") + ":/tmp"));
  CHECK(refused("2:r:t:0:0:" + name + "0:/tmp"));
  CHECK(refused("2:r:t:0:0:" + name + ":tmp"));
}

TEST_CASE("a reference to a record is read back") {
  RecordRef ref = {0x0123456789abcdef, 0xfedcba9876543210, 0x3ff, 0};
  char text[kParentTextBytes];
  format_record_ref(ref, text);
  CHECK(std::string(text) == "0123456789abcdef:3ff:fedcba9876543210");
  RecordRef back;
  REQUIRE(parse_record_ref(text, &back));
  CHECK(back.segment == ref.segment);
  CHECK(back.lane == ref.lane);
  CHECK(back.position == ref.position);
}

TEST_CASE("references that are not ours are refused") {
  RecordRef ref;
  for (const char* text :
       {"", "0000000000000000:001:0000000000000010", "0123456789abcdef:3ff:fedcba987654321",
        "0123456789abcdef:3ff:fedcba98765432100", "0123456789abcdef-3ff:fedcba9876543210",
        "0123456789abcdef:3fg:fedcba9876543210", "0123456789ABCDEF:3ff:fedcba9876543210"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_record_ref(text, &ref));
  }
}

}  // namespace telinject::test::session_test
