# find_package(telinject), in the build tree (telinject_DIR=build) and installed. To be included by
# the top-level CMakeLists.txt, after GNUInstallDirs.

include(CMakePackageConfigHelpers)

set(package_destination ${CMAKE_INSTALL_LIBDIR}/cmake/telinject)
set(package_version ${PROJECT_BINARY_DIR}/telinject-config-version.cmake)
write_basic_package_version_file(${package_version} COMPATIBILITY SameMinorVersion)

# The two differ in where they stand to bin/ and lib/; both find them relative to themselves.
set(TELINJECT_BINDIR bin)
set(TELINJECT_LIBDIR lib)
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/TelinjectConfig.cmake.in
  ${PROJECT_BINARY_DIR}/telinject-config.cmake
  INSTALL_PREFIX ${PROJECT_BINARY_DIR}
  INSTALL_DESTINATION ${PROJECT_BINARY_DIR}
  PATH_VARS TELINJECT_BINDIR TELINJECT_LIBDIR)

set(TELINJECT_BINDIR ${CMAKE_INSTALL_BINDIR})
set(TELINJECT_LIBDIR ${CMAKE_INSTALL_LIBDIR})
configure_package_config_file(${CMAKE_CURRENT_LIST_DIR}/TelinjectConfig.cmake.in
  ${PROJECT_BINARY_DIR}/installed/telinject-config.cmake
  INSTALL_DESTINATION ${package_destination}
  PATH_VARS TELINJECT_BINDIR TELINJECT_LIBDIR)

install(FILES ${PROJECT_BINARY_DIR}/installed/telinject-config.cmake ${package_version}
  DESTINATION ${package_destination})
