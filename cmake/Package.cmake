# Packages of what is installed, made in the build tree: cpack -G DEB, cpack -G TGZ. The tarball can be
# unpacked anywhere.
set(CPACK_PACKAGE_NAME telinject)
set(CPACK_PACKAGE_VENDOR telinject)
set(CPACK_PACKAGE_CONTACT "telinject's maintainers <telinject@localhost>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY ${PROJECT_DESCRIPTION})
set(CPACK_RESOURCE_FILE_LICENSE ${PROJECT_SOURCE_DIR}/LICENSE)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION devel)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
# Loaded when there is something to ask or to send.
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS "libcurl4 | libcurl4t64")
set(CPACK_DEBIAN_PACKAGE_SUGGESTS "gcc, jq, zstd")
include(CPack)
