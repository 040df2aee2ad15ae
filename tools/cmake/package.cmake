# What lets other projects find an installed mailmod: mailmod.pc for pkg-config
# and a package for find_package(mailmod), which gives mailmod::mailmod. Both
# know their place by their own, so that an installed tree can be moved.
include(CMakePackageConfigHelpers)

set(package_folder ${CMAKE_INSTALL_LIBDIR}/cmake/mailmod)
install(EXPORT mailmod-targets NAMESPACE mailmod:: FILE mailmod-targets.cmake
    DESTINATION ${package_folder})
configure_package_config_file(
    ${CMAKE_SOURCE_DIR}/tools/cmake/mailmod-config.cmake.in
    ${CMAKE_CURRENT_BINARY_DIR}/mailmod-config.cmake
    INSTALL_DESTINATION ${package_folder}
    NO_SET_AND_CHECK_MACRO)
write_basic_package_version_file(
    ${CMAKE_CURRENT_BINARY_DIR}/mailmod-config-version.cmake
    COMPATIBILITY ${abi_compatibility})
install(FILES
    ${CMAKE_CURRENT_BINARY_DIR}/mailmod-config.cmake
    ${CMAKE_CURRENT_BINARY_DIR}/mailmod-config-version.cmake
    DESTINATION ${package_folder})

# A folder as mailmod.pc names it: below ${prefix}, unless it was given whole.
function(mm_pkgconfig_folder variable folder)
    if(IS_ABSOLUTE "${folder}")
        set(${variable} "${folder}" PARENT_SCOPE)
    else()
        set(${variable} "\${prefix}/${folder}" PARENT_SCOPE)
    endif()
endfunction()

if(IS_ABSOLUTE "${CMAKE_INSTALL_LIBDIR}")
    set(pkgconfig_prefix "${CMAKE_INSTALL_PREFIX}")
else()
    # From the folder of mailmod.pc, however deep the library's folder lies.
    file(RELATIVE_PATH up "/${CMAKE_INSTALL_LIBDIR}/pkgconfig" "/")
    string(REGEX REPLACE "/$" "" up "${up}")
    set(pkgconfig_prefix "\${pcfiledir}/${up}")
endif()
# What pkg-config --static adds for libmailmod.a.
list(JOIN static_flags " " pkgconfig_private)
mm_pkgconfig_folder(pkgconfig_libdir "${CMAKE_INSTALL_LIBDIR}")
mm_pkgconfig_folder(pkgconfig_includedir "${CMAKE_INSTALL_INCLUDEDIR}")
configure_file(${CMAKE_SOURCE_DIR}/tools/cmake/mailmod.pc.in
    ${CMAKE_CURRENT_BINARY_DIR}/mailmod.pc @ONLY)
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/mailmod.pc
    DESTINATION ${CMAKE_INSTALL_LIBDIR}/pkgconfig)
