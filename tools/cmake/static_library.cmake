# mailmod_static: the same objects as an archive. A program that takes it needs
# the libraries below as well: `static_flags` are for the linker, and the
# installed target carries their names. On Windows they are archives of this
# build's own prefix, so that theirs are put into ours and only the system's are
# left.
set(below mailmod_ssl mailmod_crypto mailmod_uv mailmod_cares mailmod_sqlite
    mailmod_idn mailmod_threads)

add_library(mailmod_static STATIC ${objects})
set_target_properties(mailmod_static PROPERTIES
    LINKER_LANGUAGE C
    OUTPUT_NAME mailmod)
target_include_directories(mailmod_static INTERFACE
    $<BUILD_INTERFACE:${CMAKE_SOURCE_DIR}/include>
    $<INSTALL_INTERFACE:${CMAKE_INSTALL_INCLUDEDIR}>)

set(static_flags "")
set(static_names "")
if(MAILMOD_WINDOWS_PREFIX)
    set(script "CREATE $<TARGET_FILE:mailmod_static>.whole\n")
    string(APPEND script "ADDLIB $<TARGET_FILE:mailmod_static>\n")
    foreach(target ${below})
        get_target_property(parts ${target} INTERFACE_LINK_LIBRARIES)
        list(APPEND static_names ${parts})
    endforeach()
    list(REMOVE_DUPLICATES static_names)
    set(archives ${static_names})
    list(FILTER archives INCLUDE REGEX "\\.a$")
    list(FILTER static_names EXCLUDE REGEX "\\.a$")
    foreach(archive ${archives})
        string(APPEND script "ADDLIB ${archive}\n")
    endforeach()
    string(APPEND script "SAVE\nEND\n")
    file(GENERATE OUTPUT ${CMAKE_CURRENT_BINARY_DIR}/whole.mri
        CONTENT "${script}")
    add_custom_command(TARGET mailmod_static POST_BUILD
        COMMAND ${CMAKE_AR} -M < ${CMAKE_CURRENT_BINARY_DIR}/whole.mri
        COMMAND ${CMAKE_COMMAND} -E rename
            $<TARGET_FILE:mailmod_static>.whole $<TARGET_FILE:mailmod_static>
        VERBATIM)
    list(TRANSFORM static_names PREPEND "-l" OUTPUT_VARIABLE static_flags)
else()
    foreach(target ${below})
        list(APPEND static_flags ${${target}_LDFLAGS})
        list(APPEND static_names ${${target}_LIBRARIES})
    endforeach()
    list(APPEND static_flags -lpthread)
    list(APPEND static_names pthread)
    list(REMOVE_DUPLICATES static_flags)
    list(REMOVE_DUPLICATES static_names)
endif()
target_link_libraries(mailmod_static INTERFACE
    "$<BUILD_INTERFACE:${below}>" "$<INSTALL_INTERFACE:${static_names}>")
