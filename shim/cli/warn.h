// What telrun prints: one line each, on the stderr that it was started with.
//
// While the program runs, telrun must not hold the writing end of a pipe, because its reader would
// wait for telrun's end instead of the program's. So a stderr that is a pipe is let go after the
// start, held by its place only (O_PATH), and opened again for each line. A line that the pipe does
// not take within a short time is lost.
#pragma once

#include <cstdint>

#include "shim/channel/text.h"

namespace telinject {

inline constexpr size_t kLineBytes = 1024;

// What lines begin with; "telrun" if this is not called. `name` must live as long as the process.
void warn_as(const char* name);

// Ends the line and writes it, made printable (printable.h): values may carry anything.
void write_line(const TextBuffer& text);

// Starts the line with the speaker's name.
void begin_line(TextBuffer* text);

inline void add_part(TextBuffer* text, const char* part) {
  text->add(part);
}
inline void add_part(TextBuffer* text, uint64_t part) {
  text->number(part);
}
inline void add_part(TextBuffer* text, int part) {
  text->number(static_cast<uint64_t>(part));
}

template <typename... Parts>
void warn(const Parts&... parts) {
  char line[kLineBytes];
  TextBuffer text(line, sizeof line);
  begin_line(&text);
  (add_part(&text, parts), ...);
  write_line(text);
}

// Lets go of a stderr that is a pipe; descriptor 2 becomes `null_fd`. Returns the descriptor that
// holds its place, or -1 if descriptor 2 is kept as it is.
int let_go_of_stderr(int null_fd);
// Holds the pipe's writing end from now on, because more lines will come.
void take_hold_of_stderr();

}  // namespace telinject
