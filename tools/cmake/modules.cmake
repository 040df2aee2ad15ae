# mm_module: one folder, one static library, one row of the layer table.
# A module sees the headers of the whole tree (tests/rules holds every include
# against the table) but links only the modules of its row, so that a unit test
# of it fails to link when a call breaks the table.

set_property(GLOBAL PROPERTY MAILMOD_MODULES "")

function(mm_module name)
    cmake_parse_arguments(M "" "ROOT" "DEPS;LINK" ${ARGN})
    if(NOT M_ROOT)
        set(M_ROOT ${CMAKE_SOURCE_DIR}/src/${name})
    endif()
    file(GLOB_RECURSE sources CONFIGURE_DEPENDS ${M_ROOT}/*.c)
    mm_module_library(${name} "${sources}" "${M_DEPS}" "${M_LINK}")
endfunction()

# The platform folder: the sub-folder of the system that is built for.
function(mm_platform_module name)
    cmake_parse_arguments(M "" "" "DEPS;LINK" ${ARGN})
    if(WIN32)
        set(system windows)
    else()
        set(system posix)
    endif()
    file(GLOB sources CONFIGURE_DEPENDS
        ${CMAKE_SOURCE_DIR}/src/${name}/${system}/*.c
        ${CMAKE_SOURCE_DIR}/src/${name}/*.c)
    mm_module_library(${name} "${sources}" "${M_DEPS}" "${M_LINK}")
endfunction()

function(mm_module_library name sources deps link)
    if(NOT sources)
        add_library(mm_${name} INTERFACE)
        set(scope INTERFACE)
    else()
        add_library(mm_${name} STATIC ${sources})
        set(scope PUBLIC)
        target_link_libraries(mm_${name} PRIVATE mailmod_flags)
        target_compile_definitions(mm_${name} PRIVATE MAILMOD_BUILD)
        set_property(GLOBAL APPEND PROPERTY MAILMOD_MODULES mm_${name})
    endif()
    target_include_directories(mm_${name} ${scope}
        ${CMAKE_SOURCE_DIR}/src ${CMAKE_SOURCE_DIR} ${CMAKE_SOURCE_DIR}/include)
    foreach(dep ${deps})
        target_link_libraries(mm_${name} ${scope} mm_${dep})
    endforeach()
    target_link_libraries(mm_${name} ${scope} ${link})
endfunction()
