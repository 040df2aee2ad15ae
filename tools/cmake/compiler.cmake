# mailmod_flags: warnings, hardening and sanitizers for all of our own code.
add_library(mailmod_flags INTERFACE)
if(MSVC)
    # The sources are UTF-8; C11's atomics are an experiment there.
    target_compile_options(mailmod_flags INTERFACE
        /W3 /utf-8 /experimental:c11atomics)
    target_compile_definitions(mailmod_flags INTERFACE _CRT_SECURE_NO_WARNINGS)
else()
    target_compile_options(mailmod_flags INTERFACE
        -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes
        -Wmissing-prototypes -Wwrite-strings -Wvla -Wpointer-arith -Wundef
        -Wformat=2 -Wimplicit-fallthrough -fno-common)
    if(MAILMOD_WERROR)
        target_compile_options(mailmod_flags INTERFACE -Werror)
    endif()
endif()
if(MAILMOD_SANITIZE)
    # On every target, tests included: a half-sanitized program lies.
    add_compile_options(-fsanitize=${MAILMOD_SANITIZE}
        -fno-sanitize-recover=all -fno-omit-frame-pointer -g)
    add_link_options(-fsanitize=${MAILMOD_SANITIZE})
elseif(NOT WIN32)
    target_compile_options(mailmod_flags INTERFACE -fstack-protector-strong)
    target_compile_definitions(mailmod_flags INTERFACE
        $<$<CONFIG:Release>:_FORTIFY_SOURCE=2>)
    add_link_options(-Wl,-z,relro,-z,now)
endif()
if(MAILMOD_FUZZ)
    add_compile_options(-fsanitize=fuzzer-no-link)
endif()
# The sources are ISO C11 plus the system's; feature macros are set here alone.
if(WIN32)
    # Windows 8 and later; libuv 1.44's header does not take more.
    target_compile_definitions(mailmod_flags INTERFACE
        _WIN32_WINNT=0x0602 WINVER=0x0602 WIN32_LEAN_AND_MEAN NOMINMAX NOGDI)
else()
    target_compile_definitions(mailmod_flags INTERFACE
        _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
endif()
