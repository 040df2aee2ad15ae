# The libraries from outside for Windows by MinGW, static, from the prefix that
# tools/windows/dependencies makes; the same interface targets as for Linux.
set(libraries ${MAILMOD_WINDOWS_PREFIX}/lib)
if(NOT EXISTS ${libraries}/libuv.a)
    message(FATAL_ERROR "there are no libraries in MAILMOD_WINDOWS_PREFIX "
        "(${MAILMOD_WINDOWS_PREFIX}); tools/windows/dependencies builds them "
        "and tells where")
endif()

# mm_windows_library(TARGET LIBRARIES... DEFINE ...)
function(mm_windows_library target)
    cmake_parse_arguments(W "" "" "DEFINE" ${ARGN})
    add_library(${target} INTERFACE)
    target_include_directories(${target} SYSTEM INTERFACE
        ${MAILMOD_WINDOWS_PREFIX}/include)
    target_link_libraries(${target} INTERFACE ${W_UNPARSED_ARGUMENTS})
    target_compile_definitions(${target} INTERFACE ${W_DEFINE})
    # tests/rules compiles headers alone and asks for this.
    set(${target}_INCLUDE_DIRS ${MAILMOD_WINDOWS_PREFIX}/include PARENT_SCOPE)
endfunction()

set(crypto ${libraries}/libcrypto.a ws2_32 crypt32 bcrypt gdi32 advapi32 user32)
mm_windows_library(mailmod_crypto ${crypto})
mm_windows_library(mailmod_ssl ${libraries}/libssl.a ${crypto})
mm_windows_library(mailmod_uv ${libraries}/libuv.a ws2_32 mswsock iphlpapi
    userenv psapi user32 advapi32)
mm_windows_library(mailmod_cares ${libraries}/libcares.a ws2_32 iphlpapi
    advapi32 DEFINE CARES_STATICLIB)
mm_windows_library(mailmod_sqlite ${libraries}/libsqlite3.a)
if(MAILMOD_TESTS)
    mm_windows_library(mailmod_cmocka ${libraries}/libcmocka.a)
endif()
# What src/platform/windows itself takes of the system.
add_library(mailmod_idn INTERFACE)
target_link_libraries(mailmod_idn INTERFACE normaliz)
add_library(mailmod_threads INTERFACE)
target_link_libraries(mailmod_threads INTERFACE ws2_32 bcrypt advapi32 crypt32)
