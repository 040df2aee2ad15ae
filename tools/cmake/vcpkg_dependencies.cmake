# The libraries from outside for builds on Windows itself, by vcpkg (vcpkg.json);
# the same interface targets as for Linux. Each port brings its CMake package.
find_package(OpenSSL 3.0 REQUIRED)
find_package(c-ares CONFIG REQUIRED)
find_package(libuv CONFIG REQUIRED)
find_package(unofficial-sqlite3 CONFIG REQUIRED)

function(mm_vcpkg_library target)
    add_library(${target} INTERFACE)
    target_link_libraries(${target} INTERFACE ${ARGN})
endfunction()

mm_vcpkg_library(mailmod_crypto OpenSSL::Crypto)
mm_vcpkg_library(mailmod_ssl OpenSSL::SSL)
mm_vcpkg_library(mailmod_cares c-ares::cares)
mm_vcpkg_library(mailmod_sqlite unofficial::sqlite3::sqlite3)
if(TARGET libuv::uv_a)
    mm_vcpkg_library(mailmod_uv libuv::uv_a)
else()
    mm_vcpkg_library(mailmod_uv libuv::uv)
endif()
if(MAILMOD_TESTS)
    find_package(cmocka CONFIG REQUIRED)
    mm_vcpkg_library(mailmod_cmocka cmocka::cmocka)
endif()
# What src/platform/windows itself takes of the system.
mm_vcpkg_library(mailmod_idn normaliz)
mm_vcpkg_library(mailmod_threads ws2_32 bcrypt advapi32 crypt32)
