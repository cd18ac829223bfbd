#include "shim/redaction/names.h"

#include <algorithm>
#include <array>

#include "shim/redaction/characters.h"

namespace telinject::redaction {

namespace {

// A name's tail decides if it is longer: "spring.datasource....password".
constexpr size_t kLongestName = 128;
constexpr size_t kMaxWords = 32;

// Anywhere in a name, once what separates its words is taken out.
constexpr std::string_view kParts[] = {
    "password",        "passwd",        "passphrase",    "passcode",       "passwort",
    "secret",          "credential",    "authorization", "apikey",         "accesskey",
    "privatekey",      "authkey",       "accountkey",    "signingkey",     "encryptionkey",
    "encryptkey",      "decryptionkey", "decryptkey",    "cryptokey",      "cipherkey",
    "subscriptionkey", "functionkey",   "functionskey",  "masterkey",      "applicationkey",
    "appkey",          "licensekey",    "licencekey",    "sharedkey",      "sessionkey",
    "storagekey",      "deploykey",     "consumerkey",   "integrationkey", "instrumentationkey",
    "ingestkey",       "insertkey",     "writekey",      "adminkey",       "servicekey",
    "hmackey",         "aeskey",        "rsakey",        "wepkey",         "sharedaccesssignature",
    "securestring",    "requirepass",   "masterauth",    "keypass",        "storepass",
    "dbpass",          "userpass",      "becomepass",    "adminpass",      "rootpass",
    "mysqlpass",       "smtppass",      "ftppass",       "pgpass",         "sshpass",
    "sudopass",        "bindpass",      "ldappass",      "mailpass",       "bindpw",
    "rootpw",          "userpw",        "adminpw",       "sessionid",      "sessid",
    "connectsid",      "csrf",          "xsrf",          "samlresponse",   "samlassertion",
    "codeverifier",    "oauthverifier", "authcode",      "devicecode",     "verificationcode",
    "accesscode",      "recoverycode",  "backupcode",    "onetimecode",    "mfacode",
    "mnemonic",        "seedphrase",    "macaroon",      "webhookurl",
};

// A name's last word.
constexpr std::string_view kLastAnywhere[] = {"pass", "pw",    "pwd",    "psw", "jwt",  "bearer",
                                              "otp",  "totp",  "pin",    "sas", "psk",  "auth",
                                              "cred", "creds", "cookie", "pat", "hmac", "cookies"};
constexpr std::string_view kLastOnTheWire[] = {"key",     "sig", "sign",     "signature",
                                               "session", "sid", "verifier", "assertion",
                                               "passkey", "csrf"};
// The whole name.
constexpr std::string_view kWholeOnTheWire[] = {"code",
                                                "ticket",
                                                "pgt",
                                                "pgtiou",
                                                "x_wsse",
                                                "x_honeycomb_team",
                                                "authentication",
                                                "authentication_info",
                                                "proxy_authentication_info"};
// Keys that open nothing.
constexpr std::string_view kOpenKeys[] = {
    "sort",      "order",       "group",         "cache",       "public",   "primary", "foreign",
    "partition", "idempotency", "surrogate",     "routing",     "object",   "hot",     "short",
    "config",    "translation", "lookup",        "row",         "registry", "socket",  "index",
    "unique",    "dedup",       "deduplication", "correlation", "message",  "event",   "field"};

// They say where it is or what it is like, not what it is: a password file, a token's type.
constexpr std::string_view kNotTheValue[] = {"file",
                                             "files",
                                             "filename",
                                             "path",
                                             "paths",
                                             "stdin",
                                             "fd",
                                             "prompt",
                                             "prompts",
                                             "env",
                                             "url",
                                             "uri",
                                             "urls",
                                             "type",
                                             "types",
                                             "endpoint",
                                             "expiry",
                                             "expires",
                                             "expiration",
                                             "ttl",
                                             "timeout",
                                             "lifetime",
                                             "length",
                                             "len",
                                             "size",
                                             "count",
                                             "limit",
                                             "policy",
                                             "policies",
                                             "provider",
                                             "providers",
                                             "manager",
                                             "store",
                                             "stores",
                                             "helper",
                                             "command",
                                             "cmd",
                                             "program",
                                             "handler",
                                             "handlers",
                                             "format",
                                             "algorithm",
                                             "alg",
                                             "algo",
                                             "method",
                                             "methods",
                                             "mode",
                                             "scope",
                                             "scopes",
                                             "issuer",
                                             "audience",
                                             "server",
                                             "service",
                                             "services",
                                             "host",
                                             "port",
                                             "region",
                                             "location",
                                             "dir",
                                             "directory",
                                             "folder",
                                             "mount",
                                             "field",
                                             "column",
                                             "header",
                                             "headers",
                                             "param",
                                             "parameter",
                                             "label",
                                             "selector",
                                             "ref",
                                             "refs",
                                             "arn",
                                             "version",
                                             "required",
                                             "enabled",
                                             "disabled",
                                             "allowed",
                                             "authentication",
                                             "strength",
                                             "rotation",
                                             "generator",
                                             "validator",
                                             "validation",
                                             "parser",
                                             "reader",
                                             "writer",
                                             "loader",
                                             "controller",
                                             "operator",
                                             "driver",
                                             "injector",
                                             "tokenizer",
                                             "cpp",
                                             "cc",
                                             "cxx",
                                             "c",
                                             "h",
                                             "hpp",
                                             "py",
                                             "js",
                                             "mjs",
                                             "ts",
                                             "tsx",
                                             "go",
                                             "rs",
                                             "java",
                                             "kt",
                                             "cs",
                                             "rb",
                                             "php",
                                             "pl",
                                             "lua",
                                             "sh",
                                             "json",
                                             "yaml",
                                             "yml",
                                             "toml",
                                             "xml",
                                             "html",
                                             "md",
                                             "txt",
                                             "log",
                                             "so",
                                             "o",
                                             "conf",
                                             "cfg",
                                             "ini",
                                             "lock",
                                             "pem",
                                             "crt",
                                             "xz",
                                             "gz",
                                             "class",
                                             "kind",
                                             "position",
                                             "index",
                                             "tests",
                                             "passwordless"};
// ... which headers and parameters do not have for that.
constexpr std::string_view kNotTheValueOffTheWire[] = {"id", "name", "names", "ids"};

constexpr std::string_view kCounts[] = {
    "max",    "min",    "num",  "n",     "total", "count",      "input", "output",
    "prompt", "cached", "used", "limit", "per",   "completion", "new",   "reasoning"};

// Ways to authenticate.
constexpr std::string_view kWays[] = {
    "basic", "digest", "bearer",   "ntlm",   "oauth",  "oauth2",   "negotiate", "required",
    "plain", "login",  "optional", "sasl",   "gssapi", "kerberos", "krb5",      "token",
    "md5",   "trust",  "peer",     "jwt",    "iam",    "any",      "password",  "scram-sha-256",
    "tls",   "cert",   "ldap",     "saml",   "oidc",   "spnego",   "default",   "cram-md5",
    "sha1",  "sha256", "sha512",   "shared", "open",   "wpa",      "wpa2",      "system",
    "pam",   "unix",   "local",    "github", "google", "failed",   "ok",        "denied"};

// A name's words in small letters, and all of them without what separates them.
class Words {
 public:
  explicit Words(std::string_view name) {
    if (name.size() > kLongestName) name.remove_prefix(name.size() - kLongestName);
    for (size_t i = 0; i < name.size(); i++) {
      char c = name[i];
      if (!is(c, kLetter | kDigit)) {
        end();
        continue;
      }
      bool upper = is(c, kUpper), before_lower = i > 0 && is(name[i - 1], kLower | kDigit);
      bool next_lower = i + 1 < name.size() && is(name[i + 1], kLower);
      bool before_upper = i > 0 && is(name[i - 1], kUpper);
      if (upper && (before_lower || (before_upper && next_lower))) end();
      text_[size_++] = lower(c);
    }
    end();
  }

  std::string_view all() const { return {text_.data(), size_}; }
  std::string_view last() const { return count_ == 0 ? std::string_view() : words_[count_ - 1]; }
  template <typename List>
  bool any(const List& list) const {
    return std::any_of(words_.begin(), words_.begin() + static_cast<ptrdiff_t>(count_),
                       [&](std::string_view word) { return is_one_of(word, list); });
  }
  bool has_token() const {
    return std::any_of(words_.begin(), words_.begin() + static_cast<ptrdiff_t>(count_),
                       [&](std::string_view word) {
                         return word.ends_with("token") ||
                                (word.ends_with("tokens") && !any(kCounts));
                       });
  }

 private:
  // Numbers behind a word are not of it: password2, signature-256.
  void end() {
    std::string_view word(text_.data() + begin_, size_ - begin_);
    begin_ = size_;
    while (!word.empty() && is(word.back(), kDigit)) word.remove_suffix(1);
    if (!word.empty() && count_ < kMaxWords) words_[count_++] = word;
  }

  std::array<char, kLongestName> text_;
  std::array<std::string_view, kMaxWords> words_;
  size_t size_ = 0, begin_ = 0, count_ = 0;
};

constexpr ByFirstCharacter kPartsByFirst(kParts, [](std::string_view part) { return part; });

bool has_part(const Words& words) {
  std::string_view all = words.all();
  if (contains(all, "secretar")) return false;
  if (words.has_token()) return true;
  for (size_t at = 0; at < all.size(); at++) {
    for (std::string_view part : kPartsByFirst.of(all[at])) {
      if (all.substr(at).starts_with(part)) return true;
    }
  }
  return false;
}

bool is_open_key(const Words& words) {
  return words.last() == "key" && words.any(kOpenKeys);
}

Secrecy of_words(const Words& words, std::string_view normalised) {
  std::string_view last = words.last();
  if (contains(words.all(), "accesskeyid")) return Secrecy::kAnywhere;  // half of a pair
  if (normalised == "access_control_allow_credentials") return Secrecy::kNone;
  if (last == "authorization") return Secrecy::kLine;
  if (is_one_of(normalised, kWholeOnTheWire)) return Secrecy::kOnTheWire;
  if (is_one_of(last, kNotTheValue)) return Secrecy::kNone;
  bool has = has_part(words) || is_one_of(last, kLastAnywhere);
  if (has && is_one_of(last, kNotTheValueOffTheWire) && !contains(words.all(), "secretid") &&
      !contains(words.all(), "sessionid")) {
    return Secrecy::kOnTheWire;
  }
  if (last == "cookie" || last == "mnemonic" || last == "passphrase") return Secrecy::kLine;
  if (has) return Secrecy::kAnywhere;
  return is_one_of(last, kLastOnTheWire) && !is_open_key(words) ? Secrecy::kOnTheWire
                                                                : Secrecy::kNone;
}

}  // namespace

std::string normalised_name(std::string_view name) {
  std::string text(name);
  for (char& c : text) c = c == '-' ? '_' : lower(c);
  return text;
}

Secrecy secrecy_of(std::string_view name) {
  while (name.starts_with('-')) name.remove_prefix(1);
  if (name.empty()) return Secrecy::kNone;
  Words words(name);
  return of_words(words, normalised_name(name.substr(0, kLongestName)));
}

bool is_harmless(std::string_view name, std::string_view value) {
  Words words(name);
  std::string_view last = words.last();
  if (last == "auth") return is_one_of(value, kWays);
  bool digits = std::all_of(value.begin(), value.end(), [](char c) { return is(c, kDigit); });
  if (last == "pass") return digits && value.size() == 1;
  if (last == "pin") return digits && value.size() <= 2;
  if (last.ends_with("tokens")) return digits;
  if (last == "credentials") return value.starts_with('/') || value.ends_with(".json");
  bool directory = name == "PWD" || name == "OLDPWD";
  return directory && (value.starts_with('/') || value.starts_with('.'));
}

}  // namespace telinject::redaction
