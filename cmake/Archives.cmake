# The drain is started with every traced program, and a dynamic linker that looks for 25 libraries
# takes longer than all else that the drain does until it is ready. So its libraries are linked
# statically, save libc (libcurl, which is loaded when it is needed, wants that one), wherever there
# is an archive.
#
#   telinject_find_library(variable name)     as find_library, the archive first
#   telinject_use_archives(target...)         imported targets, and what they need

set(static_default ON)
if(CMAKE_CXX_FLAGS MATCHES "-fsanitize")
  set(static_default OFF)  # a sanitizer's runtime brings the shared C++ library with it
endif()
option(TELINJECT_STATIC_DRAIN "Link the drain's libraries statically, save libc" ${static_default})

macro(telinject_find_library variable name)
  if(TELINJECT_STATIC_DRAIN)
    find_library(${variable} NAMES lib${name}.a ${name} REQUIRED)
  else()
    find_library(${variable} NAMES ${name} REQUIRED)
  endif()
endmacro()

function(telinject_use_archives)
  if(NOT TELINJECT_STATIC_DRAIN)
    return()
  endif()
  set(waiting ${ARGN})
  set(seen)
  while(waiting)
    list(POP_FRONT waiting target)
    if(target IN_LIST seen OR NOT TARGET ${target})
      continue()
    endif()
    list(APPEND seen ${target})
    get_target_property(needed ${target} INTERFACE_LINK_LIBRARIES)
    if(needed)
      list(APPEND waiting ${needed})
    endif()
    get_target_property(configurations ${target} IMPORTED_CONFIGURATIONS)
    set(properties IMPORTED_LOCATION)
    if(configurations)
      list(TRANSFORM configurations PREPEND IMPORTED_LOCATION_)
      list(APPEND properties ${configurations})
    endif()
    foreach(property IN LISTS properties)
      get_target_property(location ${target} ${property})
      if(location MATCHES "\\.so(\\.[0-9.]+)?$")
        string(REGEX REPLACE "\\.so(\\.[0-9.]+)?$" ".a" archive "${location}")
        if(EXISTS "${archive}")
          set_target_properties(${target} PROPERTIES ${property} "${archive}")
        endif()
      endif()
    endforeach()
  endwhile()
endfunction()
