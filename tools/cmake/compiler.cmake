# mailmod_flags: warnings, hardening and sanitizers for all of our own code.
add_library(mailmod_flags INTERFACE)
target_compile_options(mailmod_flags INTERFACE
    -Wall -Wextra -Wpedantic -Wshadow -Wstrict-prototypes -Wmissing-prototypes
    -Wwrite-strings -Wvla -Wpointer-arith -Wundef -Wformat=2
    -Wimplicit-fallthrough -fno-common)
if(MAILMOD_WERROR)
    target_compile_options(mailmod_flags INTERFACE -Werror)
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
if(NOT WIN32)
    # The sources are ISO C11 plus POSIX; feature macros are set here alone.
    target_compile_definitions(mailmod_flags INTERFACE
        _POSIX_C_SOURCE=200809L _DEFAULT_SOURCE)
endif()
