/* thread: any
 * srv_alias.h - one function under two exported names, with one address.
 *
 * MM_SRV_ALIAS(documented, other) goes behind the definition of `documented`;
 * both stand in mailmod/srv.h. ELF and COFF by GNU compilers know the alias as
 * a symbol of the object; Microsoft's linker makes it. */
#ifndef MM_API_SRV_ALIAS_H
#define MM_API_SRV_ALIAS_H

#if defined(__GNUC__)
#define MM_SRV_ALIAS(documented, other)                                        \
    MAILMOD_API extern __typeof__(documented) other                            \
        __attribute__((alias(#documented)))
#else
/* /alternatename for who links the objects, /export for the DLL; names of C are
 * not decorated on x64. Not tried with a Microsoft compiler yet. */
#define MM_SRV_ALIAS(documented, other)                                        \
    __pragma(comment(linker, "/alternatename:" #other "=" #documented))        \
        __pragma(comment(linker,                                               \
                         "/export:" #other                                     \
                         "=" #documented)) struct mm_srv_alias_of_##documented
#endif

#endif
