/* thread: any
 * lenient.h - the one table of what SMTP takes from old devices and scripts
 * though no standard has it. Each is off; an engine is given them as bits of
 * its options, for peers that the operator named (smtp.lenient_from). None
 * changes what is stored: paths in their canonical text, lines with CRLF. Those
 * peers may speak TLS 1.0 as well, by a context of io/ (server/settings). */
#ifndef MM_WIRE_LENIENT_H
#define MM_WIRE_LENIENT_H

enum mm_leniency {
    /* MAIL FROM:a@b.example: RFC 5321 4.1.2 wants angle brackets. */
    MM_LENIENT_NO_BRACKETS = 1 << 0,
    /* name.@b, a..b@c, .a@b: RFC 5321 4.1.2 wants quotes, and gets them. */
    MM_LENIENT_DOTS = 1 << 1,
    /* a@my_host.example: RFC 5321 4.1.2 has letters, digits and hyphens. */
    MM_LENIENT_UNDERSCORES = 1 << 2,
    /* HELO without a name, with blanks, with octets above 127: RFC 5321
     * 4.1.1.1 wants a domain or a literal. */
    MM_LENIENT_HELLO = 1 << 3,
    /* Commands that end with LF: RFC 5321 2.3.8 wants CRLF. */
    MM_LENIENT_LF_COMMANDS = 1 << 4,
    /* Lines of the message that end with LF, and so LF "." LF as its end: RFC
     * 5321 2.3.8, 4.1.1.4. From others this would let messages be smuggled. */
    MM_LENIENT_LF_BODY = 1 << 5,
    MM_LENIENT_ALL = (1 << 6) - 1
};

#endif
