#include "shim/http/header_block.h"

#include <http_parser.h>

namespace telinject {

namespace {

constexpr size_t kMaxFields = 256;

struct Visit {
  HeaderBlock* block;
  bool last_was_value = false;
};

Visit* visit_of(http_parser* parser) {
  return static_cast<Visit*>(parser->data);
}

// More of the same: it lies behind what was told before, line ends of a folded value in between.
void extend(std::string_view* text, const char* at, size_t size) {
  if (text->data() == nullptr) {
    *text = {at, size};
  } else {
    *text = {text->data(), static_cast<size_t>(at + size - text->data())};
  }
}

int on_url(http_parser* parser, const char* at, size_t size) {
  extend(&visit_of(parser)->block->target, at, size);
  return 0;
}

// What a field means to the framing of the message is of no interest here: the parser takes it for
// any other (header_state 0), and so for no error.
int on_name(http_parser* parser, const char* at, size_t size) {
  parser->header_state = 0;
  Visit* visit = visit_of(parser);
  auto& fields = visit->block->fields;
  if (fields.empty() || visit->last_was_value) {
    if (fields.size() == kMaxFields) return 1;
    fields.emplace_back();
  }
  visit->last_was_value = false;
  extend(&fields.back().name, at, size);
  return 0;
}

int on_value(http_parser* parser, const char* at, size_t size) {
  Visit* visit = visit_of(parser);
  if (visit->block->fields.empty()) return 1;
  visit->last_was_value = true;
  extend(&visit->block->fields.back().value, at, size);
  return 0;
}

// A body does not follow here.
int on_headers_complete(http_parser*) {
  return 2;
}

// The parser knows a table of methods, and any token is one: it is given one that it knows instead.
std::string_view stand_in(std::string_view method) {
  return method == "CONNECT" || method == "SOURCE" ? method : "GET";
}

}  // namespace

bool HeaderBlockParser::parse(std::string_view text, bool request, bool cut, HeaderBlock* block) {
  if (cut) {
    size_t end = text.rfind('\n');
    text = text.substr(0, end == text.npos ? 0 : end + 1);
  }
  while (text.ends_with("\r\n\r\n")) text.remove_suffix(2);
  method_.clear();
  if (request) {
    method_ = text.substr(0, text.find(' '));
    if (method_.size() == text.size() || !is_http_token(method_)) return false;
    text.remove_prefix(method_.size());
  }
  text_.assign(request ? stand_in(method_) : "");
  text_.append(text);
  if (!text_.ends_with('\n')) text_.append("\r\n");
  text_.append("\r\n");
  *block = {};
  block->request = request;
  Visit visit = {block};
  http_parser parser;
  http_parser_settings settings;
  http_parser_settings_init(&settings);
  settings.on_url = on_url;
  settings.on_header_field = on_name;
  settings.on_header_value = on_value;
  settings.on_headers_complete = on_headers_complete;
  http_parser_init(&parser, request ? HTTP_REQUEST : HTTP_RESPONSE);
  parser.data = &visit;
  parser.allow_chunked_length = 1;
  // What was told before an error is good.
  http_parser_execute(&parser, &settings, text_.data(), text_.size());
  block->major = parser.http_major;
  block->minor = parser.http_minor;
  if (!visit.last_was_value && !block->fields.empty()) block->fields.pop_back();
  if (request) {
    if (block->target.empty()) return false;
    block->method = method_;
    return true;
  }
  block->status = parser.status_code;
  return block->status >= 100 && block->status <= 999;
}

}  // namespace telinject
