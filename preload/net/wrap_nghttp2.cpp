// nghttp2_submit_request: where HTTP/2 requests of programs that use nghttp2, libcurl among them,
// get their traceparent, for on the wire it is compressed with what came before.
//
// Safety class: that of the function; a bounded copy of the list of headers on the stack.
#include "hooks/http/traffic.h"
#include "preload/net/transfers.h"
#include "preload/real/export.h"
#include "preload/real/library_functions.h"
#include "preload/start/startup.h"
#include "shim/channel/text.h"
#include "shim/channel/traceparent.h"

namespace telinject::program {

namespace {

struct Field {  // nghttp2_nv
  const uint8_t* name;
  const uint8_t* value;
  size_t name_bytes, value_bytes;
  uint8_t flags;
};

constexpr size_t kMaxFields = 96;  // of a request that is given another one
constexpr char kName[] = "traceparent";

bool is_named(const Field& field, const char* name) {
  for (size_t i = 0; i < field.name_bytes; i++, name++) {
    if (*name == 0 || (field.name[i] | 0x20) != *name) return false;
  }
  return *name == 0;
}

const Field* find_field(const Field* fields, size_t count, const char* name) {
  for (size_t i = 0; i < count; i++) {
    if (is_named(fields[i], name)) return &fields[i];
  }
  return nullptr;
}

void add_value(TextBuffer* url, const Field* field) {
  if (field != nullptr) url->add(reinterpret_cast<const char*>(field->value), field->value_bytes);
}

void write_url(TextBuffer* url, const Field* fields, size_t count) {
  add_value(url, find_field(fields, count, ":scheme"));
  url->add("://");
  add_value(url, find_field(fields, count, ":authority"));
  add_value(url, find_field(fields, count, ":path"));
}

// A request of libcurl's carries the id that its transfer has issued.
void note_issued(const Field& field) {
  char text[kTraceparentLength + 1];
  TraceContext context;
  if (field.value_bytes != kTraceparentLength) return;
  for (size_t i = 0; i < kTraceparentLength; i++) text[i] = static_cast<char>(field.value[i]);
  text[kTraceparentLength] = 0;
  if (parse_traceparent(text, &context)) issued_id_sent(context.span_id);
}

using Submit = int32_t (*)(void* session, const void* priority, const Field* fields, size_t count,
                           const void* provider, void* user_data);

int32_t submit(Submit real, void* session, const void* priority, const Field* fields, size_t count,
               const void* provider, void* user_data, uintptr_t sp) {
  if (!capturing_http() || fields == nullptr) {
    return real(session, priority, fields, count, provider, user_data);
  }
  if (const Field* field = find_field(fields, count, kName)) {
    int32_t stream = real(session, priority, fields, count, provider, user_data);
    if (stream >= 0) note_issued(*field);
    return stream;
  }
  IssuedId id;
  Field all[kMaxFields];
  char space[1024];
  TextBuffer url(space, sizeof space);
  write_url(&url, fields, count);
  if (count + 2 > kMaxFields || !issue_id(url.text(), url.size(), sp, &id)) {
    return real(session, priority, fields, count, provider, user_data);
  }
  for (size_t i = 0; i < count; i++) all[i] = fields[i];
  all[count] = {reinterpret_cast<const uint8_t*>(kName),
                reinterpret_cast<const uint8_t*>(id.traceparent), sizeof kName - 1,
                sizeof id.traceparent, 0};
  char state[kMaxTracestate];
  size_t state_bytes =
      find_field(fields, count, "tracestate") == nullptr ? tracestate_of(id.trace, state) : 0;
  all[count + 1] = {reinterpret_cast<const uint8_t*>("tracestate"),
                    reinterpret_cast<const uint8_t*>(state), sizeof "tracestate" - 1, state_bytes,
                    0};
  int32_t stream =
      real(session, priority, all, count + (state_bytes != 0 ? 2 : 1), provider, user_data);
  end_issued_id(id, stream >= 0);
  return stream;
}

constexpr int32_t kInvalidState = -519;  // NGHTTP2_ERR_INVALID_STATE

}  // namespace

}  // namespace telinject::program

using namespace telinject;
using namespace telinject::program;

TELINJECT_WRAPPER(int32_t, nghttp2_submit_request, void* session, const void* priority,
                  const Field* fields, size_t count, const void* provider, void* user_data) {
  void* library = library_function(kLibrary_nghttp2_submit_request, TELINJECT_CALL_SITE(), session);
  if (library == nullptr) return kInvalidState;
  return submit(reinterpret_cast<Submit>(library), session, priority, fields, count, provider,
                user_data, TELINJECT_CALLER_SP());
}

TELINJECT_WRAPPER(int32_t, nghttp2_submit_request2, void* session, const void* priority,
                  const Field* fields, size_t count, const void* provider, void* user_data) {
  void* library =
      library_function(kLibrary_nghttp2_submit_request2, TELINJECT_CALL_SITE(), session);
  if (library == nullptr) return kInvalidState;
  return submit(reinterpret_cast<Submit>(library), session, priority, fields, count, provider,
                user_data, TELINJECT_CALLER_SP());
}
