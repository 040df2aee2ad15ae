/* thread: any
 * srv_alias.h - one function under two exported names, with one address.
 *
 * MM_SRV_ALIAS(documented, other) goes behind the definition of `documented`;
 * both stand in mailmod/srv.h. ELF and COFF by GNU compilers know the alias as
 * a symbol of the object; Microsoft's linker makes it when it exports. */
#ifndef MM_API_SRV_ALIAS_H
#define MM_API_SRV_ALIAS_H

#if defined(__GNUC__)
#define MM_SRV_ALIAS(documented, other)                                        \
    MAILMOD_API extern __typeof__(documented) other                            \
        __attribute__((alias(#documented)))
#else
#define MM_SRV_ALIAS(documented, other)                                        \
    __pragma(comment(linker,                                                   \
                     "/export:" #other                                         \
                     "=" #documented)) struct mm_srv_alias_of_##documented
#endif

#endif
