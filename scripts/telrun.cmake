# telrun beside telinject, in the build tree and installed. (To be included, not a directory.)

include(${CMAKE_CURRENT_LIST_DIR}/write_telrun.cmake)

write_telrun("${CMAKE_RUNTIME_OUTPUT_DIRECTORY}" "${CMAKE_RUNTIME_OUTPUT_DIRECTORY}/telinject")

# The installed one names the installed telinject, whose place is known only when it is installed:
# `cmake --install --prefix`. DESTDIR is where it is put, not where it will be.
install(CODE "
  include(\"${CMAKE_CURRENT_LIST_DIR}/write_telrun.cmake\")
  get_filename_component(bindir \"${CMAKE_INSTALL_BINDIR}\" ABSOLUTE BASE_DIR \"\${CMAKE_INSTALL_PREFIX}\")
  # A folder of this installation alone: another may go on at the same time.
  string(RANDOM LENGTH 16 name)
  set(stage \"${CMAKE_BINARY_DIR}/telrun-\${name}\")
  write_telrun(\"\${stage}\" \"\${bindir}/telinject\")
  file(INSTALL DESTINATION \"\${bindir}\" TYPE PROGRAM FILES \"\${stage}/telrun\")
  file(REMOVE_RECURSE \"\${stage}\")
")
