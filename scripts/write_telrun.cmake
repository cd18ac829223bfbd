# write_telrun(<directory> <absolute path of telinject>): makes <directory>/telrun.

set(TELRUN_TEMPLATE "${CMAKE_CURRENT_LIST_DIR}/telrun.in")

function(write_telrun directory TELINJECT)
  set(telrun "${directory}/telrun")
  # configure_file would write through a link, over telinject itself.
  if(IS_SYMLINK "${telrun}")
    file(REMOVE "${telrun}")
  endif()
  # The kernel splits an interpreter line at white space, and before Linux 5.1 cut it at 127 bytes.
  string(LENGTH "${TELINJECT}" length)
  if(TELINJECT MATCHES "[ \t\n]" OR length GREATER 119)
    file(MAKE_DIRECTORY "${directory}")
    file(REMOVE "${telrun}")
    file(CREATE_LINK telinject "${telrun}" SYMBOLIC)
  else()
    configure_file("${TELRUN_TEMPLATE}" "${telrun}" @ONLY FILE_PERMISSIONS
      OWNER_READ OWNER_WRITE OWNER_EXECUTE GROUP_READ GROUP_EXECUTE WORLD_READ WORLD_EXECUTE)
  endif()
endfunction()
