# cmake -DFOLDER=... -DOUT=... -P embed.cmake: the page of reports as C++ text.
#
# Indents and lines of comment are taken out: a report carries the page.

function(read_short name variable)
  file(READ "${FOLDER}/${name}" text)
  string(REGEX REPLACE "\n +" "\n" text "\n${text}")
  string(REGEX REPLACE "\n//[^\n]*" "" text "${text}")
  string(REGEX REPLACE "\n+" "\n" text "${text}")
  set(${variable} "${text}" PARENT_SCOPE)
endfunction()

set(result "// Made of shim/views/page/ by embed.cmake.\n#include \"shim/views/page.h\"\n\nnamespace telinject::views {\n\n")
set(script "")
foreach(name data.js base.js timeline.js flame.js screens.js main.js)
  read_short(${name} text)
  string(APPEND script "${text}")
endforeach()
read_short(page.html page)
read_short(style.css style)
foreach(each page style script)
  string(APPEND result "const char k_${each}[] = R\"~~~(${${each}})~~~\";\n")
endforeach()
string(APPEND result "\n}  // namespace telinject::views\n")
file(WRITE "${OUT}" "${result}")
