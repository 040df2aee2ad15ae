/* thread: any (the owner's)
 * seven_bit.h - a message on its way to who cannot take it as it is: of 8 bits
 * to a host that takes 7 alone (RFC 6152 3), bodies of its parts become
 * quoted-printable; of binary parts to who takes lines (RFC 3030 3), bodies of
 * those become base64.
 *
 * The message streams through in any pieces and is never held. What was signed
 * or encrypted stays as it is, for a changed one would be no more what its
 * writer signed; so does what is encoded already. Lines end with CRLF. */
#ifndef MM_WIRE_MSG_SEVEN_BIT_H
#define MM_WIRE_MSG_SEVEN_BIT_H

#include "base/buf.h"

/* RFC 2046 5.1.1: with "--" before and behind. */
#define MM_SEVEN_BIT_BOUNDARY_MAX 74
/* Parts in parts; what lies deeper stays as it is. */
#define MM_SEVEN_BIT_DEPTH_MAX 8
/* A line goes through in pieces of at most this. */
#define MM_SEVEN_BIT_PIECE_MAX 1024
#define MM_SEVEN_BIT_TYPE_MAX 1024
#define MM_SEVEN_BIT_ENCODING_MAX 256
/* What one piece may give. */
#define MM_SEVEN_BIT_ROOM 4096

struct mm_seven_bit_boundary {
    char text[MM_SEVEN_BIT_BOUNDARY_MAX];
    size_t size;
    bool is_digest; /* RFC 2046 5.1.5: its parts are messages */
};

struct mm_seven_bit {
    /* A part that is labelled binary cannot be encoded: it was signed,
     * encrypted, is part of a message, or lies too deep. What comes out is no
     * message of lines. */
    bool is_stuck;
    /* seven_bit.c's. */
    bool is_binary; /* binary parts alone are encoded, octet by octet */
    bool owes_end;  /* the last CRLF is the body's, unless a boundary follows */
    unsigned group_size;
    unsigned char group[3]; /* of base64 */
    int mode;
    int field;
    bool is_top;     /* the message's own header */
    bool is_signed;  /* it has a signature */
    bool is_message; /* a message's header, not a part's */
    bool is_mime;    /* it says so */
    bool has_type;
    bool is_digest; /* the part stands in a digest */
    bool after_cr;
    bool in_line; /* a piece of the line has gone through */
    unsigned column;
    size_t depth;
    struct mm_seven_bit_boundary boundaries[MM_SEVEN_BIT_DEPTH_MAX];
    size_t piece_size;
    char piece[MM_SEVEN_BIT_PIECE_MAX];
    size_t type_size; /* Content-Type, unfolded */
    char type[MM_SEVEN_BIT_TYPE_MAX];
    size_t encoding_size; /* Content-Transfer-Encoding, as it came */
    char encoding[MM_SEVEN_BIT_ENCODING_MAX];
};

void mm_seven_bit_init(struct mm_seven_bit *message);
/* A message with binary parts: their octets, bare CR, LF and NUL too, are what
 * base64 gives back. All else comes out as it came. */
void mm_seven_bit_init_binary(struct mm_seven_bit *message);
/* Takes octets for as long as `out` has MM_SEVEN_BIT_ROOM; returns how many. */
size_t mm_seven_bit_write(struct mm_seven_bit *message, struct mm_buf *out,
                          const char *octets, size_t size);
/* The message is whole. Room as above. */
void mm_seven_bit_end(struct mm_seven_bit *message, struct mm_buf *out);

#endif
