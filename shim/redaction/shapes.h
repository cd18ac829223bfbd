// Finds credentials by their shape, whatever precedes them: tokens with their issuers' prefixes,
// JWTs, private keys in PEM, password hashes, Telegram bot tokens.
#pragma once

#include <cstddef>
#include <string_view>

namespace telinject::redaction {

// Searches one text from left to right. Remembers failed matches so that no byte is examined twice:
// the time is linear.
class Shapes {
 public:
  explicit Shapes(std::string_view text) : text_(text) {}

  // The end of a token that begins at `at`, or 0. `at` does not go back.
  size_t token_end(size_t at);
  // The end of the private key that begins with the dashes at `at`, or 0; all that is left if its
  // end was cut off.
  size_t private_key_end(size_t at) const;
  // The end of a crypt(3) hash that begins with the $ at `at`, or 0.
  size_t hash_end(size_t at) const;

 private:
  size_t bot_end(size_t at) const;

  std::string_view text_;
  size_t no_token_until_ = 0;
};

}  // namespace telinject::redaction
