/* siphash.c - SipHash-2-4.
 *
 * Pure. Written from Aumasson and Bernstein, "SipHash: a fast short-input
 * PRF" (2012), section 2: four words of state set from the key, two rounds a
 * word of input, the length in the last word's top octet, four rounds at the
 * end. Promises the same value on machines of either byte order.
 * Thread: any. */
#include "base/siphash.h"

struct sip_state {
    uint64_t v0;
    uint64_t v1;
    uint64_t v2;
    uint64_t v3;
};

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

static void sip_round(struct sip_state *s)
{
    s->v0 += s->v1;
    s->v2 += s->v3;
    s->v1 = rotate(s->v1, 13) ^ s->v0;
    s->v3 = rotate(s->v3, 16) ^ s->v2;
    s->v0 = rotate(s->v0, 32);
    s->v2 += s->v1;
    s->v0 += s->v3;
    s->v1 = rotate(s->v1, 17) ^ s->v2;
    s->v3 = rotate(s->v3, 21) ^ s->v0;
    s->v2 = rotate(s->v2, 32);
}

static void sip_word(struct sip_state *s, uint64_t word)
{
    s->v3 ^= word;
    sip_round(s);
    sip_round(s);
    s->v0 ^= word;
}

/* Up to eight octets, the first the least. */
static uint64_t load_word(const unsigned char *bytes, size_t size)
{
    uint64_t word = 0;
    for (size_t i = 0; i < size; i++) {
        word |= (uint64_t)bytes[i] << (8 * i);
    }
    return word;
}

uint64_t mm_siphash(struct mm_span data, uint64_t key0, uint64_t key1)
{
    struct sip_state s = {
        key0 ^ UINT64_C(0x736f6d6570736575), /* "somepseu" */
        key1 ^ UINT64_C(0x646f72616e646f6d), /* "dorandom" */
        key0 ^ UINT64_C(0x6c7967656e657261), /* "lygenera" */
        key1 ^ UINT64_C(0x7465646279746573), /* "tedbytes" */
    };
    const unsigned char *at = (const unsigned char *)data.data;
    size_t left = data.size;
    while (left >= 8) {
        sip_word(&s, load_word(at, 8));
        at += 8;
        left -= 8;
    }
    sip_word(&s, load_word(at, left) | (uint64_t)data.size << 56);
    s.v2 ^= 0xff;
    for (int i = 0; i < 4; i++) {
        sip_round(&s);
    }
    return s.v0 ^ s.v1 ^ s.v2 ^ s.v3;
}
